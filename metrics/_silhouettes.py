"""Euclidean silhouettes macro-averaged over relations, for many labellings at once."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def distances(points: Array) -> Array:
    """Euclidean distances, shape (..., points, dims) to (..., points, points)."""
    # Relative to their mean, dot products lose least when distances are found from them.
    points = points - points.mean(axis=-2, keepdims=True)
    square = (points**2).sum(axis=-1)
    square = square[..., :, None] + square[..., None, :] - 2 * points @ np.swapaxes(points, -1, -2)
    # Rounding leaves 1e-16 on the diagonal, whose root would show.
    square[..., np.arange(points.shape[-2]), np.arange(points.shape[-2])] = 0
    return np.asarray(np.sqrt(np.maximum(square, 0)))


def indicators(labels: Array, n_relations: int) -> Array:
    """One column for each relation, shape (..., points) to (..., points, relations)."""
    return np.asarray(labels[..., None] == np.arange(n_relations), dtype=np.float64)


def silhouettes(distance: Array, indicator: Array) -> Array:
    """Mean silhouette of each relation's points.

    Shapes (..., points, points) and (..., points, relations) to (..., relations).
    """
    own, other = _own_and_other(distance, indicator)
    values = _silhouette(own, other.min(axis=-1))
    return np.asarray((values[..., None] * indicator).sum(axis=-2) / indicator.sum(axis=-2))


def silhouettes_leave_one_out(distance: Array, label: Array, n_relations: int) -> Array:
    """Macro-averaged silhouette without each point in turn, shape (points,)."""
    indicator = indicators(label, n_relations)
    own, other = _own_and_other(distance, indicator)
    count = indicator.sum(axis=0)
    nearest = other.min(axis=1)
    left = np.empty(len(label))
    for relation in range(n_relations):
        members = np.flatnonzero(label == relation)
        n = len(members)
        rest = label != relation
        # Points of other relations: only their mean distance to this relation changes.
        without = (other[rest, relation, None] * n - distance[np.ix_(rest, members)]) / (n - 1)
        next_best = np.delete(other[rest], relation, axis=1).min(axis=1, initial=np.inf)
        changed = _silhouette(own[rest, None], np.minimum(next_best[:, None], without))
        by_relation = (indicator[rest].T @ changed) / count[:, None]
        # Points of this relation: their own mean distance changes and the point itself is gone.
        within = distance[np.ix_(members, members)]
        mine = _silhouette(
            (own[members, None] * (n - 1) - within) / (n - 2), np.broadcast_to(nearest[members, None], (n, n))
        )
        by_relation[relation] = (mine.sum(axis=0) - np.diag(mine)) / (n - 1)
        left[members] = by_relation.mean(axis=0)
    return left


def _own_and_other(distance: Array, indicator: Array) -> tuple[Array, Array]:
    """Mean distance to the own relation, (..., points), and to each other one, infinite for the own."""
    count = indicator.sum(axis=-2)[..., None, :]
    total = distance @ indicator
    own = (total * indicator).sum(axis=-1) / ((count * indicator).sum(axis=-1) - 1)
    return own, np.where(indicator > 0, np.inf, total / count)


def _silhouette(own: Array, other: Array) -> Array:
    larger = np.maximum(own, other)
    shape = np.broadcast_shapes(own.shape, other.shape)
    return np.asarray(np.divide(other - own, larger, out=np.zeros(shape), where=larger > 0))
