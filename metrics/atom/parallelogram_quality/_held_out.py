"""Scores of held-out word pairs in views that other pairs were used to fit, and without each jackknife group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saegeom_data import lazy
from saegeom_data.metrics._kernels import word_pairs as compiled
from saegeom_data.metrics._statistics import discriminant, silhouettes
from saegeom_data.metrics.atom._word_pairs import views
from saegeom_data.metrics.atom._word_pairs.places import Places
from saegeom_data.metrics.atom._word_pairs.prepare import WordPairs
from saegeom_data.metrics.atom._word_pairs.scores import N_GROUPS, Scores, fold_results
from saegeom_data.metrics.atom._word_pairs.splits import HoldOut, Split, null_draws, splits_of
from saegeom_data.metrics.atom.parallelogram_quality._null_scores import NULLS, Nulls, Without, write
from saegeom_data.metrics.nulls import derangement
from saegeom_data.typing import Array

PAIRING_SCORES = (
    "offset_consistency",
    "pairing_consistency",
    "parallelogram_residual",
    "trapezoid_cosine",
    "analogy_accuracy",
    "analogy_accuracy_with_inputs",
    "analogy_accuracy_without_offset",
    "analogy_accuracy_other_relation",
)
SCORES = (*PAIRING_SCORES, "silhouette", "analogy_gain")
# The fold whose offsets are drawn; one fold, because each has axes of its own.
SHOWN_FOLD = 0
_SILHOUETTE = compiled.N_KERNELS


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


def held_out_results(options: Options, n_relations: int) -> dict[str, lazy.Result]:
    """Dims and shapes of the scores of a fold."""
    n_named = len(options.views)
    shape = (len(options.hold_outs), len(SCORES) - 1, n_named + len(options.directions), n_relations)
    return fold_results(shape, n_named, len(NULLS), options.n_permutations)


def score_fold(pairs: WordPairs, fold: int, options: Options) -> tuple[Scores, Array]:
    """Scores of the pairs of one fold in views fitted on others, and where their offsets lie (view, pairs, axis)."""
    scores = Scores.empty(held_out_results(options, pairs.n_relations))
    position = np.full((len(options.views), len(pairs.label), 2), np.nan)
    draws = null_draws(pairs, options.n_permutations, options.seed)
    asked = (options.hold_outs, options.n_folds, options.headline_directions)
    for split in splits_of(fold, pairs, *asked, draws, options.seed):
        _score_split(pairs, split, options, scores, position)
    return scores, position


def _score_split(pairs: WordPairs, split: Split, options: Options, scores: Scores, position: Array) -> None:
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
    for view, gram in enumerate(grams):
        write(scores.value[split.place, :, view, :, None], places.scores(gram))
    _sweep_silhouettes(pairs, split, plane[n:] - plane[:n], options, scores)
    drawn = places.deranged("derangements", options.n_permutations, options.seed, split.fold)
    without = Without.of(pairs.group[split.held_out], options.n_permutations)
    nulls = Nulls.at(scores, split, without, len(mapped))
    nulls.derange(places, grams, drawn)
    _leave_out(training, split, options, (places, words, grams[0], drawn), without, scores)
    # Discriminants alone depend on relations, so they alone are fitted anew for each draw.
    fixed = [i for i, view in enumerate(options.views) if view != views.LDA]
    nulls.permute(places, {i: grams[i] for i in fixed}, split)
    nulls.redeal(places, {i: (mapped[i][:n], mapped[i][n:] - mapped[i][:n]) for i in fixed}, split)
    counts = {len(mapped) + i: count for i, count in enumerate(swept)}
    if views.LDA in options.views:
        counts |= {options.views.index(views.LDA): split.n_directions}
    if counts:
        nulls.refit(training, places, words, split, counts)


def _leave_out(
    training: views.Training,
    split: Split,
    options: Options,
    held_out: tuple[Places, Array, Array, Array],
    without: Without,
    scores: Scores,
) -> None:
    """Scores, and those of derangements, without each jackknife group: views are fitted to the rest, which is scored.

    ``held_out`` are the places of the held-out pairs, their words, dot products of these in the raw view, and
    derangements.
    """
    places, words, raw, drawn = held_out
    group = training.pairs.group[split.train]
    own = np.arange(places.n)[None]
    for view, name in enumerate(options.views):
        left = scores.left[split.place, :, view]
        null_left = scores.null_left[NULLS.index(derangement.LABEL), split.place, :, view]
        for gone in range(N_GROUPS):
            gram = raw
            if name != views.RAW:
                mapped = views.fit_without(name, training, group == gone)(words)
                gram = mapped @ mapped.T
            mine = np.flatnonzero(without.group == gone)
            # Entries of one group are about the same pairs, so any of them says which are there.
            there = without.there[mine[0]]
            targets = np.concatenate([own, derangement.closed(drawn[without.draw[mine]], there)])
            found = places.scores(gram, target=targets, kept=without.words[mine[:1]])
            write(left[..., gone : gone + 1], found[:1])
            null_left[..., mine] = np.moveaxis(found[1:], 0, -1)


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


def _sweep_silhouettes(pairs: WordPairs, split: Split, offset: Array, options: Options, scores: Scores) -> None:
    """Silhouettes by number of directions."""
    swept, first = _swept(options, offset.shape[1]), len(options.views)
    found = silhouettes.nested_silhouettes(offset, pairs.label[split.held_out], pairs.n_relations, swept)
    at = scores.value[split.place, _SILHOUETTE, first : first + len(swept)]
    at[:, split.scored] = found[:, split.scored]
