"""The nearest-neighbour graph of decoder rows."""

from __future__ import annotations

import numpy as np

from saegeom_data.errors import ParameterError
from saegeom_data.typing import Array


def nearest_rows(unit: Array, n_neighbours: int) -> Array:
    """Indices (rows, n_neighbours) of the nearest others of each unit row by cosine, of equals the lower first."""
    from saegeom_data.metrics._kernels.nearest import nearest

    if n_neighbours >= len(unit):
        raise ParameterError(
            f"n_neighbours: got {n_neighbours}, expected at most {len(unit) - 1} for {len(unit)} features"
        )
    return nearest(unit, n_neighbours).index


def edges_of(nearest: Array) -> Array:
    """Edges (2, edges), each pair once: rows joined to those of their list (rows, neighbours), either way; not -1."""
    n, n_neighbours = nearest.shape
    source, target = np.repeat(np.arange(n), n_neighbours), nearest.ravel()
    source, target = source[target >= 0], target[target >= 0]
    # Two rows may list each other, and one number for each pair is quicker to sort than pairs.
    pair = np.unique(np.minimum(source, target) * n + np.maximum(source, target))
    return np.stack(np.divmod(pair, n))


def degrees(edges: Array, n: int) -> Array:
    """Number of edges at each member."""
    return np.bincount(edges.ravel(), minlength=n)
