"""Measures of the cosines of directions: of nearest neighbours, of lists of neighbours, and the largest of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Memory, Result, Work
from saegeom_data.metrics._shared.directions import COPY, directions
from saegeom_data.metrics._statistics.moments import scratch_bytes
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

SIMILARITIES = ("cosine", "centred_cosine")
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BIN_EDGES = np.linspace(-1.0, 1.0, 201)
OCCURRENCE_MEASURES = ("skewness", "robin_hood", "antihub_share", "largest_occurrence")
# Rows that are multiplied at a time, and pairs whose cosines are taken anew at a time: both bound memory.
_SLAB = 256
_EXACT = 1024
# Cosines within this of a threshold are equal to it: rounding must not decide which side they are on.
_TIE = 1e-9


def centred_directions(decoder: xr.DataArray, mean: xr.DataArray, is_kept: xr.DataArray) -> xr.DataArray:
    """Directions less their mean (features, hidden) in float32, held in memory.

    Zero where they are equal to it, and where ``is_kept`` (features) leaves them out.
    """
    outputs = {"centred": Result(tuple(map(str, decoder.dims)), decoder.shape, "float32")}
    memory = Memory(finish=scratch_bytes(decoder.shape[1]), lower="n_samples")
    centred: xr.DataArray = lazy.whole(
        _centred,
        decoder=lazy.again(decoder, mean),
        mean=mean,
        is_kept=is_kept,
        outputs=outputs,
        memory=memory,
        work=Work(passes=100 * decoder.size, calls=50),
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
    # From distances, which keep the digits that products of nearly equal directions lose.
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


def search_work(n: int, hidden: int, n_thresholds: int) -> Work:
    """What :func:`search_pairs` computes for all pairs of n rows: products in single precision, compared."""
    return Work(products=n**2 * hidden / 4, passes=n**2 / 2 * (60 + 20 * n_thresholds), calls=30 * (1 + n / _SLAB))


def _slices(index: Array) -> list[Array]:
    """Indices (n,) in pieces of ``_EXACT``, which bound the memory of exact cosines."""
    return [index[start : start + _EXACT] for start in range(0, len(index), _EXACT)]


def _absolute_cosines(rows: Array, others: Array) -> Array:
    """Absolute cosines of pairs of unit rows, from distances: exactly 1 for copies and opposites."""
    apart, together = rows - others, rows + others
    square = np.minimum(np.einsum("ij,ij->i", apart, apart), np.einsum("ij,ij->i", together, together))
    return np.asarray(1 - square / 2)
