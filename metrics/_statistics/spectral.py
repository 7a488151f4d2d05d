"""Spectral clustering from one eigen-decomposition that serves every number of clusters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.lazy import each
from saegeom_data.metrics._kernels.eigenpairs import (
    Product,
    by_panels,
    leading_eigenpairs,
    row_panels,
    sizes,
    solver_bytes,
)
from saegeom_data.metrics._kernels.lanczos import are_few, by_lanczos
from saegeom_data.metrics._kernels.lapack import by_lapack
from saegeom_data.metrics._statistics.agreement import mean_rand_index
from saegeom_data.metrics._statistics.k_means import are_fewer, k_means_bytes, partitions_from_starts
from saegeom_data.typing import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array


_DOUBLE_UP_TO = 4096
_COUNTS = (2, 3, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
# Metrics that ask for few clusters still decompose this many components where they may share one decomposition.
_SHARED_COMPONENTS = 32
_DENSE_UP_TO = 2048
# So many rows are scaled sooner than threads are started.
_ALONE_UP_TO = 4096
# Eigenvalues, at most 1 in size, that are nearer than so many times the rounding are equal.
_ROUNDINGS = 16


def matrix_dtype(n: int) -> np.dtype[Any]:
    """Precision of a matrix of pairs of n members: past 4,096, memory counts, and single is exact to a millionth."""
    return np.dtype(np.float64 if n <= _DOUBLE_UP_TO else np.float32)


def lobe_counts(n_lobes: tuple[int, ...] | None, n_features: int, *, at_most: int = _COUNTS[-1]) -> tuple[int, ...]:
    """Numbers of lobes to find, checked; by default the paper's, up to an eighth of the features."""
    most = n_features // 8
    if n_lobes is None:
        n_lobes = tuple(count for count in _COUNTS if count <= min(most, at_most)) or (2,)
    if not n_lobes or len(set(n_lobes)) < len(n_lobes):
        raise ParameterError(f"n_lobes: got {n_lobes}, expected one or more different counts")
    if most < 2:
        raise ParameterError(f"n_lobes: got {n_features} features, expected at least 16, eight for each of two lobes")
    for count in n_lobes:
        if not 2 <= count <= most:
            raise ParameterError(
                f"n_lobes: got {count}, expected 2 to {most}, an eighth of {n_features} features; name smaller counts"
            )
    return n_lobes


def n_components(n_lobes: tuple[int, ...], n_features: int, *, is_shared: bool = True) -> int:
    """Eigenvectors to find: enough for every count, and one more for the gap after the last.

    At least 32 where other metrics may share them, and of many features, where fewer would not take less time.
    """
    wanted = max(n_lobes) + 1
    if is_shared or n_features > _DENSE_UP_TO:
        wanted = max(wanted, _SHARED_COMPONENTS)
    return min(wanted, n_features)


def embed(affinity: Array, n_components: int) -> tuple[Array, Array]:
    """Leading eigenvalues of D^-1/2 A D^-1/2, and its eigenvectors over the square root of degree.

    As in scikit-learn's ``spectral_clustering``, A is the affinity without its diagonal. Members without any affinity
    have no place: their rows are NaN. ``affinity``, in single or double precision, is overwritten.

    Up to 2,048 members, and for a quarter as many components as members, in double precision, by Lanczos iteration for
    few components and by LAPACK for more; above by the block method of :func:`~.eigenpairs.leading_eigenpairs`, in the
    precision of the affinity.
    """
    # With the diagonal, a member alike to none would be a cluster by itself.
    np.fill_diagonal(affinity, 0)
    degree = affinity.sum(axis=1, dtype=np.float64)
    live = _live(degree)
    matrix = _compacted(affinity, live)
    root = np.sqrt(degree[live])
    _scale(matrix, 1 / root)
    value, vector = _eigenpairs(matrix, lambda: _components(matrix), root, n_components)
    return value, _placed(vector, root, live, len(affinity))


def embed_bytes(n: int, n_components: int, itemsize: int) -> int:
    """Peak memory of :func:`embed` beside the affinity, with its result."""
    if is_small(n, n_components):
        return 8 * n * (n + 3 * n_components + 64)
    return solver_bytes(n, n_components, itemsize) + n * (n_components * 2 * itemsize + 64)


