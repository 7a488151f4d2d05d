"""Reductions over blocks of rows, and functions of small inputs as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.errors import DataValueError
from saegeom_data.lazy.graph import (
    Arrays,
    Memory,
    Result,
    Stage,
    data_of,
    finished,
    in_memory,
    is_lazy,
    is_source,
    keys_of_blocks,
    name_of,
    reads,
    stages_before,
)
from saegeom_data.lazy.work import Work

if TYPE_CHECKING:
    import xarray as xr

# Two at a time keeps the fewest partial results waiting, and these may be large.
_FAN_IN = 2


def rows(
    chunk: Callable[..., Any],
    combine: Callable[[Sequence[Any]], Any],
    finalize: Callable[[Any], Arrays],
    *arrays: xr.DataArray,
    also: Sequence[xr.DataArray] = (),
    outputs: Mapping[str, Result],
    memory: Memory,
    work: Work | None = None,
) -> xr.Dataset:
    """Reduce arrays that share their first dimension, block by block, in one pass.

    Parameters
    ----------
    chunk
        ``chunk(start, *blocks, *also)`` gets the index of its first row and one numpy block of each array, whole in all
        other dims, and returns a partial result.
    combine
        Merges a sequence of partial results into one, ``_FAN_IN`` at a time, in the order of the rows. It must leave
        them as they are: a task may run again.
    finalize
        Turns the last partial result into named arrays.
    *arrays
        Inputs with the same first dimension. Their chunking along it may be any and need not agree.
    also
        Small arrays that every chunk gets whole, such as results of an earlier stage.
    outputs
        Dims, shape and dtype of each named array of ``finalize``.
    memory
        What chunk, partial result and finalize take.
    work
        What all of them compute together. Without it the time of a run is not known.

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
    data, extra = [data_of(array) for array in arrays], [data_of(array) for array in also]
    if not any(map(is_lazy, (*data, *extra))):
        return in_memory(finalize(combine([chunk(0, *data, *extra)])), outputs)
    from dask.base import tokenize

    aligned, others = _aligned(data), [gathered(array) for array in extra]
    token = tokenize(chunk, combine, finalize, *aligned, *others)
    starts = np.cumsum([0, *aligned[0].chunks[0]])[:-1].tolist()
    level = 0
    keys: list[Any] = [(f"rows-chunk-{token}", i) for i in range(len(starts))]
    blocks = zip(*(keys_of_blocks(array) for array in aligned), strict=True)
    tasks: dict[Any, Any] = {
        key: (chunk, start, *same_rows, *map(whole_key, others))
        for key, start, same_rows in zip(keys, starts, blocks, strict=True)
    }
    # A single chunk is combined too: finalize takes what combine gives.
    while len(keys) > 1 or level == 0:
        groups = [keys[i : i + _FAN_IN] for i in range(0, len(keys), _FAN_IN)]
        keys = [(f"rows-combine-{token}", level, i) for i in range(len(groups))]
        tasks |= {key: (combine, group) for key, group in zip(keys, groups, strict=True)}
        level += 1
    stage = Stage(
        pattern="rows",
        function=name_of(chunk),
        reads=reads(*data),
        given=sum(_largest_block(array) for array in aligned if is_source(array)),
        waiting=level + 1,
        memory=memory,
        output=sum(result.nbytes for result in outputs.values()),
        after=1 + stages_before(*data, *extra),
        work=work,
        parts=len(starts),
    )
    sources = [*aligned, *filter(is_lazy, others)]
    return finished(tasks, (finalize, keys[0]), stage, token, outputs, sources)


def whole(
    function: Callable[..., Arrays],
    *arrays: xr.DataArray,
    outputs: Mapping[str, Result],
    memory: Memory,
    work: Work | None = None,
    **named: xr.DataArray | Sequence[xr.DataArray],
) -> xr.Dataset:
    """Call ``function`` once on whole numpy arrays; for inputs small enough to be gathered.

    Parameters
    ----------
    function
        ``function(*arrays, **named)`` returns named arrays. Parameters are bound with :func:`functools.partial`.
    *arrays
        Inputs, gathered whole: one or two. More of them are given by name.
    outputs
        Dims, shape and dtype of each named array.
    memory
        What ``function`` takes beside its inputs, as ``finish``.
    work
        What it computes. Without it the time of a run is not known.
    **named
        Inputs by the names of the function's arguments; a sequence of arrays comes as a list.

    Returns
    -------
    xarray.Dataset
        One variable for each output; lazy if any input is.
    """
    call = _Named(function, len(arrays), {name: _count(given) for name, given in named.items()})
    every = [data_of(array) for array in (*arrays, *(array for given in named.values() for array in _listed(given)))]
    if not any(map(is_lazy, every)):
        return in_memory(call(*every), outputs)
    from dask.base import tokenize

    token = tokenize(function, call.n_by_place, call.counts, *every)
    stage = Stage(
        pattern="whole",
        function=name_of(function),
        reads=reads(*every),
        given=sum(_gathering(array) for array in every),
        waiting=0,
        memory=memory,
        output=sum(result.nbytes for result in outputs.values()),
        after=1 + stages_before(*every),
        work=work,
    )
    collected = [gathered(array) for array in every]
    sources = list(filter(is_lazy, collected))
    return finished({}, (call, *map(whole_key, collected)), stage, token, outputs, sources)


