"""Clusters of near rows, in the distance in which members of a cluster scatter alike along all axes."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.metrics.atom.crystal_search._quadruples import mutual_pairs
from saegeom_data.typing import Array

# Rows are joined over steps that are at most so much longer than the shortest step of either end.
_STEP = 1.5
# Members of a cluster, at most, in units of k: three times what a row sees of it.
_SIZE = 3
_ROUNDS = 3
# Share of the mean variance that is added to that along each axis, as few members settle a variance badly.
_DAMPING = 0.05


def clusters_of(rows: Array, k: int) -> Array:
    """Cluster (n,) of each of ``rows`` (n, hidden), numbered from 0.

    Pairs of rows that are each among the k nearest of the other are joined, the nearest first, unless their distance is
    over 1.5 times that of either to its nearest, or the cluster would have over 3 k members. Then the covariance S of
    members around their centres is taken, distances become those of x (S + 0.05 mean variance)^(-1/2), and clusters are
    formed anew, three times. Without that an axis along which members of all clusters scatter would split clusters, and
    their offsets along it would be lost.
    """
    from saegeom_data.metrics._kernels.nearest import nearest

    cluster, metric = np.arange(len(rows)), rows
    for left in range(_ROUNDS, -1, -1):
        near = nearest(metric, k)
        cluster = _joined(metric, mutual_pairs(near.distance, near.index, k), near.distance[:, 0], _SIZE * k)
        scatter = _scatter(rows, cluster)
        if not left or not scatter.any():
            break
        variance, axes = np.linalg.eigh(scatter)
        metric = np.ascontiguousarray(rows @ (axes / np.sqrt(np.maximum(variance, 0) + _DAMPING * variance.mean())))
    return cluster


def cluster_bytes(n: int, hidden: int) -> int:
    """Bytes that :func:`clusters_of` takes beside the rows and their neighbours."""
    return 4 * 8 * n * hidden + 6 * 8 * hidden**2


def _scatter(rows: Array, cluster: Array) -> Array:
    """Covariance (hidden, hidden) of rows around the means of their clusters."""
    size = np.bincount(cluster)
    mean = np.zeros((len(size), rows.shape[1]))
    np.add.at(mean, cluster, rows)
    apart = rows - (mean / size[:, None])[cluster]
    return np.asarray(apart.T @ apart / max(len(rows) - len(size), 1))


def _joined(rows: Array, pairs: Array, nearest: Array, most: int) -> Array:
    """Clusters (n,) of at most ``most`` rows: ``pairs`` (pairs, 2) joined in order of their distance."""
    distance = row_norms(rows[pairs[:, 0]] - rows[pairs[:, 1]])
    kept = distance <= _STEP * nearest[pairs].min(axis=1)
    order = np.flatnonzero(kept)[np.argsort(distance[kept], kind="stable")]
    parent, size = list(range(len(rows))), [1] * len(rows)

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for first, second in pairs[order].tolist():
        a, b = root(first), root(second)
        if a != b and size[a] + size[b] <= most:
            parent[b] = a
            size[a] += size[b]
    return np.unique([root(row) for row in range(len(rows))], return_inverse=True)[1]
