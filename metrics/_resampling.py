"""Permutations within groups in bulk, and jackknife intervals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from saegeom_data.errors import ParameterError

from .nulls import p_value

Array = np.ndarray[Any, np.dtype[Any]]

N_GROUPS = 20
_ELEMENTS = 2**22
# Strata of m keep (m - 1) / m of what a permutation can tell, so small ones cost little and match closely.
_STRATUM = 20


def permutations_within(
    groups: Array, n_permutations: int, rng: np.random.Generator, cells: int = 1
) -> Iterator[Array]:
    """Yield batches of permutations (batch, members) of members' indices that keep every member in its group.

    A batch stays near 2 ** 22 elements, counting ``members`` or ``cells``, whichever is larger.
    """
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    batch = max(1, _ELEMENTS // max(len(groups), cells))
    for start in range(0, n_permutations, batch):
        size = min(batch, n_permutations - start)
        permuted = np.empty((size, len(groups)), np.intp)
        for group in members:
            permuted[:, group] = rng.permuted(np.tile(group, (size, 1)), axis=1)
        yield permuted


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


def balanced_groups(n: int, n_groups: int, rng: np.random.Generator) -> Array:
    """Random groups of nearly equal size: the group of each of n members."""
    return np.asarray(rng.permutation(np.arange(n) % min(n_groups, n)))


def jackknife_interval(value: Array, left_out: Array) -> tuple[Array, Array]:
    """95 percent interval of ``value`` from estimates with one group left out, along the last axis of ``left_out``."""
    from scipy.stats import t

    n_groups = left_out.shape[-1]
    spread = ((left_out - left_out.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    half = t.ppf(0.975, n_groups - 1) * np.sqrt((n_groups - 1) / n_groups * spread)
    return value - half, value + half


def tail(observed: Any, draws: Array) -> Array:
    """One-sided p-value of :func:`~.nulls.p_value`, where draws equal but for rounding count as equal."""
    return p_value(np.asarray(observed, float) - 1e-12, draws)


def null_summary(measure: str, value: Array, left_out: Array, draws: Array) -> dict[str, Array]:
    """Values (counts), their interval from ``left_out`` (counts, groups) and nulls from draws (nulls, counts, draws)."""
    low, high = jackknife_interval(value, left_out)
    return {
        measure: value,
        f"{measure}_low": low,
        f"{measure}_high": high,
        f"{measure}_null_mean": draws.mean(axis=-1),
        f"{measure}_null_sd": draws.std(axis=-1),
        f"{measure}_p": np.stack([tail(value, one) for one in draws]),
    }
