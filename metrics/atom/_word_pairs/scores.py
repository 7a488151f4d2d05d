"""Where scores are gathered fold by fold, with their nulls, and what they are without each jackknife group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data.typing import Array

# Jackknife groups of pairs. Answers to analogies change by jumps when views are fitted anew, which the jackknife takes
# for variance, the more so the smaller its groups are.
N_GROUPS = 10
# Draws of a null that are scored without a group too: three for each. What they tell is how the mean over draws varies
# with the pairs, to which so few add a third of the variance of single draws.
_SCORED_WITHOUT = 3 * N_GROUPS


@dataclass
class Scores:
    """Scores (hold-out, score, view, relation, fold), and those without each jackknife group of pairs (..., group).

    ``null`` is (null, hold-out, score, view, relation, fold, draw). Views are the named ones and after them the numbers
    of directions of the sweep. ``left`` and ``null_left`` are of named views alone; the latter has the draws and groups
    of :func:`draws_without`, (..., entry).
    """

    value: Array
    null: Array
    left: Array
    null_left: Array

    @classmethod
    def empty(cls, shape: tuple[int, int, int, int], n_named: int, n_folds: int, n_nulls: int, n_draws: int) -> Scores:
        """Scores to be filled; ``shape`` counts hold-outs, scores, views and relations."""
        named = (*shape[:2], n_named, shape[3])
        return cls(
            np.full((*shape, n_folds), np.nan),
            np.full((n_nulls, *shape, n_folds, n_draws), np.nan),
            np.full((*named, n_folds, N_GROUPS), np.nan),
            np.full((n_nulls, *named, n_folds, len(draws_without(n_draws)[0])), np.nan),
        )


def draws_without(n_draws: int) -> tuple[Array, Array]:
    """Draws of a null that are scored without a group, and that group: (entries,) each, as many for every group."""
    entry = np.arange(N_GROUPS * -(-min(n_draws, _SCORED_WITHOUT) // N_GROUPS))
    return entry % n_draws, entry % N_GROUPS
