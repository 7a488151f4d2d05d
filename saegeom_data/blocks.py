"""The ways in which a metric touches data: nothing else in this package talks to dask graphs.

``rows`` reduces blocks of rows with ``chunk -> combine -> finalize``; ``whole`` gathers small inputs and calls a
function once. Both give lazy outputs when an input is lazy and computed ones when all inputs are held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.errors import DataValueError

if TYPE_CHECKING:
    import xarray as xr

_FAN_IN = 8


@dataclass(frozen=True)
class Result:
    """Dims, shape and dtype of one output, known before anything is computed."""

    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    dtype: str = "float64"


Arrays = Mapping[str, Any]


def rows(
    chunk: Callable[..., Any],
    combine: Callable[[Sequence[Any]], Any],
    finalize: Callable[[Any], Arrays],
    *arrays: xr.DataArray,
    outputs: Mapping[str, Result],
) -> xr.Dataset:
    """Reduce arrays that share their first dimension, block by block, in one pass.

    Parameters
    ----------
    chunk
        ``chunk(start, *blocks)`` gets the index of its first row and one numpy block of each array, whole in all other
        dims, and returns a partial result.
    combine
        Merges a sequence of partial results into one, up to ``_FAN_IN`` at a time, in the order of the rows.
    finalize
        Turns the last partial result into named arrays.
    *arrays
        Inputs with the same first dimension. Their chunking along it may be any and need not agree.
    outputs
        Dims, shape and dtype of each named array of ``finalize``.

    Returns
    -------
    xarray.Dataset
        One variable for each output; lazy if any input is.

    Raises
    ------
    DataValueError
        If there are no rows at all, or the inputs do not have the same number of them.
    """
    _check_rows(arrays)
    if all(array.chunks is None for array in arrays):
        return _dataset(finalize(combine([chunk(0, *(array.values for array in arrays))])), outputs)
    from dask import delayed
    from dask.base import tokenize

    aligned = _aligned(arrays)
    token = tokenize(chunk, combine, finalize, *aligned)
    bounds = np.cumsum([0, *aligned[0].chunks[0]])
    # Optimising each array by itself would rename shared tasks, and they would run once for every user.
    blocks = [array.to_delayed(optimize_graph=False).reshape(len(bounds) - 1, -1)[:, 0] for array in aligned]
    partials = [
        delayed(chunk, pure=True)(int(start), *same_rows, dask_key_name=f"rows-chunk-{token}-{i}")
        for i, (start, *same_rows) in enumerate(zip(bounds[:-1], *blocks, strict=True))
    ]
    level = 0
    while len(partials) > 1 or level == 0:
        groups = [partials[i : i + _FAN_IN] for i in range(0, len(partials), _FAN_IN)]
        partials = [
            delayed(combine, pure=True)(group, dask_key_name=f"rows-combine-{token}-{level}-{i}")
            for i, group in enumerate(groups)
        ]
        level += 1
    return _lazy_dataset(delayed(finalize, pure=True)(partials[0], dask_key_name=f"rows-finalize-{token}"), outputs)


def whole(function: Callable[..., Arrays], *arrays: xr.DataArray, outputs: Mapping[str, Result]) -> xr.Dataset:
    """Call ``function`` once on whole numpy arrays; for inputs small enough to be gathered.

    Parameters
    ----------
    function
        ``function(*arrays)`` returns named arrays. Parameters are bound with :func:`functools.partial`.
    *arrays
        Inputs, gathered whole: their sizes are the memory that this takes.
    outputs
        Dims, shape and dtype of each named array.

    Returns
    -------
    xarray.Dataset
        One variable for each output; lazy if any input is.
    """
    if all(array.chunks is None for array in arrays):
        return _dataset(function(*(array.values for array in arrays)), outputs)
    from dask import delayed
    from dask.base import tokenize

    token = tokenize(function, *(array.data for array in arrays))
    gathered = [_gathered(array) for array in arrays]
    return _lazy_dataset(delayed(function, pure=True)(*gathered, dask_key_name=f"whole-{token}"), outputs)


def guard_finite(array: xr.DataArray, where: str) -> xr.DataArray:
    """Return ``array`` with a check that raises :class:`DataValueError` at the first NaN or infinite value.

    Lazy arrays are checked block by block when they are computed; those held in memory at once.
    """
    dim = str(array.dims[0]) if array.ndim else ""
    if array.chunks is None:
        _check_finite(np.asarray(array.values), where, dim, 0)
        return array
    import dask.array as da

    guarded = da.map_blocks(_guard, array.data, where=where, dim=dim, dtype=array.dtype, meta=array.data._meta)
    return array.copy(data=guarded)


def _guard(block: np.ndarray[Any, Any], where: str, dim: str, block_info: Any = None) -> np.ndarray[Any, Any]:
    location = block_info[0]["array-location"]
    _check_finite(block, where, dim, location[0][0] if location else 0)
    return block


def _check_finite(block: np.ndarray[Any, Any], where: str, dim: str, start: int) -> None:
    if np.isfinite(block).all():
        return
    bad = np.argwhere(~np.isfinite(block))[0]
    row = f" {dim} {start + int(bad[0])}" if block.ndim else ""
    value = block[tuple(bad)]
    raise DataValueError(f"{where}{row}: got {value}, expected finite values; drop or repair these rows")


def _check_rows(arrays: Sequence[xr.DataArray]) -> None:
    sizes = {f"{array.name} ({array.dims[0]})": array.shape[0] for array in arrays}
    if len({array.shape[0] for array in arrays}) > 1:
        raise DataValueError(f"got {sizes} rows, expected as many in each; they must share their first dimension")
    if not arrays[0].shape[0]:
        raise DataValueError(f"{arrays[0].name}: got 0 {arrays[0].dims[0]}, expected at least 1")


def _aligned(arrays: Sequence[xr.DataArray]) -> list[Any]:
    """Dask arrays with the first array's chunks along the shared dimension and one chunk along every other."""
    import dask.array as da

    dim = arrays[0].dims[0]
    chunks = next(array.chunksizes[dim] for array in arrays if array.chunks is not None)
    shared = tuple(size for size in chunks if size)
    chunked = []
    for array in arrays:
        data = array.data if array.chunks is not None else da.from_array(array.values)
        chunked.append(data.rechunk((shared, *((size,) for size in array.shape[1:]))))
    return chunked


