"""Permutations without fixed points: word pairs with every target moved."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics.nulls.label_permutation import followed
from saegeom_data.typing import Array

LABEL = "derangement"


def derangements(n: int, size: int, rng: np.random.Generator) -> Array:
    """Draw permutations without a fixed point, uniformly; shape (size, n). The first ones are the same for any size."""
    drawn = np.empty((size, n), dtype=np.int64)
    done = 0
    while done < size:
        # Candidates follow each other in the stream, and those without a fixed point are taken in that order.
        # About one permutation in e = 2.72 has no fixed point, so three times as many are mostly enough at once.
        candidates = rng.permuted(np.tile(np.arange(n), (3 * (size - done), 1)), axis=1)
        taken = candidates[(candidates != np.arange(n)).all(axis=1)][: size - done]
        drawn[done : done + len(taken)] = taken
        done += len(taken)
    return drawn


def closed(drawn: Array, there: Array) -> Array:
    """Derangements (draws, n) of the members that are ``there``, (n,) bool: each goes on to the next that is.

    A member that would then stay in place keeps a target that is not there.
    """
    found = followed(drawn, there)
    return np.where(found == np.arange(len(there)), drawn, found)
