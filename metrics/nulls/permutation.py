"""The null models that observed values are compared with, and the p-value of such a comparison."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from saegeom_data.errors import ParameterError
from saegeom_data.typing import Array

# Labels of the null dimension: features are permuted, or one side is redrawn and clustered anew.
PERMUTED = ("label_permutation", "frequency_stratified")
REDRAWN = ("fixed_margins", "spectrum_matched")

_ELEMENTS = 2**22
# Strata of m keep (m - 1) / m of what a permutation can tell, so small ones cost little and match closely.
_STRATUM = 20


def p_value(observed: Any, null: Array) -> Array:
    """Exact one-sided p-value ``(b + 1) / (B + 1)``: b of B null draws are at least as large as observed.

    Parameters
    ----------
    observed
        Observed values, any shape.
    null
        Null draws along the last axis, of shape ``observed.shape + (B,)``.

    Returns
    -------
    numpy.ndarray
        Shape of ``observed``, in [1 / (B + 1), 1]; NaN where ``observed`` is NaN.

    Examples
    --------
    >>> float(p_value(2.0, np.array([0.0, 1.0, 3.0])))
    0.5
    """
    observed = np.asarray(observed, dtype=float)
    larger = (null >= observed[..., None]).sum(axis=-1)
    p = (larger + 1.0) / (null.shape[-1] + 1.0)
    return np.asarray(np.where(np.isnan(observed), np.nan, p))


def tail(observed: Any, draws: Array) -> Array:
    """One-sided p-value of :func:`p_value`, where draws equal but for rounding count as equal."""
    return p_value(np.asarray(observed, float) - 1e-12, draws)


def summary_of(observed: Array, draws: Array) -> Array:
    """Mean, standard deviation and p (3, ...) of draws along the last axis; NaN where one could not be drawn."""
    p = np.where(np.isnan(draws).any(axis=-1), np.nan, tail(observed, draws))
    return np.stack([draws.mean(axis=-1), draws.std(axis=-1), p])


def permutations_within(groups: Array, n_permutations: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield batches of permutations (batch, members) of members' indices that keep every member in its group.

    A batch stays near 2 ** 22 elements. One group for all is plain permutation.

    Examples
    --------
    >>> (batch,) = permutations_within(np.array([0, 0, 1, 1]), 3, np.random.default_rng(0))
    >>> batch.shape, np.unique(batch[:, :2]).tolist()
    ((3, 4), [0, 1])
    """
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    batch = max(1, _ELEMENTS // max(len(groups), 1))
    for start in range(0, n_permutations, batch):
        size = min(batch, n_permutations - start)
        permuted = np.empty((size, len(groups)), np.intp)
        for group in members:
            permuted[:, group] = rng.permuted(np.tile(group, (size, 1)), axis=1)
        yield permuted


def strata(null: str, rate: Array, n_strata: int | None) -> Array:
    """Within which groups of features a null of ``PERMUTED`` permutes: all are one, or those of like firing rate."""
    return np.zeros(len(rate), int) if null == PERMUTED[0] else rank_strata(rate, n_strata)


def rank_strata(values: Array, n_strata: int | None) -> Array:
    """Stratum of each value: groups of nearly equal size along the ranks of ``values``, by default of about 20."""
    if n_strata is None:
        n_strata = max(1, len(values) // _STRATUM)
    if n_strata > len(values):
        raise ParameterError(
            f"n_strata: got {n_strata}, expected at most {len(values)}, the features that are not masked"
        )
    rank = np.empty(len(values), int)
    rank[np.argsort(values, kind="stable")] = np.arange(len(values))
    return rank * n_strata // len(values)