def _gathered(array: xr.DataArray) -> Any:
    """One task that holds the whole array, with the array's own keys behind it, so that its users share them."""
    if array.chunks is None:
        return array.values
    return array.data.rechunk(array.shape).to_delayed(optimize_graph=False).item()


def _dataset(values: Arrays, outputs: Mapping[str, Result]) -> xr.Dataset:
    import xarray as xr

    data = {name: (result.dims, np.asarray(values[name], result.dtype)) for name, result in outputs.items()}
    for name, (_, value) in data.items():
        if value.shape != outputs[name].shape:
            raise AssertionError(f"output {name!r}: got shape {value.shape}, declared {outputs[name].shape}")
    return xr.Dataset(data)


def _lazy_dataset(computed: Any, outputs: Mapping[str, Result]) -> xr.Dataset:
    import dask.array as da
    import xarray as xr

    data = {}
    for name, result in outputs.items():
        value = _item(computed, name, result)
        data[name] = (result.dims, da.from_delayed(value, result.shape, dtype=np.dtype(result.dtype)))
    return xr.Dataset(data)


def _item(computed: Any, name: str, result: Result) -> Any:
    from dask import delayed

    return delayed(_pick, pure=True)(computed, name, result, dask_key_name=f"{computed.key}-{name}")


def _pick(values: Arrays, name: str, result: Result) -> np.ndarray[Any, Any]:
    value = np.asarray(values[name], result.dtype)
    if value.shape != result.shape:
        raise AssertionError(f"output {name!r}: got shape {value.shape}, declared {result.shape}")
    return value
