"""Permutations without fixed points: word pairs with every target moved."""

from __future__ import annotations

import numpy as np

from saegeom_data.typing import Array

LABEL = "derangement"


def derangements(n: int, size: int, rng: np.random.Generator) -> Array:
    """Draw permutations without a fixed point, uniformly; shape (size, n)."""
    drawn = np.empty((size, n), dtype=np.int64)
    todo = np.arange(size)
    while len(todo):
        drawn[todo] = rng.permuted(np.tile(np.arange(n), (len(todo), 1)), axis=1)
        todo = todo[(drawn[todo] == np.arange(n)).any(axis=1)]
    return drawn
