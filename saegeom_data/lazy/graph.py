"""What the patterns share: results, statements of memory, and the stages that tell a planner of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from saegeom_data.lazy.work import Work

if TYPE_CHECKING:
    import xarray as xr

Arrays = Mapping[str, Any]

BLOCK_BYTES = "saegeom_data.block_bytes"
_DEFAULT_BLOCK_BYTES = 64 * 2**20
_FINISH = "finish"
SECOND_READING = "again"


@dataclass(frozen=True)
class Result:
    """Dims, shape and dtype of one output, known before anything is computed."""

    dims: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    dtype: str = "float64"

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Memory:
    """Bytes that a stage takes beside the blocks that it is given.

    Parameters
    ----------
    task
        While one chunk or tile is in work.
    partial
        Of each partial result that waits for others.
    finish
        While the last step runs, beyond what it is given.
    lower
        The parameter that makes all this smaller, for the error when it does not fit.
    """

    task: int = 0
    partial: int = 0
    finish: int = 0
    lower: str = ""


@dataclass(frozen=True)
class Stage:
    """One stage of a graph as the planner sees it; all sizes are bytes.

    Parameters
    ----------
    pattern
        How the data is touched.
    function
        What the stage computes, in words for a person.
    reads
        Bytes that come from outside the graph, by array.
    given
        Blocks from outside the graph that one task has in hand.
    waiting
        Most partial results that wait at a time.
    memory
        What the stage states of itself.
    output
        All of its outputs.
    after
        Number of stages on the longest way from the data to this one.
    work
        What the stage computes in all, as it states of itself; None if it does not.
    parts
        Tasks that may be in work side by side.
    """

    pattern: Literal["rows", "pairs", "tiles", "whole"]
    function: str
    reads: Mapping[str, int] = field(hash=False)
    given: int
    waiting: int
    memory: Memory
    output: int
    after: int
    work: Work | None = None
    parts: int = 1


class Finish:
    """The last task of a stage, which carries the stage's description through the graph."""

    def __init__(self, function: Callable[..., Arrays], stage: Stage) -> None:
        self.function = function
        self.stage = stage

    def __call__(self, *arguments: Any) -> Arrays:
        """Run the task."""
        return self.function(*arguments)


def find_stages(graph: Mapping[Any, Any]) -> dict[Any, Stage]:
    """All stages of a dask graph, by the keys of their last tasks."""
    found = {}
    for key, task in graph.items():
        # A task is a tuple as written here, and an object once dask has converted the graph.
        function = task[0] if isinstance(task, tuple) else getattr(task, "func", None)
        if isinstance(function, Finish):
            found[key] = function.stage
    return found


def data_of(array: xr.DataArray) -> Any:
    """Dask array of a lazy array, and values of one that is in memory."""
    return array.data if array.chunks is not None else array.values


def is_lazy(data: Any) -> bool:
    """Whether what :func:`data_of` gave is a dask array."""
    return not isinstance(data, np.ndarray)


def stages_before(*data: Any) -> int:
    """Stages on the longest way to any of ``data`` (as of :func:`data_of`)."""
    return max((stage.after for array in data if is_lazy(array) for stage in _nearest_stages(array)), default=0)


def reads(*data: Any, times: float = 1) -> dict[str, int]:
    """Bytes that come from outside the graph when ``data`` are read so many times, by the name of the dask array."""
    lazy = [array for array in data if is_lazy(array)]
    return {array.name: int(times * array.nbytes) for array in lazy if is_source(array)}


def is_source(array: Any) -> bool:
    """Whether a dask array comes from outside the graph: from no stage, or as a second reading."""
    return array.name.startswith(SECOND_READING) or not _nearest_stages(array)


def _nearest_stages(array: Any) -> list[Stage]:
    """Stages whose outputs a dask array is made of, but not those before them."""
    graph = array.__dask_graph__()
    waiting, seen, last = [array.name], set(), {}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        # The last task of a stage is a layer of its own, under a name that starts alike.
        if isinstance(name, str) and name.startswith(f"{_FINISH}-"):
            last[name] = graph.layers[name][name]
        else:
            waiting.extend(graph.dependencies[name])
    return list(find_stages(last).values())


