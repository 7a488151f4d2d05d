"""Pairs of rows that point the same way: a two-point correlation, which no norm of a row can change."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from saegeom_data.lazy import Work
from saegeom_data.typing import Array

# Of all pairs of rows without clusters about this share are close.
SHARE = 0.01
# More rows than these are thinned out: so many pairs settle a share well enough.
_MOST_ROWS = 2048
_SLAB = 256


def close_cosine(scores: Array) -> float:
    """Cosine about the origin that ``SHARE`` of all pairs of ``scores`` (rows, components) exceed."""
    return float(np.quantile(np.concatenate([part.ravel() for part in _cosines(scores)]), 1 - SHARE))


def close_pairs(scores: Array, cosine: float) -> float:
    """Share of pairs of ``scores`` (rows, components) whose cosine about the origin exceeds ``cosine``."""
    n = min(len(scores), _MOST_ROWS)
    return sum(int(np.count_nonzero(part > cosine)) for part in _cosines(scores)) / (n * (n - 1) / 2)


def pairs_bytes(n: int, d: int) -> int:
    """Bytes that either takes for n rows of d components."""
    n = min(n, _MOST_ROWS)
    return 4 * (2 * n * d + 2 * _SLAB * n + n * n)


def pairs_work(n: int, d: int) -> Work:
    """What :func:`close_pairs` of n rows of d components computes."""
    n = min(n, _MOST_ROWS)
    return Work(products=n**2 * d / 4, passes=60 * n**2, calls=100)


def quantile_work(n: int, d: int) -> Work:
    """What :func:`close_cosine` of n rows of d components computes."""
    return pairs_work(n, d) + Work(sorting=2 * min(n, _MOST_ROWS) ** 2)


def _cosines(scores: Array) -> Iterator[Array]:
    """Cosines of all pairs, some at a time, in arrays of one or two dims."""
    if len(scores) > _MOST_ROWS:
        # Evenly along the first axis: a choice that no order of the rows and no rotation changes.
        order = np.argsort(scores[:, 0], kind="stable")
        scores = scores[order[np.linspace(0, len(scores) - 1, _MOST_ROWS).astype(int)]]
    norm = np.linalg.norm(scores, axis=1, keepdims=True)
    unit = np.divide(scores, norm, out=np.zeros_like(scores), where=norm > 0).astype(np.float32)
    for start in range(0, len(unit), _SLAB):
        rows = unit[start : start + _SLAB]
        cosine = rows @ unit[start:].T
        # Only among themselves are pairs of these rows there twice.
        yield cosine[:, : len(rows)][_above_diagonal(len(rows))]
        yield cosine[:, len(rows) :]


@cache
def _above_diagonal(n: int) -> Array:
    """Mask (n, n) of pairs of n rows, each once."""
    return np.triu(np.ones((n, n), bool), 1)
