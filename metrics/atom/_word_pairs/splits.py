"""Which pairs views are fitted on and which they are scored on: held-out pairs, or pairs of held-out relations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from saegeom_data.metrics.atom._word_pairs.prepare import WordPairs
from saegeom_data.metrics.nulls.label_permutation import permuted_labels
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

HoldOut = Literal["pairs", "relations"]


@dataclass(frozen=True)
class Split:
    """One fit: the training pairs, the fold that is scored, and the relations whose scores count.

    ``place`` is the hold-out's index among those asked for; ``label`` are the relations of training pairs, permuted
    within folds for each draw of the null. ``most_directions`` discriminants exist in every fit of the hold-out, and
    ``n_directions`` of them are kept.
    """

    place: int
    fold: int
    train: Array
    held_out: Array
    scored: Array
    permuted: Array
    most_directions: int
    n_directions: int

    def permuted_labels(self, draws: slice) -> Array:
        """Permuted relations of training pairs, (draws, pairs), without gaps in their numbers."""
        labels = self.permuted[draws]
        return np.searchsorted(np.unique(labels[0]), labels)


def splits(
    pairs: WordPairs, hold_outs: tuple[HoldOut, ...], n_folds: int, n_directions: int, permuted: Array, seed: int
) -> Iterator[Split]:
    """Yield all fits.

    Whichever is held out, the pairs of one fold are scored by maps that were fitted on other folds, so that the raw
    view is the same for both. Where relations are held out, they are dealt into as many groups as folds, and a
    relation's scores count in the view that was fitted without any pair of its group.

    Parameters
    ----------
    permuted
        Relations of all pairs, permuted within folds, (draws, pairs).
    n_directions
        Directions of the discriminants; fewer where fewer relations are left.
    """
    rng = stream("relation_groups", seed)
    everything = np.ones(pairs.n_relations, dtype=bool)
    # Of three relations each is left out alone: discriminants need two.
    n_groups = min(n_folds, pairs.n_relations) if pairs.n_relations > 3 else pairs.n_relations
    groups = rng.permutation(np.arange(pairs.n_relations) % n_groups)
    for place, hold_out in enumerate(hold_outs):
        n_left_out = np.bincount(groups).max() if hold_out == "relations" else 0
        most = pairs.n_relations - int(n_left_out) - 1
        limits = (most, min(n_directions, most))
        for fold in range(n_folds):
            held_out = pairs.fold == fold
            if hold_out == "pairs":
                labels = permuted[:, ~held_out]
                yield Split(place, fold, ~held_out, held_out, everything, labels, *limits)
                continue
            for group in range(groups.max() + 1):
                scored = groups == group
                train = ~held_out & ~scored[pairs.label]
                drawn = permuted_labels(pairs.label[train], pairs.fold[train], len(permuted), rng)
                yield Split(place, fold, train, held_out, scored, drawn, *limits)


def permuted_relations(pairs: WordPairs, n_draws: int, seed: int) -> Array:
    """Relations of all pairs, permuted within folds, (draws, pairs)."""
    return permuted_labels(pairs.label, pairs.fold, n_draws, stream("relation_permutations", seed))
