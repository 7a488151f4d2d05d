"""Counts, means and scatter matrices of row groups in one pass, merged without cancellation (Chan et al. 1983)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Moments:
    """Moments of rows by group: count (groups,), mean (groups, hidden), scatter about it (groups, hidden, hidden)."""

    count: Array
    mean: Array
    scatter: Array


def group_moments(rows: Array, group: Array, n_groups: int) -> Moments:
    """Moments of float64 ``rows`` (rows, hidden) whose groups are ``group`` (rows,)."""
    hidden = rows.shape[1]
    moments = Moments(np.zeros(n_groups), np.zeros((n_groups, hidden)), np.zeros((n_groups, hidden, hidden)))
    for index in range(n_groups):
        members = rows[group == index]
        if len(members):
            mean = members.mean(axis=0)
            centred = members - mean
            moments.count[index] = len(members)
            moments.mean[index] = mean
            np.matmul(centred.T, centred, out=moments.scatter[index])
    return moments


def merge(parts: Sequence[Moments]) -> Moments:
    """Moments of all the rows behind ``parts``, group by group."""
    count, mean, scatter = (np.array(array) for array in (parts[0].count, parts[0].mean, parts[0].scatter))
    for part in parts[1:]:
        for index in np.flatnonzero(part.count):
            both = count[index] + part.count[index]
            shift = part.mean[index] - mean[index]
            scatter[index] += part.scatter[index]
            scatter[index] += np.outer(shift * (count[index] * part.count[index] / both), shift)
            mean[index] += shift * (part.count[index] / both)
            count[index] = both
    return Moments(count, mean, scatter)


def pool(moments: Moments) -> Moments:
    """Moments of all groups together, as one group."""
    count = moments.count.sum()
    weight = moments.count / max(count, 1.0)
    mean = weight @ moments.mean
    shift = (moments.mean - mean) * np.sqrt(moments.count)[:, None]
    scatter = moments.scatter.sum(axis=0) + shift.T @ shift
    return Moments(np.array([count]), mean[None], scatter[None])


def without(pooled: Moments, moments: Moments, index: int) -> Moments:
    """Moments of all groups but one."""
    count = pooled.count - moments.count[index]
    shift = moments.mean[index] - pooled.mean[0]
    weight = moments.count[index] / np.maximum(count, 1.0)
    mean = pooled.mean - weight[:, None] * shift
    removed = np.outer(shift * float(weight[0] * pooled.count[0]), shift)
    return Moments(count, mean, pooled.scatter - moments.scatter[index] - removed)


def covariance(pooled: Moments) -> Array:
    """Covariance (hidden, hidden) with ddof 1 of one group; NaN for fewer than two rows."""
    if pooled.count[0] < 2:
        return np.full(pooled.scatter.shape[1:], np.nan)
    return np.asarray(pooled.scatter[0] / (pooled.count[0] - 1))
