"""Kernel of :mod:`saegeom_data.data.occurrence`, apart so that numba is loaded only where codes are read."""

from __future__ import annotations

import numba
import numpy as np

from saegeom_data.typing import Array


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def mark(on: Array, block: Array, bounds: Array, data: Array, indices: Array, threshold: float) -> int:
    """Set ``on[block[row], feature]`` wherever an entry is above ``threshold``; rows of block -1 are passed over.

    Shapes: on (blocks, features) bool, block (rows,) int64, bounds (rows + 1,) int64, data and indices (entries,).

    Stops at the first entry that is NaN, names no feature or does not come after the one before it in its row, and
    returns its number; -1 if there is none. Of the row of that entry nothing is marked.
    """
    n_features = on.shape[1]
    for row in range(len(block)):
        if block[row] < 0:
            continue
        last = -1
        # All entries of a row before any is marked, so that a row that is refused is not marked in part.
        for entry in range(bounds[row], bounds[row + 1]):
            feature = indices[entry]
            if feature <= last or feature >= n_features or np.isnan(data[entry]):
                return entry
            last = feature
        for entry in range(bounds[row], bounds[row + 1]):
            # Compared in double precision, so the threshold is not rounded to that of the data.
            if np.float64(data[entry]) > threshold:
                on[block[row], indices[entry]] = True
    return -1
