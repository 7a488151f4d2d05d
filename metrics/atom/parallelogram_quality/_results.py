"""From the columns of all pairs to the outputs of the metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from saegeom_data.metrics._statistics import discriminant
from saegeom_data.metrics.atom._word_pairs import views
from saegeom_data.metrics.atom._word_pairs.prepare import Apart, WordPairs, check_nuisances, offsets, prepare
from saegeom_data.metrics.atom._word_pairs.table import published_silhouettes, summarise
from saegeom_data.metrics.atom.parallelogram_quality import _distractors
from saegeom_data.metrics.atom.parallelogram_quality._held_out import SCORES, SHOWN_FOLD, Options, score
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

Estimator = Literal["held_out", "published"]


def n_described(options: Options) -> int:
    """Principal components that are described: those that are removed, and the first in any case."""
    return max(1, options.n_components_removed)


def results_of(
    *,
    relations: tuple[str, ...],
    max_pairs: int,
    estimator: Estimator,
    apart: Apart,
    n_dropped: int,
    options: Options,
    **columns: Array,
) -> dict[str, Any]:
    """All outputs, from the columns of all pairs by name."""
    kept = prepare(
        columns, relations=relations, max_pairs=max_pairs, n_folds=options.n_folds, seed=options.seed, apart=apart
    )
    if views.ERASED in options.views:
        check_nuisances(kept, options.erased, "erased")
    published = np.full(len(options.directions), np.nan), np.nan
    if estimator == "published":
        # Of all pairs, those that are left out here too, as the published score is.
        offset = offsets(columns)
        published = published_silhouettes(columns["relation"], offset, options.directions)
    scores = score(kept, options)
    return {
        **summarise(scores.table, SCORES, len(options.views)),
        "analogy_gain_p": scores.gain_p,
        **_by_row(kept, scores.position, len(columns["relation"]), len(options.views)),
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


def _by_row(kept: WordPairs, position: Array, n_rows: int, n_views: int) -> dict[str, Array]:
    """Positions and relations of the shown pairs, put back in the order of the input."""
    placed, relation = np.full((n_views, n_rows, 2), np.nan), np.full(n_rows, -1)
    placed[:, kept.row] = position
    relation[kept.row] = np.where(kept.fold == SHOWN_FOLD, kept.label, -1)
    return {"offset_position": placed, "pair_relation": relation}
