"""Clusters of near rows, in the distance in which members of a cluster scatter alike along all axes."""

from __future__ import annotations

import numpy as np

from saegeom_data.lazy import Work, eigen
from saegeom_data.metrics._statistics.unit_rows import row_norms, unit_rows
from saegeom_data.metrics.atom.crystal_search._quadruples import mutual_pairs
from saegeom_data.metrics.nulls.exchanged_offsets import straightened, straightening_bytes
from saegeom_data.typing import Array

# Rows are joined over steps that are at most so much longer than the shortest step of either end.
_STEP = 1.5
# Members of a cluster, at most, in units of k: three times what a row sees of it.
_SIZE = 3
# A chain of rows that happen to lie between two clusters joins them: those of so many rows must not be farther apart
# than their own rows are, by this factor.
_SETTLED = 4
_APART = 1.5
_ROUNDS = 3


def clusters_of(rows: Array, k: int) -> Array:
    """Cluster (n,) of each of ``rows`` (n, hidden), numbered from 0.

    Pairs of rows that are each among the k nearest of the other are joined, the nearest first, unless their distance is
    over 1.5 times that of either to its nearest, their clusters are farther apart than members are, or the cluster
    would have over 3 k members. Then offsets of members from their centres are whitened, distances become those of the
    directions of whitened rows, and clusters are formed anew, three times. Without that an axis along which members of
    all clusters scatter would split clusters, and their offsets along it would be lost.
    """
    from saegeom_data.metrics._kernels.nearest import nearest

    cluster, metric = np.arange(len(rows)), rows
    # Once more than it is whitened: the last clusters are those of the last distance.
    for left in range(_ROUNDS, -1, -1):
        near = nearest(metric, k)
        cluster = _joined(metric, mutual_pairs(near.distance, near.index, k), near.distance[:, 0], _SIZE * k)
        if left:
            metric = unit_rows(rows @ straightened(rows, cluster).whitening)
    return cluster


def cluster_bytes(n: int, hidden: int) -> int:
    """Bytes that :func:`clusters_of` takes beside the rows and their neighbours."""
    return straightening_bytes(n, hidden) + 3 * 8 * n * hidden


def clustering_work(n: int, hidden: int, k: int) -> Work:
    """What :func:`clusters_of` n rows, and parts of the clusters, compute: pairs are joined one by one."""
    joining = Work(passes=100 * n * hidden, calls=8 * n * k / 6)
    from saegeom_data.metrics._kernels.nearest import nearest_work

    straight = 4 * Work(products=4 * n * hidden**2, passes=200 * n * hidden) + 4 * eigen(hidden)
    return (_ROUNDS + 1) * (nearest_work(n, hidden, k) + joining + straight)


def _joined(rows: Array, pairs: Array, nearest: Array, most: int) -> Array:
    """Clusters (n,) of at most ``most`` rows: ``pairs`` (pairs, 2) joined in order of their distance.

    Groups A and B of 4 rows or more are joined only if the mean of |a - b|^2 over both is at most 1.5 times the mean of
    |a - a'|^2 within either.
    """
    distance = row_norms(rows[pairs[:, 0]] - rows[pairs[:, 1]])
    kept = distance <= _STEP * nearest[pairs].min(axis=1)
    # Pairs of one distance stay in their order: how numpy's faster sorts leave them depends on the processor.
    order = np.flatnonzero(kept)[np.argsort(distance[kept], kind="stable")]
    parent, size = list(range(len(rows))), [1] * len(rows)
    # The sum of a group and that of its squared lengths give all mean squared distances, without
    # a look at pairs of rows.
    total, square = rows.copy(), np.einsum("ij,ij->i", rows, rows)

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    def within(a: int) -> float:
        return float(2 * (square[a] - total[a] @ total[a] / size[a]) / (size[a] - 1))

    def is_apart(a: int, b: int) -> bool:
        if min(size[a], size[b]) < _SETTLED:
            return False
        between = square[a] / size[a] + square[b] / size[b] - 2 * total[a] @ total[b] / (size[a] * size[b])
        return bool(between > _APART * max(within(a), within(b)))

    for first, second in pairs[order].tolist():
        a, b = root(first), root(second)
        if a != b and size[a] + size[b] <= most and not is_apart(a, b):
            parent[b] = a
            size[a] += size[b]
            total[a] += total[b]
            square[a] += square[b]
    return np.unique([root(row) for row in range(len(rows))], return_inverse=True)[1]
