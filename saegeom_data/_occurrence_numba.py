"""Kernel of :mod:`saegeom_data.occurrence`, apart so that numba is loaded only where codes are read."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def mark(on: Array, block: Array, bounds: Array, data: Array, indices: Array, threshold: float) -> int:
    """Set ``on[block[row], feature]`` wherever an entry is above ``threshold``; rows of block -1 are passed over.

    Stops at the first entry that is NaN, names no feature or does not come after the one before it in its row, and
    returns its number; -1 if there is none. Of the row of that entry nothing is marked.
    """
    n_features = on.shape[1]
    for row in range(len(block)):
        if block[row] < 0:
            continue
        last = -1
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
