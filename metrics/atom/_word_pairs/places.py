"""Places that the pairs of one fold take: which are scored together, and how their words change places under a null."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data.metrics._kernels import word_pairs as compiled
from saegeom_data.metrics.nulls import derangement
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

# Pairs of a relation are compared within groups of so many at most: quadruples then grow with the number of pairs
# rather than with its square, and every pair still meets some fifty others.
TOGETHER = 50
# Shuffled pairings that the cosines of every pairing are ranked among, be it the true one or a draw of a null.
N_SHUFFLED = 5


@dataclass(frozen=True)
class Places:
    """Places of the held-out pairs of one fold, by relation, and within relations by cell.

    A cell is a group of places whose pairs are compared. Place k is taken by pair k, unless a null moves words.

    Attributes
    ----------
    label
        Relation of each place, ascending, (places,).
    word
        Number of the word of each source, and after them of each target, (2 * places,).
    bounds
        Places where cells begin, and the number of places, (cells + 1,).
    scored
        Which relations count, (relations,) bool.
    shuffled
        Place whose target each place takes, within its cell and none its own, (pairings, places).
    other
        For each place one of another relation, (places,).
    """

    label: Array
    word: Array
    bounds: Array
    scored: Array
    shuffled: Array
    other: Array

    @classmethod
    def of(cls, label: Array, word: Array, scored: Array, seed: int, fold: int) -> Places:
        """Places of pairs whose relations are ``label``, with shuffled pairings of their own."""
        sizes = np.bincount(label, minlength=len(scored))
        parts = [len(part) for size in sizes for part in np.array_split(np.arange(size), -(-size // TOGETHER))]
        bounds = np.concatenate([[0], np.cumsum(parts)])
        others = [np.flatnonzero(label != relation) for relation in range(len(scored))]
        ranks = np.concatenate([np.arange(size) for size in sizes])
        # Spread over all other relations, whose places come one after another.
        other = [others[k][rank * len(others[k]) // sizes[k]] for k, rank in zip(label, ranks, strict=True)]
        places = cls(label, word, bounds, scored, np.zeros((0, 0), dtype=np.int64), np.array(other))
        return places.with_shuffled(places.deranged("shuffled_pairings", N_SHUFFLED, seed, fold))

    def with_shuffled(self, shuffled: Array) -> Places:
        """The same places with other shuffled pairings."""
        return Places(self.label, self.word, self.bounds, self.scored, shuffled, self.other)

    def deranged(self, purpose: str, n_draws: int, seed: int, fold: int) -> Array:
        """Places whose targets each place takes, (draws, places): derangements of the places of each cell."""
        drawn = np.tile(np.arange(len(self.label)), (n_draws, 1))
        cells = list(zip(self.bounds[:-1], self.bounds[1:], strict=True))
        for relation in np.unique(self.label):
            # Seeded by what is scored alone, so that hold-outs are compared over the same derangements.
            mine = [cell for cell in cells if self.label[cell[0]] == relation and cell[1] - cell[0] > 1]
            streams = stream(purpose, seed, fold, int(relation)).spawn(len(mine))
            for (first, last), rng in zip(mine, streams, strict=True):
                drawn[:, first:last] = first + derangement.derangements(last - first, n_draws, rng)
        return drawn

    @property
    def n(self) -> int:
        """Number of places."""
        return len(self.label)

    @property
    def relation_of_cell(self) -> Array:
        """Relation of each cell, (cells,)."""
        return np.asarray(self.label[self.bounds[:-1]])

    def scores(
        self, gram: Array, source: Array | None = None, target: Array | None = None, kept: Array | None = None
    ) -> Array:
        """All scores of each relation, (draws, kernels + 1, relations), the silhouette last.

        NaN where undefined, and for relations that do not count.

        Parameters
        ----------
        gram
            Dot products of all sources, and after them all targets, with each other, (2 * places, 2 * places).
        source, target
            The pair whose source, or target, each place takes, (draws, places), or (1, places) in all draws; its own
            by default.
        kept
            Which words are there, sources and after them targets, (draws, 2 * places) bool, or (1, 2 * places) in all
            draws; all by default.
        """
        own = np.arange(self.n)[None]
        source = own if source is None else source
        target = self.n + (own if target is None else target)
        kept = np.ones((1, 2 * self.n), dtype=bool) if kept is None else kept
        n_draws = max(len(source), len(target), len(kept))
        found = np.empty((n_draws, compiled.N_KERNELS + 1, len(self.scored)))
        arranged = (self.word, source, target, kept, self.label, self.bounds, self.scored, self.shuffled, self.other)
        compiled.score_arrangements(np.ascontiguousarray(gram), *arranged, found)
        return found


@dataclass(frozen=True)
class Redealt:
    """Dot products of sources and offsets in one view, from which those of redealt offsets follow."""

    sources: Array
    across: Array
    offsets: Array

    @classmethod
    def of(cls, source: Array, offset: Array) -> Redealt:
        """From sources and offsets in one view, (pairs, dims) each."""
        return cls(source @ source.T, offset @ source.T, offset @ offset.T)

    def gram(self, order: Array, sign: Array) -> Array:
        """Dot products of sources and of targets that lie an offset away, that of pair ``order`` times ``sign``."""
        found = np.empty((2 * len(order), 2 * len(order)))
        # Strided rows and others would be compiled for apart.
        order, sign = np.ascontiguousarray(order), np.ascontiguousarray(sign)
        compiled.redeal(self.sources, self.across, self.offsets, order, sign, found)
        return found