def name_of(function: Any) -> str:
    """Name of what a stage computes, for a person: public module and name of the innermost function."""
    # Metrics bind their parameters with functools.partial, which has no name.
    while hasattr(function, "func"):
        function = function.func
    parts = function.__module__.split(".")
    # A private part of a metric is told by the metric's name, which is the one that a person has asked for.
    public = next((part for part in reversed(parts) if not part.startswith("_")), parts[-1])
    return f"{public}.{function.__qualname__}"


def keys_of_blocks(array: Any) -> list[Any]:
    """Keys of the blocks along the first dimension of a dask array that has one block along every other."""
    return [(array.name, index, *(0,) * (array.ndim - 1)) for index in range(array.numblocks[0])]


def finished(
    tasks: Mapping[Any, Any],
    last: tuple[Any, ...],
    stage: Stage,
    token: str,
    outputs: Mapping[str, Result],
    sources: Sequence[Any],
) -> xr.Dataset:
    """Lazy dataset of a stage.

    ``tasks`` are all its tasks but the last, which calls ``last[0]`` on the rest of ``last``; ``sources`` are the dask
    arrays whose keys the tasks name.
    """
    import dask.array as da
    import xarray as xr
    from dask.highlevelgraph import HighLevelGraph

    name = f"{_FINISH}-{stage.pattern}-{token}"
    layer = {**tasks, name: (Finish(last[0], stage), *last[1:])}
    graph = HighLevelGraph.from_collections(name, layer, dependencies=list(sources))
    data = {}
    for output, result in outputs.items():
        own = f"output-{output}-{token}"
        # Picked from one task, so that the last step runs once for all outputs.
        picked = {(own, *(0,) * len(result.shape)): (_Pick(output, result), name)}
        extended = HighLevelGraph({**graph.layers, own: picked}, {**graph.dependencies, own: {name}})
        chunks = tuple((size,) for size in result.shape)
        data[output] = (result.dims, da.Array(extended, own, chunks, dtype=np.dtype(result.dtype)))
    return xr.Dataset(data)


class _Pick:
    def __init__(self, name: str, result: Result) -> None:
        self.name = name
        self.result = result

    def __call__(self, values: Arrays) -> np.ndarray[Any, Any]:
        return _picked(values, self.name, self.result)


def announced(tasks: Mapping[Any, Any], own: str, stage: Stage, token: str, sources: Sequence[Any]) -> Any:
    """Graph of a stage without a last task: each of ``tasks`` first waits for one that carries the description."""
    from dask.highlevelgraph import HighLevelGraph

    # Tiles are written as they come and meet in no last task, so the description goes before them.
    name = f"{_FINISH}-{stage.pattern}-{token}"
    waiting = {key: (_After(task[0]), name, *task[1:]) for key, task in tasks.items()}
    start = HighLevelGraph({name: {name: (Finish(_no_arrays, stage),)}}, {name: set()})
    whole = HighLevelGraph.merge(start, *(source.__dask_graph__() for source in sources))
    upstream = {name, *(source.name for source in sources)}
    return HighLevelGraph({**whole.layers, own: waiting}, {**whole.dependencies, own: upstream})


def _no_arrays() -> Arrays:
    return {}


class _After:
    """A function whose first argument is only waited for."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, _: Any, *arguments: Any) -> Any:
        return self.function(*arguments)


def block_bytes() -> int:
    """Budget of a block of rows, in bytes: dask configuration ``saegeom_data.block_bytes``, 64 MiB by default."""
    import dask

    return int(dask.config.get(BLOCK_BYTES, _DEFAULT_BLOCK_BYTES))


def in_memory(values: Arrays, outputs: Mapping[str, Result]) -> xr.Dataset:
    """Dataset of values that are there already."""
    import xarray as xr

    return xr.Dataset({name: (result.dims, _picked(values, name, result)) for name, result in outputs.items()})


def _picked(values: Arrays, name: str, result: Result) -> np.ndarray[Any, Any]:
    """One output in its declared dtype; its shape must be the declared one."""
    value = np.asarray(values[name], result.dtype)
    if value.shape != result.shape:
        # A fault of the metric and not of its data, so it is none of the errors that users are told to act on.
        raise AssertionError(f"output {name!r}: got shape {value.shape}, declared {result.shape}")
    return value
