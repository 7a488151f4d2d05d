"""Errors of what is found on one half of the data and measured on the other, both ways round, in several halvings."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._statistics.jackknife import jackknife_variance
from saegeom_data.typing import Array


def cross_fitted(
    value: Array, left_out: Array, n_members: Array | float, largest: Array | None = None
) -> dict[str, Array]:
    """Mean over halvings and both ways round, its 95 percent interval, and its one-sided p above 0.

    Parameters
    ----------
    value
        Estimates (halvings, ways, n): found on either half and measured on the other. A halving of which one way is NaN
        does not count.
    left_out
        The same (halvings, ways, n, groups) with each group of the measured half left out; NaN past the last group.
    n_members
        How many members there are in both halves.
    largest
        Size (n) of what the estimate is made of, by default its own; see :func:`rule_of_three`.

    Returns
    -------
    dict
        ``mean``, ``low``, ``high`` and ``p`` (n); NaN where no halving counts, ends and p of fewer than two groups too.

    Notes
    -----
    Let a halving give g and g'. The jackknife's variance of their mean, j = (v + v') / 4, is of the members that are
    measured; s = (g - g')^2 / 4 is of those that it was found on as well. Means of halvings are no more certain than
    their members, so that the variance is the larger of mean j and mean s. Of w, the share of it that is beyond mean j,
    both the quantile and p are those of t with one degree of freedom for each halving, and of 1 - w those of the
    jackknife's groups (Cochran and Cox 1957).
    """
    counts = np.asarray(np.isfinite(value).all(axis=1))
    mean = mean_where(value.mean(axis=1), counts)
    measured = mean_where(_jackknife(left_out).sum(axis=1) / 4, counts)
    found = mean_where((value[:, 0] - value[:, 1]) ** 2 / 4, counts)
    n_groups = np.isfinite(left_out).sum(axis=-1)
    degrees = mean_where(n_groups.sum(axis=1) - 2.0, counts)
    largest = mean if largest is None else largest
    return {"mean": mean, **_by_t(mean, measured, found, degrees, counts.sum(axis=0), n_members, largest)}


def one_way(value: Array, left_out: Array, ways: Array, n_members: Array | float) -> tuple[Array, Array]:
    """Interval (n) of ``value`` (n), one of the ways (halvings, 2, n), with its own ``left_out`` (n, groups).

    As :func:`cross_fitted`, of a single way: its variance is v, or the mean of (g - g')^2 / 2 where that is larger.
    """
    counts = np.asarray(np.isfinite(ways).all(axis=1))
    found = mean_where((ways[:, 0] - ways[:, 1]) ** 2 / 2, counts)
    degrees = np.isfinite(left_out).sum(axis=-1) - 1.0
    ends = _by_t(value, _jackknife(left_out), found, degrees, counts.sum(axis=0), n_members, value)
    return ends["low"], ends["high"]


def rule_of_three(n_members: Array | float, largest: Array) -> Array:
    """Least half width of an interval where no member differs: -ln(0.025) / n of the size of what is measured.

    Of n members without exception the share of exceptions is below that with 97.5 percent confidence. A share of
    members that go with nothing takes as large a share off an association, such as Cramer's V.
    """
    return np.asarray(-np.log(0.025) / np.maximum(n_members, 1) * np.abs(largest))


def _by_t(
    value: Array,
    measured: Array,
    found: Array,
    degrees: Array,
    n_halvings: Array,
    n_members: Array | float,
    largest: Array,
) -> dict[str, Array]:
    """Ends of the interval and p, of the variances of what is measured and found (n), by Cochran and Cox."""
    from scipy.stats import t

    # Where no halving counts, what was found has no error that is known, and nor has the rest.
    is_known = (degrees >= 1) & np.isfinite(measured) & (n_halvings > 0)
    found, degrees, n_halvings = np.nan_to_num(found), np.maximum(degrees, 1), np.maximum(n_halvings, 1)
    variance = np.maximum(measured, found)
    share = np.divide(variance - measured, variance, out=np.zeros_like(variance), where=variance > 0)
    quantile = share * t.ppf(0.975, n_halvings) + (1 - share) * t.ppf(0.975, degrees)
    error = np.maximum(np.sqrt(variance), rule_of_three(n_members, largest) / quantile)
    z = np.divide(value, error, out=np.zeros_like(error), where=error > 0)
    p = share * t.sf(z, n_halvings) + (1 - share) * t.sf(z, degrees)
    reach = quantile * error
    ends = {"low": value - reach, "high": value + reach, "p": p}
    return {name: np.where(is_known, end, np.nan) for name, end in ends.items()}


def _jackknife(left_out: Array) -> Array:
    """Jackknife's variance (...) of ``left_out`` (..., groups), NaN past the last group; NaN of fewer than two."""
    counts = np.isfinite(left_out)
    n = counts.sum(axis=-1)
    found = np.full(n.shape, np.nan)
    # Groups are as many for all but those without any: rows of one number of groups at a time.
    for n_groups in np.unique(n[n > 1]):
        rows = n == n_groups
        found[rows] = jackknife_variance(left_out[rows][counts[rows]].reshape(-1, n_groups))
    return found


def mean_where(values: Array, counts: Array) -> Array:
    """Mean (n) over those halvings (halvings, n) that count; NaN where none does."""
    n = counts.sum(axis=0)
    total = np.where(counts, values, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, n, out=np.full(np.shape(total), np.nan), where=n > 0))