def embed_graph(graph: csr_array, n_components: int) -> tuple[Array, Array]:
    """Do as :func:`embed` for a symmetric sparse affinity, which is left as it is.

    Parts of the graph that nothing connects give eigenvalue 1 as many times as there are parts; each of these vectors
    is constant on one part, the heaviest first, and 0 elsewhere.
    """
    from scipy.sparse import csr_array, diags_array
    from scipy.sparse.csgraph import connected_components

    graph = csr_array(graph - diags_array(graph.diagonal(), dtype=graph.dtype))
    graph.eliminate_zeros()
    degree = graph.sum(axis=1, dtype=np.float64)
    live = _live(degree)
    # Sums tell it without a transposed copy; sums of single precision agree to about this.
    if not np.allclose(graph.sum(axis=0, dtype=np.float64), degree, rtol=1e-4):
        raise DataValueError("graph: got rows and columns with different sums, expected a symmetric graph")
    root = np.sqrt(degree[live])
    scale = diags_array((1 / root).astype(graph.dtype))
    matrix = csr_array(scale @ graph[live][:, live] @ scale)
    value, vector = _eigenpairs(matrix, lambda: connected_components(matrix, directed=False)[1], root, n_components)
    return value, _placed(vector, root, live, len(degree))


def graph_bytes(n: int, n_edges: int, n_components: int, itemsize: int) -> int:
    """Peak memory of :func:`embed_graph` beside the graph, with its result; ``n_edges`` counts each edge twice."""
    if is_small(n, n_components):
        return embed_bytes(n, n_components, itemsize) + itemsize * n * n + 4 * n_edges * (itemsize + 8)
    # Without the diagonal, scaled from either side, and in panels; column numbers may be of 8 bytes.
    return embed_bytes(n, n_components, itemsize) + 4 * n_edges * (itemsize + 8)


def embed_product(
    product: Product, degree: Array, part: Array, n_components: int, dtype: np.dtype[Any]
) -> tuple[Array, Array]:
    """Do as :func:`embed` for an affinity A (n, n) that is known by products alone, by the block method.

    Parameters
    ----------
    product
        A without its diagonal, times columns (n, c).
    degree
        Its row sums (n,), all above 0.
    part
        Label (n,) of each member's part of the graph.
    n_components, dtype
        How many components, at most a quarter of n, and the precision of all vectors.
    """
    root = np.sqrt(degree)
    inverse = (1 / root)[:, None]

    def normalised(block: Array) -> Array:
        return np.asarray((inverse * product(inverse * block)).astype(dtype))

    known = _constant_on_components(part, root, n_components)
    value, vector = _by_blocks(normalised, known, n_components, dtype)
    return value, _placed(vector, root, np.arange(len(degree)), len(degree))


def embed_product_bytes(n: int, n_components: int, itemsize: int) -> int:
    """Peak memory of :func:`embed_product` beside what its products take, with its result."""
    vectors = 3 * 8 * n * solver_width(n_components)
    return solver_bytes(n, n_components, itemsize) + n * (2 * n_components * itemsize + 64) + vectors


def solver_width(n_components: int) -> int:
    """Columns that the block method multiplies at a time."""
    return sizes(n_components)[0]


def normalised_cut(affinity: Array, labels: Array) -> float:
    """Sum over clusters of the affinity that leaves a cluster over all affinity of its members, diagonal aside.

    ``labels`` count from 0; members of label -1 take no part.
    """
    keep = np.flatnonzero(labels >= 0)
    labels = labels[keep]
    n_labels = int(labels.max()) + 1
    inside, total = np.zeros(n_labels), np.zeros(n_labels)
    # In panels: a copy of the whole matrix would double what it takes.
    for start in range(0, len(keep), 1024):
        rows = keep[start : start + 1024]
        weights = affinity[rows] if len(keep) == len(affinity) else affinity[np.ix_(rows, keep)]
        weights = weights.astype(np.float64)
        weights[np.arange(len(rows)), start + np.arange(len(rows))] = 0
        own = labels[start : start + 1024]
        np.add.at(total, own, weights.sum(axis=1))
        np.add.at(inside, own, (weights * (own[:, None] == labels)).sum(axis=1))
    # A cluster without any affinity loses none: its share that leaves is 0.
    share = np.divide(inside, total, out=np.ones(n_labels), where=total > 0)
    return float((1 - share).sum())


