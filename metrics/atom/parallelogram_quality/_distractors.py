"""Which nuisance variables the directions of offsets follow: the first components, and what discriminants drop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from saegeom_data.metrics._statistics.jackknife import jackknife_variance
from saegeom_data.metrics._statistics.p_values import tail
from saegeom_data.metrics.atom._word_pairs.nuisances import NUISANCES, WORDS
from saegeom_data.metrics.atom._word_pairs.views import Training
from saegeom_data.metrics.nulls.label_permutation import permutations_within
from saegeom_data.results.intervals import NORMAL_QUANTILE
from saegeom_data.typing import Array

SCOPES = ("all", "within_relations")
_ALPHA = 0.05


@dataclass(frozen=True)
class Directions:
    """Standardised scores of offsets on some directions (directions, pairs), the share of variance along each."""

    component: Array
    share: Array
    kept_share: float


def direction_names(n_components: int, n_dropped: int) -> tuple[str, ...]:
    """Names of the directions that are described."""
    components = (f"principal_component_{i}" for i in range(1, n_components + 1))
    return (*components, *(f"dropped_by_lda_{i}" for i in range(1, n_dropped + 1)))


def find_directions(training: Training, n_components: int, n_dropped: int) -> Directions:
    """The first principal components of offsets, and the largest axes of what discriminants leave of them.

    Discriminants drop what is orthogonal to all of them; in the basis of principal axes that is a matrix whose leading
    eigenvectors are those axes.
    """
    from scipy.linalg import eigh

    basis = training.basis
    n, axes = len(basis.share), basis.axes
    kept = np.linalg.qr(axes.T @ training.directions(training.n_directions))[0]
    dropped = np.eye(n) - kept @ kept.T
    left = dropped @ (basis.share[:, None] * dropped)
    n_found = min(n_dropped, n)
    # One at least, as the solver takes no empty subset.
    share, vectors = eigh(left, subset_by_index=[n - max(n_found, 1), n - 1])
    share, vectors = share[::-1][:n_found], vectors[:, ::-1][:, :n_found]
    component = np.full((n_components + n_dropped, len(training.whitened)), np.nan)
    shares = np.zeros(n_components + n_dropped)
    placed = (training.pairs.offset[training.rows] - basis.mean) @ axes
    first = min(n_components, n)
    component[:first], shares[:first] = placed[:, :first].T, basis.share[:first]
    component[n_components : n_components + n_found] = (placed @ vectors).T
    shares[n_components : n_components + n_found] = np.maximum(share, 0)
    spread = np.sqrt((component**2).mean(axis=1, keepdims=True))
    # Where nothing is left there is rounding alone, which no variable explains.
    component[(shares < 1e-12) | np.isnan(shares)] = np.nan
    # Rounding, so that equal scores tie when they are ranked.
    return Directions(np.round(component / spread, 9), shares, float(1 - np.trace(left)))


def describe(
    found: Directions, nuisance: Array, label: Array, n_permutations: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Correlations of every direction with every nuisance variable, over all pairs and within relations.

    A pair counts if everything that is known of other pairs is known of it too. Pairs of a relation are alike in both,
    so that over all pairs the relations are what was sampled: the null lets their means change places too, and the
    interval is that of a jackknife over relations.
    """
    known = np.isfinite(nuisance).any(axis=0)
    rows = np.isfinite(nuisance[:, known]).all(axis=1)
    component, nuisance, label = found.component[:, rows], nuisance[rows], label[rows]
    # Numbered anew, as relations may have lost all their pairs.
    relations, label = np.unique(label, return_inverse=True)
    of_pairs, of_relations = rng.spawn(2)
    shuffled = np.concatenate(list(permutations_within(label, n_permutations, of_pairs)))
    moved = of_relations.permuted(np.tile(np.arange(len(relations)), (n_permutations, 1)), axis=1)
    laws = (_Law(nuisance, label, shuffled, moved), _Law(nuisance, label, shuffled))
    tables = [[law.of(scores) for scores in component] for law in laws]
    # (scopes, directions, ...) to (directions, ..., scopes).
    table = {
        name: np.stack([[direction[name] for direction in rows] for rows in tables], axis=-1) for name in tables[0][0]
    }
    turned = _signs(table["nuisance_spearman"][..., 0])[:, None, None]
    low, high = (turned * table[f"nuisance_spearman_{end}"] for end in ("low", "high"))
    return table | {
        "nuisance_spearman": turned * table["nuisance_spearman"],
        "nuisance_pearson": turned * table["nuisance_pearson"],
        "nuisance_spearman_low": np.minimum(low, high),
        "nuisance_spearman_high": np.maximum(low, high),
        "direction_share": found.share,
        "lda_kept_share": found.kept_share,
        "direction_description": _in_words(turned * table["nuisance_spearman"], table),
        "n_described": int(rows.sum()),
    }


