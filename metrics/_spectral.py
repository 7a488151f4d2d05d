"""Spectral clustering from one eigen-decomposition that serves every number of clusters."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from saegeom_data.errors import DataValueError, ParameterError

from ._agreement import adjusted_rand_index

Array = np.ndarray[Any, np.dtype[Any]]

_COUNTS = (2, 3, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
# Metrics that ask for few clusters still decompose this many components, so that they share one decomposition.
_LEAST_COMPONENTS = 32
_DENSE_UP_TO = 4096


def lobe_counts(n_lobes: tuple[int, ...] | None, n_features: int, *, at_most: int = _COUNTS[-1]) -> tuple[int, ...]:
    """Numbers of lobes to find, checked; by default the paper's, up to an eighth of the features."""
    most = n_features // 8
    if n_lobes is None:
        n_lobes = tuple(count for count in _COUNTS if count <= min(most, at_most)) or (2,)
    if not n_lobes or len(set(n_lobes)) < len(n_lobes):
        raise ParameterError(f"n_lobes: got {n_lobes}, expected one or more different counts")
    for count in n_lobes:
        if not 2 <= count <= most:
            raise ParameterError(
                f"n_lobes: got {count}, expected 2 to {most}, an eighth of {n_features} features; name smaller counts"
            )
    return n_lobes


def n_components(n_lobes: tuple[int, ...], n_features: int) -> int:
    """Eigenvectors to find: enough for every count, and one more for the gap after the last."""
    return min(max(_LEAST_COMPONENTS, max(n_lobes) + 1), n_features)


def embed(affinity: Array, n_components: int) -> tuple[Array, Array]:
    """Leading eigenvalues of D^-1/2 A D^-1/2, and its eigenvectors over the square root of degree.

    As in scikit-learn's ``spectral_clustering``, A is the affinity without its diagonal. ``affinity`` is overwritten.
    """
    np.fill_diagonal(affinity, 0)
    degree = affinity.sum(axis=1)
    root = np.sqrt(np.where(degree > 0, degree, 1))
    affinity /= root[:, None]
    affinity /= root[None, :]
    value, vector = _leading(affinity, min(n_components, len(affinity)))
    largest = np.abs(vector).argmax(axis=0)
    vector *= np.sign(vector[largest, np.arange(vector.shape[1])])
    return value, vector / root[:, None]


def _leading(matrix: Array, count: int) -> tuple[Array, Array]:
    n = len(matrix)
    if n <= _DENSE_UP_TO or count > n // 8:
        from scipy.linalg import eigh

        value, vector = eigh(matrix, subset_by_index=(n - count, n - 1), overwrite_a=True, check_finite=False)
    else:
        from scipy.sparse.linalg import eigsh

        value, vector = eigsh(matrix, k=count, which="LA", v0=np.full(n, n**-0.5))
    order = np.argsort(-value, kind="stable")
    return value[order], vector[:, order]


def cluster(embedding: Array, n_lobes: tuple[int, ...], n_seeds: int, seed: int) -> tuple[Array, Array]:
    """k-means on the leading rows' coordinates, for each count; rows of NaN are left out and get label -1.

    Returns labels (counts, rows), by descending size, of the best of ``n_seeds`` starts, and the starts' mean pairwise
    adjusted Rand index (counts).
    """
    # Imported here because limits reach only libraries that are loaded.
    import sklearn.cluster  # noqa: F401
    from threadpoolctl import threadpool_limits

    keep = np.flatnonzero(np.isfinite(embedding[:, 0]))
    if len(keep) < 2 * max(n_lobes):
        raise DataValueError(
            f"got {len(keep)} features that fire in some but not all blocks and have a decoder row, expected at least "
            f"{2 * max(n_lobes)} for {max(n_lobes)} lobes; name smaller n_lobes or give more blocks"
        )
    labels = np.full((len(n_lobes), len(embedding)), -1)
    agreement = np.empty(len(n_lobes))
    # k-means is small here, and OpenMP threads inside dask threads make it many times slower.
    with threadpool_limits(limits=1, user_api="openmp"):
        for row, count in enumerate(n_lobes):
            labels[row, keep], agreement[row] = _k_means(embedding[keep, :count], count, n_seeds, seed)
    return labels, agreement


def _k_means(points: Array, count: int, n_seeds: int, seed: int) -> tuple[Array, float]:
    from sklearn.cluster import KMeans

    n_distinct = len(np.unique(np.round(points / np.abs(points).max(axis=0), 9), axis=0))
    if n_distinct < count:
        raise DataValueError(
            f"got features at {n_distinct} distinct points, too few for {count} lobes; name smaller n_lobes"
        )
    states = np.random.default_rng([seed, count]).integers(2**31 - 1, size=n_seeds)
    fits = [KMeans(count, n_init=1, random_state=int(state)).fit(points) for state in states]
    best = min(fits, key=lambda fit: float(fit.inertia_))
    pairs = [adjusted_rand_index(one.labels_, other.labels_, count) for one, other in combinations(fits, 2)]
    return by_size(best.labels_), float(np.mean(pairs)) if pairs else 1.0


def by_size(labels: Array) -> Array:
    """Relabel so that label 0 is the largest cluster; of equal ones, that with the earliest member."""
    _, first, inverse, size = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -size))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return np.asarray(rank[inverse])