class _Named:
    """A function whose arguments come one after the other, as tasks have them, and are given to it by name.

    ``counts`` has the number of arrays of each name, None for one that is no list.
    """

    def __init__(self, function: Callable[..., Arrays], n_by_place: int, counts: Mapping[str, int | None]) -> None:
        self.function, self.n_by_place, self.counts = function, n_by_place, counts

    def __call__(self, *arguments: Any) -> Arrays:
        by_place, rest = arguments[: self.n_by_place], iter(arguments[self.n_by_place :])
        by_name = {
            name: next(rest) if count is None else [next(rest) for _ in range(count)]
            for name, count in self.counts.items()
        }
        return self.function(*by_place, **by_name)


def _listed(given: xr.DataArray | Sequence[xr.DataArray]) -> Sequence[xr.DataArray]:
    return given if isinstance(given, Sequence) else [given]


def _count(given: xr.DataArray | Sequence[xr.DataArray]) -> int | None:
    return len(given) if isinstance(given, Sequence) else None


def stacked(parts: Sequence[xr.Dataset], dim: str) -> xr.Dataset:
    """Results of tasks that are alike side by side along a new dimension, each still a task of its own.

    Coordinates are those of the first.
    """
    import xarray as xr

    data = {}
    for name, variable in parts[0].data_vars.items():
        values = [part.variables[name].data for part in parts]
        data[name] = ((dim, *variable.dims), _stacked(values))
    return xr.Dataset(data, coords=parts[0].coords)


def _stacked(values: Sequence[Any]) -> Any:
    """Arrays (of one shape, all lazy or none) side by side along a new first dimension."""
    if not is_lazy(values[0]):
        return np.stack(values)
    import dask.array as da

    return da.stack(values)


def _check_rows(arrays: Sequence[xr.DataArray]) -> None:
    """Raise :class:`DataValueError` unless all arrays have the same number of rows, and some."""
    sizes = {f"{array.name} ({array.dims[0]})": array.shape[0] for array in arrays}
    if len({array.shape[0] for array in arrays}) > 1:
        raise DataValueError(f"got {sizes} rows, expected as many in each; they must share their first dimension")
    if not arrays[0].shape[0]:
        raise DataValueError(f"{arrays[0].name}: got 0 {arrays[0].dims[0]}, expected at least 1")


def _aligned(arrays: Sequence[Any]) -> list[Any]:
    """Dask arrays with the first one's chunks along the shared first dimension and one chunk along every other."""
    import dask.array as da

    lazy = [array.chunks[0] for array in arrays if is_lazy(array)]
    chunks = lazy[0] if lazy else (arrays[0].shape[0],)
    # A chunk of no rows would be a task that no metric expects.
    shared = tuple(size for size in chunks if size)
    chunked = []
    for array in arrays:
        data = array if is_lazy(array) else da.from_array(array)
        chunked.append(data.rechunk((shared, *((size,) for size in array.shape[1:]))))
    return chunked


def gathered(data: Any) -> Any:
    """What :func:`.data_of` gave as a whole: values, or a dask array of one chunk."""
    return data.rechunk(data.shape) if is_lazy(data) and data.npartitions > 1 else data


def whole_key(gathered: Any) -> Any:
    """What a task takes for a gathered array: its values, or the key of its only chunk."""
    return (gathered.name, *(0,) * gathered.ndim) if is_lazy(gathered) else gathered


def _gathering(array: Any) -> int:
    """Bytes that it takes to gather an array; results of other stages are there already, but for joined copies."""
    if not is_lazy(array):
        return 0
    # Tiles, which are no source, are held beside the matrix that they are joined to.
    n_copies = 2 if array.npartitions > 1 else int(is_source(array))
    return n_copies * int(array.nbytes)


def _largest_block(array: Any) -> int:
    """Bytes of the largest chunk of a dask array."""
    return int(np.prod(array.chunksize, dtype=np.int64)) * int(array.dtype.itemsize)
