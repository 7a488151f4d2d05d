"""Mantel's test without clusters: whether pairs of features of larger affinity have larger cosines."""

from __future__ import annotations

import numpy as np

from saegeom_data.lazy import Work, ordering
from saegeom_data.metrics._statistics.bit_counts import n_active
from saegeom_data.metrics._statistics.jackknife import N_GROUPS, balanced_groups, jackknife_interval
from saegeom_data.metrics._statistics.p_values import summary_of
from saegeom_data.metrics._statistics.unit_rows import unit_rows
from saegeom_data.metrics.brain._shared.affinities import Kind, affinity_matrix
from saegeom_data.metrics.brain.lobe_modularity._outputs import MANTEL, PARTIAL_NULLS
from saegeom_data.metrics.brain.lobe_modularity._partitions import PERMUTED, compared, strata
from saegeom_data.metrics.nulls.label_permutation import permutations_within
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

# So many pairs make much of little: what strata of 20 features leave of the firing rate would be significant.
_STRATUM = 5
# Share of the ranks' squares that rounding may leave where nothing should be left.
_LEAST = 1e-12


def mantel_pairs(
    decoder: Array, bits: Array, n_blocks: Array, nearest: Array, *, kind: Kind, n_most: int, seed: int
) -> dict[str, Array]:
    """Features whose pairs are measured, and their pairs: all that are compared, or ``n_most`` drawn from them.

    ``affinity``, ``cosine`` (n_most, n_most), ``rate`` (n_most,) and ``chosen`` (n_most,), features in ascending order;
    NaN and -1 where there are fewer.
    """
    keep = compared(nearest)
    if len(keep) > n_most:
        keep = np.sort(stream("mantel_features", seed).choice(keep, n_most, replace=False))
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
        name: np.pad(values, (0, n_most - len(keep)), constant_values=fill.get(name, np.nan))
        for name, values in found.items()
    } | {"n_features_mantel": np.asarray(len(keep))}


