"""Which pairs views are fitted on and which they are scored on: held-out pairs, or pairs of held-out relations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from saegeom_data.metrics.atom._word_pairs.prepare import WordPairs
from saegeom_data.metrics.nulls.label_permutation import permutations_within
from saegeom_data.metrics.nulls.offsets_redealt import signed_permutations
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

HoldOut = Literal["pairs", "relations"]


@dataclass(frozen=True)
class Draws:
    """Draws of the two nulls that views of discriminants are fitted to anew, for some pairs.

    ``labels`` are their relations, permuted within folds; ``order`` is the pair whose offset each takes, counted among
    these pairs, and ``sign`` that of the offset: (draws, pairs) each.
    """

    labels: Array
    order: Array
    sign: Array

    @classmethod
    def of(cls, label: Array, fold: Array, n_draws: int, rng: np.random.Generator) -> Draws:
        """Draws for pairs of the given relations and folds, (pairs,) each."""
        of_labels, of_offsets = rng.spawn(2)
        order = np.concatenate(list(permutations_within(fold, n_draws, of_labels)))
        return cls(label[order], *signed_permutations(fold, n_draws, of_offsets))

    def at(self, rows: Array) -> Draws:
        """Those of some pairs, (pairs,) bool, which are whole folds: no draw leaves its fold."""
        place = np.cumsum(rows) - 1
        return Draws(self.labels[:, rows], place[self.order[:, rows]], self.sign[:, rows])


@dataclass(frozen=True)
class Split:
    """One fit: the training pairs, the fold that is scored, and the relations whose scores count.

    ``place`` is the hold-out's index among those asked for; ``training`` and ``testing`` are draws of the nulls for the
    training and for the held-out pairs. ``most_directions`` discriminants exist in every fit of the hold-out, and
    ``n_directions`` of them are kept.
    """

    place: int
    fold: int
    train: Array
    held_out: Array
    scored: Array
    training: Draws
    testing: Draws
    most_directions: int
    n_directions: int

    def permuted_labels(self, draws: slice) -> Array:
        """Permuted relations of training pairs, (draws, pairs), without gaps in their numbers."""
        labels = self.training.labels[draws]
        return np.searchsorted(np.unique(labels[0]), labels)


def splits_of(
    fold: int,
    pairs: WordPairs,
    hold_outs: tuple[HoldOut, ...],
    n_folds: int,
    n_directions: int,
    draws: Draws,
    seed: int,
) -> Iterator[Split]:
    """Yield all fits whose pairs of one of ``n_folds`` folds are scored.

    Whichever is held out, the pairs of one fold are scored by maps that were fitted on other folds, so that the raw
    view is the same for both. Where relations are held out, they are dealt into as many groups as folds, and a
    relation's scores count in the view that was fitted without any pair of its group.

    Parameters
    ----------
    draws
        Draws of the nulls for all pairs.
    n_directions
        Directions of the discriminants; fewer where fewer relations are left.
    """
    rng = stream("relation_groups", seed)
    everything = np.ones(pairs.n_relations, dtype=bool)
    # Of three relations each is left out alone: discriminants need two.
    n_groups = min(n_folds, pairs.n_relations) if pairs.n_relations > 3 else pairs.n_relations
    groups = rng.permutation(np.arange(pairs.n_relations) % n_groups)
    # A stream for each fit, so that more draws of one do not change those of the next.
    n_used = int(groups.max()) + 1
    streams = rng.spawn(n_folds * n_used)[fold * n_used :][:n_used]
    held_out = pairs.fold == fold
    testing = draws.at(held_out)
    for place, hold_out in enumerate(hold_outs):
        n_left_out = np.bincount(groups).max() if hold_out == "relations" else 0
        most = pairs.n_relations - int(n_left_out) - 1
        limits = (most, min(n_directions, most))
        if hold_out == "pairs":
            yield Split(place, fold, ~held_out, held_out, everything, draws.at(~held_out), testing, *limits)
            continue
        for group, own in enumerate(streams):
            scored = groups == group
            train = ~held_out & ~scored[pairs.label]
            training = Draws.of(pairs.label[train], pairs.fold[train], len(draws.labels), own)
            yield Split(place, fold, train, held_out, scored, training, testing, *limits)


def null_draws(pairs: WordPairs, n_draws: int, seed: int) -> Draws:
    """Draws of the nulls for all pairs."""
    return Draws.of(pairs.label, pairs.fold, n_draws, stream("relation_permutations", seed))
