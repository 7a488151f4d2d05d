"""Checks of bounds and indices of groups that are stored like CSR matrices, block by block: they may exceed memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data.errors import ParameterError, Problem
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

_VALUES_AT_ONCE = 2**22


def bounds_of(bounds: xr.DataArray, features: slice) -> Array:
    """Read the bounds (features + 1) of a range of features, of those (all + 1) of all.

    Examples
    --------
    >>> import xarray as xr
    >>> bounds_of(xr.DataArray([0, 2, 2, 5]), slice(1, 3)).tolist()
    [2, 2, 5]
    """
    start, stop, step = features.indices(len(bounds) - 1)
    if step != 1:
        raise ParameterError(f"features: got step {step}, expected a range without a step")
    return np.asarray(bounds[start : max(start, stop) + 1].values)


def bounds_problems(bounds: xr.DataArray, size: int, what: str, where: str, repair: str) -> Iterator[Problem]:
    """Find bounds (rows + 1) that do not rise from 0 to ``size``, the number of ``what`` they bound.

    Examples
    --------
    >>> import xarray as xr
    >>> [str(each) for each in bounds_problems(xr.DataArray([0, 2, 1]), 1, "labels", "/a", "import them again")]
    ['/a: bounds do not rise from 0 to 1, the number of labels; import them again']
    """
    n_bounds, last = len(bounds), 0
    # The two ends first: where they are wrong, the rest, which may be long, need not be read.
    rises = n_bounds > 0 and int(bounds[0]) == 0 and int(bounds[-1]) == size
    for start in range(0, n_bounds if rises else 0, _VALUES_AT_ONCE):
        block = bounds[start : start + _VALUES_AT_ONCE].values
        rises = rises and bool(block[0] >= last and (np.diff(block) >= 0).all())
        last = int(block[-1])
    if not rises:
        yield Problem(where, f"bounds do not rise from 0 to {size}, the number of {what}; {repair}")


def index_problems(indices: xr.DataArray, size: int, what: str, where: str, repair: str) -> Iterator[Problem]:
    """Find indices (rows,) outside 0 to ``size`` - 1; ``what`` names a row.

    Examples
    --------
    >>> import xarray as xr
    >>> [str(each) for each in index_problems(xr.DataArray([0, 3, 1]), 2, "label", "/a", "import them again")]
    ['/a: 1 outside 0 to 1, the first is that of label 1; import them again']
    """
    count, first = 0, -1
    for start in range(0, len(indices), _VALUES_AT_ONCE):
        block = indices[start : start + _VALUES_AT_ONCE].values
        outside = np.flatnonzero((block < 0) | (block >= size))
        if len(outside) and not count:
            first = start + int(outside[0])
        count += len(outside)
    if count:
        yield Problem(where, f"{count} outside 0 to {size - 1}, the first is that of {what} {first}; {repair}")
