"""Places of entries among those of their feature, of entries that come in order of features."""

from __future__ import annotations

import numpy as np

from saegeom_data.typing import Array


def differs(values: Array) -> Array:
    """Whether each value (n,) differs from the one before it; the first does."""
    return np.concatenate([np.ones(min(1, len(values)), bool), values[1:] != values[:-1]])


def rank_within(feature: Array) -> Array:
    """Place (n,) of each entry among those of its ``feature`` (n,), of entries in order of features.

    Examples
    --------
    >>> rank_within(np.array([3, 3, 5, 7, 7, 7])).tolist()
    [0, 1, 0, 0, 1, 2]
    """
    starts = np.flatnonzero(differs(feature))
    return np.arange(len(feature)) - np.repeat(starts, np.diff([*starts, len(feature)]))
