"""Negentropy of principal-component scores, calibrated on surrogates: the stages and what each of them takes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data import lazy
from saegeom_data.metrics._statistics.entropy import entropy_of_distances, gaussian_entropy, neighbour_entropy
from saegeom_data.metrics._statistics.p_values import p_value
from saegeom_data.metrics.galaxy._shared.directions import row_neighbours
from saegeom_data.metrics.galaxy.clustering_entropy._principal_scores import principal_axes, principal_scores
from saegeom_data.metrics.nulls import angular_central_gaussian, gaussian_scores
from saegeom_data.metrics.nulls.angular_central_gaussian import ROWS_DRAWN, projected_scores, projected_spectrum
from saegeom_data.metrics.nulls.gaussian_scores import Cloud
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


NULLS = (gaussian_scores.LABEL, angular_central_gaussian.LABEL)
# Draws are dealt out to so many tasks at most, for cores to share.
_MOST_TASKS = 8
_ROWS_IN_WORK = 4096


@dataclass(frozen=True)
class Plan:
    """Parameters as resolved against the shape of the data; ``components`` begins with the headline's."""

    components: tuple[int, ...]
    k: tuple[int, ...]
    n_surrogates: int
    n_samples: int
    n_subsamples: int
    seed: int
    n_features: int

    @property
    def refit(self) -> bool:
        """Whether principal axes are fitted to the very rows whose distances are measured."""
        return self.n_samples == self.n_features

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the dims of the estimates."""
        return {
            "null": len(NULLS),
            "components": len(self.components),
            "k": len(self.k),
            "surrogate": self.n_surrogates,
        }

    def usable(self, covariance: Array, n_rows: int) -> list[int]:
        """Places in ``components`` that so many rows with this covariance of their scores can serve."""
        if n_rows <= max(self.k) or not np.isfinite(covariance).all():
            return []
        return [
            place
            for place, d in enumerate(self.components)
            if n_rows >= d + 2 and np.isfinite(gaussian_entropy(covariance[:d, :d]))
        ]


def calibrated(decoder: xr.DataArray, kept: xr.Dataset, plan: Plan) -> dict[str, xr.DataArray]:
    """Estimates over all components of the plan, from rows that ``kept`` marks (see :mod:`._distinct_rows`)."""
    most = max(plan.components)
    # Of a sample of rows all rows give better axes, and then axes are not fitted to what is measured.
    axes = principal_axes(decoder, kept.is_kept if plan.refit else kept.norm > 0, n_components=most)
    scores = principal_scores(decoder, kept.is_kept, axes)
    distances = [score_neighbours(scores[:, :d], max(plan.k)).distance for d in plan.components]
    cloud = _cloud(scores, kept, axes, plan)
    surrogates = _in_tasks(_surrogates, plan.n_surrogates, "surrogate", plan, cloud, scores, most)
    subsamples = _in_tasks(_subsamples, plan.n_subsamples, "subsample", plan, [scores], scores, most)
    dims: dict[str, tuple[str, ...]] = {
        **dict.fromkeys(("negentropy", "negentropy_low", "negentropy_high", "p"), ("null", "components", "k")),
        **dict.fromkeys(("null_mean", "null_sd"), ("null", "components", "k")),
        "negentropy_surrogate": ("null", "components", "k", "surrogate"),
        **dict.fromkeys(("negentropy_uncalibrated", "standard_error", "entropy_knn"), ("components", "k")),
        "entropy_gaussian": ("components",),
    }
    results = lazy.whole(
        functools.partial(_compare, plan=plan, n_parts=(len(distances), len(surrogates))),
        cloud[0],
        *distances,
        *surrogates,
        *subsamples,
        outputs={name: lazy.Result(over, tuple(plan.sizes[dim] for dim in over)) for name, over in dims.items()},
        memory=lazy.Memory(finish=16 * sum(distance.size for distance in distances)),
    )
    return {str(name): estimate for name, estimate in results.data_vars.items()}


def score_neighbours(scores: xr.DataArray, k: int) -> xr.Dataset:
    """``distance`` and ``neighbour`` (features, order) of each row's nearest others; inf and -1 for rows of NaN."""
    n, d = scores.shape
    memory = lazy.Memory(task=_search_bytes(_ROWS_IN_WORK, d, k), partial=16 * n * k, finish=16 * n * k)
    return row_neighbours(scores, k, _finite_rows, memory)


