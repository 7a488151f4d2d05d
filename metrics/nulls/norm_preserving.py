"""Rows in directions at random, with the norms that the data's rows have: what unequal norms do to a spectrum."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._statistics.covariance_law import grouped, upper_quantiles
from saegeom_data.typing import Array

LABEL = "norm_preserving"


def norm_preserving_quantiles(n_eigenvalues: int, n_rows: float, norm: Array, variance: float) -> Array:
    """Eigenvalues (n_eigenvalues,) of the covariance of ``n_rows`` rows in directions at random, descending.

    The law of covariances of rows of unequal norms in the limit, at the upper probabilities (r - 1/2) / n_eigenvalues.
    ``norm`` (rows,) are norms of which each is as likely; ``variance`` is the mean eigenvalue. Rows that depend on each
    other count as the fewer ``n_rows`` that are independent.
    """
    if not n_rows > 0 or not norm.any():
        return np.full(n_eigenvalues, np.nan)
    value, share = grouped(norm**2 / np.mean(norm**2))
    upper = (np.arange(n_eigenvalues) + 0.5) / n_eigenvalues
    return variance * upper_quantiles(upper, n_eigenvalues / n_rows, value, share)
