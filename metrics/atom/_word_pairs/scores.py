"""Where scores are gathered, fold by fold, with their nulls, and what they are without each jackknife group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from saegeom_data import lazy
from saegeom_data.typing import Array

# Jackknife groups of pairs. Answers to analogies change by jumps when views are fitted anew, which the jackknife takes
# for variance, the more so the smaller its groups are.
N_GROUPS = 10
# Draws of a null that are scored without a group too: three for each. What they tell is how the mean over draws varies
# with the pairs, to which so few add a third of the variance of single draws.
_SCORED_WITHOUT = 3 * N_GROUPS


@dataclass
class Scores:
    """Scores (hold-out, score, view, relation) of a fold, and those without each jackknife group of pairs (..., group).

    ``null`` is (null, hold-out, score, view, relation, draw). Views are the named ones and after them the numbers of
    directions of the sweep. ``left`` and ``null_left`` are of named views alone; the latter has the draws and groups of
    :func:`draws_without`, (..., entry). Those of all folds have a dim of folds after that of relations.
    """

    value: Array
    null: Array
    left: Array
    null_left: Array

    @classmethod
    def empty(cls, results: Mapping[str, lazy.Result]) -> Scores:
        """Scores of a fold to be filled, of the shapes that :func:`fold_results` gives."""
        return cls(**{field.name: np.full(results[field.name].shape, np.nan) for field in fields(cls)})

    @classmethod
    def of_folds(cls, value: list[Array], null: list[Array], left: list[Array], null_left: list[Array]) -> Scores:
        """Scores of all folds from those of each."""
        return cls(np.stack(value, axis=-1), *(np.stack(parts, axis=-2) for parts in (null, left, null_left)))


def fold_results(shape: tuple[int, int, int, int], n_named: int, n_nulls: int, n_draws: int) -> dict[str, lazy.Result]:
    """Dims and shapes of :class:`Scores` of a fold; ``shape`` counts hold-outs, scores, views and relations."""
    dims, named = ("hold_out", "score", "view", "relation"), (*shape[:2], n_named, shape[3])
    left = ("hold_out", "score", "named_view", "relation")
    return {
        "value": lazy.Result(dims, shape),
        "null": lazy.Result(("null", *dims, "draw"), (n_nulls, *shape, n_draws)),
        "left": lazy.Result((*left, "group"), (*named, N_GROUPS)),
        "null_left": lazy.Result(("null", *left, "entry"), (n_nulls, *named, len(draws_without(n_draws)[0]))),
    }


def draws_without(n_draws: int) -> tuple[Array, Array]:
    """Draws of a null that are scored without a group, and that group: (entries,) each, as many for every group."""
    entry = np.arange(N_GROUPS * -(-min(n_draws, _SCORED_WITHOUT) // N_GROUPS))
    return entry % n_draws, entry % N_GROUPS
