"""Rows in directions at random, with the data's norms and families: what these do to a spectrum."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._statistics.covariance_law import grouped, upper_quantiles
from saegeom_data.typing import Array

LABEL = "families_turned"


def families_turned_quantiles(n_eigenvalues: int, n_rows: float, lines: tuple[Array, Array], variance: float) -> Array:
    """Eigenvalues (n_eigenvalues,) of the covariance of ``n_rows`` rows in directions at random, descending.

    The law of covariances of rows of unequal norms in the limit, at the upper probabilities (r - 1/2) / n_eigenvalues.
    ``lines`` are squared lengths (k,) and their shares (k,): of rows, or of the independent lines that rows in families
    amount to. ``variance`` is the mean eigenvalue.
    """
    squared, share = lines
    mean = float(squared @ share)
    if not n_rows > 0 or not mean > 0:
        return np.full(n_eigenvalues, np.nan)
    upper = (np.arange(n_eigenvalues) + 0.5) / n_eigenvalues
    return variance * upper_quantiles(upper, n_eigenvalues / n_rows, *grouped(squared / mean, share))
