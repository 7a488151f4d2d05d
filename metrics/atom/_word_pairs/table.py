"""From scores of folds and relations to a table with intervals, nulls and improvements; and the published score."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._statistics.jackknife import jackknife_p, jackknife_reach
from saegeom_data.metrics._statistics.p_values import tail
from saegeom_data.metrics.atom._word_pairs.means import mean
from saegeom_data.metrics.atom._word_pairs.scores import N_GROUPS, Scores, draws_without
from saegeom_data.typing import Array

# Better the smaller they are; all other scores are better the larger they are.
_SMALL_IS_GOOD = frozenset({"parallelogram_residual", "target_rank"})


def summarise(scores: Scores, names: tuple[str, ...], n_named: int) -> dict[str, Array]:
    """Averages over folds and relations, with intervals and nulls, and what views improve on the raw one.

    Arrays are (hold-out, [null,] score, view, ...). Views beyond the first ``n_named`` are those of the sweep.
    """
    sign = np.array([-1.0 if name in _SMALL_IS_GOOD else 1.0 for name in names])[:, None]
    by_relation = mean(scores.value, axis=-1)
    null_by_relation = np.moveaxis(mean(scores.null, axis=-2), 0, 1)
    value, null = mean(by_relation, axis=-1), mean(null_by_relation, axis=-2)
    null_mean = mean(null, axis=-1)
    swept = {"score_by_directions": value[..., n_named:], "null_mean_by_directions": null_mean[..., n_named:]}
    named = (..., slice(n_named))
    by_relation, null_by_relation = by_relation[..., :n_named, :], null_by_relation[..., :n_named, :, :]
    value, null, null_mean = value[named], null[..., :n_named, :], null_mean[named]
    improvement = sign * (value - value[..., :1])
    null_improvement = sign * (null_mean - null_mean[..., :1])
    # The null's mean is known from so many draws only, which are the same for all views.
    drawn = _variance(null - null[..., :1, :]) / null.shape[-1]
    above_null = improvement[:, None] - null_improvement
    left = _known(mean(mean(scores.left, axis=-2), axis=-2), value)
    improved = sign[..., None] * (left - left[:, :, :1])
    moved = _moved(scores, null)
    null_improved = sign[..., None] * (moved - moved[..., :1, :])
    above_left = improved[:, None] - null_improved
    return {
        **{name: value[:, i] for i, name in enumerate(names)},
        **{f"{name}_by_relation": by_relation[:, i] for i, name in enumerate(names)},
        **_with_interval("", value, left),
        "null_mean": null_mean,
        "null_standard_deviation": np.sqrt(_variance(null)),
        "p": _p((sign * value)[:, None], sign[..., None] * null),
        "p_by_relation": _p((sign[..., None] * by_relation)[:, None], sign[..., None, None] * null_by_relation),
        "improvement": improvement,
        **_with_interval("improvement_", improvement, improved),
        "improvement_above_null": above_null,
        **_with_interval("improvement_above_null_", above_null, above_left, drawn),
        "improvement_p": jackknife_p(above_null, above_left, drawn),
        **swept,
    }


def _known(left: Array, value: Array) -> Array:
    """Scores (..., group) without each group; where nothing is left without it, it stays in."""
    return np.where(np.isnan(left), value[..., None], left)


def _moved(scores: Scores, null: Array) -> Array:
    """By how much the means of nulls (hold-out, null, score, view, group) change without each group.

    Each group has draws of its own, which are compared with the same draws ``null`` (..., draw) of all pairs.
    """
    draw, _ = draws_without(null.shape[-1])
    left = np.moveaxis(mean(mean(scores.null_left, axis=-2), axis=-2), 0, 1)
    change = left - null[..., draw]
    # Groups follow each other, and begin anew.
    return np.nan_to_num(mean(change.reshape(*change.shape[:-1], -1, N_GROUPS), axis=-2))


def _with_interval(prefix: str, value: Array, left: Array, drawn: Array | float = 0.0) -> dict[str, Array]:
    """Ends of the 95 percent interval of a value (...,), from those without each group (..., group)."""
    reach = jackknife_reach(left, drawn)
    return {f"{prefix}low": value - reach, f"{prefix}high": value + reach}


def _p(value: Array, null: Array) -> Array:
    """One-sided p of values (...) among draws (..., draws); NaN where no draw has a score."""
    # A draw without a score counts against the value.
    p = tail(np.broadcast_to(value, null.shape[:-1]), np.where(np.isnan(null), np.inf, null))
    return np.where(np.isnan(null).all(axis=-1), np.nan, p)


def _variance(draws: Array) -> Array:
    """Variance over the draws in which a score is defined."""
    return mean((draws - mean(draws, axis=-1)[..., None]) ** 2, axis=-1)


def published_silhouettes(relation: Array, offset: Array, directions: tuple[int, ...]) -> tuple[Array, float]:
    """The authors' silhouettes, of the pairs that discriminants were fitted on."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.metrics import silhouette_score

    label, offset = relation.astype(str), offset.astype(np.float64)
    # Fewer components are the first columns of more: one fit serves the sweep.
    points = LinearDiscriminantAnalysis(n_components=max(directions)).fit_transform(offset, label)
    return np.array([silhouette_score(points[:, :n], label) for n in directions]), float(
        silhouette_score(offset, label)
    )
