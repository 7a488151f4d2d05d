"""Negentropy of principal-component scores, calibrated on surrogates: the stages and what each of them takes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data import lazy
from saegeom_data.metrics._shared.directions import row_neighbours
from saegeom_data.metrics._shared.distinct_rows import count_near_copies
from saegeom_data.metrics._statistics.entropy import entropy_of_distances, gaussian_entropy, neighbour_entropy
from saegeom_data.metrics._statistics.p_values import p_value
from saegeom_data.metrics.galaxy.clustering_entropy._close_pairs import close_pairs, pairs_bytes, pairs_work
from saegeom_data.metrics.galaxy.clustering_entropy._cloud import describe_cloud
from saegeom_data.metrics.galaxy.clustering_entropy._plan import NULLS, Plan
from saegeom_data.metrics.galaxy.clustering_entropy._principal_scores import principal_axes, principal_scores
from saegeom_data.metrics.nulls import angular_central_gaussian, gaussian_scores, shuffled_components
from saegeom_data.metrics.nulls.angular_central_gaussian import projected_bytes, projected_scores, projected_work
from saegeom_data.metrics.nulls.gaussian_scores import Cloud, covariance_work
from saegeom_data.metrics.nulls.shuffled_components import shuffled_work
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


# Draws are dealt out to so many tasks at most, for cores to share.
_MOST_TASKS = 8
_ROWS_IN_WORK = 4096
_OVER_NULLS = ("negentropy", "negentropy_low", "negentropy_high", "p", "null_mean", "null_sd")
_OF_PAIRS = ("close_pairs_null_mean", "close_pairs_excess", "close_pairs_p")


def calibrated(decoder: xr.DataArray, kept: xr.Dataset, plan: Plan) -> dict[str, xr.DataArray]:
    """Estimates over all components of the plan, from rows that ``kept`` marks (see :func:`.distinct_rows`)."""
    most = max(plan.components)
    # Of a sample of rows all rows give better axes, and then axes are not fitted to what is measured.
    axes = principal_axes(decoder, kept.is_kept if plan.refit else kept.norm > 0, n_components=most)
    scores = principal_scores(decoder, kept.is_kept, axes)
    distances = [score_neighbours(scores[:, :d], max(plan.k)).distance for d in plan.components]
    cloud = describe_cloud(scores, kept, axes, plan)
    drawn = _drawn(cloud, kept, axes, plan)
    subsamples = _in_tasks(
        functools.partial(_subsamples, plan=plan),
        plan.n_subsamples,
        "subsample",
        plan,
        _entropies_work(plan, plan.n_samples // 2) + lazy.Work(sorting=lazy.ordering(plan.n_samples)),
        scores=scores,
    )
    dims: dict[str, tuple[str, ...]] = {
        **dict.fromkeys(_OVER_NULLS, ("null", "components", "k")),
        "negentropy_surrogate": ("null", "components", "k", "surrogate"),
        **dict.fromkeys(("negentropy_uncalibrated", "standard_error", "entropy_knn"), ("components", "k")),
        "entropy_gaussian": ("components",),
        "n_near_copies": (),
        "close_pairs": (),
        **dict.fromkeys(_OF_PAIRS, ("null",)),
        "close_pairs_surrogate": ("null", "surrogate"),
    }
    outputs = {name: lazy.Result(over, tuple(plan.sizes[dim] for dim in over)) for name, over in dims.items()}
    results = lazy.whole(
        functools.partial(_compare, plan=plan),
        covariance=cloud.covariance,
        observed_pairs=cloud.close_pairs,
        distances=distances,
        drawn=[part.entropy for part in drawn],
        drawn_pairs=[part.pairs for part in drawn],
        halves=[part.entropy for part in subsamples],
        outputs=outputs | {"n_near_copies": lazy.Result(dtype="int64")},
        memory=lazy.Memory(finish=16 * sum(distance.size for distance in distances)),
        work=lazy.Work(functions=sum(distance.size for distance in distances), calls=1000),
    )
    return {str(name): estimate for name, estimate in results.data_vars.items()}


def score_neighbours(scores: xr.DataArray, k: int) -> xr.Dataset:
    """``distance`` and ``neighbour`` (features, order) of each row's nearest others; inf and -1 for rows of NaN."""
    n, d = scores.shape
    memory = lazy.Memory(task=_search_bytes(_ROWS_IN_WORK, d, k), partial=16 * n * k, finish=16 * n * k)
    from saegeom_data.metrics._kernels.nearest import nearest_work

    return row_neighbours(scores, k, _finite_rows, memory, nearest_work(n, d, k))


def _finite_rows(scores: Array) -> tuple[Array, Array]:
    """Scores (used, components) of the rows that count, and their indices (used,)."""
    used = np.flatnonzero(np.isfinite(scores[:, 0]))
    return scores[used], used


