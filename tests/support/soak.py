"""How often random tests are repeated, and bounds that hold for few repetitions as for many.

Every run repeats an experiment a few times, ``make soak`` as often as its bounds were chosen for.
"""

from __future__ import annotations

import os

SOAK = bool(os.environ.get("SAEGEOM_SOAK"))
# How often a bound may fail by chance where few seeds are tried.
_CHANCE = 0.001


def times(count: int, soak: int | None = None) -> int:
    """Number of repetitions: ``count`` in every run; in ``make soak`` ``soak``, or 20 times as many."""
    return (soak or 20 * count) if SOAK else count


def lowest(share: float, n: int) -> float:
    """Bound from below on the share of ``n`` seeds: ``share`` in ``make soak``.

    With few seeds, what a true share of at least ``share`` is below once in a thousand times, by the binomial law.
    """
    from scipy.stats import binom

    return share if SOAK else float(binom.ppf(_CHANCE, n, share) - 0.5) / n


def highest(share: float, n: int) -> float:
    """Bound from above on the share of ``n`` seeds; see :func:`lowest`."""
    from scipy.stats import binom

    return share if SOAK else float(binom.ppf(1 - _CHANCE, n, share) + 0.5) / n


def over_deviation(low: float, high: float, n: int) -> tuple[float, float]:
    """Bounds on a ratio whose denominator is the standard deviation of ``n`` seeds: ``low, high`` in ``make soak``.

    With few seeds they are widened by what the deviation of ``n`` normal values is off by, by the chi-squared law.
    """
    from scipy.stats import chi2

    if SOAK:
        return low, high
    least, most = (chi2.ppf([_CHANCE, 1 - _CHANCE], n - 1) / (n - 1)) ** 0.5
    return float(low / most), float(high / least)
