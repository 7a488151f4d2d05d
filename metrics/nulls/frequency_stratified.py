"""Labels permuted among features of like firing rate: strata along the ranks of their rates.

The permutation itself is :func:`~.label_permutation.permutations_within`, with strata for groups.
"""

from __future__ import annotations

import numpy as np

from saegeom_data.errors import ParameterError
from saegeom_data.typing import Array

LABEL = "frequency_stratified"

# Strata of m keep (m - 1) / m of what a permutation can tell, so small ones cost little and match closely.
_STRATUM = 20


def rank_strata(values: Array, n_strata: int | None) -> Array:
    """Stratum of each value: groups of nearly equal size along the ranks of ``values``, by default of about 20."""
    if n_strata is None:
        n_strata = max(1, len(values) // _STRATUM)
    if n_strata > len(values):
        raise ParameterError(
            f"n_strata: got {n_strata}, expected at most {len(values)}, the features that are not masked"
        )
    rank = np.empty(len(values), int)
    # Many features have the same rate. A sort that is not stable orders them differently from one processor to the
    # next, and with them the strata.
    rank[np.argsort(values, kind="stable")] = np.arange(len(values))
    return rank * n_strata // len(values)