def _search_bytes(n: int, d: int, k: int) -> int:
    """Bytes of a search for neighbours: rows copied and in 16 bits, and what is known of all rows, twice."""
    return max(n, 2 * min(n, 2 * _ROWS_IN_WORK)) * (10 * d + 64) + 48 * n * k


def _drawn(cloud: xr.Dataset, kept: xr.Dataset, axes: xr.Dataset, plan: Plan) -> list[xr.Dataset]:
    """Surrogates of each null in turn, each in as many tasks."""
    n, most, hidden = plan.n_samples, max(plan.components), axes.sizes["ranks"]
    given = {"covariance": cloud.covariance, "close_cosine": cloud.close_cosine, "mean": axes.mean_on_axes}
    given |= {"norm": kept.norm, "is_kept": kept.is_kept}
    taken: dict[str, dict[str, xr.DataArray]] = {
        gaussian_scores.LABEL: {"spectrum": axes.spectrum},
        angular_central_gaussian.LABEL: {"spectrum": cloud.spectrum},
        shuffled_components.LABEL: {
            "spectrum": axes.spectrum,
            "independent": cloud.independent,
            "mixing": cloud.mixing,
        },
    }
    of_draw = {
        gaussian_scores.LABEL: covariance_work(n, most) + lazy.Work(normals=n * most),
        angular_central_gaussian.LABEL: projected_work(n, hidden, most, refit=plan.refit),
        shuffled_components.LABEL: shuffled_work(n, most),
    }
    measuring = _entropies_work(plan, n) + pairs_work(n, plan.components[0])
    held = dict.fromkeys(NULLS, pairs_bytes(n, most))
    held[angular_central_gaussian.LABEL] += projected_bytes(n, hidden, most)
    return [
        part
        for null in NULLS
        for part in _in_tasks(
            functools.partial(_surrogates, null=null, plan=plan),
            plan.n_surrogates,
            "surrogate",
            plan,
            of_draw[null] + measuring,
            held[null],
            **given,
            **taken[null],
        )
    ]


def _in_tasks(
    function: Any, n_draws: int, dim: str, plan: Plan, work: lazy.Work, held: int = 0, **arrays: xr.DataArray
) -> list[xr.Dataset]:
    """``entropy`` (components, k, draws) and ``pairs`` (draws) of draws, in several tasks.

    A draw takes ``work``, and holds so many bytes beside scores and what finds their neighbours.
    """
    n, most = plan.n_samples, max(plan.components)
    memory = lazy.Memory(
        finish=8 * 4 * n * most + _search_bytes(n, most, max(plan.k)) + held, lower="n_samples or n_components"
    )
    results = []
    for draws in np.array_split(np.arange(n_draws), min(n_draws, _MOST_TASKS)):
        outputs = {
            "entropy": lazy.Result(("components", "k", dim), (len(plan.components), len(plan.k), len(draws))),
            "pairs": lazy.Result((dim,), (len(draws),)),
        }
        compute = functools.partial(function, draws=tuple(draws.tolist()))
        results.append(lazy.whole(compute, **arrays, outputs=outputs, memory=memory, work=len(draws) * work))
    return results


def _entropies_work(plan: Plan, n: int) -> lazy.Work:
    """What :func:`_entropies` of n scores, and Gaussian ones beside, compute."""
    from saegeom_data.metrics._kernels.nearest import nearest_work

    return lazy.total(
        nearest_work(n, d, max(plan.k)) + 0.4 * lazy.eigen(d) + lazy.Work(functions=n * max(plan.k), calls=200)
        for d in plan.components
    )


def _entropies(scores: Array, plan: Plan, places: Sequence[int]) -> Array:
    """Entropies (places, k) on the components at ``places`` of the plan."""
    components = [plan.components[place] for place in places]
    return np.stack([neighbour_entropy(np.ascontiguousarray(scores[:, :d]), plan.k) for d in components])


def _surrogates(
    covariance: Array,
    close_cosine: Array,
    mean: Array,
    norm: Array,
    is_kept: Array,
    spectrum: Array,
    independent: Array | None = None,
    mixing: Array | None = None,
    *,
    null: str,
    plan: Plan,
    draws: tuple[int, ...],
) -> lazy.Arrays:
    """Entropies (components, k, draws) and close pairs (draws,) of surrogates of a null; NaN for what cannot be.

    ``covariance`` (components, components) is of the scores, ``spectrum`` and ``mean`` (hidden,) are along all axes,
    ``independent`` (features, components) and ``mixing`` as in :func:`.describe_cloud`, for the null that needs them.
    """
    entropies = np.full((len(plan.components), len(plan.k), len(draws)), np.nan)
    pairs = np.full(len(draws), np.nan)
    n = int(is_kept.sum())
    places = plan.usable(covariance, n)
    if places:
        most = max(plan.components[place] for place in places)
        # Norms in order: the order of the rows must not change what is drawn.
        cloud = Cloud(covariance[:most, :most], spectrum, mean, np.sort(norm[is_kept]), plan.refit)
        for index, draw in enumerate(draws):
            stream_of = functools.partial(stream, null, plan.seed, draw)
            if independent is not None and mixing is not None:
                scores = shuffled_components.shuffled_scores(
                    independent[:n, :most], mixing[:most, :most], cloud.covariance, stream_of()
                )
            elif null == angular_central_gaussian.LABEL:
                scores = projected_scores(cloud, spectrum, stream_of)
            else:
                scores = gaussian_scores.gaussian_scores(cloud, stream_of())
            entropies[places, :, index] = _entropies(scores, plan, places)
            if 0 in places:
                pairs[index] = close_pairs(scores[:, : plan.components[0]], float(close_cosine))
    return {"entropy": entropies, "pairs": pairs}


