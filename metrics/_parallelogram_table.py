"""From scores of folds and relations to a table with intervals, nulls and improvements; and the published score."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import nulls
from ._held_out import SCORES, Scores
from ._offsets import mean

Array = np.ndarray[Any, np.dtype[Any]]

_NORMAL_QUANTILE = 1.959963984540054


def summarise(scores: Scores) -> dict[str, Array]:
    """Averages over folds and relations, with interval, null and improvement over the raw view."""
    # A residual is better the smaller it is, all other scores the larger they are.
    sign = np.array([-1.0 if name == "parallelogram_residual" else 1.0 for name in SCORES])[:, None]
    by_relation = mean(scores.value, axis=3)
    null_by_relation = mean(scores.null, axis=3)
    value, null = mean(by_relation, axis=2), mean(null_by_relation, axis=2)
    null_mean = mean(null, axis=2)
    above_chance = sign * (value - null_mean)
    improvement = above_chance - above_chance[:, :1]
    reach = _NORMAL_QUANTILE * np.sqrt(scores.square_error)
    difference = _NORMAL_QUANTILE * np.sqrt(scores.square_error_of_difference)
    return {
        **{name: value[i] for i, name in enumerate(SCORES)},
        **{f"{name}_by_relation": by_relation[i] for i, name in enumerate(SCORES)},
        "low": value - reach,
        "high": value + reach,
        "null_mean": null_mean,
        "null_standard_deviation": np.sqrt(mean((null - null_mean[..., None]) ** 2, axis=2)),
        "p": nulls.tail(sign * value, sign[..., None] * null),
        "p_by_relation": nulls.tail(sign[..., None] * by_relation, sign[..., None, None] * null_by_relation),
        "improvement": improvement,
        "improvement_low": improvement - difference,
        "improvement_high": improvement + difference,
        "silhouette_by_directions": scores.by_directions.mean(axis=1),
    }


def published_silhouettes(relation: Array, offset: Array, directions: tuple[int, ...]) -> tuple[Array, float]:
    """The authors' silhouettes, of the pairs that discriminants were fitted on."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.metrics import silhouette_score

    label = relation.astype(str)
    # Fewer components are the first columns of more: one fit serves the sweep.
    points = LinearDiscriminantAnalysis(n_components=max(directions)).fit_transform(offset, label)
    return np.array([silhouette_score(points[:, :n], label) for n in directions]), float(
        silhouette_score(offset, label)
    )
