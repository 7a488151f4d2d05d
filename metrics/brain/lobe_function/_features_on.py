"""Features on in each block, lobe by lobe, for many ways of dividing features into lobes at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Result
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

# Blocks in single precision at a time: sums of 0 and 1 that are exact.
_SLICE = 1024


def features_on(occurrence: xr.DataArray, half: xr.DataArray, lobe: xr.DataArray, n_columns: int) -> xr.DataArray:
    """Features on in each block of half 1 (blocks, columns), 0 in others: for each lobe of the first division, and on.

    ``lobe`` (divisions, features) is -1 for features in none. Blocks are read a second time, as lobes must be known.
    """
    n_blocks, n = occurrence.shape
    result = Result(("blocks", "columns"), (n_blocks, n_columns), "int32")
    found = lazy.rows(
        partial(_count_on, n_columns=n_columns),
        _concatenated,
        _named,
        *(lazy.again(occurrence, lobe), half),
        also=[lobe],
        outputs={"on": result},
        memory=lazy.Memory(task=4 * n * (_SLICE + n_columns) + 4 * _SLICE * n_columns, partial=result.nbytes),
        # Half of the blocks, in single precision.
        work=lazy.Work(products=n_blocks * n * n_columns / 4, passes=8 * n_blocks * (n + 2 * n_columns), calls=50),
    )
    return found["on"]


# Features on in each lobe of a division (blocks, lobes), and how many features each lobe has (lobes).
Division = tuple[Array, Array]


def columns_of(lobe: Array, on: Array) -> list[Division]:
    """Columns (blocks, lobes) and sizes (lobes) of each division of ``lobe`` (divisions, features)."""
    sizes = [np.bincount(labels[labels >= 0]).astype(float) for labels in lobe]
    starts = np.cumsum([0, *(len(size) for size in sizes)])
    return [(on[:, start : start + len(size)].astype(float), size) for start, size in zip(starts, sizes, strict=False)]


def _count_on(start: int, occurrence: Array, half: Array, lobe: Array, *, n_columns: int) -> Array:
    """Features on (blocks, columns) in each lobe: occurrence times the indicator of membership (features, columns)."""
    member = np.concatenate(
        [(labels[:, None] == np.arange(labels.max() + 1)).astype(np.float32) for labels in lobe], axis=1
    )
    found = np.zeros((len(occurrence), n_columns), np.int32)
    rows = np.flatnonzero(half == 1)
    # In single precision, which BLAS multiplies fastest: sums of 0 and 1 are exact in it up to 2 ** 24.
    for first in range(0, len(rows), _SLICE):
        part = rows[first : first + _SLICE]
        # k-means may leave fewer lobes than were asked for.
        found[part, : member.shape[1]] = occurrence[part].astype(np.float32) @ member
    return found


def _concatenated(partials: Sequence[Array]) -> Array:
    """Counts (blocks, columns) of all chunks, one after the other."""
    return np.concatenate(list(partials))


def _named(values: Array) -> lazy.Arrays:
    return {"on": values}