def cluster(
    embedding: Array,
    eigenvalue: Array,
    n_lobes: tuple[int, ...],
    n_seeds: int,
    seed: int,
    agreement: Callable[[Array], float] = mean_rand_index,
) -> tuple[Array, Array]:
    """k-means on the leading coordinates of members (members, components), for each count of clusters.

    Returns labels (counts, members), by descending size, of the start of least inertia among ``n_seeds``, and the
    ``agreement`` (counts) of all starts (starts, members). What a count gives does not depend on the others. Members
    whose rows are NaN get label -1. So do all, with an agreement of NaN, where there are no such clusters: fewer than
    two members for each, fewer different points, or an ``eigenvalue`` (components) that leaves coordinates to rounding.
    """
    keep = np.flatnonzero(np.isfinite(embedding[:, 0]))
    labels = np.full((len(n_lobes), len(embedding)), -1)
    agreements = np.full(len(n_lobes), np.nan)
    for row, count in enumerate(n_lobes):
        # As many coordinates as clusters, as scikit-learn's spectral_clustering takes.
        points = embedding[keep, :count]
        if len(keep) < 2 * count or not is_determined(eigenvalue, count, len(embedding)) or are_fewer(points, count):
            continue
        starts = partitions_from_starts(points, count, n_seeds, seed)
        labels[row, keep], agreements[row] = by_size(starts[0]), agreement(starts)
    return labels, agreements


def check_enough(embedding: Array, n_lobes: tuple[int, ...]) -> None:
    """Raise :class:`DataValueError` if members with coordinates are fewer than two for each cluster."""
    n = np.count_nonzero(np.isfinite(embedding[:, 0]))
    if n < 2 * max(n_lobes):
        raise DataValueError(
            f"features: got {n} on in min_blocks blocks or more and off in as many, with an affinity to others and a "
            f"decoder row, expected at least {2 * max(n_lobes)} for {max(n_lobes)} lobes; name smaller n_lobes or "
            "min_blocks, or give more blocks"
        )


def is_determined(eigenvalue: Array, count: int, n: int) -> bool:
    """Whether the ``count`` leading eigenvectors, of ``n`` members, are those of the matrix and not of rounding.

    They are not where the next eigenvalue equals the last of theirs: any rotation of what belongs to both would do as
    well. Members that are all alike have all eigenvalues but the first equal. Eigenvalue 1 is one for each part that
    nothing connects to others, and its vectors, which are constant on parts, never split what belongs together.
    """
    precision = float(np.finfo(matrix_dtype(n)).eps)
    n_parts = int(np.count_nonzero(eigenvalue > 1 - np.sqrt(precision)))
    if count <= n_parts:
        return True
    # In single precision eigenvalues of noise lie closer than rounding: there all but those of parts must be equal.
    last = eigenvalue[count - 1] if n <= _DOUBLE_UP_TO else eigenvalue[n_parts]
    least = eigenvalue[count] if n <= _DOUBLE_UP_TO else np.nanmin(eigenvalue)
    return bool(last - least > _ROUNDINGS * precision)


def cluster_bytes(n: int, n_lobes: tuple[int, ...], itemsize: int) -> int:
    """Peak memory of :func:`cluster` beside the embedding, with its result."""
    return n * (max(n_lobes) * itemsize + 8 * len(n_lobes) + 64) + k_means_bytes(n, max(n_lobes))


def by_size(labels: Array) -> Array:
    """Relabel so that label 0 is the largest cluster; of equal ones, that with the earliest member."""
    _, first, inverse, size = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    # lexsort sorts by its last key first: by size, and equal sizes by their earliest member.
    order = np.lexsort((first, -size))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return np.asarray(rank[inverse])


def is_small(n: int, n_components: int) -> bool:
    """Whether the block method is not worth it: the matrix is small, or half of it would be the method's subspace."""
    return n <= largest_small(n_components)


def largest_small(n_components: int) -> int:
    """Most members of a matrix that :func:`is_small`."""
    return max(_DENSE_UP_TO, 2 * sizes(n_components)[2] - 1)


