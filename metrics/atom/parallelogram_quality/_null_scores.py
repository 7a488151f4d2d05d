"""Scores of held-out word pairs under the nulls, and those of some draws without each jackknife group."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from saegeom_data.metrics._statistics import discriminant
from saegeom_data.metrics.atom._word_pairs import views
from saegeom_data.metrics.atom._word_pairs.places import Places, Redealt
from saegeom_data.metrics.atom._word_pairs.scores import Scores, draws_without
from saegeom_data.metrics.atom._word_pairs.splits import Split
from saegeom_data.metrics.nulls import derangement, label_permutation, offsets_redealt
from saegeom_data.metrics.nulls.label_permutation import followed
from saegeom_data.typing import Array

NULLS = (label_permutation.LABEL, offsets_redealt.LABEL, derangement.LABEL)
_PERMUTED, _REDEALT, _DERANGED = range(len(NULLS))
# Relation means of this many numbers are held at once while discriminants are fitted anew.
_ENTRIES = 4_000_000


@dataclass(frozen=True)
class Without:
    """Which draws of the nulls are scored without a group, which group, and which held-out pairs are there then.

    ``draw`` and ``group`` are (entries,), ``there`` is (entries, pairs).
    """

    draw: Array
    group: Array
    there: Array

    @classmethod
    def of(cls, group: Array, n_draws: int) -> Without:
        """From the jackknife group of each held-out pair, (pairs,)."""
        draw, gone = draws_without(n_draws)
        return cls(draw, gone, group != gone[:, None])

    @property
    def words(self) -> Array:
        """Which words are there, sources and after them targets, (entries, 2 * pairs)."""
        return np.concatenate([self.there, self.there], axis=1)


def write(place: Array, found: Array) -> None:
    """Put scores (draws, scores, relations) into (scores, relations, draws), but for those that do not count."""
    # Splits of a fold fill one array in turn; NaN says that a relation has no score in this one, and must not wipe out
    # that of another.
    found = np.moveaxis(found, 0, -1)
    np.copyto(place, found, where=~np.isnan(found))


@dataclass(frozen=True)
class Nulls:
    """Where the scores of one split go: (null, score, view, relation, draw), and (..., entry) without a group.

    The latter is of the first ``n_named`` views alone.
    """

    null: Array
    left: Array
    without: Without
    n_named: int

    @classmethod
    def at(cls, scores: Scores, split: Split, without: Without, n_named: int) -> Nulls:
        """Those of a split among all of its fold."""
        return cls(scores.null[:, split.place], scores.null_left[:, split.place], without, n_named)

    def derange(self, places: Places, grams: Sequence[Array], drawn: Array) -> None:
        """Targets change places within the held-out pairs of a relation; views are taken as they were fitted."""
        for view, gram in enumerate(grams):
            write(self.null[_DERANGED, :, view], places.scores(gram, target=drawn))

    def permute(self, places: Places, grams: Mapping[int, Array], split: Split) -> None:
        """Relations are permuted among the held-out pairs, in views that do not depend on relations."""
        order, draw = _order(split.testing.labels), self.without.draw
        for view, gram in grams.items():
            write(self.null[_PERMUTED, :, view], places.scores(gram, order, order))
            found = places.scores(gram, order[draw], order[draw], self.without.words)
            write(self.left[_PERMUTED, :, view], found)

    def redeal(self, places: Places, words: Mapping[int, tuple[Array, Array]], split: Split) -> None:
        """Offsets are dealt anew among held-out pairs and turned around, in views that do not depend on relations."""
        for view, (source, offset) in words.items():
            redealt = Redealt.of(source, offset)
            for i, (order, sign) in enumerate(zip(split.testing.order, split.testing.sign, strict=True)):
                self._score_redealt(places, functools.partial(redealt.gram, sign=sign), i, order, view)

    def refit(
        self, training: views.Training, places: Places, words: Array, split: Split, counts: Mapping[int, int]
    ) -> None:
        """Discriminants of permuted relations, and of redealt offsets, fitted anew for each draw.

        ``counts`` are numbers of directions by view.
        """
        most = max(counts.values())
        # Words are whitened once for all draws; a draw has other discriminants in the same space.
        placed = words @ training.basis.whitening
        order = _order(split.testing.labels)
        for draws, means, weights in _permuted_fits(training, split, most):
            for i, points in zip(draws, (placed @ np.swapaxes(means, 1, 2)) @ weights, strict=True):
                for view, count in counts.items():
                    self._score_permuted(places, points[:, :count] @ points[:, :count].T, i, order[[i]], view)
        # Redealt offsets keep their second moment about 0, and not their covariance, which depends on signs.
        basis = discriminant.second_moment_basis(training.pairs.offset[split.train], training.basis.shrinkage)
        placed = words @ basis.whitening
        for draws, means, weights in _redealt_fits(training, basis, split, most):
            for i, points in zip(draws, (placed @ np.swapaxes(means, 1, 2)) @ weights, strict=True):
                for view, count in counts.items():
                    dealt = functools.partial(_dealt_gram, points[:, :count], sign=split.testing.sign[i])
                    self._score_redealt(places, dealt, i, split.testing.order[i], view)

    def _score_permuted(self, places: Places, gram: Array, draw: int, order: Array, view: int) -> None:
        """One draw of permuted relations, whole and without groups."""
        mine = self._entries(draw, view)
        # In one call, so that dot products of a draw are looked at once for all groups.
        kept = np.concatenate([np.ones((1, 2 * places.n), dtype=bool), self.without.words[mine]])
        found = places.scores(gram, order, order, kept)
        write(self.null[_PERMUTED, :, view, :, draw : draw + 1], found[:1])
        if len(mine):
            self.left[_PERMUTED, :, view, :, mine] = found[1:]

    def _score_redealt(
        self, places: Places, gram_of: Callable[[Array], Array], draw: int, order: Array, view: int
    ) -> None:
        """One draw of redealt offsets, whole and without groups; ``gram_of`` are dot products when so dealt."""
        write(self.null[_REDEALT, :, view, :, draw : draw + 1], places.scores(gram_of(order)))
        for entry in self._entries(draw, view).tolist():
            # Offsets of pairs that are gone are passed over: the next of the cycle is dealt in their place.
            (rest,) = followed(order[None], self.without.there[entry])
            found = places.scores(gram_of(rest), kept=self.without.words[[entry]])
            self.left[_REDEALT, :, view, :, entry] = found[0]

    def _entries(self, draw: int, view: int) -> Array:
        """Entries of a draw; none of a view that has no interval."""
        return np.flatnonzero(self.without.draw == draw) if view < self.n_named else np.zeros(0, dtype=np.int64)


def _dealt_gram(points: Array, order: Array, sign: Array) -> Array:
    """Dot products of sources and of targets that lie the offset of pair ``order`` times ``sign`` away."""
    source, target = np.split(points, 2)
    moved = np.concatenate([source, source + sign[:, None] * (target - source)[order]])
    return np.asarray(moved @ moved.T)


def _order(labels: Array) -> Array:
    """Pairs in the order of their permuted relations, (draws, pairs): those that take the places of each."""
    return np.argsort(labels, axis=1, kind="stable")


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
