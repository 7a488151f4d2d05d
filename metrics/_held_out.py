"""Scores of held-out word pairs in views that other pairs were used to fit, with their nulls and their jackknife."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _analogies, _discriminant, _offsets, _silhouettes
from ._word_pairs import WordPairs

Array = np.ndarray[Any, np.dtype[Any]]

PAIRING_SCORES = (
    "offset_consistency",
    "pairing_consistency",
    "parallelogram_residual",
    "trapezoid_cosine",
    "analogy_accuracy",
    "analogy_accuracy_with_inputs",
)
SCORES = (*PAIRING_SCORES, "silhouette")
VIEWS = ("raw", "lda", "principal_components_removed")
# The fold whose offsets are drawn; one fold, because each has axes of its own.
SHOWN_FOLD = 0
# Distances of this many entries are held at once while labels are permuted.
_ENTRIES = 4_000_000


@dataclass(frozen=True)
class Options:
    """Parameters of the metric that its held-out scores depend on."""

    directions: tuple[int, ...]
    headline_directions: int
    n_components_removed: int
    n_folds: int
    n_permutations: int
    shrinkage: float | None
    seed: int


@dataclass
class Scores:
    """Scores (score, view, relation, fold), nulls (score, view, relation, fold, draw) and squared standard errors.

    Squared errors (score, view) are those of the macro-average, and of its difference from the raw view. Positions
    (view, pairs, axis) are those of offsets of the shown fold, NaN for other pairs.
    """

    value: Array
    null: Array
    square_error: Array
    square_error_of_difference: Array
    by_directions: Array
    position: Array

    @classmethod
    def empty(cls, pairs: WordPairs, options: Options) -> Scores:
        """Scores to be filled fold by fold."""
        shape = (len(SCORES), len(VIEWS), pairs.n_relations, options.n_folds)
        errors = (len(SCORES), len(VIEWS))
        return cls(
            np.full(shape, np.nan),
            np.full((*shape, options.n_permutations), np.nan),
            np.zeros(errors),
            np.zeros(errors),
            np.zeros((len(options.directions), options.n_folds)),
            np.full((len(VIEWS), len(pairs.label), 2), np.nan),
        )


def score(pairs: WordPairs, options: Options) -> Scores:
    """Fit every view on all folds but one and score it on that one, for each fold."""
    scores = Scores.empty(pairs, options)
    rng = np.random.default_rng(options.seed)
    permuted = np.tile(pairs.label, (options.n_permutations, 1))
    for fold in range(options.n_folds):
        held_out = pairs.fold == fold
        permuted[:, held_out] = rng.permuted(permuted[:, held_out], axis=1)
    for fold in range(options.n_folds):
        _score_fold(pairs, fold, permuted, options, scores, rng)
    return scores


def _score_fold(
    pairs: WordPairs, fold: int, permuted: Array, options: Options, scores: Scores, rng: np.random.Generator
) -> None:
    train, held_out = pairs.fold != fold, pairs.fold == fold
    offset = pairs.offset
    basis = _discriminant.fit_basis(offset[train], options.shrinkage)
    whitened = basis.whiten(offset[train])
    most = max(*options.directions, options.headline_directions)
    fitted = (pairs.n_relations, basis.shrinkage)
    directions = _directions(basis, whitened, pairs.label[train], *fitted, most)
    if fold == SHOWN_FOLD:
        # A picture has two axes, however few directions are scored.
        plane = _directions(basis, whitened, pairs.label[train], *fitted, 2)
        for view, axes in enumerate((basis.axes, plane, basis.axes[:, options.n_components_removed :])):
            scores.position[view, held_out] = _positions(offset, train, axes)[held_out]
    # One product projects words and offsets alike, so all views see exactly the same pairs.
    words = np.concatenate([pairs.source[held_out], pairs.target[held_out]])
    views = [
        words,
        words @ directions[:, : options.headline_directions],
        basis.remove(words, options.n_components_removed),
    ]
    _score_pairings(pairs, held_out, views, options, scores, fold, rng)

    n, label = int(held_out.sum()), pairs.label[held_out]
    distances = [_silhouettes.distances(view[n:] - view[:n]) for view in views]
    _score_silhouettes(distances, label, options, scores, fold)
    full = (words @ directions)[n:] - (words @ directions)[:n]
    indicator = _silhouettes.indicators(label, pairs.n_relations)
    for i, count in enumerate(options.directions):
        distance = _silhouettes.distances(full[:, :count])
        scores.by_directions[i, fold] = _silhouettes.silhouettes(distance, indicator).mean()

    null = scores.null[SCORES.index("silhouette"), :, :, fold]
    outside = basis.whiten(offset[held_out])
    size = max(1, _ENTRIES // n**2)
    for start in range(0, options.n_permutations, size):
        draws = slice(start, start + size)
        indicator = _silhouettes.indicators(permuted[draws][:, held_out], pairs.n_relations)
        means, weights = _discriminant.discriminants(
            whitened, permuted[draws][:, train], *fitted, options.headline_directions
        )
        points = (outside @ np.swapaxes(means, 1, 2)) @ weights
        for view, distance in enumerate((distances[0], _silhouettes.distances(points), distances[2])):
            null[view, :, draws] = _silhouettes.silhouettes(distance, indicator).T


def _directions(
    basis: _discriminant.Basis, whitened: Array, label: Array, n_relations: int, shrinkage: float, n_directions: int
) -> Array:
    """Discriminants of training offsets, (hidden, directions)."""
    means, weights = _discriminant.discriminants(whitened, label[None], n_relations, shrinkage, n_directions)
    return np.asarray(basis.whitening @ means[0].T @ weights[0])


def _positions(offset: Array, train: Array, axes: Array) -> Array:
    """Coordinates of offsets on the first two axes, 0 on one that is missing."""
    position = np.zeros((len(offset), 2))
    position[:, : axes.shape[1]] = offset @ axes[:, :2]
    fitted = position[train]
    farthest = fitted[np.abs(fitted).argmax(axis=0), np.arange(2)]
    # An axis has no sign: it is turned to where the farthest training offset lies, which no rotation changes.
    return position * np.where(farthest < 0, -1.0, 1.0)


def _score_pairings(
    pairs: WordPairs,
    held_out: Array,
    views: Sequence[Array],
    options: Options,
    scores: Scores,
    fold: int,
    rng: np.random.Generator,
) -> None:
    label, n = pairs.label[held_out], int(held_out.sum())
    word = np.concatenate([pairs.source_word[held_out], pairs.target_word[held_out]])
    similarities = [_analogies.similarities(view) for view in views]
    for relation in range(pairs.n_relations):
        rows = np.flatnonzero(label == relation)
        deranged = _offsets.derangements(len(rows), options.n_permutations, rng)
        kernels, null_left = [], np.zeros((len(PAIRING_SCORES), len(views), len(rows)))
        for view, entries in enumerate(views):
            kernel, null, null_left[:4, view] = _pairing_kernels(entries[rows], entries[n + rows], deranged)
            right, null_right = _analogy_kernels(similarities[view], word, rows, n + rows, deranged)
            kernels.append(np.concatenate([kernel, right]))
            scores.null[: len(PAIRING_SCORES), view, relation, fold] = np.concatenate([null, null_right])
        kernel = np.stack(kernels, axis=1)
        scores.value[: len(PAIRING_SCORES), :, relation, fold] = _offsets.mean(kernel, axis=(-2, -1))
        left = _offsets.leave_one_out(kernel)
        above = left - null_left
        cells = pairs.n_relations * options.n_folds
        scores.square_error[: len(PAIRING_SCORES)] += _jackknife(left) / cells**2
        scores.square_error_of_difference[: len(PAIRING_SCORES)] += _jackknife(above - above[:, :1]) / cells**2


def _pairing_kernels(source: Array, target: Array, deranged: Array) -> tuple[Array, Array, Array]:
    """Kernels (4, pairs, pairs) of true pairs, scores (4, draws) of deranged ones, and their mean without each pair."""
    cosine, residual = _offsets.cosines_and_residuals(target - source)
    null_cosine, null_residual = _offsets.deranged_cosines_and_residuals(source, target, deranged)
    shuffled = _offsets.Shuffled(null_cosine)
    kernel = np.stack([cosine, shuffled.area(cosine), residual, np.abs(cosine)])
    means = (null_cosine.mean(1), shuffled.null(), null_residual.mean(1), np.abs(null_cosine).mean(1))
    left = [_offsets.null_leave_one_out(one, deranged) for one in (null_cosine, null_residual, np.abs(null_cosine))]
    # The area of a shuffled pairing is one half on average, whichever pair is left out.
    return kernel, np.stack(means), np.stack([left[0], np.full(len(source), 0.5), *left[1:]])


def _analogy_kernels(
    similarity: Array, word: Array, source: Array, target: Array, deranged: Array
) -> tuple[Array, Array]:
    """Kernels (2, pairs, pairs) of the true pairing, and scores (2, draws) of the deranged ones."""
    pairings = np.concatenate([target[None], target[deranged]])
    right = np.stack(_analogies.accuracies(similarity, word, source, pairings))
    return right[:, 0], _offsets.mean(right[:, 1:], axis=(-2, -1))


def _score_silhouettes(distances: Sequence[Array], label: Array, options: Options, scores: Scores, fold: int) -> None:
    at, n_relations = SCORES.index("silhouette"), scores.value.shape[2]
    indicator = _silhouettes.indicators(label, n_relations)
    for view, distance in enumerate(distances):
        scores.value[at, view, :, fold] = _silhouettes.silhouettes(distance, indicator)
    left = np.stack([_silhouettes.silhouettes_leave_one_out(distance, label, n_relations) for distance in distances])
    for relation in range(n_relations):
        mine = left[:, label == relation]
        scores.square_error[at] += _jackknife(mine) / options.n_folds**2
        scores.square_error_of_difference[at] += _jackknife(mine - mine[:1]) / options.n_folds**2


def _jackknife(left: Array) -> Array:
    """Squared standard error from values with each pair left out in turn, along the last axis."""
    n = left.shape[-1]
    return np.asarray((n - 1) * left.var(axis=-1))
