"""Exact distances to the k nearest other rows: screened in single precision by BLAS, decided in double precision."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_SPARE = 4
_BLOCK_VALUES = 8_000_000


def nearest_distances(rows: Array, k: int) -> Array:
    """Euclidean distances (n, k), ascending, of each of the float64 ``rows`` (n, d) to its k nearest other rows."""
    n, d = rows.shape
    rows = np.ascontiguousarray(rows)
    centred = rows - rows.mean(axis=0)
    reach = np.sqrt(np.einsum("ij,ij->i", centred, centred).max())
    centred /= reach if reach > 0 else 1.0
    half = np.einsum("ij,ij->i", centred, centred)[:, None] / 2
    ones = np.ones_like(half)
    # Augmented so that one product gives minus half of the squared distance.
    left = np.hstack([centred, -half, ones]).astype(np.float32)
    right = np.hstack([centred, ones, -half]).astype(np.float32)
    # Bound on the rounding of that product for rows of norm at most 1.
    error = np.float32(2 * (d + 8) * 2.0**-24)
    nearest = np.empty((n, k))
    size = max(1, min(n, _BLOCK_VALUES // n))
    for start in range(0, n, size):
        _select(left[start : start + size] @ right.T, start, rows, error, k + _SPARE, nearest)
    return nearest


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _select(closeness: Array, start: int, rows: Array, error: Any, n_kept: int, nearest: Array) -> None:
    n_rows, n = closeness.shape
    k = nearest.shape[1]
    kept = np.empty(n_kept, np.float32)
    where = np.empty(n_kept, np.int64)
    for a in range(n_rows):
        i = start + a
        row = closeness[a]
        row[i] = -np.inf
        kept[:] = -np.inf
        where[:] = -1
        for j in range(n):
            value = row[j]
            if value > kept[n_kept - 1]:
                place = n_kept - 1
                while place > 0 and kept[place - 1] < value:
                    kept[place] = kept[place - 1]
                    where[place] = where[place - 1]
                    place -= 1
                kept[place] = value
                where[place] = j
        bound = kept[k - 1] - 2 * error
        nearest[i, :] = np.inf
        if kept[n_kept - 1] < bound:
            for c in range(n_kept):
                if kept[c] >= bound:
                    _insert(nearest[i], rows[i], rows[where[c]])
        else:
            for j in range(n):
                if row[j] >= bound and j != i:
                    _insert(nearest[i], rows[i], rows[j])


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _insert(nearest: Array, row: Array, other: Array) -> None:
    squared = 0.0
    for c in range(len(row)):
        squared += (row[c] - other[c]) ** 2
    distance = np.sqrt(squared)
    place = len(nearest) - 1
    if distance >= nearest[place]:
        return
    while place > 0 and nearest[place - 1] > distance:
        nearest[place] = nearest[place - 1]
        place -= 1
    nearest[place] = distance
