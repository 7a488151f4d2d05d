"""P4: lobes for many counts, from one eigen-decomposition, beside spectral clustering refitted for each count.

Counts go to 256: for 512 alone the peer takes longer than for all others together.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from case import Array, Case, Peer

Task = tuple[Array, tuple[int, ...]]


def _phi(folder: Path, *, n: int, n_blocks: int, n_lobes: int, most: int) -> Task:
    """Phi + 1 of features with planted lobes amid noise, and counts 2, 4, ..., most."""
    from saegeom_data.testing.simulate import simulate_sae

    sae = simulate_sae(n_features=n, n_hidden=2, n_blocks=n_blocks, n_lobes=n_lobes, function_strength=0.5)
    fires = sae.occurrence.values.astype(np.float32)
    fires -= fires.mean(axis=0)
    fires /= np.linalg.norm(fires, axis=0)
    return fires.T @ fires + 1, tuple(2**power for power in range(1, most.bit_length()))


def _lobes(task: Task) -> tuple[Array, Array]:
    from saegeom_data.metrics._statistics.spectral import cluster, embed, n_components

    affinity, counts = task
    value, embedding = embed(affinity.copy(), n_components(counts, len(affinity)))
    return affinity, cluster(embedding, value, counts, 10, 42)[0]


def _refitted(task: Task) -> tuple[Array, Sequence[Array]]:
    from sklearn.cluster import SpectralClustering

    affinity, counts = task
    return affinity, [
        SpectralClustering(count, affinity="precomputed", random_state=42).fit_predict(affinity) for count in counts
    ]


def _cuts_as_small(ours: tuple[Array, Array], theirs: tuple[Array, Sequence[Array]]) -> None:
    from saegeom_data.metrics._statistics.spectral import normalised_cut

    for mine, peer in zip(ours[1], theirs[1], strict=True):
        assert normalised_cut(ours[0], mine) <= 1.01 * normalised_cut(theirs[0], peer)


CASES = {
    "P4": Case(
        "lobes for 2, 4, ..., 256 of 8,192 features from a dense affinity, ten starts each",
        {"n": 500, "n_blocks": 800, "n_lobes": 4, "most": 32},
        {"n": 8192, "n_blocks": 8192, "n_lobes": 16, "most": 256},
        _phi,
        _lobes,
        {"scikit-learn `SpectralClustering`, refitted for each count": Peer(_refitted, 10, _cuts_as_small)},
    )
}
