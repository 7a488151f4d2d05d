"""Scores of held-out word pairs in views that other pairs were used to fit, with their nulls and their jackknife."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from saegeom_data.metrics._statistics import discriminant, silhouettes
from saegeom_data.metrics._statistics.jackknife import jackknife_variance
from saegeom_data.metrics.atom._word_pairs import views
from saegeom_data.metrics.atom._word_pairs.places import Places, Redealt
from saegeom_data.metrics.atom._word_pairs.prepare import WordPairs
from saegeom_data.metrics.atom._word_pairs.scores import Scores
from saegeom_data.metrics.atom._word_pairs.splits import HoldOut, Split, null_draws, splits
from saegeom_data.metrics.atom.parallelogram_quality._analogy_gain import gained
from saegeom_data.metrics.atom.parallelogram_quality._pairing_scores import PAIRING_SCORES, score_pairings
from saegeom_data.metrics.nulls import derangement, label_permutation, offsets_redealt
from saegeom_data.typing import Array

SCORES = (*PAIRING_SCORES, "silhouette", "analogy_gain")
NULLS = (label_permutation.LABEL, offsets_redealt.LABEL, derangement.LABEL)
# The fold whose offsets are drawn; one fold, because each has axes of its own.
SHOWN_FOLD = 0
_SILHOUETTE, _GAIN = SCORES.index("silhouette"), SCORES.index("analogy_gain")
_PERMUTED, _REDEALT, _DERANGED = range(len(NULLS))
# Relation means of this many numbers are held at once while discriminants are fitted anew.
_ENTRIES = 4_000_000


@dataclass(frozen=True)
class Options:
    """Parameters of the metric that its held-out scores depend on."""

    views: tuple[str, ...]
    hold_outs: tuple[HoldOut, ...]
    directions: tuple[int, ...]
    sweep_all: bool
    headline_directions: int
    n_components_removed: int
    erased: tuple[str, ...]
    n_folds: int
    n_permutations: int
    shrinkage: float | None
    seed: int

    @property
    def most_directions(self) -> int:
        """As many as are needed anywhere."""
        return max(*self.directions, self.headline_directions)


@dataclass(frozen=True)
class HeldOut:
    """All scores; the p of the gain of analogies (hold-out, view); and where offsets lie (view, pairs, axis)."""

    table: Scores
    gain_p: Array
    position: Array


def score(pairs: WordPairs, options: Options) -> HeldOut:
    """Fit every view on other pairs than it is scored on, for each fold and hold-out."""
    n_views = len(options.views)
    shape = (len(options.hold_outs), len(SCORES) + 1, n_views + len(options.directions), pairs.n_relations)
    scores = Scores.empty(shape, options.n_folds, len(NULLS), options.n_permutations)
    left = np.zeros((len(options.hold_outs), n_views, len(pairs.label)))
    position = np.full((n_views, len(pairs.label), 2), np.nan)
    draws = null_draws(pairs, options.n_permutations, options.seed)
    asked = (options.hold_outs, options.n_folds, options.headline_directions)
    for split in splits(pairs, *asked, draws, options.seed):
        _score_split(pairs, split, options, scores, left, position)
    _add_silhouette_errors(pairs, left, options.n_folds, scores)
    return HeldOut(*gained(scores), position)


def _score_split(
    pairs: WordPairs, split: Split, options: Options, scores: Scores, left: Array, position: Array
) -> None:
    """Add the scores of the held-out pairs of one split, under views fitted on the rest."""
    training = _training(pairs, split, options)
    maps = [views.fit(view, training) for view in options.views]
    if split.fold == SHOWN_FOLD and split.scored.all():
        position[:] = _positions(pairs, split, training, maps, options)
    words = pairs.words(split.held_out)
    n = len(words) // 2
    label = pairs.label[split.held_out]
    places = Places.of(label, pairs.word_of(split.held_out), split.scored, options.seed, split.fold)
    mapped = [apply(words) for apply in maps]
    most = min(options.most_directions, split.most_directions)
    plane = words @ training.directions(most)
    swept = _swept(options, most) if options.sweep_all else ()
    # Discriminants come in order, so fewer directions are the first columns of more.
    grams = [view @ view.T for view in (*mapped, *(plane[:, :n] for n in swept))]
    score_pairings(places, grams, (split.place, split.fold), len(mapped), options.n_folds, scores)
    _score_silhouettes(pairs, split, [view[n:] - view[:n] for view in mapped], scores, left)
    _sweep_silhouettes(pairs, split, plane[n:] - plane[:n], options, scores)
    null = scores.null[:, split.place, :_GAIN, :, :, split.fold]
    _derange(places, grams, options, split, null)
    fixed = [i for i, view in enumerate(options.views) if view != views.LDA]
    _permute(places, {i: grams[i] for i in fixed}, split, null)
    _redeal(places, {i: (mapped[i][:n], mapped[i][n:] - mapped[i][:n]) for i in fixed}, split, null)
    counts = {len(mapped) + i: count for i, count in enumerate(swept)}
    if views.LDA in options.views:
        counts |= {options.views.index(views.LDA): split.n_directions}
    if counts:
        _refit(training, places, words, split, counts, null)


def _swept(options: Options, most: int) -> tuple[int, ...]:
    """Numbers of directions of the sweep that a split has."""
    return tuple(n for n in options.directions if n <= most)


def _training(pairs: WordPairs, split: Split, options: Options) -> views.Training:
    """What the views of one split are fitted on."""
    offset = pairs.offset[split.train]
    basis = discriminant.fit_basis(offset, options.shrinkage)
    return views.Training(
        pairs,
        split.train,
        basis,
        basis.whiten(offset),
        split.n_directions,
        options.n_components_removed,
        options.erased,
        options.seed,
        split.fold,
    )


def _positions(
    pairs: WordPairs, split: Split, training: views.Training, maps: Sequence[views.Map], options: Options
) -> Array:
    """Coordinates of all offsets on two axes fitted on the training offsets, (views, pairs, 2)."""
    position = np.full((len(maps), len(pairs.label), 2), np.nan)
    for i, (view, apply) in enumerate(zip(options.views, maps, strict=True)):
        placed = pairs.offset
        if view == views.LDA:
            # A picture has two axes, however few directions are scored.
            axes = training.directions(2)
        elif view == views.RAW:
            axes = training.basis.axes
        elif view == views.PRINCIPAL:
            axes = training.basis.axes[:, options.n_components_removed :]
        else:
            placed = apply(placed)
            axes = discriminant.principal_axes(placed[split.train] - placed[split.train].mean(axis=0))[1]
        position[i, split.held_out] = _turned(placed, split.train, axes)[split.held_out]
    return position


def _turned(offset: Array, train: Array, axes: Array) -> Array:
    """Coordinates of offsets on the first two axes, 0 on one that is missing."""
    position = np.zeros((len(offset), 2))
    position[:, : axes.shape[1]] = offset @ axes[:, :2]
    fitted = position[train]
    farthest = fitted[np.abs(fitted).argmax(axis=0), np.arange(2)]
    # An axis has no sign: it is turned to where the farthest training offset lies, which no rotation changes.
    return position * np.where(farthest < 0, -1.0, 1.0)


def _score_silhouettes(pairs: WordPairs, split: Split, offsets: Sequence[Array], scores: Scores, left: Array) -> None:
    """Silhouettes of every view, and without each pair."""
    label, n_relations = pairs.label[split.held_out], pairs.n_relations
    indicator = silhouettes.indicators(label, n_relations)
    for view, offset in enumerate(offsets):
        distance = silhouettes.distances(offset)
        value = silhouettes.silhouettes(distance, indicator)
        scores.value[split.place, _SILHOUETTE, view, split.scored, split.fold] = value[split.scored]
        without = silhouettes.silhouettes_leave_one_out(distance, label, n_relations)
        left[split.place, view, split.held_out] += without[:, split.scored].sum(axis=1) / n_relations


def _sweep_silhouettes(pairs: WordPairs, split: Split, offset: Array, options: Options, scores: Scores) -> None:
    """Silhouettes by number of directions."""
    swept, first = _swept(options, offset.shape[1]), len(options.views)
    found = silhouettes.nested_silhouettes(offset, pairs.label[split.held_out], pairs.n_relations, swept)
    at = scores.value[split.place, _SILHOUETTE, first : first + len(swept)]
    at[:, split.scored, split.fold] = found[:, split.scored]


def _derange(places: Places, grams: Sequence[Array], options: Options, split: Split, null: Array) -> None:
    """Targets change places within the held-out pairs of a relation; views are taken as they were fitted."""
    drawn = places.deranged("derangements", options.n_permutations, options.seed, split.fold)
    for view, gram in enumerate(grams):
        _write(null[_DERANGED, :, view], places.scores(gram, target=drawn))


def _permute(places: Places, grams: Mapping[int, Array], split: Split, null: Array) -> None:
    """Relations are permuted among the held-out pairs, in views that do not depend on relations."""
    order = np.argsort(split.testing.labels, axis=1, kind="stable")
    for view, gram in grams.items():
        _write(null[_PERMUTED, :, view], places.scores(gram, order, order))


def _redeal(places: Places, words: Mapping[int, tuple[Array, Array]], split: Split, null: Array) -> None:
    """Offsets are dealt anew among the held-out pairs and turned around, in views that do not depend on relations."""
    for view, (source, offset) in words.items():
        redealt = Redealt.of(source, offset)
        for i, (order, sign) in enumerate(zip(split.testing.order, split.testing.sign, strict=True)):
            _write(null[_REDEALT, :, view, :, i : i + 1], places.scores(redealt.gram(order, sign)))


def _refit(
    training: views.Training, places: Places, words: Array, split: Split, counts: Mapping[int, int], null: Array
) -> None:
    """Discriminants of permuted relations, and of redealt offsets, fitted anew for each draw.

    ``counts`` are numbers of directions by view.
    """
    most = max(counts.values())
    n = len(words) // 2
    placed = words @ training.basis.whitening
    for draws, means, weights in _permuted_fits(training, split, most):
        for i, points in zip(draws, (placed @ np.swapaxes(means, 1, 2)) @ weights, strict=True):
            order = np.argsort(split.testing.labels[[i]], axis=1, kind="stable")
            for view, count in counts.items():
                gram = points[:, :count] @ points[:, :count].T
                _write(null[_PERMUTED, :, view, :, i : i + 1], places.scores(gram, order, order))
    basis = discriminant.second_moment_basis(training.pairs.offset[split.train], training.basis.shrinkage)
    placed = words @ basis.whitening
    for draws, means, weights in _redealt_fits(training, basis, split, most):
        for i, points in zip(draws, (placed @ np.swapaxes(means, 1, 2)) @ weights, strict=True):
            offset = split.testing.sign[i][:, None] * (points[n:] - points[:n])[split.testing.order[i]]
            moved = np.concatenate([points[:n], points[:n] + offset])
            for view, count in counts.items():
                found = places.scores(moved[:, :count] @ moved[:, :count].T)
                _write(null[_REDEALT, :, view, :, i : i + 1], found)


_Fits = Iterator[tuple[range, Array, Array]]


def _permuted_fits(training: views.Training, split: Split, n_directions: int) -> _Fits:
    """Means and weights of discriminants of permuted relations, some draws at a time."""
    whitened = training.whitened
    for draws in _batches(len(split.training.labels), len(whitened) * training.n_relations):
        labels = split.permuted_labels(slice(draws.start, draws.stop))
        shrinkage = training.basis.shrinkage
        yield draws, *discriminant.discriminants(whitened, labels, training.n_relations, shrinkage, n_directions)


def _redealt_fits(training: views.Training, basis: discriminant.Basis, split: Split, n_directions: int) -> _Fits:
    """The same of offsets that are dealt anew among the training pairs and turned around."""
    whitened = basis.whiten(training.pairs.offset[split.train])
    for draws in _batches(len(split.training.order), len(whitened) * training.n_relations):
        at = slice(draws.start, draws.stop)
        given = (training.label, split.training.order[at], split.training.sign[at], training.n_relations)
        yield draws, *discriminant.discriminants_of_redealt(whitened, *given, basis.shrinkage, n_directions)


def _batches(n_draws: int, n_entries: int) -> Iterator[range]:
    """Draws, so many at a time that ``n_entries`` numbers of each fit in memory."""
    size = max(1, _ENTRIES // n_entries)
    for start in range(0, n_draws, size):
        yield range(start, min(start + size, n_draws))


def _write(null: Array, found: Array) -> None:
    """Put scores (draws, scores, relations) into (scores, relations, draws), but for those that do not count."""
    found = np.moveaxis(found, 0, -1)
    np.copyto(null, found, where=~np.isnan(found))


def _add_silhouette_errors(pairs: WordPairs, left: Array, n_folds: int, scores: Scores) -> None:
    """Errors over pairs of each fold and relation; a pair counts in the silhouettes of all relations of its fold."""
    n_views = left.shape[1]
    for fold in range(n_folds):
        for relation in range(pairs.n_relations):
            mine = left[..., (pairs.fold == fold) & (pairs.label == relation)]
            scores.square_error[:, _SILHOUETTE, :n_views] += jackknife_variance(mine) / n_folds**2
            difference = jackknife_variance(mine - mine[:, :1])
            scores.square_error_of_difference[:, _SILHOUETTE, :n_views] += difference / n_folds**2
