"""All pairs of rows, tile by tile over the upper triangle, reduced per row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeVar

from saegeom_data.errors import DataValueError
from saegeom_data.lazy.graph import (
    Arrays,
    Memory,
    Result,
    Stage,
    block_bytes,
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
from saegeom_data.lazy.rows import gathered, whole_key
from saegeom_data.lazy.second_reading import loads
from saegeom_data.lazy.work import Work

if TYPE_CHECKING:
    import xarray as xr

Partial = TypeVar("Partial")

_MOST_BLOCKS = 32
_MOST_ROWS = 4096
# Rows of tiles in work at a time: enough for the last, short ones to keep every core busy.
_BANDS = 2


def row_block_size(n_rows: int, row_bytes: int) -> int:
    """Rows in a block of the ``pairs`` pattern.

    As many as fill the memory budget (dask configuration ``saegeom_data.block_bytes``, 64 MiB by default), at most
    4096; but never so few that there are more than 32 blocks, because tasks grow with their square.

    Examples
    --------
    >>> row_block_size(1000, 400), row_block_size(65_536, 2304 * 4), row_block_size(1_000_000, 400)
    (1000, 4096, 31250)
    """
    size = max(1, min(block_bytes() // max(1, row_bytes), _MOST_ROWS), -(-n_rows // _MOST_BLOCKS))
    # Evened out: a last block of few rows would cost as many tasks as the others, for few pairs.
    n_blocks = -(-n_rows // size)
    return -(-n_rows // n_blocks)


def pairs(
    within: Callable[..., Partial],
    between: Callable[..., tuple[Partial, Partial]],
    merge: Callable[[Sequence[Partial]], Partial],
    finalize: Callable[[Sequence[Partial]], Arrays],
    array: xr.DataArray,
    *,
    also: Sequence[xr.DataArray] = (),
    outputs: Mapping[str, Result],
    memory: Memory,
    work: Work | None = None,
) -> xr.Dataset:
    """Visit every pair of rows of ``array`` once, and reduce what they give per row.

    Blocks of rows are read again for every row of tiles rather than held, so that a matrix may be larger than memory.

    Parameters
    ----------
    within
        ``within(start, block, *also)`` gives the partial result of a block's rows from the pairs inside the block.
    between
        ``between(start, block, known, other_start, other_block, other_known, *also)`` gives what each of two blocks,
        the first before the second, gains from the other. ``known`` is what is known of the rows so far, at least
        ``within``.
    merge
        Merges partial results of the same rows; must leave them as they are, and must not depend on their order.
    finalize
        Turns the partial results of all blocks, in the order of the rows, into named arrays.
    array
        Rows along the first dimension, in any chunks.
    also
        Small arrays that every tile gets whole, such as results of an earlier stage.
    outputs
        Dims, shape and dtype of each named array.
    memory
        Its ``task`` is for one tile, its ``partial`` for the partial results of all rows.
    work
        What all tiles compute together. Without it the time of a run is not known.

    Returns
    -------
    xarray.Dataset
        One variable for each output; lazy if the input is.

    Raises
    ------
    DataValueError
        If there are no rows.
    """
    n = array.shape[0]
    if not n:
        raise DataValueError(f"{array.name}: got 0 {array.dims[0]}, expected at least 1")
    size = row_block_size(n, array.nbytes // n)
    starts = range(0, n, size)
    values, extra = data_of(array), [data_of(operand) for operand in also]
    if not any(map(is_lazy, (values, *extra))):
        known = [within(start, values[start : start + size], *extra) for start in starts]
        for i, start in enumerate(starts):
            block = values[start : start + size]
            for j in range(i + 1, len(known)):
                other = values[starts[j] : starts[j] + size]
                gained, other_gained = between(start, block, known[i], starts[j], other, known[j], *extra)
                known[i], known[j] = merge([known[i], gained]), merge([known[j], other_gained])
        return in_memory(finalize(known), outputs)
    import dask.array as da
    from dask.base import tokenize

    source = values if is_lazy(values) else da.from_array(values)
    source = source.rechunk((size, *array.shape[1:]))
    others = [gathered(operand) for operand in extra]
    token = tokenize(within, between, merge, finalize, source, *others)
    stage = Stage(
        pattern="pairs",
        function=name_of(within),
        # A block by itself, as the rows of its band (the last has none), and as columns of each band before.
        reads=reads(values, times=1 if len(starts) == 1 else (len(starts) + 3) / 2 - 1 / len(starts)),
        given=3 * size * (array.nbytes // n) if is_source(source) else 0,
        waiting=3,
        memory=memory,
        output=sum(result.nbytes for result in outputs.values()),
        after=1 + stages_before(values, *extra),
        work=work,
        parts=len(starts),
    )
    tasks, known = _tasks(within, between, merge, source, starts, token, list(map(whole_key, others)))
    sources = [source] * (not is_source(source)) + list(filter(is_lazy, others))
    return finished(tasks, (finalize, known), stage, token, outputs, sources)


def _tasks(
    within: Callable[..., Any],
    between: Callable[..., Any],
    merge: Callable[..., Any],
    source: Any,
    starts: range,
    token: str,
    also: list[Any],
) -> tuple[dict[Any, Any], list[Any]]:
    """Tasks of all tiles, and the keys of the partial results of each block of rows after them."""
    held = keys_of_blocks(source)
    reading = loads(source) if is_source(source) else []
    tasks: dict[Any, Any] = {}

    def add(name: str, *where: int, task: tuple[Any, ...]) -> Any:
        """Add a task, and return its key."""
        key = (f"pairs-{name}-{token}", *where)
        tasks[key] = task
        return key

    def block(band: int, index: int, *after: Any) -> Any:
        """Key of a block of rows, which ``band`` reads for itself once the tasks ``after`` are done."""
        return add("read", band, index, task=(reading[index], *after)) if reading else held[index]

    known = [add("within", i, task=(within, start, block(-1, i), *also)) for i, start in enumerate(starts)]
    # No band starts before every block is known by itself: tiles would wait for it with their blocks in hand.
    opened = add("opened", task=(_nothing, *known))
    for i, start in enumerate(starts[:-1]):
        gate = known[i - _BANDS] if i >= _BANDS else opened
        own = block(i, i, gate, known[i])
        gains = []
        for j in range(i + 1, len(starts)):
            # A block is read when all else that its tile needs is there, so that it does not wait.
            other = block(i, j, own, known[i], known[j])
            arguments = (start, own, known[i], starts[j], other, known[j], *also)
            # One task measures both blocks, and two pick from it: who needs the one does not hold the other.
            tile = add("tile", i, j, task=(_Tile(between, merge), *arguments))
            gains.append(add("gain", i, j, task=(itemgetter(0), tile)))
            known[j] = add("known", i, j, task=(itemgetter(1), tile))
        # At the end of the band and not tile by tile, or its tiles would wait for each other. What columns gain goes on
        # to the next band at once: the more is known of rows, the fewer of their pairs have to be measured.
        known[i] = add("band", i, task=(merge, [known[i], *gains]))
    return tasks, known


def _nothing(*_: Any) -> None:
    """Wait for the arguments, and hold none of them."""


class _Tile:
    """Gains of the rows of a tile, and what is known of its columns with theirs."""

    def __init__(self, between: Callable[..., Any], merge: Callable[..., Any]) -> None:
        self.between = between
        self.merge = merge

    def __call__(
        self, start: int, block: Any, known: Any, other_start: int, other: Any, other_known: Any, *also: Any
    ) -> Any:
        gained, other_gained = self.between(start, block, known, other_start, other, other_known, *also)
        return gained, self.merge([other_known, other_gained])
