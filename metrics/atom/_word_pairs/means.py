"""Means of what is defined."""

from __future__ import annotations

import numpy as np

from saegeom_data.typing import Array


def mean(values: Array, axis: int | tuple[int, ...]) -> Array:
    """Mean of the values that are not NaN; NaN where there are none."""
    defined = ~np.isnan(values)
    count = np.asarray(defined.sum(axis=axis), dtype=float)
    total = np.where(defined, values, 0.0).sum(axis=axis)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0))
