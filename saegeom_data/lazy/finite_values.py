"""A check that values are finite and of a size that metrics can compute with, block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.errors import NotFiniteError

if TYPE_CHECKING:
    import xarray as xr


# The fourth power of a larger value is beyond double precision.
_LARGEST = 1e75


def guard_finite(array: xr.DataArray, where: str) -> xr.DataArray:
    """Return ``array`` with a check that raises :class:`NotFiniteError` at the first NaN, infinite or too large value.

    Too large are values above 1e75: metrics add up fourth powers, which double precision does not hold. Lazy arrays are
    checked block by block when they are computed; those held in memory at once.
    """
    dim = str(array.dims[0]) if array.ndim else ""
    if array.chunks is None:
        _check_finite(np.asarray(array.values), where, dim, 0)
        return array
    import dask.array as da

    # With meta, or dask would try the check on an empty array that has no place in the whole.
    guarded = da.map_blocks(_guard, array.data, where=where, dim=dim, dtype=array.dtype, meta=array.data._meta)
    return array.copy(data=guarded)


def _guard(block: np.ndarray[Any, Any], where: str, dim: str, block_info: Any = None) -> np.ndarray[Any, Any]:
    """Check one block (rows, ...) of a dask array, and give it back."""
    location = block_info[0]["array-location"]
    _check_finite(block, where, dim, location[0][0] if location else 0)
    return block


def _check_finite(block: np.ndarray[Any, Any], where: str, dim: str, start: int) -> None:
    """Raise :class:`DataValueError` at the first bad value of a block; its rows count from ``start``."""
    # A sum is finite only if all values are (or overflows, which the full test settles): it needs no second array.
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(block.sum(dtype=np.float64)) or np.isfinite(block).all()
    # Only double precision holds values that are too large.
    if finite and (block.dtype.itemsize < 8 or not block.size or max(block.max(), -block.min()) <= _LARGEST):
        return
    bad = np.argwhere(~np.isfinite(block) if not finite else np.abs(block) > _LARGEST)[0]
    row = f" {dim} {start + int(bad[0])}" if block.ndim else ""
    value = block[tuple(bad)]
    if finite:
        raise NotFiniteError(f"{where}{row}: got {value:.3g}, expected at most {_LARGEST:g}; scale the values down")
    raise NotFiniteError(f"{where}{row}: got {value}, expected finite values; drop or repair these rows")