def _finite_rows(scores: Array) -> tuple[Array, Array]:
    """Scores (used, components) of the rows that count, and their indices (used,)."""
    used = np.flatnonzero(np.isfinite(scores[:, 0]))
    return scores[used], used


def _search_bytes(n: int, d: int, k: int) -> int:
    """Bytes of a search for neighbours: rows of a tile copied and in 16 bits, and what is known of all rows, twice."""
    return 2 * min(n, 2 * _ROWS_IN_WORK) * (10 * d + 64) + 48 * n * k


def _cloud(scores: xr.DataArray, kept: xr.Dataset, axes: xr.Dataset, plan: Plan) -> list[xr.DataArray]:
    """What surrogates take over: covariance of the scores, spectrum before division, mean, and the rows' norms."""
    most = scores.shape[1]
    hidden = axes.sizes["ranks"]
    outputs = {
        "covariance": lazy.Result(("components", "components_other"), (most, most)),
        "spectrum": lazy.Result(("ranks",), (hidden,)),
    }
    found = lazy.whole(
        functools.partial(_describe, plan=plan),
        scores,
        kept.is_kept,
        kept.norm,
        axes.spectrum,
        axes.mean_on_axes,
        outputs=outputs,
        memory=lazy.Memory(finish=16 * plan.n_samples * most + _projection_bytes(plan.n_samples, hidden)),
    )
    return [found.covariance, found.spectrum, axes.mean_on_axes, kept.norm, kept.is_kept]


def _describe(scores: Array, is_kept: Array, norm: Array, spectrum: Array, mean: Array, *, plan: Plan) -> lazy.Arrays:
    """Covariance (components, components) of the scores, and spectrum (hidden,) before rows are divided to norms."""
    covariance = np.full((scores.shape[1],) * 2, np.nan)
    before = np.full(len(spectrum), np.nan)
    if is_kept.sum() > 1:
        covariance = np.atleast_2d(np.cov(scores[is_kept], rowvar=False))
    if plan.usable(covariance, is_kept.sum()):
        before = projected_spectrum(Cloud(covariance, spectrum, mean, np.sort(norm[is_kept]), plan.refit), plan.seed)
    return {"covariance": covariance, "spectrum": before}


def _projection_bytes(n: int, hidden: int) -> int:
    """Bytes of drawing and dividing rows of all hidden dimensions: four square matrices, and three copies of rows."""
    return 8 * (4 * hidden**2 + 3 * min(n, ROWS_DRAWN) * hidden)


def _in_tasks(
    function: Any, n_draws: int, dim: str, plan: Plan, arrays: Sequence[xr.DataArray], scores: xr.DataArray, most: int
) -> list[xr.DataArray]:
    """Entropies (null or 1, components, k, draws) of independent draws, in several tasks."""
    n, hidden = plan.n_samples, arrays[1].size if len(arrays) > 1 else 0
    n_nulls = len(NULLS) if dim == "surrogate" else 1
    dims = ("null", "components", "k", dim)
    memory = lazy.Memory(
        finish=8 * 4 * n * most + _search_bytes(n, most, max(plan.k)) + _projection_bytes(n, hidden) * bool(hidden),
        lower="n_samples or n_components",
    )
    results = []
    for draws in np.array_split(np.arange(n_draws), min(n_draws, _MOST_TASKS)):
        shape = (n_nulls, len(plan.components), len(plan.k), len(draws))
        compute = functools.partial(function, plan=plan, draws=tuple(draws.tolist()))
        outputs = {"entropy": lazy.Result(dims, shape)}
        results.append(lazy.whole(compute, *arrays, outputs=outputs, memory=memory)["entropy"])
    return results


def _entropies(scores: Array, plan: Plan, places: Sequence[int]) -> Array:
    """Entropies (places, k) on the components at ``places`` of the plan."""
    components = [plan.components[place] for place in places]
    return np.stack([neighbour_entropy(np.ascontiguousarray(scores[:, :d]), plan.k) for d in components])


