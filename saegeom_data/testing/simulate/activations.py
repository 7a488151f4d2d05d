"""A store of simulated activations, on disk and of any size."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import xarray as xr

from saegeom_data.data import write
from saegeom_data.typing import Array


def write_simulated_activations(
    path: str | os.PathLike[str],
    *,
    n_tokens: int,
    n_hidden: int,
    n_concepts: int = 32,
    sequence_length: int = 128,
    noise: float = 0.1,
    seed: int = 0,
) -> None:
    """Write a store of activations at one site, of any size, shard by shard.

    An activation is a sum of directions, of which each is on at one token in eight, with an exponential strength, and
    noise; what an SAE should find are the directions. The first token of every sequence is special and a hundred times
    as large.

    Parameters
    ----------
    path
        Folder to make.
    n_tokens, n_hidden, n_concepts
        Sizes.
    sequence_length
        Tokens of a sequence, which is a document too.
    noise
        Standard deviation of the noise on each coordinate.
    seed
        Seed of all draws.

    Examples
    --------
    >>> import saegeom_data, tempfile
    >>> path = tempfile.mkdtemp() + "/activations.zarr"
    >>> write_simulated_activations(path, n_tokens=300, n_hidden=8)
    >>> saegeom_data.open(path)["activations/hidden_state_0/activation"].shape
    (300, 8)
    """
    import dask.array as da

    directions = np.random.default_rng([seed, 0]).standard_normal((n_concepts, n_hidden)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    position = (np.arange(n_tokens) % sequence_length).astype("int32")
    document = (np.arange(n_tokens) // sequence_length).astype("int32")
    # The same values whatever the size of a shard.
    drawn_together = 4096

    def activations(start: int, stop: int) -> Array:
        """Rows (stop - start, hidden): strengths (tokens, concepts) times directions (concepts, hidden), plus noise."""
        # Seeded by place, so that shards can be drawn in any order and by any worker.
        rng = np.random.default_rng([seed, 1, start])
        strength = rng.standard_exponential((stop - start, n_concepts), dtype=np.float32)
        # Sparse and positive, as an SAE assumes: with all on, directions could not be told apart.
        strength *= rng.random(strength.shape, dtype=np.float32) < 1 / 8
        rows = strength @ directions
        rows += np.float32(noise) * rng.standard_normal(rows.shape, dtype=np.float32)
        # As in real models, whose first token is so large that it would dominate any mean.
        rows[position[start:stop] == 0] *= 100
        return np.asarray(rows)

    def shard(block_info: Any = None) -> Array:
        first, last = block_info[None]["array-location"][0]
        starts = range(first, last, drawn_together)
        return np.concatenate([activations(start, min(start + drawn_together, n_tokens)) for start in starts])

    size = max(1, write.shard_rows(n_tokens, 4 * n_hidden)[1] // drawn_together) * drawn_together
    rows = tuple(min(size, n_tokens - start) for start in range(0, n_tokens, size))
    lazy = da.map_blocks(shard, chunks=(rows, (n_hidden,)), dtype=np.float32, meta=np.empty((0, 0), np.float32))
    n_documents = int(document[-1]) + 1
    names = np.array([f"document {index}" for index in range(n_documents)], dtype=object)
    with write.staged(path) as folder:
        root = {"format_version": 1, "kind": "dataset", "title": "Simulated activations", "license": "CC0-1.0"}
        write.write_group(folder, "/", xr.Dataset(attrs=root))
        types = np.full(n_documents, "simulated", dtype=object)
        documents = {"document_id": ("documents", names), "document_type": ("documents", types)}
        write.write_group(folder, "documents", xr.Dataset(documents))
        tokens = {
            "token_id": ("tokens", np.zeros(n_tokens, "int32")),
            "document": ("tokens", document),
            "position": ("tokens", position),
            "is_special": ("tokens", position == 0),
        }
        write.write_group(folder, "tokens", xr.Dataset(tokens))
        attrs = {"model": "simulated", "source_dtype": "float32"}
        write.write_group(
            folder, "activations/hidden_state_0", xr.Dataset({"activation": (("tokens", "hidden"), lazy)}, attrs=attrs)
        )
