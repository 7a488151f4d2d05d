"""How many blocks features are on in, from packed occurrence."""

from __future__ import annotations

import numpy as np

from saegeom_data.typing import Array


def n_active(bits: Array) -> Array:
    """Blocks in which each feature is on: the bits set in each row (features, words)."""
    # Some rows at a time: counts of every word are an eighth of the bits.
    rows = (
        np.bitwise_count(bits[start : start + 512]).sum(axis=1, dtype=np.int64) for start in range(0, len(bits), 512)
    )
    # There may be no feature, and nothing to concatenate.
    return np.concatenate([*rows, np.zeros(0, np.int64)])
