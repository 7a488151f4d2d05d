"""All pairs of rows, tile by tile, laid out as one lazy matrix whose chunks are the tiles."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations_with_replacement
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.errors import DataValueError
from saegeom_data.lazy.graph import (
    Memory,
    Result,
    Stage,
    announced,
    block_bytes,
    data_of,
    is_lazy,
    is_source,
    keys_of_blocks,
    name_of,
    reads,
    stages_before,
)
from saegeom_data.lazy.pairs import row_block_size
from saegeom_data.lazy.rows import gathered, whole_key
from saegeom_data.lazy.threads import each
from saegeom_data.lazy.work import Work
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

Tile = Callable[..., Array]

_MOST_BLOCKS = 64
# Sides of tiles are a multiple of this, so that chunks of a store may be squares of it.
SIDE = 256
_HELD_SIDE = 1024


def tile_size(n_rows: int, row_bytes: int, tile_itemsize: int) -> int:
    """Rows and columns of a tile: as many as fit the budget of a block, and never so few that tasks are past counting.

    Examples
    --------
    >>> tile_size(1000, 400, 4), tile_size(16_384, 20_000, 4), tile_size(1_000_000, 400, 4)
    (1000, 3072, 15872)
    """
    fitting = min(row_block_size(n_rows, row_bytes), isqrt(block_bytes() // max(1, tile_itemsize)))
    if fitting >= n_rows:
        return n_rows
    return max(fitting // SIDE, -(-n_rows // (_MOST_BLOCKS * SIDE)), 1) * SIDE


def tiles(
    function: Tile,
    array: xr.DataArray,
    *also: xr.DataArray,
    result: Result,
    memory: Memory,
    work: Work | None = None,
    name: str = "tiles",
) -> xr.DataArray:
    """Lay a symmetric function of pairs of rows out as a lazy matrix, to be written without ever being held whole.

    Only tiles on and above the diagonal are computed; those below are the same, transposed.

    Parameters
    ----------
    function
        ``function(start, rows, other_start, other_rows, *also)`` gives the tile of two blocks of rows, with the rows of
        the first and those of the second as its last two dims. Swapping the blocks must transpose it.
    array
        Rows along the first dimension, in any chunks.
    *also
        Small arrays that every tile gets whole.
    result
        Dims, shape and dtype of the matrix. The last two dims are the pairs; those before them are whole in each tile.
    memory
        Its ``task`` is for one tile.
    work
        What all tiles on and above the diagonal compute together. Without it the time of a run is not known.
    name
        Name of the variable.

    Returns
    -------
    xarray.DataArray
        Lazy if an input is. Each chunk is one tile: ``to_zarr`` writes tile by tile.

    Raises
    ------
    DataValueError
        If there are no rows.
    """
    import xarray as xr

    n = array.shape[0]
    if not n:
        raise DataValueError(f"{array.name}: got 0 {array.dims[0]}, expected at least 1")
    lead = result.shape[:-2]
    itemsize = np.dtype(result.dtype).itemsize * int(np.prod(lead, dtype=np.int64))
    size = tile_size(n, array.nbytes // n, itemsize)
    starts = range(0, n, size)
    values, extra = data_of(array), [data_of(operand) for operand in also]
    if not any(map(is_lazy, (values, *extra))):
        # Small ones, whose transposes are copied within the cache.
        size = min(size, _HELD_SIDE)
        starts = range(0, n, size)
        matrix = np.empty(result.shape, result.dtype)

        def fill(corner: tuple[int, int]) -> None:
            start, other = corner
            rows, columns = slice(start, start + size), slice(other, other + size)
            tile = function(start, values[rows], other, values[columns], *extra)
            matrix[..., rows, columns] = tile
            if start != other:
                matrix[..., columns, rows] = np.swapaxes(tile, -1, -2)

        each(fill, list(combinations_with_replacement(starts, 2)))
        return xr.DataArray(matrix, dims=result.dims, name=name)
    import dask.array as da
    from dask.base import tokenize

    source = values if is_lazy(values) else da.from_array(values)
    source = source.rechunk((size, *array.shape[1:]))
    others = [gathered(operand) for operand in extra]
    token = tokenize(function, source, *others)
    stage = Stage(
        pattern="tiles",
        function=name_of(function),
        reads=reads(values),
        given=2 * size * (array.nbytes // n) if is_source(source) else 0,
        waiting=0,
        # A tile is an output of its task, which functions do not count among what they take.
        memory=Memory(memory.task + size**2 * itemsize, memory.partial, memory.finish, memory.lower),
        # Nothing is held: tiles are written as they come.
        output=0,
        after=1 + stages_before(values, *extra),
        work=work,
        parts=len(starts) * (len(starts) + 1) // 2,
    )
    blocks, own = keys_of_blocks(source), f"{name}-{token}"
    corner = (0,) * len(lead)
    tasks: dict[Any, Any] = {}
    for i, start in enumerate(starts):
        for j, other in enumerate(starts[i:], start=i):
            arguments = (start, blocks[i], other, blocks[j], *map(whole_key, others))
            tasks[own, *corner, i, j] = (function, *arguments)
            if i != j:
                tasks[own, *corner, j, i] = (_transposed, (own, *corner, i, j))
    sources = [source, *filter(is_lazy, others)]
    graph = announced(tasks, own, stage, token, sources)
    sides = tuple(min(size, n - start) for start in starts)
    chunks = (*((length,) for length in lead), sides, sides)
    return xr.DataArray(da.Array(graph, own, chunks, dtype=np.dtype(result.dtype)), dims=result.dims, name=name)


def _transposed(tile: Array) -> Array:
    """Copy of a tile (..., a, b) as (..., b, a), square by square."""
    # Square by square: a copy along whole columns would miss the cache at every value.
    turned = np.empty((*tile.shape[:-2], tile.shape[-1], tile.shape[-2]), tile.dtype)
    for first in range(0, tile.shape[-2], SIDE):
        for second in range(0, tile.shape[-1], SIDE):
            rows, columns = slice(first, first + SIDE), slice(second, second + SIDE)
            turned[..., columns, rows] = np.swapaxes(tile[..., rows, columns], -1, -2)
    return turned
