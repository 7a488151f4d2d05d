"""From the columns of all pairs to the outputs of the metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from saegeom_data.metrics._statistics import discriminant
from saegeom_data.metrics.atom._word_pairs import views
from saegeom_data.metrics.atom._word_pairs.prepare import Prepared, WordPairs, check_nuisances, offsets
from saegeom_data.metrics.atom._word_pairs.scores import Scores
from saegeom_data.metrics.atom._word_pairs.table import published_silhouettes, summarise
from saegeom_data.metrics.atom.parallelogram_quality import _distractors
from saegeom_data.metrics.atom.parallelogram_quality._analogy_gain import gained
from saegeom_data.metrics.atom.parallelogram_quality._held_out import SCORES, SHOWN_FOLD, Options, score_fold
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

Estimator = Literal["held_out", "published"]


def n_described(options: Options) -> int:
    """Principal components that are described: those that are removed, and the first in any case."""
    return max(1, options.n_components_removed)


def fold_of(*, fold: int, prepared: Prepared, options: Options, **columns: Array) -> dict[str, Any]:
    """Scores of one fold, and where its offsets lie (view, pairs, axis), pairs in the order of the input."""
    kept = prepared(columns)
    if views.ERASED in options.views:
        check_nuisances(kept, options.erased, "erased")
    scores, position = score_fold(kept, fold, options)
    placed = np.full((len(position), len(columns["relation"]), 2), np.nan)
    placed[:, kept.row] = position
    return {**vars(scores), "position": placed}


def results_of(
    *,
    prepared: Prepared,
    estimator: Estimator,
    n_dropped: int,
    options: Options,
    value: list[Array],
    null: list[Array],
    left: list[Array],
    null_left: list[Array],
    position: list[Array],
    **columns: Array,
) -> dict[str, Any]:
    """All outputs, from the columns of all pairs by name and what :func:`fold_of` found of each fold."""
    kept = prepared(columns)
    published = np.full(len(options.directions), np.nan), np.nan
    if estimator == "published":
        # Of all pairs, those that are left out here too, as the published score is.
        offset = offsets(columns)
        published = published_silhouettes(columns["relation"], offset, options.directions)
    table, gain_p = gained(Scores.of_folds(value, null, left, null_left))
    relation = np.full(len(columns["relation"]), -1)
    relation[kept.row] = np.where(kept.fold == SHOWN_FOLD, kept.label, -1)
    return {
        **summarise(table, SCORES, len(options.views)),
        "analogy_gain_p": gain_p,
        "offset_position": position[SHOWN_FOLD],
        "pair_relation": relation,
        **_described(kept, n_dropped, options),
        "silhouette_published_by_directions": published[0],
        "silhouette_published_raw": published[1],
        **kept.counts,
        "headline_directions": options.headline_directions,
    }


def _described(kept: WordPairs, n_dropped: int, options: Options) -> Mapping[str, Any]:
    """What the directions follow that are removed; they are fitted on all pairs, since nothing is scored."""
    basis = discriminant.fit_basis(kept.offset, options.shrinkage)
    rows = np.ones(len(kept.label), dtype=bool)
    training = views.Training(
        kept, rows, basis, basis.whiten(kept.offset), options.headline_directions, 0, (), options.seed, 0
    )
    found = _distractors.find_directions(training, n_described(options), n_dropped)
    rng = stream("nuisance_permutations", options.seed)
    return _distractors.describe(found, kept.nuisance, kept.label, options.n_permutations, rng)
