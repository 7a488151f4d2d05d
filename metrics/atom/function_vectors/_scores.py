"""How well function vectors of one half of the pairs describe the other half, and where they carry its sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data import lazy
from saegeom_data.metrics._statistics import discriminant, silhouettes
from saegeom_data.metrics._statistics.unit_rows import unit_rows
from saegeom_data.metrics.atom._word_pairs import views
from saegeom_data.metrics.atom._word_pairs.means import mean
from saegeom_data.metrics.atom._word_pairs.prepare import WordPairs
from saegeom_data.metrics.atom._word_pairs.scores import N_GROUPS, Scores, draws_without, fold_results
from saegeom_data.metrics.atom._word_pairs.splits import Draws, null_draws
from saegeom_data.metrics.atom.function_vectors._nulls import Half, Products, There, held_out_scores, null_scores
from saegeom_data.metrics.atom.function_vectors._targets import Targets, target_scores
from saegeom_data.metrics.nulls import derangement, label_permutation, offsets_redealt
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

SCORES = ("explained_share", "agreement", "target_rank", "target_found", "reciprocal_rank")
NULLS = (label_permutation.LABEL, offsets_redealt.LABEL, derangement.LABEL)
VECTORS = ("own", "other_relations", "none")
N_HALVES = 2
# Scores that derangements leave as they are come first.
_RANKED = slice(2, None)
_DERANGED = NULLS.index(derangement.LABEL)


@dataclass(frozen=True)
class Options:
    """Parameters of the metric that its scores depend on."""

    views: tuple[str, ...]
    n_directions: int
    n_components_removed: int
    erased: tuple[str, ...]
    n_permutations: int
    shrinkage: float | None
    seed: int


@dataclass(frozen=True)
class VectorScores:
    """Of one half: the table of scores; where the right target ranks with each vector, and how often it is found.

    ``by_vector`` is (2, vector, view, relation): rank, and share found; ``rank_left`` (vector, view, relation, group)
    is the rank without each jackknife group.
    """

    table: Scores
    by_vector: Array
    rank_left: Array


def half_results(options: Options, n_relations: int) -> dict[str, lazy.Result]:
    """Dims and shapes of the scores of a half, by the names of the fields."""
    n_views = len(options.views)
    shape = (1, len(SCORES), n_views, n_relations)
    dims, kinds = ("vector", "view", "relation"), (len(VECTORS), n_views, n_relations)
    return fold_results(shape, n_views, len(NULLS), options.n_permutations) | {
        "by_vector": lazy.Result(("rank_or_share", *dims), (2, *kinds)),
        "rank_left": lazy.Result((*dims, "group"), (*kinds, N_GROUPS)),
    }


def score_half(pairs: WordPairs, half: int, options: Options) -> VectorScores:
    """Fit every view and every vector on the pairs of the other half, and score them on this one."""
    results = half_results(options, pairs.n_relations)
    by_vector, rank_left = (np.empty(results[name].shape) for name in ("by_vector", "rank_left"))
    scores = VectorScores(Scores.empty(results), by_vector, rank_left)
    draws = null_draws(pairs, options.n_permutations, options.seed)
    _add_scores(_training(pairs, half, options), half, draws, options, scores)
    return scores


def _training(pairs: WordPairs, half: int, options: Options) -> views.Training:
    """What the views of one half are fitted on: the pairs of the other half."""
    train = pairs.fold != half
    basis = discriminant.fit_basis(pairs.offset[train], options.shrinkage)
    return views.Training(
        pairs,
        train,
        basis,
        basis.whiten(pairs.offset[train]),
        options.n_directions,
        options.n_components_removed,
        options.erased,
        options.seed,
        half,
    )


def _add_scores(training: views.Training, half: int, draws: Draws, options: Options, scores: VectorScores) -> None:
    """Add the scores of the pairs of one half, under views and vectors fitted on the other."""
    pairs, train, table = training.pairs, training.rows, scores.table
    nulls = Half(training, Targets.of(pairs, ~train), draws.at(train), draws.at(~train))
    deranged = _deranged(nulls.scored_label, half, options)
    draw, group = draws_without(options.n_permutations)
    for view, name in enumerate(options.views):
        apply = views.fit(name, training)
        # -1 is no group, so that the first round scores all pairs.
        for gone in (-1, *range(N_GROUPS)):
            there = nulls.there(gone)
            fitted = apply if gone < 0 else views.fit_without(name, training, ~there[0])
            found, by_vector, moved = _score_view(nulls, fitted, there)
            if gone < 0:
                table.value[0, :, view] = found
                scores.by_vector[:, :, view] = by_vector
                table.null[_DERANGED, 0, _RANKED, view] = _rank_deranged(nulls, moved, deranged, there[1])
                continue
            table.left[0, :, view, :, gone] = found
            scores.rank_left[:, view, :, gone] = by_vector[0]
            mine = np.flatnonzero(group == gone)
            # Cycles go past the pairs that are gone, so that the others still seek a target that is there.
            closed = derangement.closed(deranged[draw[mine]], there[1])
            of_group = table.null_left[_DERANGED, 0, _RANKED, view]
            of_group[..., mine] = _rank_deranged(nulls, moved, closed, there[1])
        found, left = null_scores(nulls, name, apply)
        table.null[:_DERANGED, 0, :, view], table.null_left[:_DERANGED, 0, :, view] = found, left


def _deranged(label: Array, half: int, options: Options) -> Array:
    """Scored pairs whose target each seeks, (draws, pairs): derangements of the pairs of a relation."""
    drawn = np.tile(np.arange(len(label)), (options.n_permutations, 1))
    for relation in np.unique(label).tolist():
        rows = np.flatnonzero(label == relation)
        # By relation, so that what one relation draws does not depend on how many pairs others have.
        rng = stream("derangements", options.seed, half, relation)
        drawn[:, rows] = rows[derangement.derangements(len(rows), options.n_permutations, rng)]
    return drawn


def _score_view(half: Half, apply: views.Map, there: There) -> tuple[Array, Array, Array]:
    """Scores (scores, relations) in one view; rank and share found (2, vectors, relations); and how near targets are.

    Of the pairs that are there. The last is (pairs, candidates), of sources to which their relation's vector was added.
    """
    pairs, rows = half.training.pairs, half.training.rows
    fitted, source, offset = (apply(x) for x in (pairs.offset[rows], pairs.source[~rows], pairs.offset[~rows]))
    found = held_out_scores(half, Products.of(fitted, source, offset), there)
    targets, label, n_relations = half.targets.without(there[1]), half.scored_label, half.n_relations
    unit = unit_rows(apply(pairs.target[~rows][targets.first])).T
    near = source @ unit
    # A vector moves every source alike: its dot products with targets are added to theirs.
    steps = means(fitted[there[0]], half.fitted_label[there[0]], n_relations) @ unit
    every = [targets.ranks_of_right(near + step) for step in (*steps, np.zeros(()))]
    ranked = np.stack([target_scores(rank, targets.n_allowed)[:2] for rank in every], axis=1)
    ranked[..., ~there[1]] = np.nan
    own = ranked[:, label, np.arange(len(label))]
    # The last vector is none at all; of the rest the mean without the pair's own relation.
    others = (ranked[:, :-1].sum(axis=1) - own) / (n_relations - 1)
    kinds = np.stack([own, others, ranked[:, -1]], axis=1)
    return found, _by_relation(kinds, label, n_relations), near + steps[label]


def _rank_deranged(half: Half, near: Array, deranged: Array, there: Array) -> Array:
    """Scores of the ranks of the targets of other pairs, (scores, relations, draws), of the pairs that are there."""
    targets, found = half.targets.without(there), []
    for order in deranged:
        values = target_scores(targets.dealt(order).ranks_of_right(near), targets.n_allowed)
        values[:, ~(there & there[order])] = np.nan
        found.append(_by_relation(values, half.scored_label, half.n_relations))
    return np.stack(found, axis=-1)


def _by_relation(values: Array, label: Array, n_relations: int) -> Array:
    """Mean of what is known of each relation's pairs, (..., pairs) to (..., relations)."""
    return np.stack([mean(values[..., label == relation], axis=-1) for relation in range(n_relations)], axis=-1)


def means(offset: Array, label: Array, n_relations: int) -> Array:
    """Mean offset of each relation, (relations, dims)."""
    indicator = silhouettes.indicators(label, n_relations)
    return np.asarray((indicator.T @ offset) / indicator.sum(axis=0)[:, None])
