"""How well function vectors of one half of the pairs describe the other half, and where they carry its sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data.metrics._statistics import discriminant, silhouettes
from saegeom_data.metrics._statistics.jackknife import jackknife_variance
from saegeom_data.metrics._statistics.unit_rows import unit_rows
from saegeom_data.metrics.atom._word_pairs import views
from saegeom_data.metrics.atom._word_pairs.means import mean as mean_of_known
from saegeom_data.metrics.atom._word_pairs.prepare import WordPairs
from saegeom_data.metrics.atom._word_pairs.scores import Scores
from saegeom_data.metrics.atom._word_pairs.splits import Draws, null_draws
from saegeom_data.metrics.atom.function_vectors._nulls import Half, null_scores
from saegeom_data.metrics.atom.function_vectors._targets import Targets, target_scores
from saegeom_data.metrics.nulls import derangement, label_permutation, offsets_redealt
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

SCORES = ("explained_share", "agreement", "target_rank", "target_found", "reciprocal_rank")
NULLS = (label_permutation.LABEL, offsets_redealt.LABEL, derangement.LABEL)
VECTORS = ("own", "other_relations", "none")
N_HALVES = 2
_N_LABELLED = 2
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
    """The table of scores; and over (vector, view) the rank of the right target and how often it is found.

    ``gain`` is the rank with another vector minus that with the own one, ``gain_square_error`` its squared error.
    """

    table: Scores
    rank: Array
    found: Array
    gain: Array
    gain_square_error: Array


def score(pairs: WordPairs, options: Options) -> VectorScores:
    """Fit every view and every vector on either half, and score them on the other."""
    shape = (1, len(SCORES), len(options.views), pairs.n_relations)
    table = Scores.empty(shape, N_HALVES, len(NULLS), options.n_permutations)
    scores = VectorScores(table, *(np.zeros((len(VECTORS), len(options.views))) for _ in range(4)))
    draws = null_draws(pairs, options.n_permutations, options.seed)
    for half in range(N_HALVES):
        _score_half(_training(pairs, half, options), half, draws, options, scores)
    scores.gain[:] = scores.rank - scores.rank[:1]
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


def _score_half(training: views.Training, half: int, draws: Draws, options: Options, scores: VectorScores) -> None:
    """Add the scores of the pairs of one half, under views and vectors fitted on the other."""
    pairs, train, table = training.pairs, training.rows, scores.table
    n_views, label = len(options.views), pairs.label[~train]
    left = np.empty((len(SCORES), n_views, len(label)))
    left_of_fit = np.empty((_N_LABELLED, n_views, int(train.sum())))
    gain = np.empty((len(VECTORS), n_views, len(label)))
    targets = Targets.of(pairs, ~train)
    nulls = Half(training, targets, draws.at(train), draws.at(~train))
    for view, name in enumerate(options.views):
        apply = views.fit(name, training)
        fitted, held_out = apply(pairs.offset[train]), apply(pairs.offset[~train])
        left[:_N_LABELLED, view], left_of_fit[:, view] = _describe(pairs, half, view, fitted, held_out, table)
        table.null[:_DERANGED, 0, :, view, :, half] = null_scores(nulls, name, apply)
        moved = _Moved.of(pairs, targets, apply, means(fitted, pairs.label[train], pairs.n_relations), ~train)
        left[_N_LABELLED:, view] = _rank_targets(pairs, half, view, moved, options, table)
        gain[:, view] = _compare_vectors(pairs, label, view, moved, scores)
    _add_errors(pairs, half, left, left_of_fit, table)
    for relation in range(pairs.n_relations):
        mine = gain[..., label == relation]
        # Variance of a mean without bias: numpy's variance divides by n, and n - 1 completes it.
        scores.gain_square_error[:] += mine.var(axis=-1) / (mine.shape[-1] - 1) / _cells(pairs)


def _cells(pairs: WordPairs) -> int:
    """Squared number of cells that a score is the mean of, by which their summed square errors are divided."""
    return (pairs.n_relations * N_HALVES) ** 2


def means(offset: Array, label: Array, n_relations: int) -> Array:
    """Mean offset of each relation, (relations, dims)."""
    indicator = silhouettes.indicators(label, n_relations)
    return np.asarray((indicator.T @ offset) / indicator.sum(axis=0)[:, None])


def _describe(
    pairs: WordPairs, half: int, view: int, fitted: Array, held_out: Array, table: Scores
) -> tuple[Array, Array]:
    """Explained share and agreement, and both without each scored pair; agreement without each fitted pair too."""
    label = pairs.label[pairs.fold == half]
    fitted_label = pairs.label[pairs.fold != half]
    left, left_of_fit = np.empty((_N_LABELLED, len(label))), np.empty((_N_LABELLED, len(fitted_label)))
    for relation in range(pairs.n_relations):
        mine, theirs = label == relation, fitted_label == relation
        own, other = held_out[mine], fitted[theirs]
        vector, mean = other.mean(axis=0), own.mean(axis=0)
        rest, whole = ((own - vector) ** 2).sum(axis=1), (own**2).sum(axis=1)
        table.value[0, :_N_LABELLED, view, relation, half] = 1 - _ratio(rest.sum(), whole.sum()), _cosine(vector, mean)
        left[0, mine] = 1 - _ratio(rest.sum() - rest, whole.sum() - whole)
        left[1, mine] = _cosine(_without_each(own), vector)
        vectors = _without_each(other)
        # Written out, the share depends on scored pairs by their mean alone: no loop over them for each vector.
        explained = len(own) * (2 * vectors @ mean - (vectors**2).sum(axis=1))
        left_of_fit[0, theirs] = _ratio(explained, whole.sum())
        left_of_fit[1, theirs] = _cosine(vectors, mean)
    return left, left_of_fit


def _ratio(part: Array, whole: Array) -> Array:
    """Part / whole, element by element; NaN where there is no whole."""
    part, whole = np.broadcast_arrays(part, whole)
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0))


def _without_each(points: Array) -> Array:
    """Mean of all points but each one, (sum_j x_j - x_i) / (n - 1): (n, dims) to (n, dims)."""
    return np.asarray((points.sum(axis=0) - points) / (len(points) - 1))


def _cosine(vector: Array, other: Array) -> Array:
    """x.y / (|x| |y|) along the last axis; 0 where either has no length."""
    norm = np.linalg.norm(vector, axis=-1) * np.linalg.norm(other, axis=-1)
    return np.asarray(np.divide((vector * other).sum(axis=-1), norm, out=np.zeros(np.shape(norm)), where=norm > 0))


@dataclass(frozen=True)
class _Moved:
    """How near targets are to sources (pairs, candidates) and to vectors (relations, candidates); the sum ranks."""

    targets: Targets
    sources: Array
    vectors: Array

    @classmethod
    def of(cls, pairs: WordPairs, targets: Targets, apply: views.Map, vectors: Array, test: Array) -> _Moved:
        """Dot products with targets of unit length, in one view."""
        unit = unit_rows(apply(pairs.target[test][targets.first])).T
        return cls(targets, apply(pairs.source[test]) @ unit, vectors @ unit)


def _rank_targets(pairs: WordPairs, half: int, view: int, moved: _Moved, options: Options, table: Scores) -> Array:
    """Scores of the right targets, and of deranged ones as their null; and the mean without each pair."""
    label = pairs.label[pairs.fold == half]
    targets = moved.targets
    ranks, n = targets.ranks(moved.sources + moved.vectors[label]), targets.n_allowed
    left = np.empty((len(SCORES) - _N_LABELLED, len(label)))
    of_targets = slice(_N_LABELLED, None)
    for relation in range(pairs.n_relations):
        rows = np.flatnonzero(label == relation)
        values = target_scores(ranks[rows, targets.right[rows]], n[rows])
        table.value[0, of_targets, view, relation, half] = mean_of_known(values, axis=-1)
        known = (~np.isnan(values)).sum(axis=-1, keepdims=True)
        left[:, rows] = (np.nansum(values, axis=-1, keepdims=True) - np.nan_to_num(values)) / np.maximum(known - 1, 1)
        rng = stream("derangements", options.seed, half, relation)
        deranged = rows[derangement.derangements(len(rows), options.n_permutations, rng)]
        drawn = target_scores(ranks[rows, targets.right[deranged]], n[rows])
        table.null[_DERANGED, 0, of_targets, view, relation, half] = mean_of_known(drawn, axis=-1)
    return left


def _compare_vectors(pairs: WordPairs, label: Array, view: int, moved: _Moved, scores: VectorScores) -> Array:
    """Rank of the right target with each kind of vector; returns what the own one gains on each, (vectors, pairs)."""
    pair, n = np.arange(len(label)), moved.targets.n_allowed
    every = [moved.targets.ranks_of_right(moved.sources + vector) for vector in (*moved.vectors, np.zeros(()))]
    found = np.stack([target_scores(rank, n)[:2] for rank in every], axis=1)
    own = found[:, label, pair]
    others = (found[:, :-1].sum(axis=1) - own) / (pairs.n_relations - 1)
    kinds = np.stack([own, others, found[:, -1]], axis=1)
    for relation in range(pairs.n_relations):
        mine = mean_of_known(kinds[..., label == relation], axis=-1) / (pairs.n_relations * N_HALVES)
        scores.rank[:, view] += mine[0]
        scores.found[:, view] += mine[1]
    return np.asarray(np.nan_to_num(kinds[0] - kinds[0, :1]))


def _add_errors(pairs: WordPairs, half: int, left: Array, left_of_fit: Array, table: Scores) -> None:
    """Squared errors over pairs of each relation; agreement also varies with the pairs that vectors were fitted on."""
    label, fitted = pairs.label[pairs.fold == half], pairs.label[pairs.fold != half]
    for relation in range(pairs.n_relations):
        mine, theirs = left[..., label == relation], left_of_fit[..., fitted == relation]
        table.square_error[0] += jackknife_variance(mine) / _cells(pairs)
        table.square_error_of_difference[0] += jackknife_variance(mine - mine[:, :1]) / _cells(pairs)
        table.square_error[0, :_N_LABELLED] += jackknife_variance(theirs) / _cells(pairs)
        table.square_error_of_difference[0, :_N_LABELLED] += jackknife_variance(theirs - theirs[:, :1]) / _cells(pairs)
