"""How far the first principal component of offsets follows the difference of word lengths."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _discriminant, nulls

Array = np.ndarray[Any, np.dtype[Any]]

SCOPES = ("all", "within_relations")
_NORMAL_QUANTILE = 1.959963984540054


def first_component(offset: Array) -> tuple[Array, float]:
    """Standardised scores of centred offsets on their first principal axis, and its share of their variance."""
    centred = offset - offset.mean(axis=0)
    variance, axes = _discriminant.principal_axes(centred)
    # Rounding, so that equal scores tie when they are ranked.
    component = np.round(centred @ axes[:, 0] / np.sqrt(variance[0]), 9)
    return component, float(variance[0] / variance.sum())


def length_correlations(
    component: Array, length_difference: Array, label: Array, n_permutations: int, rng: np.random.Generator
) -> dict[str, Array]:
    """Rank and linear correlation with interval and permutation p, each over all pairs and within relations."""
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(component), rankdata(length_difference)])
    values = np.stack([component, length_difference])
    found = []
    for strata in (np.zeros_like(label), label):
        n_free = len(label) - len(np.unique(strata)) + 1
        shuffled = np.concatenate(list(nulls.permutations_within(strata, n_permutations, rng)))
        first, second = (_residuals(one, strata) for one in ranks)
        spearman, pearson = (
            float(_cosine(*(_residuals(one, strata) for one in columns))) for columns in (ranks, values)
        )
        null = np.abs(_cosine(first, second[shuffled]))
        # An axis has no sign: it is turned so that longer targets score higher.
        sign = np.sign(spearman) or 1.0
        low, high = _fisher_interval(abs(spearman), n_free)
        found.append((abs(spearman), low, high, pearson * sign, nulls.p_value(abs(spearman), null)))
    names = ("length_spearman", "length_spearman_low", "length_spearman_high", "length_pearson", "length_p")
    return {name: np.array(column, dtype=float) for name, column in zip(names, zip(*found, strict=True), strict=True)}


def _residuals(values: Array, strata: Array) -> Array:
    """Values minus the mean of their stratum."""
    return np.asarray(values - (np.bincount(strata, values) / np.maximum(np.bincount(strata), 1))[strata])


def _cosine(one: Array, other: Array) -> Array:
    """Correlation of centred values along the last axis; NaN where one is constant."""
    norm = np.sqrt((one**2).sum() * (other**2).sum(axis=-1))
    dot = other @ one
    return np.asarray(np.divide(dot, norm, out=np.full(np.shape(norm), np.nan), where=norm > 0))


def _fisher_interval(correlation: float, n: int) -> tuple[float, float]:
    """95 percent interval of a rank correlation: Fisher's z with the variance 1.06 / (n - 3) of Fieller and others."""
    if n <= 3 or np.isnan(correlation):
        return np.nan, np.nan
    centre, reach = np.arctanh(min(correlation, 1 - 1e-12)), _NORMAL_QUANTILE * np.sqrt(1.06 / (n - 3))
    return float(np.tanh(centre - reach)), float(np.tanh(centre + reach))
