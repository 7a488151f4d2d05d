"""Rows whose variances fall as a power of the rank within a window of ranks, and as the data's beyond it."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._statistics.covariance_law import expected_eigenvalues
from saegeom_data.typing import Array

LABEL = "power_law"


def power_law_eigenvalues(variance: Array, n_rows: float, first: int, last: int) -> Array:
    """Eigenvalues (hidden,) that a covariance of ``n_rows`` rows has if a power law holds over a window of ranks.

    ``variance`` (hidden,), descending, are the variances behind the data's spectrum. Over the ranks ``first`` to
    ``last`` they are put on their line of least squares, log variance on log rank, and what such rows give is returned.
    A finite number of rows bends every power law downwards; this is the bend that it makes. NaN without such variances.
    """
    if not (variance[:last] > 0).all() or not n_rows > 0:
        return np.full(len(variance), np.nan)
    rank = np.log(np.arange(first, last + 1))
    line = np.polyfit(rank, np.log(variance[first - 1 : last]), 1)
    straight = variance.copy()
    straight[first - 1 : last] = np.exp(np.polyval(line, rank))
    # At the ends of the window the line need not meet the variances beside it, so the order may be broken there.
    return expected_eigenvalues(np.sort(straight)[::-1], n_rows)