def _surrogates(
    covariance: Array, spectrum: Array, mean: Array, norm: Array, is_kept: Array, *, plan: Plan, draws: tuple[int, ...]
) -> lazy.Arrays:
    """Entropies (null, components, k, draws) of surrogates; NaN for components that the data cannot serve.

    ``covariance`` (components, components) is of the scores, ``spectrum`` and ``mean`` (hidden,) are along all axes.
    """

    entropies = np.full((len(NULLS), len(plan.components), len(plan.k), len(draws)), np.nan)
    places = plan.usable(covariance, is_kept.sum())
    if places:
        most = max(plan.components[place] for place in places)
        # Norms in order: the order of the rows must not change what is drawn.
        cloud = Cloud(covariance[:most, :most], spectrum, mean, np.sort(norm[is_kept]), plan.refit)
        for index, draw in enumerate(draws):
            gaussian = gaussian_scores.gaussian_scores(cloud, stream(gaussian_scores.LABEL, plan.seed, draw))
            entropies[0, places, :, index] = _entropies(gaussian, plan, places)
            stream_of = functools.partial(stream, angular_central_gaussian.LABEL, plan.seed, draw)
            projected = projected_scores(cloud, spectrum, stream_of)
            entropies[1, places, :, index] = _entropies(projected, plan, places)
    return {"entropy": entropies}


def _subsamples(scores: Array, *, plan: Plan, draws: tuple[int, ...]) -> lazy.Arrays:
    """Negentropies of halves drawn without replacement; NaN where a half is too small."""
    rows = scores[np.isfinite(scores[:, 0])]
    # Halves, which leave no row twice: copies would be at distance 0.
    m = len(rows) // 2
    values = np.full((1, len(plan.components), len(plan.k), len(draws)), np.nan)
    for index, draw in enumerate(draws if m > 1 else ()):
        rng = stream("score_subsamples", plan.seed, draw)
        half = rows[np.sort(rng.choice(len(rows), m, replace=False))]
        covariance = np.atleast_2d(np.cov(half, rowvar=False))
        places = plan.usable(covariance, m)
        if places:
            gaussian = _gaussians(covariance, plan, places)[places]
            values[0, places, :, index] = gaussian[:, None] - _entropies(half, plan, places)
    return {"entropy": values}


def _gaussians(covariance: Array, plan: Plan, places: Sequence[int]) -> Array:
    """Gaussian entropies on all components of the plan; NaN elsewhere than at ``places``."""
    entropies = np.full(len(plan.components), np.nan)
    for place in places:
        d = plan.components[place]
        entropies[place] = gaussian_entropy(covariance[:d, :d])
    return entropies


def _compare(covariance: Array, *parts: Array, plan: Plan, n_parts: tuple[int, int]) -> lazy.Arrays:
    """Put entropies together: J = H_gaussian - H_knn (components, k), less its mean over surrogates of each null.

    ``parts`` are distances of the data (rows, order) for each number of components, then entropies (null, components,
    k, draws) of surrogates, then those of subsamples.
    """

    from scipy.special import stdtrit

    n_distances, n_surrogates = n_parts
    distances, others = parts[:n_distances], parts[n_distances:]
    entropy = np.stack(
        [entropy_of_distances(near, d, plan.k) for near, d in zip(distances, plan.components, strict=True)]
    )
    n = int(np.isfinite(distances[0][:, 0]).sum())
    gaussian = _gaussians(covariance, plan, plan.usable(covariance, n))
    # A singular covariance has no Gaussian entropy; then distances mean nothing either.
    entropy[np.isnan(gaussian)] = np.nan
    raw = gaussian[:, None] - entropy
    surrogates = gaussian[:, None, None] - np.concatenate(others[:n_surrogates], axis=-1)
    mean, sd = surrogates.mean(axis=-1), surrogates.std(axis=-1, ddof=min(1, plan.n_surrogates - 1))
    halves = np.concatenate(others[n_surrogates:], axis=-1)[0]
    # Halves differ from the whole by as much as from other data: the finite-population factor undoes that.
    error = halves.std(axis=-1, ddof=1) * np.sqrt(n // 2 / max(n - n // 2, 1))
    reach = float(stdtrit(plan.n_subsamples - 1, 0.975)) * np.sqrt(error**2 + sd**2 / plan.n_surrogates)
    return {
        "negentropy": raw - mean,
        "negentropy_low": raw - mean - reach,
        "negentropy_high": raw - mean + reach,
        "p": p_value(np.broadcast_to(raw, mean.shape), surrogates),
        "null_mean": mean,
        "null_sd": sd,
        "negentropy_surrogate": surrogates,
        "negentropy_uncalibrated": raw,
        "standard_error": error,
        "entropy_knn": entropy,
        "entropy_gaussian": gaussian,
    }
