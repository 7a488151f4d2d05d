"""Mantel's test without clusters: whether pairs of features of larger affinity have larger cosines."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._neighbours import unit_rows
from ._packed import n_active
from ._partitions import compared
from ._resampling import N_GROUPS, balanced_groups, jackknife_interval
from .affinity import Kind, affinity_matrix
from .nulls import PERMUTED, permutations_within, strata, summary_of

Array = np.ndarray[Any, np.dtype[Any]]

MANTEL = ("mantel", "mantel_partial")
# So many pairs make much of little: what strata of 20 features leave of the firing rate would be significant.
_STRATUM = 5


def mantel_pairs(
    decoder: Array, bits: Array, n_blocks: Array, nearest: Array, *, kind: Kind, n_most: int, seed: int
) -> dict[str, Array]:
    """Features whose pairs are measured, and their pairs: all that are compared, or ``n_most`` drawn from them.

    ``affinity``, ``cosine`` (n_most, n_most), ``rate`` (n_most,) and ``chosen`` (n_most,), features in ascending order;
    NaN and -1 where there are fewer.
    """
    keep = compared(nearest)
    if len(keep) > n_most:
        keep = np.sort(np.random.default_rng([seed, 3]).choice(keep, n_most, replace=False))
    unit = unit_rows(decoder[keep])
    words = np.ascontiguousarray(bits[keep])
    found = {
        "affinity": affinity_matrix(words, int(n_blocks.sum()), kind=kind),
        "cosine": unit @ unit.T,
        "rate": n_active(words).astype(float),
        "chosen": keep,
    }
    fill = {"chosen": -1}
    return {
        name: np.pad(one, (0, n_most - len(keep)), constant_values=fill.get(name, np.nan))
        for name, one in found.items()
    } | {"n_features_mantel": np.asarray(len(keep))}


def mantel_values(affinity: Array, cosine: Array, rate: Array, *, seed: int) -> dict[str, Array]:
    """Value, low and high end (statistic, measure) of both measures.

    ``affinity`` and ``cosine`` (n, n) are symmetric and ``rate`` (n,) is positive; rows of NaN at the end are padding.
    """
    affinity, cosine, rate = _without_padding(affinity, cosine, rate)
    n = len(rate)
    first, second, covariates = _Ranks(affinity), _Ranks(cosine), pair_covariates(rate)
    everything = np.ones(n * (n - 1) // 2, bool)
    value = _correlations(first, second, covariates, everything)
    groups = balanced_groups(n, N_GROUPS, np.random.default_rng([seed, 3, 1]))
    lower = np.tril_indices(n, -1)
    left_out = [
        _correlations(first, second, covariates, (groups[lower[0]] != group) & (groups[lower[1]] != group))
        for group in np.unique(groups)
    ]
    return {"value": np.stack([value, *jackknife_interval(value, np.stack(left_out, axis=1))])}


def mantel_null(
    affinity: Array,
    cosine: Array,
    rate: Array,
    n_features: Array,
    *,
    null: str,
    n_permutations: int,
    n_strata: int | None,
    seed: int,
) -> dict[str, Array]:
    """Mean, standard deviation and p (statistic, measure) with features permuted, rows and columns together.

    Of ``mantel_partial``, what firing rates leave of the affinities is permuted. Of ``n_features`` these may be some:
    there are fewer strata then, of as many features as ``n_strata`` would make of all.
    """
    from ._draws_numba import pair_products

    affinity, cosine, rate = _without_padding(affinity, cosine, rate)
    n = len(rate)
    if n_strata is None:
        n_strata = max(1, n // _STRATUM)
    elif n < n_features:
        n_strata = max(1, n_strata * n // int(n_features))
    groups, covariates = strata(null, rate, n_strata), pair_covariates(rate)
    first, second = (_Ranks(one)(np.ones(n * (n - 1) // 2, bool)) for one in (affinity, cosine))
    rng = np.random.default_rng([seed, 3, 2, PERMUTED.index(null)])
    orders = list(permutations_within(groups, n_permutations, rng))
    observed, draws = [], []
    for kind in (_centred, lambda one: _residual(one, covariates)):
        fixed, moved = (_square(_scaled(kind(one), one), n) for one in (second, first))
        observed.append(pair_products(np.arange(n)[None], fixed, moved)[0])
        draws.append(np.concatenate([pair_products(order, fixed, moved) for order in orders]))
    return {"summary": summary_of(np.array(observed), np.array(draws))}


def mantel_correlations(affinity: Array, cosine: Array, rate: Array) -> Array:
    """Both measures (2,)."""
    affinity, cosine, rate = _without_padding(affinity, cosine, rate)
    n = len(rate)
    return _correlations(_Ranks(affinity), _Ranks(cosine), pair_covariates(rate), np.ones(n * (n - 1) // 2, bool))


def pair_covariates(rate: Array) -> Array:
    """Covariates (pairs, 6) of firing rates: 1, sum s and absolute difference d of their logs, s^2, d^2 and s d.

    The squares are for associations that depend on the product of two rates, which is a difference of squares.
    """
    log_rate = np.log(rate)
    spread = log_rate.std()
    standing = (log_rate - log_rate.mean()) / (spread if spread > 0 else 1.0)
    i, j = np.tril_indices(len(rate), -1)
    total, apart = standing[i] + standing[j], np.abs(standing[i] - standing[j])
    return np.stack([np.ones(len(i)), total, apart, total**2, apart**2, total * apart], axis=1)


class _Ranks:
    """Ranks of a symmetric matrix's entries below the diagonal, or of some of them, without sorting again."""

    def __init__(self, matrix: Array) -> None:
        values = matrix[np.tril_indices(len(matrix), -1)]
        self.level = np.unique(values, return_inverse=True)[1]

    def __call__(self, chosen: Array) -> Array:
        """Ranks, equal values at their mean, among the chosen pairs."""
        level = self.level if chosen.all() else self.level[chosen]
        count = np.bincount(level)
        return np.asarray((np.cumsum(count) - (count - 1) / 2)[level])


def _correlations(first: _Ranks, second: _Ranks, covariates: Array, chosen: Array) -> Array:
    ranks = first(chosen), second(chosen)
    given = covariates if chosen.all() else covariates[chosen]
    plain = [_scaled(_centred(one), one) for one in ranks]
    partial = [_scaled(_residual(one, given), one) for one in ranks]
    return np.array([plain[0] @ plain[1], partial[0] @ partial[1]])


def _centred(ranks: Array) -> Array:
    return np.asarray(ranks - ranks.mean())


def _residual(ranks: Array, covariates: Array) -> Array:
    """What a linear model of the covariates leaves of ``ranks``."""
    centred = _centred(ranks)
    weights = np.linalg.pinv(covariates.T @ covariates, hermitian=True) @ (covariates.T @ centred)
    return np.asarray(centred - covariates @ weights)


def _scaled(values: Array, ranks: Array) -> Array:
    """Values over their norm; NaN where rounding is all that there is of them."""
    norm = np.linalg.norm(values)
    return np.asarray(values / norm if norm > 1e-9 * np.linalg.norm(ranks) else np.full(len(values), np.nan))


def _square(values: Array, n: int) -> Array:
    # In single precision the matrices stay in the cache, which halves the time; sums are in double.
    matrix = np.zeros((n, n), np.float32)
    matrix[np.tril_indices(n, -1)] = values
    return matrix + matrix.T


def _without_padding(affinity: Array, cosine: Array, rate: Array) -> tuple[Array, Array, Array]:
    n = int(np.count_nonzero(~np.isnan(rate)))
    return affinity[:n, :n], cosine[:n, :n], rate[:n]
