"""Scores of the pairs of one relation with each other, against pairs whose targets have changed places."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saegeom_data.metrics._statistics.jackknife import jackknife_variance
from saegeom_data.metrics._statistics.unit_rows import unit_rows
from saegeom_data.metrics.atom._word_pairs import analogies, offsets
from saegeom_data.metrics.atom._word_pairs.prepare import WordPairs
from saegeom_data.metrics.atom._word_pairs.scores import Scores
from saegeom_data.metrics.atom._word_pairs.splits import Split
from saegeom_data.metrics.nulls import derangement
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

PAIRING_SCORES = (
    "offset_consistency",
    "pairing_consistency",
    "parallelogram_residual",
    "trapezoid_cosine",
    "analogy_accuracy",
    "analogy_accuracy_with_inputs",
)
# Pairs of a relation are compared within groups of so many at most: quadruples then grow with the number of pairs
# rather than with its square, and every pair still meets some fifty others.
TOGETHER = 50


def score_pairings(
    pairs: WordPairs, split: Split, views: Sequence[Array], n_named: int, seed: int, scores: Scores
) -> None:
    """Score the held-out pairs of the relations that count, in every view, and add their squared errors.

    Parameters
    ----------
    views
        Words of the held-out pairs, sources and after them targets, in each view: (2 * pairs, dims).
    n_named
        The first so many views are named, and have errors; the first of them is the raw one.
    """
    label, n = pairs.label[split.held_out], len(views[0]) // 2
    word = np.concatenate([pairs.source_word[split.held_out], pairs.target_word[split.held_out]])
    units = [unit_rows(view) for view in views]
    n_folds, n_draws = scores.null.shape[-2:]
    shape = (len(PAIRING_SCORES), len(views))
    table = (split.place, slice(len(PAIRING_SCORES)))
    for relation in np.flatnonzero(split.scored):
        rows = np.flatnonzero(label == relation)
        # Seeded by what is scored alone, so that hold-outs are compared over the same derangements.
        rng = stream("derangements", seed, split.fold, int(relation))
        parts = np.array_split(rows, -(-len(rows) // TOGETHER))
        value, null = np.zeros(shape), np.zeros((*shape, n_draws))
        for part in parts:
            deranged = derangement.derangements(len(part), n_draws, rng)
            kernel, drawn, null_left = _kernels(views, units, word, part, n + part, deranged)
            value += offsets.mean(kernel, axis=(-2, -1)) / len(parts)
            null += drawn / len(parts)
            left = offsets.leave_one_out(kernel[:, :n_named])
            # The null is taken without the pair too, since both sides of the difference depend on it.
            above = left - null_left[:, :n_named]
            # A score is the mean of so many cells, and their errors are independent.
            cells = (pairs.n_relations * n_folds * len(parts)) ** 2
            scores.square_error[table][:, :n_named] += jackknife_variance(left) / cells
            scores.square_error_of_difference[table][:, :n_named] += jackknife_variance(above - above[:, :1]) / cells
        scores.value[table][:, : len(views), relation, split.fold] = value
        scores.null[table][:, : len(views), relation, split.fold] = null


def _kernels(
    views: Sequence[Array], units: Sequence[Array], word: Array, source: Array, target: Array, deranged: Array
) -> tuple[Array, Array, Array]:
    """Kernels (scores, views, pairs, pairs) of true pairs, and of deranged ones the scores and their mean without each.

    The latter are (scores, views, draws) and (scores, views, pairs).
    """
    place = np.concatenate([source, target])
    n, shape = len(source), (len(PAIRING_SCORES), len(views))
    kernel, null = np.empty((*shape, n, n)), np.empty((*shape, len(deranged)))
    null_left = np.zeros((*shape, n))
    for view, (entries, unit) in enumerate(zip(views, units, strict=True)):
        kernel[:4, view], null[:4, view], null_left[:4, view] = _offset_kernels(
            entries[source], entries[target], deranged
        )
        kernel[4:, view], null[4:, view] = _analogy_kernels(entries[place] @ unit.T, word, place, deranged)
    return kernel, null, null_left


def _offset_kernels(source: Array, target: Array, deranged: Array) -> tuple[Array, Array, Array]:
    """Kernels (4, pairs, pairs) of true pairs, scores (4, draws) of deranged ones, and their mean without each pair."""
    cosine, residual = offsets.cosines_and_residuals(target - source)
    null_cosine, null_residual = offsets.deranged_cosines_and_residuals(source, target, deranged)
    shuffled = offsets.Shuffled(null_cosine)
    kernel = np.stack([cosine, shuffled.area(cosine), residual, np.abs(cosine)])
    means = (null_cosine.mean(1), shuffled.null(), null_residual.mean(1), np.abs(null_cosine).mean(1))
    left = [
        offsets.null_leave_one_out(scores, deranged) for scores in (null_cosine, null_residual, np.abs(null_cosine))
    ]
    # The area of a shuffled pairing is one half on average, whichever pair is left out.
    return kernel, np.stack(means), np.stack([left[0], np.full(len(source), 0.5), *left[1:]])


def _analogy_kernels(similarity: Array, word: Array, place: Array, deranged: Array) -> tuple[Array, Array]:
    """Kernels (2, pairs, pairs) of the true pairing, and scores (2, draws) of the deranged ones."""
    pairings = np.concatenate([np.arange(deranged.shape[1])[None], deranged])
    right = np.stack(analogies.accuracies(similarity, word, place, pairings))
    return right[:, 0], offsets.mean(right[:, 1:], axis=(-2, -1))
