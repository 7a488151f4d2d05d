"""One p over all numbers of lobes: the largest standardised value, against its own draws."""

from __future__ import annotations

from typing import Any

import numpy as np

from saegeom_data.metrics._statistics.p_values import tail
from saegeom_data.typing import Array


def any_number(value: Array, draws: Array, n_lobes: tuple[int, ...]) -> dict[str, Any]:
    """``p`` of the largest standardised value over numbers of lobes, and the number ``n_lobes`` that has it.

    ``value`` (counts,) and ``draws`` (counts, draws), of which one draw is one surrogate for all counts. Of each count
    all draws and the value together give mean m and standard deviation s, so that z = (x - m) / s treats the data as
    one of the draws and p = (b + 1) / (B + 1), for the b of B draws whose max_k z_k is at least that of the data, is as
    valid as that of one count. Counts without lobes take no part; NaN and -1 if none has any.
    """
    pooled = np.concatenate([value[:, None], draws], axis=1)
    known = np.flatnonzero(np.isfinite(pooled).all(axis=1))
    if not len(known) or not draws.shape[1]:
        return {"p": np.nan, "n_lobes": -1}
    pooled = pooled[known]
    spread = pooled.std(axis=1, keepdims=True)
    standing = (pooled - pooled.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    largest = standing.max(axis=0)
    return {"p": float(tail(largest[0], largest[1:])), "n_lobes": n_lobes[known[standing[:, 0].argmax()]]}
