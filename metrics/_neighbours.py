"""The nearest-neighbour graph of decoder rows, and how a partition lies on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from saegeom_data.errors import ParameterError

Array = np.ndarray[Any, np.dtype[Any]]

_ROWS = 1024


def unit_rows(decoder: Array) -> Array:
    """Rows over their norms, as float64; rows of zero norm stay zero."""
    rows = decoder.astype(float)
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, norm, out=np.zeros_like(rows), where=norm > 0))


def neighbour_graph(unit: Array, n_neighbours: int) -> Array:
    """Edges (2, edges), each pair once: rows joined to their ``n_neighbours`` nearest by cosine, either way."""
    n = len(unit)
    if n_neighbours >= n:
        raise ParameterError(f"n_neighbours: got {n_neighbours}, expected at most {n - 1} for {n} features")
    nearest = np.empty((n, n_neighbours), np.intp)
    for start in range(0, n, _ROWS):
        cosine = unit[start : start + _ROWS] @ unit.T
        block = np.arange(len(cosine))
        cosine[block, start + block] = -np.inf
        nearest[start : start + _ROWS] = np.argpartition(-cosine, n_neighbours - 1, axis=1)[:, :n_neighbours]
    source, target = np.repeat(np.arange(n), n_neighbours), nearest.ravel()
    pair = np.unique(np.minimum(source, target) * n + np.maximum(source, target))
    return np.stack(np.divmod(pair, n))


def neighbour_agreement(labels: Array, edges: Array) -> Array:
    """Share of edges with both ends in one class, for labels (..., members)."""
    return np.asarray((labels.take(edges[0], axis=-1) == labels.take(edges[1], axis=-1)).mean(axis=-1))


def expected_agreement(labels: Array, degree: Array, n_labels: int) -> Array:
    """The share of edges within a class expected from degrees alone: sum of (degree of class / 2m)^2."""
    stacked = labels.reshape(-1, labels.shape[-1])
    cell = stacked + np.arange(len(stacked))[:, None] * n_labels
    weight = np.broadcast_to(degree, stacked.shape)
    by_class = np.bincount(cell.ravel(), weight.ravel(), len(stacked) * n_labels).reshape(*labels.shape[:-1], n_labels)
    return np.asarray(((by_class / degree.sum()) ** 2).sum(axis=-1))


def degrees(edges: Array, n: int) -> Array:
    """Number of edges at each member."""
    return np.bincount(edges.ravel(), minlength=n)
