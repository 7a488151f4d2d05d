"""Clouds of random directions, uniform or with given moments, and exact laws of the cosines of uniform ones."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data import blocks
from saegeom_data.blocks import Memory, Result

from ._directions import (
    BIN_EDGES,
    N_NEIGHBOURS,
    OCCURRENCE_MEASURES,
    QUANTILES,
    SIMILARITIES,
    cosine_statistics,
    directions,
    find_coherence,
    less_mean,
    occurrence_measures,
)
from ._moments import Moments, covariance, moments_of

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[Any]]

_BATCH = 3
_SLICE = 1024
_ROUNDS = 200
_TOLERANCE = 1e-4
_SAMPLING_ERRORS = 6.0
# log of -log u for u between 1 - 1e-16 and e^-150, where trapezoids over a smooth integrand are exact to rounding.
_NODES = np.linspace(-37.0, 5.0, 800)


def uniform_rows(n: int, hidden: int, rng: np.random.Generator) -> Array:
    """Independent rows (n, hidden), uniform on the sphere."""
    rows = rng.standard_normal((n, hidden))
    rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return rows


def matched_rows(n: int, spectrum: Array, mean: Array, rng: np.random.Generator) -> Array | None:
    """Gaussian rows of unit norm (n, dims) whose own mean and covariance are those given; None if there are none.

    Gaussian rows are divided by their norms and mapped to the wanted moments in turn until both hold. Matching the
    moments of the sample, not of the law it is from, makes comparisons conditional on them: what the data's moments owe
    to chance, the surrogates owe it too. Otherwise nearest neighbours of isotropic rows look too close together.

    ``spectrum`` and ``mean`` (hidden,) are along the principal axes, in descending order of the spectrum. Directions
    without variance become one constant column.
    """
    rank = int(np.count_nonzero(spectrum > max(spectrum[0] * len(spectrum) * 4 * np.finfo(float).eps, 1e-24)))
    constant = float(np.linalg.norm(mean[rank:]))
    radius = np.sqrt(max(1 - constant**2, 0.0))
    if n < rank + 2:
        return None
    rows = np.empty((n, rank + 1))
    rows[:, rank] = constant
    free = rows[:, :rank]
    free[:] = rng.standard_normal((n, rank)) * np.sqrt(spectrum[:rank]) + mean[:rank]
    return rows if not rank or _match(free, spectrum[:rank], mean[:rank], radius) else None


def _match(rows: Array, spectrum: Array, mean: Array, radius: float) -> bool:
    """Bring ``rows`` in place to norm ``radius`` and the given moments; False if they are far from them in the end."""
    root = np.sqrt(spectrum)
    moments = moments_of(_projected(rows, None, 0.0, radius), len(mean))
    deviation = _deviation(moments, mean, root)
    for index in range(_ROUNDS):
        last = deviation
        if deviation < _TOLERANCE:
            return True
        try:
            factor = np.linalg.inv(np.linalg.cholesky(covariance(moments))).T * root
        except np.linalg.LinAlgError:
            return False
        moments = moments_of(_projected(rows, factor, mean - moments.mean @ factor, radius), len(mean))
        deviation = _deviation(moments, mean, root)
        if index > _ROUNDS // 4 and deviation > 0.999 * last:
            break
    # In a narrow cone the norms leave the variance along its axis no freedom: chance decides it, as in the data.
    return bool(deviation < _SAMPLING_ERRORS * np.sqrt(2 / len(rows)))


def _projected(rows: Array, factor: Array | None, shift: Array | float, radius: float) -> Iterator[Array]:
    """Slices of ``rows``, changed in place: mapped, and divided to norm ``radius``."""
    for start in range(0, len(rows), _SLICE):
        part = rows[start : start + _SLICE]
        if factor is not None:
            part[:] = part @ factor + shift
        part *= (radius / np.sqrt(np.einsum("ij,ij->i", part, part)))[:, None]
        yield part


def _deviation(moments: Moments, mean: Array, root: Array) -> float:
    """Largest difference from the wanted moments, where each direction is measured by its own deviation ``root``."""
    own = covariance(moments) / np.outer(root, root)
    own[np.diag_indices_from(own)] -= 1
    return float(max(np.abs(own).max(), np.abs((moments.mean - mean) / root).max()))


def cosine_tail(cosine: Any, hidden: int) -> Array:
    """Probability that the cosine of two independent uniform directions exceeds ``cosine``.

    (1 + cosine) / 2 follows Beta((hidden - 1) / 2, (hidden - 1) / 2).
    """
    from scipy.special import betainc

    cosine = np.asarray(cosine, float)
    if hidden == 1:
        return np.where(cosine < -1, 1.0, np.where(cosine < 1, 0.5, 0.0))
    a = (hidden - 1) / 2
    return np.asarray(betainc(a, a, np.clip((1 - cosine) / 2, 0.0, 1.0)))


def _cosine_of_tail(tail: Array, hidden: int) -> Array:
    from scipy.special import betaincinv

    if hidden == 1:
        return np.where(tail < 0.5, 1.0, -1.0)
    a = (hidden - 1) / 2
    return np.asarray(1 - 2 * betaincinv(a, a, tail))


def largest_cosine_tail(cosine: Any, n: int, hidden: int) -> Array:
    """Probability that the largest of n independent cosines of uniform directions exceeds ``cosine``."""
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(n * np.log1p(-cosine_tail(cosine, hidden))))


def largest_cosine_quantiles(levels: Array, n: int, hidden: int) -> Array:
    """Quantiles of the largest of n independent cosines of uniform directions."""
    return _cosine_of_tail(-np.expm1(np.log(levels) / n), hidden)


def largest_cosine_mean(n: int, hidden: int) -> float:
    """Mean of the largest of n independent cosines of uniform directions."""
    if hidden == 1:
        return float(1 - 2 * 0.5**n)
    return _mean(lambda tail: _cosine_of_tail(tail, hidden), n)


def largest_absolute_cosine_mean(n: int, hidden: int) -> float:
    """Mean of the largest absolute value of n independent cosines of uniform directions."""
    return 1.0 if hidden == 1 else _mean(lambda tail: _cosine_of_tail(tail / 2, hidden), n)


def _mean(value: Callable[[Array], Array], n: int) -> float:
    """Mean of ``value`` of the smallest of n independent uniform numbers."""
    weight = np.exp(_NODES - np.exp(_NODES))
    return float(weight @ value(-np.expm1(-np.exp(_NODES) / n)) / weight.sum())


def surrogates(
    decoder: xr.DataArray, moments: xr.Dataset, null: str, *, k: int, n_surrogates: int, seed: int
) -> xr.Dataset:
    """Statistics of surrogate clouds of as many directions (surrogate, ...), NaN where there is no such cloud.

    ``uniform_sphere`` rows are uniform and give the cosines of nearest neighbours only; ``spectrum_matched`` rows are
    Gaussian, of unit norm, and have the mean and covariance of the directions.
    """
    import xarray as xr

    from ._neighbours_numba import nearest_bytes

    n, hidden = decoder.shape
    k = max(k, N_NEIGHBOURS)
    # The rows, centred ones, and either three matrices to match them by or a search.
    rest = max(3 * 8 * hidden**2, nearest_bytes(min(n, 8192), hidden, k) + 4 * 16 * n * k)
    memory = Memory(finish=2 * 8 * n * hidden + rest, lower="n_samples")
    batches = []
    for first in range(0, n_surrogates, _BATCH):
        indices = tuple(range(first, min(first + _BATCH, n_surrogates)))
        outputs = {
            name: Result(("surrogate", *result.dims), (len(indices), *result.shape))
            for name, result in _statistic_shapes(k).items()
        }
        draw = functools.partial(_drawn_statistics, null=null, hidden=hidden, k=k, indices=indices, seed=seed)
        inputs = (moments.n_used, moments.spectrum, moments.principal_mean)
        batches.append(blocks.whole(draw, *inputs, outputs=outputs, memory=memory))
    return xr.concat(batches, "surrogate")


def _statistic_shapes(k: int) -> dict[str, Result]:
    return {
        "mean_cosine": Result(),
        "quantile_cosine": Result(("quantile",), (len(QUANTILES),)),
        "histogram": Result(("bin",), (len(BIN_EDGES) - 1,)),
        "mean_log_distance": Result(("order",), (k,)),
        "coherence": Result(),
        "occurrence": Result(("similarity", "measure", "order"), (len(SIMILARITIES), len(OCCURRENCE_MEASURES), k)),
    }


def _drawn_statistics(
    n_used: Array, spectrum: Array, mean: Array, *, null: str, hidden: int, k: int, indices: tuple[int, ...], seed: int
) -> blocks.Arrays:
    n = int(n_used)
    found: dict[str, list[Array]] = {name: [] for name in _statistic_shapes(k)}
    for index in indices:
        rows = None
        if null == "uniform_sphere":
            rows = uniform_rows(n, hidden, np.random.default_rng((seed, 1, index)))
        elif n >= 2:
            rows = matched_rows(n, spectrum, mean, np.random.default_rng((seed, 2, index)))
        statistics = _statistics(rows, k, null) if rows is not None and n >= 2 else {}
        for name, result in _statistic_shapes(k).items():
            found[name].append(statistics.get(name, np.full(result.shape, np.nan)))
    return {name: np.stack(values) for name, values in found.items()}


def _statistics(rows: Array, k: int, null: str) -> dict[str, Array]:
    """All that metrics compare of a cloud of unit rows, in numbers that do not grow with it."""
    from ._neighbours_numba import nearest

    plain = nearest(rows, k)
    if null == "uniform_sphere":
        return cosine_statistics(plain.distance)
    centred = directions(less_mean(rows, rows.mean(axis=0)))[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_log = np.log(plain.distance).mean(axis=0)
    return cosine_statistics(plain.distance) | {
        "mean_log_distance": np.where(np.isfinite(mean_log), mean_log, np.nan),
        "coherence": np.asarray(find_coherence(rows).cosine),
        "occurrence": np.stack(
            [
                _occurrence_by_order(plain.index),
                _occurrence_by_order(nearest(centred, k).index if len(centred) else np.empty((0, k), np.int64)),
            ]
        ),
    }


def _occurrence_by_order(index: Array) -> Array:
    """Occurrence measures (measure, order) of lists of each length; NaN where there are not so many other rows."""
    n, k = index.shape
    found, most = np.full((len(OCCURRENCE_MEASURES), k), np.nan), min(k, max(n - 1, 0))
    if most:
        cells = np.arange(most) * n + index[:, :most]
        count = np.bincount(cells.ravel(), minlength=most * n).reshape(most, n).cumsum(axis=0)
        found[:, :most] = occurrence_measures(count)
    return found
