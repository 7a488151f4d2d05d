"""Exact laws of cosines between uniform directions on a sphere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from saegeom_data.typing import Array

# log of -log u for u between 1 - 1e-16 and e^-150, where trapezoids over a smooth integrand are exact to rounding.
_NODES = np.linspace(-37.0, 5.0, 800)


def cosine_tail(cosine: Any, hidden: int) -> Array:
    """Probability that the cosine of two independent uniform directions exceeds ``cosine``.

    (1 + cosine) / 2 follows Beta((hidden - 1) / 2, (hidden - 1) / 2).
    """
    from scipy.special import betainc

    cosine = np.asarray(cosine, float)
    if hidden == 1:
        return np.where(cosine < -1, 1.0, np.where(cosine < 1, 0.5, 0.0))
    a = (hidden - 1) / 2
    return np.asarray(betainc(a, a, np.clip((1 - cosine) / 2, 0.0, 1.0)))


def _cosine_of_tail(tail: Array, hidden: int) -> Array:
    """Inverse of :func:`cosine_tail`: the cosine that is exceeded with probability ``tail``.

    1 - 2 I^-1(tail; a, a) for the inverse of the regularised incomplete beta function and a = (hidden - 1) / 2.
    """
    from scipy.special import betaincinv

    if hidden == 1:
        return np.where(tail < 0.5, 1.0, -1.0)
    a = (hidden - 1) / 2
    return np.asarray(1 - 2 * betaincinv(a, a, tail))


def largest_cosine_tail(cosine: Any, n: int, hidden: int) -> Array:
    """Probability that the largest of n independent cosines of uniform directions exceeds ``cosine``."""
    with np.errstate(divide="ignore"):
        # 1 - (1 - t)^n, in a form that holds for tails far below the rounding of 1.
        return np.asarray(-np.expm1(n * np.log1p(-cosine_tail(cosine, hidden))))


def largest_cosine_quantiles(levels: Array, n: int, hidden: int) -> Array:
    """Quantiles of the largest of n independent cosines of uniform directions."""
    return _cosine_of_tail(-np.expm1(np.log(levels) / n), hidden)


def largest_cosine_mean(n: int, hidden: int) -> float:
    """Mean of the largest of n independent cosines of uniform directions."""
    if hidden == 1:
        return float(1 - 2 * 0.5**n)
    return _mean(lambda tail: _cosine_of_tail(tail, hidden), n)


def largest_absolute_cosine_mean(n: int, hidden: int) -> float:
    """Mean of the largest absolute value of n independent cosines of uniform directions."""
    return 1.0 if hidden == 1 else _mean(lambda tail: _cosine_of_tail(tail / 2, hidden), n)


def _mean(value: Callable[[Array], Array], n: int) -> float:
    """Mean of ``value`` of the smallest of n independent uniform numbers."""
    # For the smallest t of n, u = (1 - t)^n is uniform; over log(-log u) a t far below 1 / n has its nodes too.
    weight = np.exp(_NODES - np.exp(_NODES))
    return float(weight @ value(-np.expm1(-np.exp(_NODES) / n)) / weight.sum())