def mantel_values(affinity: Array, cosine: Array, rate: Array, *, seed: int) -> dict[str, Array]:
    """Value, low and high end (statistic, measure) of both measures.

    ``affinity`` and ``cosine`` (n, n) are symmetric and ``rate`` (n,) is positive; rows of NaN at the end are padding.
    """
    affinity, cosine, rate = _without_padding(affinity, cosine, rate)
    pairs = _Pairs(affinity, cosine, rate)
    value = pairs.correlations()
    groups = balanced_groups(len(rate), N_GROUPS, stream("mantel_groups", seed))
    left_out = [pairs.correlations(groups == group) for group in np.unique(groups)]
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

    Of ``mantel_partial``, what firing rates leave of the affinities is permuted. That has no null by permutation among
    all features (NaN): the spread of what is left still follows the rates, which a permutation would break up. Of
    ``n_features`` these may be some: there are fewer strata then, as large as ``n_strata`` would make those of all.
    """
    from saegeom_data.metrics._kernels.permutations import pair_products

    affinity, cosine, rate = _without_padding(affinity, cosine, rate)
    n = len(rate)
    if n_strata is None:
        n_strata = max(1, n // _STRATUM)
    elif n < n_features:
        n_strata = max(1, n_strata * n // int(n_features))
    pairs, groups = _Pairs(affinity, cosine, rate), strata(null, rate, n_strata)
    rng = stream("mantel_permutations", seed, PERMUTED.index(null))
    # Both sides have unit norm, so that a sum of products is a correlation.
    moved, fixed = (_squares(pairs.scaled(side), n) for side in (0, 1))
    observed = pair_products(np.arange(n)[None], fixed, moved)[0]
    draws = [pair_products(order, fixed, moved) for order in permutations_within(groups, n_permutations, rng)]
    summary = summary_of(observed, np.concatenate(draws).T)
    if null not in PARTIAL_NULLS:
        summary[:, MANTEL.index("mantel_partial")] = np.nan
    return {"summary": summary}


def mantel_work(n: int) -> Work:
    """What :func:`mantel_values` of all pairs of n features computes: levels once, and correlations for each group."""
    return _pairs_work(n) + (N_GROUPS + 1) * correlations_work(n)


def mantel_null_work(n: int, n_permutations: int) -> Work:
    """What :func:`mantel_null` of all pairs of n features computes."""
    n_pairs = n**2 / 2
    moved = Work(steps=(1.6 * n_pairs + 11 * n) * n_permutations)
    return _pairs_work(n) + 2 * correlations_work(n) + Work(passes=200 * n_pairs, calls=100) + moved


def correlations_work(n: int) -> Work:
    """Both correlations over all pairs of n features."""
    return Work(passes=550 * n**2, calls=60)


def _pairs_work(n: int) -> Work:
    return Work(sorting=2 * ordering(n**2 / 2), passes=150 * n**2, calls=60)


def mantel_correlations(affinity: Array, cosine: Array, rate: Array) -> Array:
    """Both measures (2,)."""
    return _Pairs(*_without_padding(affinity, cosine, rate)).correlations()


def correlations_bytes(n: int) -> int:
    """Bytes that correlations of all pairs of n features take: for each, six covariates twice, levels and ranks."""
    return 100 * n**2


def pair_covariates(rate: Array) -> Array:
    """Covariates (6, pairs) of firing rates: 1, sum s and absolute difference d of their logs, s^2, d^2 and s d.

    The squares are for associations that depend on the product of two rates, which is a difference of squares.
    """
    log_rate = np.log(rate)
    spread = log_rate.std()
    standing = (log_rate - log_rate.mean()) / (spread if spread > 0 else 1.0)
    i, j = np.tril_indices(len(rate), -1)
    total, apart = standing[i] + standing[j], np.abs(standing[i] - standing[j])
    return np.stack([np.ones(len(i)), total, apart, total**2, apart**2, total * apart])


class _Pairs:
    """Pairs of features, of which any features may be left out without sorting values again."""

    def __init__(self, affinity: Array, cosine: Array, rate: Array) -> None:
        # Affinities and cosines are symmetric: each pair once.
        self.rows, self.columns = np.tril_indices(len(rate), -1)
        values = (matrix[self.rows, self.columns] for matrix in (affinity, cosine))
        self.levels = [np.unique(side, return_inverse=True)[1] for side in values]
        self.covariates = pair_covariates(rate)
        # Kept, so that leaving features out takes their products off instead of forming all anew.
        self.products = self.covariates @ self.covariates.T

    def correlations(self, left_out: Array | None = None) -> Array:
        """Both correlations (2,), without the features that are ``left_out``."""
        products, chosen = self.products, None
        if left_out is not None:
            chosen = ~(left_out[self.rows] | left_out[self.columns])
            without = self.covariates[:, ~chosen]
            products = products - without @ without.T
        ranks = np.stack([self._ranks(side, chosen) for side in (0, 1)])
        plain, explained = ranks @ ranks.T, ranks @ self.covariates.T
        # A pseudo-inverse: where all rates are equal, covariates depend on each other.
        partial = plain - explained @ np.linalg.pinv(products, hermitian=True) @ explained.T
        return np.array([_correlation(matrix, plain) for matrix in (plain, partial)])

    def scaled(self, side: int) -> Array:
        """Centred ranks of one side over their norm, and what is left of them given the covariates (2, pairs)."""
        ranks = self._ranks(side, None)
        weights = np.linalg.pinv(self.products, hermitian=True) @ (self.covariates @ ranks)
        left = ranks - weights @ self.covariates
        norms = np.array([np.linalg.norm(ranks), np.linalg.norm(left)])
        norms[norms**2 <= _LEAST * max(norms[0] ** 2, 1.0)] = np.nan
        return np.asarray(np.stack([ranks, left]) / norms[:, None])

    def _ranks(self, side: int, chosen: Array | None) -> Array:
        """Ranks less their mean, equal values at theirs; 0 for pairs that are not chosen."""
        level = self.levels[side]
        count = np.bincount(level if chosen is None else level[chosen], minlength=int(level.max()) + 1)
        place = np.cumsum(count) - (count - 1) / 2
        ranks = (place - (count.sum() + 1) / 2)[level]
        return np.asarray(ranks if chosen is None else ranks * chosen)


def _correlation(products: Array, plain: Array) -> float:
    """Correlation of two sides from their products (2, 2); NaN where rounding is all that there is of one."""
    norms = products.diagonal()
    if (norms <= _LEAST * np.maximum(plain.diagonal(), 1.0)).any():
        return np.nan
    return float(products[0, 1] / np.sqrt(norms[0] * norms[1]))


def _squares(values: Array, n: int) -> Array:
    """Symmetric matrices (n, n, measures) of values of pairs (measures, pairs)."""
    # In single precision they stay in the cache, which halves the time; sums are in double.
    matrix = np.zeros((n, n, len(values)), np.float32)
    rows, columns = np.tril_indices(n, -1)
    matrix[rows, columns] = matrix[columns, rows] = values.T
    return matrix


def _without_padding(affinity: Array, cosine: Array, rate: Array) -> tuple[Array, Array, Array]:
    """Both matrices (members, members) and rates (members,) without the rows of NaN at their ends."""
    n = int(np.count_nonzero(~np.isnan(rate)))
    return affinity[:n, :n], cosine[:n, :n], rate[:n]
