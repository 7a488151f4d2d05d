"""The false discovery rate of what scores high, against what scores as high in surrogates."""

from __future__ import annotations

import numpy as np

from saegeom_data.typing import Array

# Scores equal but for rounding are equal, and count against the data.
_EQUAL = 1e-12


def q_values(score: Array, null: Array) -> Array:
    """Smallest estimated false discovery rate at which each score (scores,), in descending order, is found.

    For a threshold t with N(t) scores at or above it, the estimate is the mean number in surrogates, where one is added
    to their total, over N(t): FDR(t) = (1 + sum N_s(t)) / (S N(t)) for S surrogates. q is its least value over
    thresholds that still include the score, so that it rises as scores fall. Those with q <= alpha have a false
    discovery rate of at most alpha where each false score is as likely to come from any of the S + 1 clouds,
    independently of the others: then the number of false ones over 1 + sum N_s(t) has at most the expectation 1 / S at
    the threshold that is taken (as in target-decoy search and knockoffs; Barber and Candès 2015).

    Parameters
    ----------
    score
        Scores of the data, in descending order.
    null
        Scores of surrogates (surrogate, scores), padded with -inf.
    """
    if not len(score):
        return np.empty(0)
    # One sort for all surrogates: only their total above a threshold counts.
    pooled = np.sort(null[np.isfinite(null)])
    above = len(pooled) - np.searchsorted(pooled, score - _EQUAL)
    found = len(score) - np.searchsorted(score[::-1], score - _EQUAL)
    rate = np.minimum((1 + above) / (len(null) * found), 1.0)
    return np.asarray(np.minimum.accumulate(rate[::-1])[::-1])