def _subsamples(scores: Array, *, plan: Plan, draws: tuple[int, ...]) -> lazy.Arrays:
    """Negentropies of halves drawn without replacement; NaN where a half is too small."""
    rows = scores[np.isfinite(scores[:, 0])]
    # Halves, which leave no row twice: copies would be at distance 0.
    m = len(rows) // 2
    values = np.full((len(plan.components), len(plan.k), len(draws)), np.nan)
    for index, draw in enumerate(draws if m > 1 else ()):
        rng = stream("score_subsamples", plan.seed, draw)
        half = rows[np.sort(rng.choice(len(rows), m, replace=False))]
        covariance = np.atleast_2d(np.cov(half, rowvar=False))
        places = plan.usable(covariance, m)
        if places:
            gaussian = _gaussians(covariance, plan, places)[places]
            values[places, :, index] = gaussian[:, None] - _entropies(half, plan, places)
    return {"entropy": values, "pairs": np.full(len(draws), np.nan)}


def _gaussians(covariance: Array, plan: Plan, places: Sequence[int]) -> Array:
    """Gaussian entropies on all components of the plan; NaN elsewhere than at ``places``."""
    entropies = np.full(len(plan.components), np.nan)
    for place in places:
        d = plan.components[place]
        entropies[place] = gaussian_entropy(covariance[:d, :d])
    return entropies


def _compare(
    covariance: Array,
    observed_pairs: Array,
    distances: list[Array],
    drawn: list[Array],
    drawn_pairs: list[Array],
    halves: list[Array],
    *,
    plan: Plan,
) -> lazy.Arrays:
    """Put entropies together: J = H_gaussian - H_knn (components, k), less its mean over surrogates of each null.

    ``distances`` (rows, order) of the data are of each number of components. Of each task that draws, ``drawn``
    (components, k, draws) are entropies of surrogates, ``drawn_pairs`` (draws,) their close pairs, null after null, and
    ``halves`` (components, k, draws) negentropies of halves of the data.
    """

    from scipy.special import stdtrit

    entropy = np.stack(
        [entropy_of_distances(near, d, plan.k) for near, d in zip(distances, plan.components, strict=True)]
    )
    n = int(np.isfinite(distances[0][:, 0]).sum())
    gaussian = _gaussians(covariance, plan, plan.usable(covariance, n))
    # A singular covariance has no Gaussian entropy; then distances mean nothing either.
    entropy[np.isnan(gaussian)] = np.nan
    raw = gaussian[:, None] - entropy
    surrogates = gaussian[:, None, None] - _by_null(drawn)
    mean, sd = surrogates.mean(axis=-1), surrogates.std(axis=-1, ddof=min(1, plan.n_surrogates - 1))
    of_halves = np.concatenate(halves, axis=-1)
    # Halves differ from the whole by as much as from other data: the finite-population factor undoes that.
    error = of_halves.std(axis=-1, ddof=1) * np.sqrt(n // 2 / max(n - n // 2, 1))
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
        "n_near_copies": count_near_copies(distances[0][:, 0]),
        **_compare_pairs(observed_pairs, _by_null(drawn_pairs)),
    }


def _by_null(parts: Sequence[Array]) -> Array:
    """Draws (null, ..., draws) from ``parts`` (..., some draws) of one null after the other, as many of each."""
    each = len(parts) // len(NULLS)
    return np.stack([np.concatenate(parts[start : start + each], axis=-1) for start in range(0, len(parts), each)])


def _compare_pairs(observed: Array, surrogates: Array) -> lazy.Arrays:
    """Close pairs () of the data beside those of surrogates (null, draws): DD / RR - 1 for their shares DD and RR."""
    mean = surrogates.mean(axis=-1)
    return {
        "close_pairs": observed,
        "close_pairs_surrogate": surrogates,
        "close_pairs_null_mean": mean,
        "close_pairs_excess": np.divide(observed, mean, out=np.full(mean.shape, np.nan), where=mean > 0) - 1,
        "close_pairs_p": p_value(np.broadcast_to(observed, mean.shape), surrogates),
    }
