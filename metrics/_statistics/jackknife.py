"""Jackknife errors and intervals, over members or groups of members."""

from __future__ import annotations

from typing import Any

import numpy as np

from saegeom_data.typing import Array

N_GROUPS = 20


def balanced_groups(n: int, n_groups: int, rng: np.random.Generator) -> Array:
    """Random groups of nearly equal size: the group of each of n members."""
    return np.asarray(rng.permutation(np.arange(n) % min(n_groups, n)))


def jackknife_variance(left_out: Array) -> Array:
    """Squared standard error (...,) from values (..., n) with each of n members left out in turn.

    (n - 1) / n times the sum of squared deviations of the values from their mean.
    """
    n = left_out.shape[-1]
    return np.asarray((n - 1) * left_out.var(axis=-1))


def jackknife_interval(value: Array, left_out: Array, least: Array | float = 0.0) -> tuple[Array, Array]:
    """95 percent interval of ``value`` (...,) from estimates (..., groups) with one group left out.

    Its half width is that of :func:`jackknife_reach`.
    """
    reach = jackknife_reach(left_out, least=least)
    return value - reach, value + reach


def jackknife_reach(left_out: Array, drawn: Any = 0.0, *, least: Array | float = 0.0) -> Array:
    """Half the width (...,) of a 95 percent interval, from estimates (..., groups) with one group left out.

    t sqrt(v + d), with the jackknife's variance v, a variance d of what is ``drawn`` beside it, and t of g - 1 degrees
    of freedom for g groups; the root is no less than the standard error ``least`` (...,).
    """
    from scipy.stats import t

    error = np.maximum(np.sqrt(jackknife_variance(left_out) + drawn), least)
    # The variance is itself an estimate from a few groups, so the normal law would give intervals that are too short.
    return np.asarray(t.ppf(0.975, left_out.shape[-1] - 1) * error)


def jackknife_p(value: Array, left_out: Array, drawn: Any = 0.0) -> Array:
    """One-sided p of values (...,) above 0, by the same law; NaN where there is no error."""
    from scipy.stats import t

    error = np.sqrt(jackknife_variance(left_out) + drawn)
    z = np.divide(value, error, out=np.full(np.shape(value), np.nan), where=error > 0)
    return np.asarray(t.sf(z, left_out.shape[-1] - 1))
