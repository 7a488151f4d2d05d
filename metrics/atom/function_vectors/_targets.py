"""Where the right target stands among all, for sources that a vector was added to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from saegeom_data.metrics.atom._word_pairs.prepare import WordPairs
from saegeom_data.typing import Array

_ROUNDING_DIGITS = 10


@dataclass(frozen=True)
class Targets:
    """Candidates among which each scored pair's target is sought: the distinct targets.

    Attributes
    ----------
    first
        The first pair of each candidate, (candidates,).
    right
        The candidate that is each pair's target, (pairs,).
    barred
        Where a candidate is the source itself, (pairs, candidates): it is nearest to itself whatever the vector.
    """

    first: Array
    right: Array
    barred: Array

    @classmethod
    def of(cls, pairs: WordPairs, rows: Array) -> Targets:
        """Targets of some pairs; a word that several pairs lead to is one candidate."""
        words, first, right = np.unique(pairs.target_word[rows], return_index=True, return_inverse=True)
        return cls(first, right, pairs.source_word[rows][:, None] == words)

    def without(self, there: Array) -> Targets:
        """The same without targets that none of the pairs ``there`` (pairs,) leads to."""
        left = np.zeros(len(self.first), dtype=bool)
        left[self.right[there]] = True
        return replace(self, barred=self.barred | ~left)

    def dealt(self, order: Array) -> Targets:
        """The same where each pair seeks the target of pair ``order`` (pairs,)."""
        return replace(self, right=self.right[order])

    @property
    def n_allowed(self) -> Array:
        """Candidates of each pair."""
        return np.asarray((~self.barred).sum(axis=1))

    def ranks(self, near: Array) -> Array:
        """Place of every candidate, from 0 for the nearest to 1; NaN for the source itself.

        ``near`` (pairs, candidates) is how near each is: dot products with targets of unit length. A source plus a
        vector has one length, so that cosines rank the same.
        """
        from scipy.stats import rankdata

        rank = rankdata(-self._tied(near), axis=1) - 1
        return np.where(self.barred, np.nan, rank / np.maximum(self.n_allowed - 1, 1)[:, None])

    def ranks_of_right(self, near: Array) -> Array:
        """The same of each pair's target alone, (pairs,), which needs no sorting."""
        near, pair = self._tied(near), np.arange(len(self.right))
        right = near[pair, self.right][:, None]
        # Those that tie share their places, as in the ranks of scipy; the target itself is one of them.
        before = (near > right).sum(axis=1) + ((near == right).sum(axis=1) - 1) / 2
        rank = before / np.maximum(self.n_allowed - 1, 1)
        return np.where(self.barred[pair, self.right], np.nan, rank)

    def _tied(self, near: Array) -> Array:
        """How near candidates are, rounded, so that words of one activation tie; the source itself is farthest."""
        near = np.round(near / max(float(np.abs(near).max()), np.finfo(float).tiny), _ROUNDING_DIGITS)
        return np.where(self.barred, -np.inf, near)


def target_scores(rank: Array, n: Array) -> Array:
    """Rank, whether it is the first, and its reciprocal counted from 1; NaN stays."""
    place = 1 + rank * (n - 1)
    # Two that tie for the first place have 1.5 each, and neither is found.
    return np.stack([rank, np.where(np.isnan(rank), np.nan, place < 1.5), 1 / place])
