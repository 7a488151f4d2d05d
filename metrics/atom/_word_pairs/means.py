"""Means over pairs of pairs, whole and without each pair in turn."""

from __future__ import annotations

import numpy as np

from saegeom_data.typing import Array


def leave_one_out(kernel: Array) -> Array:
    """Mean of a kernel over pairs of pairs, without each pair in turn.

    Shapes (..., pairs, pairs), NaN where undefined, to (..., pairs). Where nothing is left without a pair, it stays in.
    """
    defined = ~np.isnan(kernel)
    filled = np.where(defined, kernel, 0.0)

    def without(values: Array) -> Array:
        """Sum over i and j other than k, for each k: (..., pairs, pairs) with a diagonal of 0 to (..., pairs)."""
        return np.asarray(values.sum(axis=(-2, -1))[..., None] - values.sum(axis=-1) - values.sum(axis=-2))

    count = without(defined.astype(float))
    whole = np.broadcast_to(mean(kernel, axis=(-2, -1))[..., None], count.shape)
    return np.asarray(np.divide(without(filled), count, out=whole.copy(), where=count > 0))


def mean(values: Array, axis: int | tuple[int, ...]) -> Array:
    """Mean of the values that are not NaN; NaN where there are none."""
    defined = ~np.isnan(values)
    count = np.asarray(defined.sum(axis=axis), dtype=float)
    total = np.where(defined, values, 0.0).sum(axis=axis)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))