def _signs(correlation: Array) -> Array:
    """An axis has no sign: it is turned so that its correlation with the first variable that is known is positive."""
    first = np.take_along_axis(correlation, (~np.isnan(correlation)).argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(first < 0, -1.0, 1.0)


class _Law:
    """Nuisance variables of some pairs, and shuffles of components that are compared with them.

    ``shuffled`` (draws, pairs) are places that pairs take within their relation, and ``moved`` (draws, relations) those
    that the means of relations take; without it all is within relations.
    """

    def __init__(self, nuisance: Array, label: Array, shuffled: Array, moved: Array | None = None) -> None:
        from scipy.stats import rankdata

        self._label, self._shuffled, self._moved = label, shuffled, moved
        self._strata = strata = label if moved is None else np.zeros_like(label)
        self._values = np.stack([_residuals(column, strata) for column in nuisance.T])
        ranks = [_residuals(rankdata(column, nan_policy="propagate"), strata) for column in nuisance.T]
        self._ranks = [_standardised(rank) for rank in ranks]
        self._used = [i for i, rank in enumerate(self._ranks) if np.isfinite(rank).all() and rank.size]
        self._n_free = len(strata) - len(np.unique(strata)) + 1

    def of(self, component: Array) -> dict[str, Any]:
        """Rank and linear correlation with each variable, what each adds to the others, and what all explain."""
        from scipy.stats import rankdata

        n = len(NUISANCES)
        names = ("spearman", "spearman_low", "spearman_high", "spearman_p", "pearson", "partial_r2", "partial_r2_p")
        found: dict[str, Any] = {f"nuisance_{name}": np.full(n, np.nan) for name in names}
        found |= {"nuisances_r2": np.nan, "nuisances_r2_null_mean": np.nan, "nuisances_r2_p": np.nan}
        rank = _standardised(_residuals(rankdata(component, nan_policy="propagate"), self._strata))
        if not self._used or not np.isfinite(rank).all():
            return found
        value = _standardised(_residuals(component, self._strata))
        drawn = self._drawn(rank)
        for i in self._used:
            size = float(self._ranks[i] @ rank)
            found["nuisance_spearman"][i] = size
            found["nuisance_spearman_low"][i], found["nuisance_spearman_high"][i] = self._interval(size, rank, i)
            found["nuisance_spearman_p"][i] = tail(abs(size), np.abs(drawn @ self._ranks[i]))
            found["nuisance_pearson"][i] = float(_standardised(self._values[i]) @ value)
            found["nuisance_partial_r2"][i], found["nuisance_partial_r2_p"][i] = self._partial(rank, i)
        frame = _frame([self._ranks[i] for i in self._used], len(rank))
        explained, null = float(((rank @ frame) ** 2).sum()), ((drawn @ frame) ** 2).sum(axis=1)
        return found | {
            "nuisances_r2": explained,
            "nuisances_r2_null_mean": float(null.mean()),
            "nuisances_r2_p": float(tail(explained, null)),
        }

    def _drawn(self, values: Array) -> Array:
        """Draws (draws, pairs) of centred values, of unit length."""
        if self._moved is None:
            return np.asarray(values[self._shuffled])
        mean = _means(values, self._label)
        drawn = (values - mean[self._label])[self._shuffled]
        drawn += mean[self._moved][:, self._label]
        # Relations differ in size, and the mean of all changes when their means change places.
        drawn -= drawn.mean(axis=1, keepdims=True)
        return np.asarray(drawn / np.sqrt((drawn**2).sum(axis=1, keepdims=True)))

    def _interval(self, size: float, rank: Array, i: int) -> tuple[float, float]:
        """95 percent interval of the rank correlation ``size``: Fieller's within relations, a jackknife over them."""
        from scipy.stats import t

        if self._moved is None:
            # Fieller and others: a variance of 1.06 / (n - 3).
            reach = NORMAL_QUANTILE * np.sqrt(1.06 / (self._n_free - 3)) if self._n_free > 3 else np.nan
        else:
            n = self._moved.shape[1]
            # As z, whose error hardly depends on the correlation itself.
            z = _fisher_z(_without_each(self._ranks[i], rank, self._label))
            reach = t.ppf(0.975, n - 1) * np.sqrt(jackknife_variance(z)) if n >= 3 else np.nan
        return float(np.tanh(_fisher_z(size) - reach)), float(np.tanh(_fisher_z(size) + reach))

    def _partial(self, rank: Array, i: int) -> tuple[float, float]:
        """Share of what the other variables leave that this one explains; p by shuffling that (Freedman and Lane)."""
        frame = _frame([self._ranks[j] for j in self._used if j != i], len(rank))
        own, left = (ranks - frame @ (frame.T @ ranks) for ranks in (self._ranks[i], rank))
        # Of variables of unit length, this is rounding.
        if own @ own < 1e-9 or left @ left < 1e-9:
            return np.nan, np.nan
        drawn = self._drawn(left)
        drawn = drawn - (drawn @ frame) @ frame.T
        null = (drawn @ own) ** 2 / ((drawn**2).sum(axis=1) * (own @ own))
        value = float((left @ own) ** 2 / ((left @ left) * (own @ own)))
        return value, float(tail(value, null))


def _frame(columns: list[Array], n: int) -> Array:
    """Orthonormal basis of some columns."""
    if not columns:
        return np.zeros((n, 0))
    # By singular values, since variables may follow from one another.
    left, size, _ = np.linalg.svd(np.stack(columns, axis=1), full_matrices=False)
    return np.asarray(left[:, size > 1e-6])


def _means(values: Array, strata: Array) -> Array:
    """Mean of each stratum."""
    return np.asarray(np.bincount(strata, values) / np.maximum(np.bincount(strata), 1))


def _residuals(values: Array, strata: Array) -> Array:
    """Values minus the mean of their stratum."""
    return np.asarray(values - _means(values, strata)[strata])


def _without_each(first: Array, second: Array, label: Array) -> Array:
    """Correlation (relations,) of two variables without each relation."""

    def left(values: Array) -> Array:
        """Sum (relations,) of values (pairs,) without each relation."""
        return np.asarray(values.sum() - np.bincount(label, values))

    n = left(np.ones(len(label)))
    product, square, other_square = (
        left(x * y) - left(x) * left(y) / n for x, y in ((first, second), (first, first), (second, second))
    )
    # Differences of sums, which rounding may leave a little below 0.
    scale = np.sqrt(np.maximum(square, 0) * np.maximum(other_square, 0))
    return np.asarray(np.divide(product, scale, out=np.full(len(n), np.nan), where=scale > 1e-12))


def _standardised(values: Array) -> Array:
    """Centred values of unit length; NaN where all are the same."""
    norm = np.sqrt(values @ values)
    # What strata explain as a whole leaves rounding, and no exact 0.
    return values / norm if norm > 1e-9 else np.full(len(values), np.nan)


def _fisher_z(correlation: Any) -> Any:
    """Fisher's z of a correlation, or of each in an array; NaN stays."""
    # Of exactly 1 it is infinite, and the spread of several such would be NaN.
    return np.arctanh(np.clip(correlation, -1 + 1e-12, 1 - 1e-12))


def _in_words(correlation: Array, table: Mapping[str, Array]) -> Array:
    """What each direction follows over all pairs, at a false discovery rate of 5 percent over the variables."""
    from scipy.stats import false_discovery_control

    words = []
    for i, p in enumerate(table["nuisance_spearman_p"][..., 0]):
        tested = np.flatnonzero(np.isfinite(p))
        follows = tested[false_discovery_control(p[tested]) <= _ALPHA] if tested.size else tested
        order = follows[np.argsort(-np.abs(correlation[i, follows, 0]), kind="stable")]
        parts = [
            f"{WORDS[NUISANCES[j]]} (rank correlation {correlation[i, j, 0]:.2f}, "
            f"partial R2 {table['nuisance_partial_r2'][i, j, 0]:.2f})"
            for j in order
        ]
        none = "none of " + ", ".join(WORDS[NUISANCES[j]] for j in tested) if tested.size else "nothing that is known"
        words.append("; ".join(parts) or none)
    return np.array(words, dtype=object)
