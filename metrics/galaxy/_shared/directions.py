"""Directions of the decoder rows, their nearest neighbours and moments, and surrogates: shared by several metrics.

Metrics of one run that ask for the same rows get the same tasks, so that pairs of rows are visited once for all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data import lazy
from saegeom_data.errors import ParameterError
from saegeom_data.lazy import Memory, Result
from saegeom_data.metrics._statistics.moments import Moments, covariance, merge, moments_of, pieces, scratch_bytes
from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.metrics._kernels.nearest import Neighbours

RowsOf = Callable[..., tuple[Array, Array]]

N_NEIGHBOURS = 32
# Directions closer than this are copies: single precision cannot tell them apart.
COPY = 1e-7
SIMILARITIES = ("cosine", "centred_cosine")
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BIN_EDGES = np.linspace(-1.0, 1.0, 201)
_SLAB = 256
_EXACT = 1024
# Cosines within this of a threshold are equal to it: rounding must not decide which side they are on.
_TIE = 1e-9
OCCURRENCE_MEASURES = ("skewness", "robin_hood", "antihub_share", "largest_occurrence")


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

    from saegeom_data.metrics._kernels.nearest import nearest_bytes

    k = max(k, N_NEIGHBOURS)
    n, hidden = decoder.shape
    size = lazy.row_block_size(n, decoder.nbytes // n)
    task = 2 * 8 * size * hidden + nearest_bytes(size, hidden, k)
    memory = Memory(task=task, partial=16 * n * k, lower="n_samples")
    return row_neighbours(decoder, k, directions, memory, is_kept)


def row_neighbours(
    array: xr.DataArray, k: int, rows_of: RowsOf, memory: Memory, is_kept: xr.DataArray | None = None
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


def centred_directions(decoder: xr.DataArray, mean: xr.DataArray, is_kept: xr.DataArray) -> xr.DataArray:
    """Directions less their mean (features, hidden) in float32, held in memory.

    Zero where they are equal to it, and where ``is_kept`` (features) leaves them out.
    """
    outputs = {"centred": Result(tuple(map(str, decoder.dims)), decoder.shape, "float32")}
    memory = Memory(finish=scratch_bytes(decoder.shape[1]), lower="n_samples")
    centred: xr.DataArray = lazy.whole(
        _centred, lazy.again(decoder, mean), mean, is_kept, outputs=outputs, memory=memory
    )["centred"]
    return centred


def _centred(decoder: Array, mean: Array, is_kept: Array) -> lazy.Arrays:
    """Directions less ``mean`` (hidden,) of all rows (features, hidden); zero for rows of zero norm or not kept."""
    centred = np.zeros(decoder.shape, np.float32)
    # In pieces: directions of all rows in double precision would be twice the result.
    for start in range(0, len(decoder), 1024):
        rows, used = directions(decoder[start : start + 1024], is_kept[start : start + 1024])
        centred[start + used] = less_mean(rows, mean)
    return {"centred": centred}


def less_mean(rows: Array, mean: Array) -> Array:
    """Rows less ``mean``, exactly zero where they are equal to it but for rounding."""
    centred = rows - mean
    centred[np.einsum("ij,ij->i", centred, centred) < COPY**2] = 0
    return centred


def cosine_statistics(distance: Array) -> dict[str, Array]:
    """Mean, quantiles and histogram (shares) of the cosines of nearest neighbours at ``distance`` (rows, order)."""
    cosine = 1 - distance[np.isfinite(distance[:, 0]), 0] ** 2 / 2
    if not len(cosine):
        return {
            "mean_cosine": np.asarray(np.nan),
            "quantile_cosine": np.full(len(QUANTILES), np.nan),
            "histogram": np.full(len(BIN_EDGES) - 1, np.nan),
        }
    return {
        "mean_cosine": np.asarray(cosine.mean()),
        "quantile_cosine": np.quantile(cosine, QUANTILES),
        # numpy leaves out values beyond the last edge, where rounding may put cosines of copies.
        "histogram": np.histogram(np.clip(cosine, -1, 1), BIN_EDGES)[0] / len(cosine),
    }


def occurrence_measures(count: Array) -> Array:
    """Measures (measure, ...) of the numbers of lists of nearest neighbours (..., rows) that each row is in.

    ``OCCURRENCE_MEASURES``: skewness, NaN if all are equal; Robin Hood index; share that is in no list; largest.
    """

    apart = count - count.mean(axis=-1, keepdims=True)
    variance = (apart**2).mean(axis=-1)
    skewness = np.full(variance.shape, np.nan)
    np.divide((apart**3).mean(axis=-1), variance**1.5, out=skewness, where=variance > 0)
    robin_hood = np.abs(apart).sum(axis=-1) / (2 * count.sum(axis=-1))
    return np.stack([skewness, robin_hood, (count == 0).mean(axis=-1), count.max(axis=-1)])


def dependent_error(values: Array, neighbour: Array) -> float:
    """Standard error of the mean of ``values`` (rows,) that rows share with their neighbours (rows, order).

    With deviations a_i from the mean, sqrt(max(sum a_i^2 + sum_{i ~ j} a_i a_j, sum a_i^2)) / n for neighbours i ~ j:
    sums products of deviations over neighbouring rows, either way; never less than the error of independent rows. NaN
    among ``values`` and -1 among neighbours are left out.
    """

    from scipy.sparse import coo_array

    n = len(values)
    known = ~np.isnan(values)
    apart = np.where(known, values - values[known].mean(), 0.0) if known.any() else np.zeros(n)
    source, target = np.repeat(np.arange(n), neighbour.shape[1]), neighbour.ravel()
    source, target = source[target >= 0], target[target >= 0]
    pair = coo_array((np.ones(2 * len(source)), (np.r_[source, target], np.r_[target, source])), shape=(n, n)).tocsr()
    # Rows that are each other's neighbours were summed twice, but are one pair.
    pair.data[:] = 1.0
    independent = apart @ apart
    return float(np.sqrt(max(independent + apart @ (pair @ apart), independent)) / max(int(known.sum()), 1))


def tail_of(observed: Any, draws: Array) -> Array:
    """One-sided p-value as :func:`~.p_values.tail`, NaN where a surrogate could not be drawn."""
    from saegeom_data.metrics._statistics.p_values import tail

    return np.where(np.isnan(draws).any(axis=-1), np.nan, tail(observed, draws))


@dataclass(frozen=True)
class Coherence:
    """The largest absolute cosine of some pairs, and the first pair that has it; -1 if there are no pairs."""

    cosine: float = -1.0
    pair: tuple[int, int] = (-1, -1)

    def largest(self, *others: Coherence) -> Coherence:
        """The largest of these."""
        return min(self, *others, key=lambda found: (-found.cosine, found.pair))


def find_coherence(rows: Array) -> Coherence:
    """Coherence of unit rows."""
    index = np.arange(len(rows))
    return search_pairs((rows, index), (rows, index), Coherence(), ())[0]


def search_pairs(
    first: tuple[Array, Array], second: tuple[Array, Array], known: Coherence, threshold: Sequence[float]
) -> tuple[Coherence, Array]:
    """Coherence of pairs of unit rows if above ``known``, and the number of pairs above each threshold.

    Both sides are rows and their indices; if they are the same, each pair is visited once. Products in single precision
    find the pairs that matter, whose cosines are then taken in double precision.
    """

    (rows, index), (others, other_index) = first, second
    single, other_single = rows.astype(np.float32), others.astype(np.float32)
    # Bound on the rounding of products in single precision of rows of norm 1.
    error = 2 * (rows.shape[1] + 8) * 2.0**-24
    limit = np.asarray(threshold, float) + _TIE
    above = np.zeros(len(limit), np.int64)
    for start in range(0, len(rows), _SLAB):
        left = start if rows is others else 0
        cosine = single[start : start + _SLAB] @ other_single[left:].T
        np.abs(cosine, out=cosine)
        if rows is others:
            # A row is no pair with itself, and pairs below the diagonal are those above it.
            cosine[:, :_SLAB][np.tri(len(cosine), dtype=bool)] = -1
        # Twice the error: the largest may be too large by it, and the one that is truly largest too small.
        least = max(known.cosine, float(cosine.max(initial=-1)) - error) - error
        a, b = np.nonzero(cosine >= max(min([least, *(limit - error)]), 0))
        value, b = cosine[a, b].astype(float), b + left
        for at in _slices(np.flatnonzero(value >= least)):
            exact = _absolute_cosines(rows[start + a[at]], others[b[at]])
            # Pairs come in ascending order, so the first of the largest is the first pair that has it.
            best = int(np.argmax(exact))
            pair = int(index[start + a[at[best]]]), int(other_index[b[at[best]]])
            known = known.largest(Coherence(float(exact[best]), pair))
            # Nothing exceeds the cosine of copies, and a decoder may hold millions of such pairs.
            if known.cosine == 1.0:
                break
        # Only these cosines could lie on the other side of a threshold for rounding.
        for at in _slices(np.flatnonzero((np.abs(value[:, None] - limit) <= error).any(axis=1))):
            value[at] = _absolute_cosines(rows[start + a[at]], others[b[at]])
        above += np.count_nonzero(value[:, None] > limit, axis=0)
    return known, above


def search_bytes(size: int, hidden: int, n_thresholds: int) -> int:
    """Bytes that :func:`search_pairs` takes for blocks of ``size`` rows, their directions included."""
    return size * hidden * 2 * 12 + _SLAB * size * (4 + 1 + 24 + 9 * n_thresholds) + _EXACT * hidden * 32


def _slices(index: Array) -> list[Array]:
    """Indices (n,) in pieces of ``_EXACT``, which bound the memory of exact cosines."""
    return [index[start : start + _EXACT] for start in range(0, len(index), _EXACT)]


def _absolute_cosines(rows: Array, others: Array) -> Array:
    """Absolute cosines of pairs of unit rows, from distances: exactly 1 for copies and opposites."""
    apart, together = rows - others, rows + others
    square = np.minimum(np.einsum("ij,ij->i", apart, apart), np.einsum("ij,ij->i", together, together))
    return np.asarray(1 - square / 2)
