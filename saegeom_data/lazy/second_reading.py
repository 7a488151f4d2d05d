"""Reading data a second time, or once in each of several tasks, instead of holding it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from saegeom_data.lazy.graph import SECOND_READING, is_source, keys_of_blocks

if TYPE_CHECKING:
    import xarray as xr


def again(array: xr.DataArray, *after: xr.DataArray) -> xr.DataArray:
    """Return ``array`` so that it is read anew, once ``after`` is computed, instead of being held until then.

    Parameters
    ----------
    array
        What to read a second time. Arrays that are in memory are returned as they are.
    *after
        Results of the first reading.

    Returns
    -------
    xarray.DataArray
        The same values behind other keys.
    """
    import dask.array as da
    from dask.base import tokenize
    from dask.highlevelgraph import HighLevelGraph

    lazy = [result.data for result in after if result.chunks is not None]
    if array.chunks is None or not lazy or not is_source(array.data):
        return array
    # Tasks name a block by its place along the first dimension alone.
    source = array.data.rechunk((array.data.chunks[0], *((size,) for size in array.shape[1:])))
    # Named by what it waits for too: under the key of the first reading dask would hold the blocks for both.
    name = f"{SECOND_READING}-{tokenize(source.name, *(result.name for result in lazy))}"
    gates = [result.__dask_keys__() for result in lazy]
    keys = [(name, index, *(0,) * (source.ndim - 1)) for index in range(source.numblocks[0])]
    layer = {key: (load, gates) for key, load in zip(keys, loads(source), strict=True)}
    graph = HighLevelGraph.from_collections(name, layer, dependencies=lazy)
    return array.copy(data=da.Array(graph, name, source.chunks, meta=source._meta))


class Load:
    """Reads one block from outside the graph, whole, inside one task; its arguments are only waited for."""

    def __init__(self, graph: Mapping[Any, Any], key: Any) -> None:
        self.graph = graph
        self.key = key

    def __call__(self, *_: Any) -> Any:
        """Compute the key anew; the arguments are only what it waits for."""
        from dask.local import get_sync

        # In this thread: the task holds one of the scheduler's already, and a pool in each would take all cores twice.
        return get_sync(self.graph, self.key)


def loads(source: Any) -> list[Load]:
    """What reads each block of a dask array along its first dimension."""
    from dask.optimization import cull

    graph = source.__dask_graph__().to_dict()
    # Without the rest of the graph, which would be kept with every block.
    return [Load(cull(graph, [key])[0], key) for key in keys_of_blocks(source)]
