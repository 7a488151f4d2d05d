"""Where scores are gathered fold by fold, with their nulls and their squared errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data.typing import Array


@dataclass
class Scores:
    """Scores (hold-out, score, view, relation, fold), nulls and squared errors.

    ``null`` is (null, hold-out, score, view, relation, fold, draw). Views are the named ones and after them the numbers
    of directions of the sweep. Errors (hold-out, score, view) are those of the macro-average, and of its difference
    from the raw view.
    """

    value: Array
    null: Array
    square_error: Array
    square_error_of_difference: Array

    @classmethod
    def empty(cls, shape: tuple[int, int, int, int], n_folds: int, n_nulls: int, n_draws: int) -> Scores:
        """Scores to be filled; ``shape`` counts hold-outs, scores, views and relations."""
        return cls(
            np.full((*shape, n_folds), np.nan),
            np.full((n_nulls, *shape, n_folds, n_draws), np.nan),
            np.zeros(shape[:3]),
            np.zeros(shape[:3]),
        )
