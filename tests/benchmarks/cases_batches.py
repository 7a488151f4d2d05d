"""Shuffled batches of activations, beside reading the same store from its beginning to its end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from case import Array, Case, Peer


def _store(folder: Path, *, n_tokens: int, n_hidden: int) -> Path:
    from saegeom_data.testing.simulate import write_simulated_activations

    path = folder / "activations.zarr"
    if not path.exists():
        write_simulated_activations(path, n_tokens=n_tokens, n_hidden=n_hidden)
    return path


def _shuffled(path: Path) -> Array:
    import saegeom_data

    with saegeom_data.open(path) as tree:
        given = saegeom_data.batches(tree, "hidden_state_0", 4096, special_tokens=True)
        return np.sum([_seen(batch) for batch in given], axis=0)


def _sequential(path: Path) -> Array:
    import torch

    import saegeom_data

    with saegeom_data.open(path) as tree:
        rows = tree["activations/hidden_state_0/activation"].data
        shards = (rows.blocks[i].compute(scheduler="synchronous") for i in range(rows.numblocks[0]))
        return np.sum([_seen(torch.from_numpy(shard)) for shard in shards], axis=0)


def _seen(rows: object) -> Array:
    """Number of rows and their sum in one column, which stand for all of them."""
    values = np.asarray(rows)
    return np.array([len(values), values[:, 0].sum(dtype=np.float64)])


def _close(ours: Array, theirs: Array) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


CASES = {
    "batches": Case(
        "shuffled batches of 4,096 of 1,000,000 x 768 activations, 3 GB, from zarr (`batches`)",
        {"n_tokens": 9000, "n_hidden": 16},
        {"n_tokens": 1_000_000, "n_hidden": 768},
        _store,
        _shuffled,
        {"reading the store in order, no shuffle": Peer(_sequential, 0.8, _close)},
    )
}
