"""What surrogates take over from the scores of the data, found once for all of them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.metrics.galaxy.clustering_entropy._close_pairs import (
    close_cosine,
    close_pairs,
    pairs_bytes,
    pairs_work,
    quantile_work,
)
from saegeom_data.metrics.galaxy.clustering_entropy._plan import Plan
from saegeom_data.metrics.nulls.angular_central_gaussian import projected_spectrum, spectrum_work
from saegeom_data.metrics.nulls.gaussian_scores import Cloud, covariance_work, gaussian_scores
from saegeom_data.metrics.nulls.shuffled_components import components_work, independent_components
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


def describe_cloud(scores: xr.DataArray, kept: xr.Dataset, axes: xr.Dataset, plan: Plan) -> xr.Dataset:
    """What surrogates of scores (features, components) take over, and close pairs of the data.

    ``covariance`` of the scores; ``spectrum`` before rows are divided to their norms; ``independent`` components, in
    ascending order in the first rows, and their ``mixing``; ``close_cosine`` and ``close_pairs`` on the headline's
    components. NaN where the data cannot serve them. The spectrum is a stage of its own: it takes longest, and only one
    null waits for it.
    """
    n, most = scores.shape
    square = lazy.Result(("components", "components_other"), (most, most))
    described = lazy.whole(
        functools.partial(_describe, plan=plan),
        scores=scores,
        is_kept=kept.is_kept,
        norm=kept.norm,
        spectrum=axes.spectrum,
        mean=axes.mean_on_axes,
        outputs={
            "covariance": square,
            "independent": lazy.Result(("features", "components"), (n, most)),
            "mixing": square,
            "close_cosine": lazy.Result(),
            "close_pairs": lazy.Result(),
        },
        memory=lazy.Memory(
            finish=8 * 8 * plan.n_samples * most + pairs_bytes(plan.n_samples, most), lower="n_samples or n_components"
        ),
        work=components_work(plan.n_samples, most)
        + covariance_work(plan.n_samples, most)
        + quantile_work(plan.n_samples, plan.components[0])
        + pairs_work(plan.n_samples, plan.components[0]),
    )
    return described.assign(spectrum=_undivided_spectrum(scores, kept, axes, plan))


def _undivided_spectrum(scores: xr.DataArray, kept: xr.Dataset, axes: xr.Dataset, plan: Plan) -> xr.DataArray:
    """Spectrum (ranks) before rows are divided to their norms; NaN where the data cannot serve any components."""
    hidden = axes.sizes["ranks"]
    # Pilot draws are held whole, and so is their scatter, three times.
    finish = 8 * 2 * plan.n_samples * scores.shape[1] + 4 * plan.n_samples * hidden + 3 * 8 * hidden**2
    found = lazy.whole(
        functools.partial(_undivided, plan=plan),
        scores=scores,
        is_kept=kept.is_kept,
        norm=kept.norm,
        spectrum=axes.spectrum,
        mean=axes.mean_on_axes,
        outputs={"spectrum": lazy.Result(("ranks",), (hidden,))},
        memory=lazy.Memory(finish=finish, lower="n_samples"),
        work=spectrum_work(plan.n_samples, hidden, refit=plan.refit),
    )
    return found["spectrum"]


def _covariance(rows: Array) -> Array:
    """Covariance of scores ``rows`` (rows, components); NaN for fewer than two."""
    d = rows.shape[1]
    return np.atleast_2d(np.cov(rows, rowvar=False)) if len(rows) > 1 else np.full((d, d), np.nan)


def _undivided(scores: Array, is_kept: Array, norm: Array, spectrum: Array, mean: Array, *, plan: Plan) -> lazy.Arrays:
    """Output of :func:`_undivided_spectrum`; ``spectrum`` and ``mean`` (hidden,) are along all principal axes."""
    covariance = _covariance(scores[is_kept])
    if not plan.usable(covariance, int(is_kept.sum())):
        return {"spectrum": np.full(len(spectrum), np.nan)}
    cloud = Cloud(covariance, spectrum, mean, np.sort(norm[is_kept]), plan.refit)
    return {"spectrum": projected_spectrum(cloud, plan.seed)}


def _describe(scores: Array, is_kept: Array, norm: Array, spectrum: Array, mean: Array, *, plan: Plan) -> lazy.Arrays:
    """Outputs of :func:`describe_cloud` but the spectrum; that of the data is given, as is the mean, along all axes."""
    n, most = scores.shape
    rows = scores[is_kept]
    found = {
        "covariance": _covariance(rows),
        "independent": np.full((n, most), np.nan),
        "mixing": np.full((most, most), np.nan),
        "close_cosine": np.asarray(np.nan),
        "close_pairs": np.asarray(np.nan),
    }
    places = plan.usable(found["covariance"], len(rows))
    if places:
        # Of the leading components that have a covariance of full rank.
        d = max(plan.components[place] for place in places)
        rng = stream("independent_components", plan.seed)
        found["independent"][: len(rows), :d], found["mixing"][:d, :d] = independent_components(rows[:, :d], rng)
    if 0 in places:
        d = plan.components[0]
        headline = Cloud(found["covariance"][:d, :d], spectrum, mean, norm[is_kept], plan.refit)
        cosine = close_cosine(gaussian_scores(headline, stream("close_pairs_pilot", plan.seed)))
        found["close_cosine"] = np.asarray(cosine)
        found["close_pairs"] = np.asarray(close_pairs(centred(rows[:, :d]), cosine))
    return found


def centred(scores: Array) -> Array:
    """Scores (rows, components) about their mean: that of some of all rows is not 0."""
    return np.asarray(scores - scores.mean(axis=0))
