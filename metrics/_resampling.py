"""Jackknife intervals, and what a measure says beside its nulls."""

from __future__ import annotations

from typing import Any

import numpy as np

from .nulls import tail

Array = np.ndarray[Any, np.dtype[Any]]

N_GROUPS = 20


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


def null_summary(measure: str, value: Array, left_out: Array, draws: Array) -> dict[str, Array]:
    """Values (counts), interval from ``left_out`` (counts, groups), nulls from ``draws`` (nulls, counts, draws)."""
    low, high = jackknife_interval(value, left_out)
    return {
        measure: value,
        f"{measure}_low": low,
        f"{measure}_high": high,
        f"{measure}_null_mean": draws.mean(axis=-1),
        f"{measure}_null_sd": draws.std(axis=-1),
        f"{measure}_p": np.stack([tail(value, one) for one in draws]),
    }
