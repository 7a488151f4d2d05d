"""From scores of folds and relations to a table with intervals, nulls and improvements; and the published score."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._statistics.p_values import tail
from saegeom_data.metrics.atom._word_pairs.offsets import mean
from saegeom_data.metrics.atom._word_pairs.scores import Scores
from saegeom_data.results.intervals import NORMAL_QUANTILE
from saegeom_data.typing import Array

# Better the smaller they are; all other scores are better the larger they are.
_SMALL_IS_GOOD = frozenset({"parallelogram_residual", "target_rank"})


def summarise(scores: Scores, names: tuple[str, ...], n_named: int) -> dict[str, Array]:
    """Averages over folds and relations, with interval, null and improvement over the raw view.

    Views beyond the first ``n_named`` are those of the sweep.
    """
    sign = np.array([-1.0 if name in _SMALL_IS_GOOD else 1.0 for name in names])[:, None]
    by_relation = mean(scores.value, axis=-1)
    null_by_relation = mean(scores.null, axis=-2)
    value, null = mean(by_relation, axis=-1), mean(null_by_relation, axis=-2)
    null_mean = mean(null, axis=-1)
    swept = {"score_by_directions": value[..., n_named:], "null_mean_by_directions": null_mean[..., n_named:]}
    named = (..., slice(n_named))
    errors = (scores.square_error[named], scores.square_error_of_difference[named])
    by_relation, null_by_relation = by_relation[..., :n_named, :], null_by_relation[..., :n_named, :, :]
    value, null, null_mean = value[named], null[..., :n_named, :], null_mean[named]
    above_chance = sign * (value - null_mean)
    improvement = above_chance - above_chance[..., :1]
    # The null's mean is known from so many draws only, which are the same for all views.
    drawn = _variance(null - null[..., :1, :]) / null.shape[-1]
    reach, difference = (NORMAL_QUANTILE * np.sqrt(square) for square in (errors[0], errors[1] + drawn))
    return {
        **{name: value[:, i] for i, name in enumerate(names)},
        **{f"{name}_by_relation": by_relation[:, i] for i, name in enumerate(names)},
        "low": value - reach,
        "high": value + reach,
        "null_mean": null_mean,
        "null_standard_deviation": np.sqrt(_variance(null)),
        "p": tail(sign * value, sign[..., None] * null),
        "p_by_relation": tail(sign[..., None] * by_relation, sign[..., None, None] * null_by_relation),
        "improvement": improvement,
        "improvement_low": improvement - difference,
        "improvement_high": improvement + difference,
        **swept,
    }


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
