"""Scores between pairs of one relation: means over pairs of pairs of a kernel of their offsets."""

from __future__ import annotations

import numpy as np

from saegeom_data.typing import Array

# Below this share of the mean squared norm, a squared norm found from a Gram matrix is rounding.
_ROUNDING = 1e-12


def cosines_and_residuals(offset: Array) -> tuple[Array, Array]:
    """Cosines and parallelogram residuals of all pairs of offsets; NaN on the diagonal.

    Shapes (pairs, hidden) to two of (pairs, pairs).
    """
    from scipy.spatial.distance import pdist, squareform

    norm = np.linalg.norm(offset, axis=1)
    cosine = _divide(offset @ offset.T, norm[:, None] * norm[None, :])
    residual = _divide(squareform(pdist(offset)), (norm[:, None] + norm[None, :]) / 2)
    return _without_diagonal(cosine), _without_diagonal(residual)


def deranged_cosines_and_residuals(source: Array, target: Array, deranged: Array) -> tuple[Array, Array]:
    """Upper triangles of the same for targets in other orders, from Gram matrices.

    Shapes (pairs, hidden) twice and (draws, pairs) to two of (draws, pairs * (pairs - 1) / 2).
    """
    # A shift of all words leaves offsets as they are and keeps the Gram matrices small beside them.
    origin = (source.mean(axis=0) + target.mean(axis=0)) / 2
    source, target = source - origin, target - origin
    source_gram, target_gram, cross = source @ source.T, target @ target.T, target @ source.T
    i, j = np.triu_indices(len(source), 1)
    rows = np.arange(len(source))
    square = source_gram[rows, rows] + target_gram[deranged, deranged] - 2 * cross[deranged, rows]
    square = np.where(square > _ROUNDING * square.mean(), square, 0.0)
    at_i, at_j = deranged[:, i], deranged[:, j]
    dot = target_gram[at_i, at_j] - cross[at_i, j] - cross[at_j, i] + source_gram[i, j]
    norm = np.sqrt(square)
    distance = np.sqrt(np.maximum(square[:, i] + square[:, j] - 2 * dot, 0))
    return _divide(dot, norm[:, i] * norm[:, j]), _divide(distance, (norm[:, i] + norm[:, j]) / 2)


class Shuffled:
    """The law of cosines between offsets of shuffled pairings, which true cosines are ranked in."""

    def __init__(self, cosine: Array) -> None:
        # Equal pairings must tie whatever the last bits of their cosines.
        self._drawn = np.round(cosine, 10)
        self._order = np.argsort(self._drawn, axis=None)
        self._sorted = self._drawn.ravel()[self._order]

    def area(self, cosine: Array) -> Array:
        """Share of shuffled cosines below each given one, ties counted half; its mean is the area under a ROC curve."""
        value = np.round(cosine, 10)
        below = self._sorted.searchsorted(value, "left") + self._sorted.searchsorted(value, "right")
        return np.where(np.isnan(value), np.nan, below / (2.0 * len(self._sorted)))

    def null(self) -> Array:
        """Area of each draw against all other draws, shape (draws,)."""
        n, size = len(self._drawn), self._drawn.size
        first = np.flatnonzero(np.diff(self._sorted, prepend=-np.inf))
        last = np.append(first[1:], size)
        area = np.empty(size)
        # Ties share the mean of their ranks.
        area[self._order] = np.repeat((first + last) / (2.0 * size), last - first)
        # Against itself a draw has an area of one half, which is taken out of the mean over all draws.
        return np.asarray((area.reshape(n, -1).mean(axis=1) * n - 0.5) / (n - 1))


def leave_one_out(kernel: Array) -> Array:
    """Mean of a kernel over pairs of pairs, without each pair in turn.

    Shapes (..., pairs, pairs), NaN where undefined, to (..., pairs).
    """
    defined = ~np.isnan(kernel)
    filled = np.where(defined, kernel, 0.0)

    def without(values: Array) -> Array:
        """Sum over i and j other than k, for each k: (..., pairs, pairs) with a diagonal of 0 to (..., pairs)."""
        return np.asarray(values.sum(axis=(-2, -1))[..., None] - values.sum(axis=-1) - values.sum(axis=-2))

    count = without(defined.astype(float))
    return np.asarray(np.divide(without(filled), count, out=np.full(count.shape, np.nan), where=count > 0))


def null_leave_one_out(triangle: Array, deranged: Array) -> Array:
    """Mean of a kernel over deranged pairings, without the source and the target of each pair in turn.

    Shapes (draws, pairs * (pairs - 1) / 2) and (draws, pairs) to (pairs,).
    """
    n_draws, n = deranged.shape
    i, j = np.triu_indices(n, 1)
    square = np.zeros((n_draws, n, n))
    square[:, i, j] = square[:, j, i] = triangle
    by_source = square.sum(axis=2)
    # The target of pair k stands in row `holder[k]`, which goes with it.
    draws = np.arange(n_draws)[:, None]
    holder = np.empty_like(deranged)
    holder[draws, deranged] = np.arange(n)
    gone = by_source + by_source[draws, holder] - square[draws, np.arange(n), holder]
    left = by_source.sum(axis=1, keepdims=True) - 2 * gone
    return np.asarray(left.mean(axis=0) / ((n - 2) * (n - 3)))


def mean(values: Array, axis: int | tuple[int, ...]) -> Array:
    """Mean of the values that are not NaN; NaN where there are none."""
    defined = ~np.isnan(values)
    count = np.asarray(defined.sum(axis=axis), dtype=float)
    total = np.where(defined, values, 0.0).sum(axis=axis)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))


def _without_diagonal(square: Array) -> Array:
    """``square`` (pairs, pairs) with NaN on its diagonal: no pair is compared with itself."""
    np.fill_diagonal(square, np.nan)
    return square


def _divide(numerator: Array, denominator: Array) -> Array:
    """Quotients, 0 where an offset has no length."""
    return np.asarray(np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0))