def _live(degree: Array) -> Array:
    """Members with any affinity, but for rounding."""
    if not np.isfinite(degree).all():
        raise DataValueError("affinity: got values that are not finite, expected finite ones")
    return np.flatnonzero(degree > np.finfo(np.float64).eps * degree.max(initial=0))


def _compacted(affinity: Array, keep: Array) -> Array:
    """Rows and columns that are kept, moved together in place."""
    if len(keep) < len(affinity):
        # Rows only move up, so none is overwritten before it is read.
        for place, row in enumerate(keep):
            affinity[place, : len(keep)] = affinity[row, keep]
    return affinity[: len(keep), : len(keep)]


def _scale(matrix: Array, scale: Array) -> None:
    """Multiply rows and columns, in place."""
    scale = scale.astype(matrix.dtype)

    def multiply(rows: slice) -> None:
        matrix[rows] *= scale[rows, None]
        matrix[rows] *= scale

    each(multiply, row_panels(len(matrix)), is_spread=len(matrix) > _ALONE_UP_TO)


def _eigenpairs(matrix: Array | csr_array, parts: Callable[[], Array], root: Array, count: int) -> tuple[Array, Array]:
    """Leading eigenvalues (count,) and eigenvectors (n, count) of D^-1/2 A D^-1/2 (n, n).

    ``root`` (n,) is that of degrees; ``parts`` labels members by the part of the graph that they are in.
    """
    n = len(root)

    def known() -> Array:
        # Krylov spaces hold one copy of a repeated eigenvalue, and 1 is repeated for every part that nothing connects.
        return _constant_on_components(parts(), root, count)

    if not is_small(n, count):
        return _by_blocks(by_panels(matrix), known(), count, matrix.dtype)
    found = by_lanczos(matrix, count, known()) if are_few(n, count) else None
    if found is None:
        found = by_lapack(matrix if isinstance(matrix, np.ndarray) else matrix.toarray(), count)
    value, vector = found
    return value, vector.astype(matrix.dtype)


def _by_blocks(product: Product, known: Array, count: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """The same from products alone, behind the ``known`` eigenvectors (n, parts) of eigenvalue 1."""
    # 1 is the largest eigenvalue there is, so no other pair can come before these.
    if known.shape[1] >= count:
        return np.ones(count), known[:, :count].astype(dtype)
    found = leading_eigenpairs(product, len(known), count, dtype=dtype, known=known)
    return found.value, found.vector


def _components(matrix: Array) -> Array:
    """Label of each member's part of a dense graph."""
    label = np.full(len(matrix), -1)
    for part in range(len(matrix)):
        waiting = np.flatnonzero(label < 0)[:1]
        if not len(waiting):
            break
        label[waiting] = part
        while len(waiting):
            # Some at a time: each holds a row of booleans as long as the matrix.
            rows, waiting = waiting[:256], waiting[256:]
            reached = np.flatnonzero((matrix[rows] > 0).any(axis=0) & (label < 0))
            label[reached] = part
            waiting = np.concatenate([waiting, reached]) if (label < 0).any() else reached[:0]
    return label


def _constant_on_components(label: Array, root: Array, count: int) -> Array:
    """Eigenvectors of eigenvalue 1: the root of degree on one part of the graph, the heaviest parts first."""
    weight = np.bincount(label, root**2)
    heaviest = np.argsort(-weight, kind="stable")[:count]
    # Parts share no member, so these vectors are orthogonal, and of norm 1 by their division.
    known = np.zeros((len(root), len(heaviest)))
    for column, part in enumerate(heaviest):
        members = label == part
        known[members, column] = root[members] / np.sqrt(weight[part])
    return known


def _placed(vector: Array, root: Array, live: Array, n: int) -> Array:
    """Eigenvectors over the root of degree, their largest entries positive, in their members' rows."""
    # The sign of an eigenvector is free, and solvers differ in it.
    sign = np.array([np.sign(column[np.abs(column).argmax()]) for column in vector.T])
    vector *= sign.astype(vector.dtype)
    vector /= root.astype(vector.dtype)[:, None]
    if len(live) == n:
        return vector
    placed = np.full((n, vector.shape[1]), np.nan, vector.dtype)
    placed[live] = vector
    return placed
