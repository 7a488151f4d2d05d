"""Directions of decoder rows, their nearest neighbours and moments: the first steps of metrics of directions.

Metrics of one run that ask for the same rows get the same tasks, so that pairs of rows are visited once for all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.errors import ParameterError
from saegeom_data.lazy import Memory, Result, Work, eigen
from saegeom_data.metrics._statistics.moments import (
    Moments,
    covariance,
    merge,
    moments_of,
    moments_work,
    pieces,
    scratch_bytes,
)
from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.metrics._kernels.nearest import Neighbours

RowsOf = Callable[..., tuple[Array, Array]]

# Metrics list at least so many, whatever they need, so that those of one run share one search.
N_NEIGHBOURS = 32
# Directions closer than this are copies: single precision cannot tell them apart.
COPY = 1e-7


def directions(block: Array, is_kept: Array | None = None) -> tuple[Array, Array]:
    """Unit rows (used, hidden) in float64 of the rows of a block that are not zero and kept, and their indices (used,).

    ``is_kept`` (rows,) says which are kept; all by default.
    """
    # Copies are told by distances below 1e-7, which the rounding of single precision would blur.
    rows = block.astype(np.float64)
    norm = row_norms(rows)
    used = np.flatnonzero(norm > 0 if is_kept is None else (norm > 0) & is_kept)
    if len(used) < len(rows):
        rows, norm = rows[used], norm[used]
    rows /= norm[:, None]
    return rows, used


def check_rows(metric: str, n_features: int, n_samples: int | None, n_neighbours: int) -> int:
    """Number of rows to use; raises if there are not as many, or they have too few neighbours."""
    n = n_features if n_samples is None else n_samples
    if not 1 <= n <= n_features:
        raise ParameterError(f"{metric}: n_samples: got {n}, expected 1 to {n_features}, the features")
    # A single row is no mistake of the caller: it has no neighbours, and its results are NaN.
    if n_neighbours >= n > 1:
        raise ParameterError(f"{metric}: k: got {n_neighbours}, expected at most {n - 1}, the other rows")
    return n


def drawn_index(n_features: int, n_samples: int | None, seed: int) -> Array:
    """Features in use, ascending: all, or ``n_samples`` drawn without replacement."""
    if n_samples is None or n_samples == n_features:
        return np.arange(n_features)
    # In ascending order, so that rows of one chunk of the file stay together and it is read once.
    return np.sort(stream("drawn_rows", seed).choice(n_features, n_samples, replace=False))


def drawn_rows(decoder: xr.DataArray, n_samples: int | None, seed: int) -> xr.DataArray:
    """Rows of :func:`drawn_index`."""
    index = drawn_index(len(decoder), n_samples, seed)
    return decoder if len(index) == len(decoder) else decoder.isel({decoder.dims[0]: index})


def direction_neighbours(decoder: xr.DataArray, k: int, is_kept: xr.DataArray | None = None) -> xr.Dataset:
    """Nearest other directions of each row: ``distance`` and ``neighbour``, the row's index (features, order).

    At least 32 neighbours, so that metrics share them, in ascending order of their distance, sqrt(2 - 2 cos). Zero rows
    and those that ``is_kept`` (features) leaves out have no neighbours and are nobody's: distance inf, index -1, as
    where there are fewer than k others.
    """

    from saegeom_data.metrics._kernels.nearest import nearest_bytes, nearest_work

    k = max(k, N_NEIGHBOURS)
    n, hidden = decoder.shape
    size = lazy.row_block_size(n, decoder.nbytes // n)
    task = 2 * 8 * size * hidden + nearest_bytes(2 * size, hidden, k)
    memory = Memory(task=task, partial=16 * n * k, lower="n_samples")
    return row_neighbours(decoder, k, directions, memory, nearest_work(n, hidden, k), is_kept)


def cosine_neighbours(decoder: xr.DataArray, k: int) -> tuple[Array, Array]:
    """Index and cosine (features, k) of the others of largest cosine of each row; -1 and 0 where there are none.

    Every pair of rows is visited once, tile by tile.

    Examples
    --------
    >>> import xarray as xr
    >>> rows = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> index, cosine = cosine_neighbours(xr.DataArray(rows, dims=("features", "hidden")), 1)
    >>> index[:, 0].tolist(), cosine[:, 0].round(2).tolist()
    ([1, 0, 1], [0.8, 0.8, 0.6])
    """
    found = direction_neighbours(decoder, k).compute()
    distance, index = found.distance.values[:, :k], found.neighbour.values[:, :k]
    return index, np.where(index < 0, 0.0, 1 - distance**2 / 2)


def row_neighbours(
    array: xr.DataArray, k: int, rows_of: RowsOf, memory: Memory, work: Work, is_kept: xr.DataArray | None = None
) -> xr.Dataset:
    """``distance`` and ``neighbour`` (features, order) of the rows that ``rows_of`` finds in blocks of ``array``.

    ``rows_of`` gives the rows of a block that count, of those that ``is_kept`` (features) marks where it is given, and
    their indices in the block; the others have distance inf, index -1.
    """

    shape = ("features", "order"), (array.shape[0], k)
    return lazy.pairs(
        functools.partial(_within, k=k, rows_of=rows_of),
        functools.partial(_between, rows_of=rows_of),
        _merged,
        _gathered,
        array if is_kept is None else lazy.again(array, is_kept),
        also=() if is_kept is None else (is_kept,),
        outputs={"distance": Result(*shape), "neighbour": Result(*shape, "int64")},
        memory=memory,
        work=work,
    )


def _within(start: int, block: Array, *is_kept: Array, k: int, rows_of: RowsOf) -> Neighbours:
    """Neighbours (rows, k) within one block of the rows that ``rows_of`` finds, at their places in the block.

    ``is_kept`` (features,), where given, is of all rows.
    """

    from saegeom_data.metrics._kernels.nearest import within

    rows, used = rows_of(block, *_part(start, block, is_kept))
    if not len(used):
        return _none(len(block), k)
    return _spread(within(start, rows, k), start, used, used, len(block))


def _between(
    start: int,
    block: Array,
    known: Neighbours,
    other_start: int,
    other: Array,
    other_known: Neighbours,
    *is_kept: Array,
    rows_of: RowsOf,
) -> tuple[Neighbours, Neighbours]:
    """What rows of two blocks gain from each other, (rows, k) either way; none where a block has no row that counts."""

    from saegeom_data.metrics._kernels.nearest import between

    rows, used = rows_of(block, *_part(start, block, is_kept))
    other_rows, other_used = rows_of(other, *_part(other_start, other, is_kept))
    if not len(used) or not len(other_used):
        k = known.distance.shape[1]
        return _none(len(block), k), _none(len(other), k)
    first, second = _taken(known, used), _taken(other_known, other_used)
    gained, other_gained = between(start, rows, first, other_start, other_rows, second)
    return (
        _spread(gained, other_start, other_used, used, len(block)),
        _spread(other_gained, start, used, other_used, len(other)),
    )


def _part(start: int, block: Array, is_kept: Sequence[Array]) -> list[Array]:
    """What concerns the rows of a block."""
    return [marks[start : start + len(block)] for marks in is_kept]


def _none(n: int, k: int) -> Neighbours:
    """Lists (n, k) without a neighbour: distance inf, index -1."""

    from saegeom_data.metrics._kernels.nearest import Neighbours

    return Neighbours(np.full((n, k), np.inf), np.full((n, k), -1))


def _taken(known: Neighbours, used: Array) -> Neighbours:
    """Lists (used, k) of the rows that count; the same object where all do."""

    from saegeom_data.metrics._kernels.nearest import Neighbours

    return known if len(used) == len(known.distance) else Neighbours(known.distance[used], known.index[used])


def _spread(found: Neighbours, start: int, among: Array, used: Array, n: int) -> Neighbours:
    """Put neighbours, counted from ``start`` along the rows ``among`` of their block, at the rows ``used`` of ``n``."""
    # No row was left out on either side: places in the lists are places in the blocks already.
    if len(used) == n and among[-1] == len(among) - 1:
        return found
    spread = _none(n, found.distance.shape[1])
    spread.distance[used] = found.distance
    # -1 would index from the end of `among`; what it looks up instead is thrown away.
    spread.index[used] = np.where(found.index < 0, -1, start + among[np.maximum(found.index - start, 0)])
    return spread


def _merged(parts: Sequence[Neighbours]) -> Neighbours:
    """The nearest k of several lists (rows, k) of the same rows."""

    from saegeom_data.metrics._kernels.nearest import merged

    return merged(parts)


def _gathered(parts: Sequence[Neighbours]) -> lazy.Arrays:
    """``distance`` and ``neighbour`` (features, k) of all blocks, one after the other."""
    return {
        "distance": np.concatenate([part.distance for part in parts]),
        "neighbour": np.concatenate([part.index for part in parts]),
    }


def direction_moments(decoder: xr.DataArray, is_kept: xr.DataArray | None = None) -> xr.Dataset:
    """``n_used``, ``mean`` (hidden) of the directions, and along principal axes ``spectrum`` and ``principal_mean``.

    Of the rows that ``is_kept`` (features) marks, all by default.
    """
    hidden = decoder.shape[1]
    matrix = 8 * hidden**2
    outputs = {name: Result(("hidden",), (hidden,)) for name in ("mean", "spectrum", "principal_mean")}
    return lazy.rows(
        _unit_moments,
        merge,
        principal,
        *((decoder,) if is_kept is None else (lazy.again(decoder, is_kept), is_kept)),
        outputs=outputs | {"n_used": Result((), (), "int64")},
        memory=Memory(task=matrix + scratch_bytes(hidden), partial=matrix, finish=4 * matrix),
        work=moments_work(len(decoder), hidden) + eigen(hidden) + Work(calls=200),
    )


def _unit_moments(start: int, block: Array, is_kept: Array | None = None) -> Moments:
    """Count, mean (hidden,) and scatter (hidden, hidden) of the directions of a block (rows, hidden)."""

    def units() -> Iterator[Array]:
        first = 0
        for part in pieces(block):
            yield directions(part, None if is_kept is None else is_kept[first : first + len(part)])[0]
            first += len(part)

    return moments_of(units(), block.shape[1])


def principal(moments: Moments) -> lazy.Arrays:
    """``spectrum`` (hidden) of the covariance, descending, and coordinates of the mean on its axes (hidden).

    NaN for fewer than two rows.
    """

    hidden = len(moments.mean)
    found = {"mean": moments.mean, "n_used": moments.count}
    if moments.count < 2:
        return found | dict.fromkeys(("spectrum", "principal_mean"), np.full(hidden, np.nan))
    spectrum, vectors = np.linalg.eigh(covariance(moments))
    # Rounding leaves eigenvalues a little below 0 where the rows do not span all dimensions.
    spectrum, mean = np.maximum(spectrum[::-1], 0.0), moments.mean @ vectors[:, ::-1]
    # Axes of equal eigenvalues are arbitrary, and so are signs: put the mean along the first of them.
    first = np.flatnonzero(np.diff(spectrum, prepend=np.inf) < -1e-9 * spectrum[0])
    along = np.zeros(hidden)
    along[first] = np.sqrt(np.add.reduceat(mean**2, first))
    return found | {"spectrum": spectrum, "principal_mean": along}
