"""Scores of held-out word pairs in views that other pairs were used to fit, with their nulls and their jackknife."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saegeom_data.metrics._statistics import discriminant, silhouettes
from saegeom_data.metrics._statistics.jackknife import jackknife_variance
from saegeom_data.metrics.atom._word_pairs import views
from saegeom_data.metrics.atom._word_pairs.prepare import WordPairs
from saegeom_data.metrics.atom._word_pairs.scores import Scores
from saegeom_data.metrics.atom._word_pairs.splits import HoldOut, Split, permuted_relations, splits
from saegeom_data.metrics.atom.parallelogram_quality._pairing_scores import PAIRING_SCORES, score_pairings
from saegeom_data.typing import Array

SCORES = (*PAIRING_SCORES, "silhouette")
# The fold whose offsets are drawn; one fold, because each has axes of its own.
SHOWN_FOLD = 0
_SILHOUETTE = SCORES.index("silhouette")
# Relation means of this many numbers, or as many distances, are held at once while labels are permuted.
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


def score(pairs: WordPairs, options: Options) -> Scores:
    """Fit every view on other pairs than it is scored on, for each fold and hold-out."""
    scores = Scores.empty(
        (len(options.hold_outs), len(SCORES), len(options.views) + len(options.directions), pairs.n_relations),
        options.n_folds,
        options.n_permutations,
        len(pairs.label),
    )
    scores.position = np.full((len(options.views), len(pairs.label), 2), np.nan)
    permuted = permuted_relations(pairs, options.n_permutations, options.seed)
    asked = (options.hold_outs, options.n_folds, options.headline_directions)
    for split in splits(pairs, *asked, permuted, options.seed):
        _score_split(pairs, split, permuted[:, split.held_out], options, scores)
    for place in range(len(options.hold_outs)):
        _add_silhouette_errors(pairs, place, len(options.views), options.n_folds, scores)
    return scores


def _score_split(pairs: WordPairs, split: Split, permuted: Array, options: Options, scores: Scores) -> None:
    """Add the scores of the held-out pairs of one split, under views fitted on the rest."""
    training = _training(pairs, split, options)
    maps = [views.fit(view, training) for view in options.views]
    if split.fold == SHOWN_FOLD and split.scored.all():
        scores.position = _positions(pairs, split, training, maps, options)
    words = pairs.words(split.held_out)
    mapped = [apply(words) for apply in maps]
    most = min(options.most_directions, split.most_directions)
    plane = words @ training.directions(most)
    # Discriminants come in order, so fewer directions are the first columns of more.
    swept = [plane[:, :n] for n in options.directions if n <= most]
    swept = swept if options.sweep_all else []
    score_pairings(pairs, split, [*mapped, *swept], len(options.views), options.seed, scores)
    n = len(words) // 2
    offsets = [view[n:] - view[:n] for view in mapped]
    _score_silhouettes(pairs, split, offsets, permuted, options, scores)
    _score_discriminants(pairs, split, training, plane[n:] - plane[:n], permuted, options, scores)


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


def _score_silhouettes(
    pairs: WordPairs, split: Split, offsets: Sequence[Array], permuted: Array, options: Options, scores: Scores
) -> None:
    """Silhouettes of every view and without each pair; and the null of views that do not depend on labels."""
    label, n_relations, at = pairs.label[split.held_out], pairs.n_relations, (split.place, _SILHOUETTE)
    indicator = silhouettes.indicators(label, n_relations)
    size = max(1, _ENTRIES // (len(label) * n_relations))
    for view, offset in enumerate(offsets):
        distance = silhouettes.distances(offset)
        value = silhouettes.silhouettes(distance, indicator)
        scores.value[(*at, view, split.scored, split.fold)] = value[split.scored]
        left = silhouettes.silhouettes_leave_one_out(distance, label, n_relations)
        scores.left[split.place, view, split.held_out] += left[:, split.scored].sum(axis=1) / n_relations
        if options.views[view] == views.LDA:
            continue
        for start in range(0, options.n_permutations, size):
            draws = slice(start, start + size)
            null = silhouettes.silhouettes(distance, silhouettes.indicators(permuted[draws], n_relations))
            scores.null[at][view, split.scored, split.fold, draws] = null.T[split.scored]


def _score_discriminants(
    pairs: WordPairs,
    split: Split,
    training: views.Training,
    offset: Array,
    permuted: Array,
    options: Options,
    scores: Scores,
) -> None:
    """Silhouettes by number of directions, and the null of discriminants that are fitted to permuted relations."""
    at, first = (split.place, _SILHOUETTE), len(options.views)
    swept = tuple(n for n in options.directions if n <= offset.shape[1])
    counts = {first + i: n for i, n in enumerate(swept)}
    found = silhouettes.nested_silhouettes(offset, pairs.label[split.held_out], pairs.n_relations, swept)
    scores.value[at][first : first + len(swept), split.scored, split.fold] = found[:, split.scored]
    counts = counts if options.sweep_all else {}
    if views.LDA in options.views:
        counts |= {options.views.index(views.LDA): split.n_directions}
    if not counts:
        return
    outside = training.basis.whiten(pairs.offset[split.held_out])
    size = max(1, _ENTRIES // (len(training.whitened) * training.n_relations))
    for start in range(0, options.n_permutations, size):
        draws = slice(start, start + size)
        means, weights = discriminant.discriminants(
            training.whitened,
            split.permuted_labels(draws),
            training.n_relations,
            training.basis.shrinkage,
            max(counts.values()),
        )
        points = (outside @ np.swapaxes(means, 1, 2)) @ weights
        for i, drawn in enumerate(points, start=start):
            null = silhouettes.nested_silhouettes(drawn, permuted[i], pairs.n_relations, tuple(counts.values()))
            for view, values in zip(counts, null, strict=True):
                scores.null[at][view, split.scored, split.fold, i] = values[split.scored]


def _add_silhouette_errors(pairs: WordPairs, place: int, n_views: int, n_folds: int, scores: Scores) -> None:
    """Errors over pairs of each fold and relation; a pair counts in the silhouettes of all relations of its fold."""
    for fold in range(n_folds):
        for relation in range(pairs.n_relations):
            mine = scores.left[place, :n_views][:, (pairs.fold == fold) & (pairs.label == relation)]
            scores.square_error[place, _SILHOUETTE, :n_views] += jackknife_variance(mine) / n_folds**2
            difference = jackknife_variance(mine - mine[:1])
            scores.square_error_of_difference[place, _SILHOUETTE, :n_views] += difference / n_folds**2
