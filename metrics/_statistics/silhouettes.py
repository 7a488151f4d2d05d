"""Euclidean silhouettes by relation, from nested coordinates."""

from __future__ import annotations

import numpy as np

from saegeom_data.typing import Array


def indicators(labels: Array, n_relations: int) -> Array:
    """One column for each relation, shape (..., points) to (..., points, relations)."""
    return np.asarray(labels[..., None] == np.arange(n_relations), dtype=np.float64)


def silhouettes_of_sums(total: Array, indicator: Array) -> Array:
    """Mean silhouette (..., relations) of each relation's points, from each point's summed distances to each relation.

    Shapes (..., points, relations) twice.
    """
    own, other = _own_and_other(total, indicator)
    values = _silhouette(own, other.min(axis=-1))
    return np.asarray((values[..., None] * indicator).sum(axis=-2) / indicator.sum(axis=-2))


def nested_silhouettes(points: Array, label: Array, n_relations: int, n_dims: tuple[int, ...]) -> Array:
    """Mean silhouette of each relation's points in the first few dimensions, for several numbers of them.

    Shape (points, dims) to (numbers, relations). Distances grow from one number of dimensions to the next and are never
    held: memory is numbers x points x relations.
    """
    from saegeom_data.metrics._kernels import word_pairs as compiled

    label = np.asarray(label, dtype=np.int64)
    total = np.zeros((len(n_dims), len(points), n_relations))
    order = np.argsort(n_dims)
    bounds = np.asarray(n_dims, dtype=np.int64)[order]
    compiled.sum_distances(np.ascontiguousarray(points, dtype=np.float64), label, bounds, total)
    indicator = indicators(label, n_relations)
    found = np.empty((len(n_dims), n_relations))
    found[order] = silhouettes_of_sums(total, np.broadcast_to(indicator, total.shape))
    return found


def _own_and_other(total: Array, indicator: Array) -> tuple[Array, Array]:
    """Mean distance to the own relation, (..., points), and to each other one, infinite for the own."""
    count = indicator.sum(axis=-2)[..., None, :]
    # A point is not among its own neighbours.
    own = (total * indicator).sum(axis=-1) / ((count * indicator).sum(axis=-1) - 1)
    return own, np.where(indicator > 0, np.inf, total / count)


def _silhouette(own: Array, other: Array) -> Array:
    """(b - a) / max(a, b) for mean distances a to the own relation and b to the nearest other; 0 if both are 0."""
    larger = np.maximum(own, other)
    shape = np.broadcast_shapes(own.shape, other.shape)
    return np.asarray(np.divide(other - own, larger, out=np.zeros(shape), where=larger > 0))
