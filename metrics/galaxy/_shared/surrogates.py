"""Clouds of random directions, uniform or with given moments, and exact laws of the cosines of uniform ones."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Memory, Result, Work
from saegeom_data.metrics._shared.directions import N_NEIGHBOURS, directions
from saegeom_data.metrics.galaxy._shared.cosines import (
    BIN_EDGES,
    OCCURRENCE_MEASURES,
    QUANTILES,
    SIMILARITIES,
    cosine_statistics,
    less_mean,
    occurrence_measures,
)
from saegeom_data.metrics.nulls import spectrum_matched, uniform_sphere
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


_BATCH = 3


def surrogates(
    decoder: xr.DataArray, moments: xr.Dataset, null: str, *, k: int, n_surrogates: int, seed: int
) -> xr.Dataset:
    """Statistics of surrogate clouds of as many directions (surrogate, ...), NaN where there is no such cloud.

    ``uniform_sphere`` rows are uniform and give the cosines of nearest neighbours only; ``spectrum_matched`` rows are
    Gaussian, of unit norm, and have the mean and covariance of the directions.
    """

    import xarray as xr

    from saegeom_data.metrics._kernels.nearest import nearest_bytes, nearest_work, within_reach_work

    n, hidden = decoder.shape
    # As many as other metrics of directions list, so that a run of several draws and searches each surrogate once.
    k = max(k, N_NEIGHBOURS)
    # Rows, centred ones, pieces of either; and three matrices to match them by, or a search and what counts its lists.
    pieces = 3 * 8 * 2048 * hidden
    rest = pieces + max(3 * 8 * hidden**2, nearest_bytes(n, hidden, k) + 4 * 16 * n * k)
    memory = Memory(finish=2 * 8 * n * hidden + rest, lower="n_samples")
    one = _drawing(null, n, hidden)
    if null == uniform_sphere.LABEL:
        one += nearest_work(n, hidden, 1)
    else:
        # Of centred rows other pairs are measured, by the same products.
        one += nearest_work(n, hidden, k) + within_reach_work(n, hidden, k)
        one += Work(functions=n * k, steps=30 * n * k, passes=80 * n * hidden, calls=200)
    batches = []
    for first in range(0, n_surrogates, _BATCH):
        indices = tuple(range(first, min(first + _BATCH, n_surrogates)))
        outputs = {
            name: Result(("surrogate", *result.dims), (len(indices), *result.shape))
            for name, result in _statistic_shapes(k).items()
        }
        draw = functools.partial(_drawn_statistics, null=null, hidden=hidden, k=k, indices=indices, seed=seed)
        inputs = {"n_used": moments.n_used, "spectrum": moments.spectrum, "mean": moments.principal_mean}
        batches.append(lazy.whole(draw, **inputs, outputs=outputs, memory=memory, work=len(indices) * one))
    return xr.concat(batches, "surrogate")


def _drawing(null: str, n: int, hidden: int) -> Work:
    """What a cloud of n rows takes to draw."""
    drawn = Work(normals=n * hidden, passes=60 * n * hidden, calls=50)
    return drawn if null == uniform_sphere.LABEL else drawn + spectrum_matched.matching_work(n, hidden)


def _statistic_shapes(k: int) -> dict[str, Result]:
    """Dims and shapes of what is kept of one cloud, for k neighbours."""
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
) -> lazy.Arrays:
    """Statistics (draws, ...) of the clouds ``indices`` of ``n_used`` rows; NaN where there is no such cloud.

    ``spectrum`` and ``mean`` (hidden,) are the moments of the data along their principal axes.
    """

    n = int(n_used)
    found: dict[str, list[Array]] = {name: [] for name in _statistic_shapes(k)}
    for index in indices:
        rows = None
        if null == uniform_sphere.LABEL:
            rows = uniform_sphere.uniform_rows(n, hidden, stream(null, seed, index))
        # The uniform law needs no moments; a covariance needs two rows.
        elif n >= 2:
            rows = spectrum_matched.matched_rows(n, spectrum, mean, stream(null, seed, index))
        statistics = _statistics(rows, k, null) if rows is not None and n >= 2 else {}
        for name, result in _statistic_shapes(k).items():
            found[name].append(statistics.get(name, np.full(result.shape, np.nan)))
    return {name: np.stack(values) for name, values in found.items()}


def _statistics(rows: Array, k: int, null: str) -> dict[str, Array]:
    """All that metrics compare of a cloud of unit rows, in numbers that do not grow with it."""
    from saegeom_data.metrics._kernels.nearest import cloud_neighbours, nearest

    if null == uniform_sphere.LABEL:
        return cosine_statistics(nearest(rows, 1).distance)
    # Centred by their own mean, as the data are by theirs.
    mean = rows.mean(axis=0)
    centred, used = _centred(rows, mean)
    near, centred_near, opposite = cloud_neighbours(rows, mean, centred, k)
    closest = min(near.distance[:, 0].min(), opposite.distance.min())
    # Rows that are the mean have no neighbours, and are nobody's.
    centred_index = np.searchsorted(used, centred_near.index[used])
    # Copies are at distance 0, and missing neighbours at inf: such orders become NaN below.
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_log = np.log(near.distance).mean(axis=0)
    return cosine_statistics(near.distance) | {
        "mean_log_distance": np.where(np.isfinite(mean_log), mean_log, np.nan),
        # Of unit rows, |x - y| and |x + y| say what their cosine and its negative are.
        "coherence": np.asarray(1 - closest**2 / 2),
        "occurrence": np.stack([_occurrence_by_order(near.index), _occurrence_by_order(centred_index)]),
    }


def _centred(rows: Array, mean: Array) -> tuple[Array, Array]:
    """Directions (rows, hidden) of unit rows less ``mean``, 0 for those that are equal to it; indices of the others."""
    centred, used = np.zeros_like(rows), []
    # In pieces: differences of all rows would be a third array of their size.
    for start in range(0, len(rows), 1024):
        part, kept = directions(less_mean(rows[start : start + 1024], mean))
        centred[start + kept] = part
        used.append(start + kept)
    return centred, np.concatenate(used)


def _occurrence_by_order(index: Array) -> Array:
    """Occurrence measures (measure, order) of lists of each length; NaN where there are not so many other rows."""
    n, k = index.shape
    found, most = np.full((len(OCCURRENCE_MEASURES), k), np.nan), min(k, max(n - 1, 0))
    if most:
        # Counting (order, row) cells once and summing along orders gives every length of list.
        cells = np.arange(most) * n + index[:, :most]
        count = np.bincount(cells.ravel(), minlength=most * n).reshape(most, n).cumsum(axis=0)
        found[:, :most] = occurrence_measures(count)
    return found
