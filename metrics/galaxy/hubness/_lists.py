"""Lists of nearest neighbours: how often each feature is in them, and how sure measures of that are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data.metrics.galaxy._shared.cosines import occurrence_measures
from saegeom_data.metrics.galaxy.hubness._outputs import MEASURES
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

N_SUBSAMPLES = 30
_SHARE = 0.7
# Distances that differ by less are equal: rounding must not decide whose list a feature is in.
_TIE = 1e-9


@dataclass(frozen=True)
class Lists:
    """The nearest others of each row: ``distance`` ascending and ``neighbour`` (rows, order), inf and -1 for none."""

    distance: Array
    neighbour: Array

    @property
    def is_used(self) -> Array:
        """Rows (rows,) that have neighbours."""
        return np.asarray(self.neighbour[:, 0] >= 0)

    def known_occurrence(self, k: int) -> Array:
        """K-occurrence (rows,), NaN for rows that are not used; for all with k or fewer others, or with ties cut off.

        Ties are cut off where others that are not listed may be at the distance of a row's k-th neighbour.
        """
        n_used, n_listed = self.is_used.sum(), self.distance.shape[1]
        used = self.distance[self.is_used]
        is_cut = n_used > n_listed + 1 and (used[:, -1] <= used[:, k - 1] + _TIE).any()
        if n_used <= k or is_cut:
            return np.full(len(self.distance), np.nan)
        return np.where(self.is_used, self.occurrence(k, self.is_used), np.nan)

    def occurrence(self, k: int, is_member: Array) -> Array:
        """K-occurrence (rows,) of the rows that ``is_member`` (rows,) marks, in lists of the same.

        Members nearer than a row's k-th, c of them, count 1, and the t at its distance (k - c) / t each.
        """
        # Where there is no neighbour, -1 looks up what is appended: no member.
        among = np.append(is_member, False)[self.neighbour] & is_member[:, None]
        rank = np.cumsum(among, axis=1)
        # Without so many members in its list, a row counts all there are.
        last = np.where(among & (rank == k), self.distance, 0.0).sum(axis=1)[:, None]
        last[rank[:, -1] < k] = np.inf
        nearer = among & (self.distance < last - _TIE)
        tied = among & ~nearer & (self.distance <= last + _TIE)
        share = (k - nearer.sum(axis=1)) / np.maximum(tied.sum(axis=1), 1)
        weight = nearer + tied * share[:, None]
        counted = weight > 0
        count = np.bincount(self.neighbour[counted], weights=weight[counted], minlength=len(self.neighbour))
        # Shares add up but for rounding, and equal occurrences have no skewness.
        return np.asarray(count.round(9))


def measured_at(lists: Lists, k: int) -> Array:
    """Measures (measure,) at k; NaN where no k-occurrence is known."""
    known = lists.known_occurrence(k)[lists.is_used]
    if not len(known) or np.isnan(known).any():
        return np.full(len(MEASURES), np.nan)
    return occurrence_measures(known)


def subsampling_error(lists: Lists, k: int, seed: int) -> Array:
    """Standard errors (measure,) from subsamples of m of n rows without replacement.

    The deviation over subsamples is that of m rows less what m rows share with the n they come from, hence times
    sqrt(m / (n - m)). Neighbours of a subsample are found in the full lists: the first k that are members.
    """

    used = np.flatnonzero(lists.is_used)
    size = int(_SHARE * len(used))
    if size <= k or np.isnan(lists.known_occurrence(k)[used]).any():
        return np.full(len(MEASURES), np.nan)
    values = []
    for index in range(N_SUBSAMPLES):
        members = stream("hub_subsamples", seed, index).choice(used, size, replace=False)
        is_member = np.zeros(len(lists.neighbour), bool)
        is_member[members] = True
        values.append(occurrence_measures(lists.occurrence(k, is_member)[members]))
    return np.asarray(np.std(values, axis=0, ddof=1) * np.sqrt(size / (len(used) - size)))
