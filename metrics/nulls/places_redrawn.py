"""Places of features in decoder space drawn anew: unit rows with the mean and covariance of the data's, in any order.

The rows follow the law of :mod:`.spectrum_matched`; here they stand for the places that lobes are compared with, and
which are clustered anew.
"""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._statistics.unit_rows import unit_rows
from saegeom_data.metrics.nulls.spectrum_matched import matched_rows
from saegeom_data.typing import Array

LABEL = "places_redrawn"


def redrawn_places(n: int, spectrum: Array, mean: Array, rng: np.random.Generator) -> Array | None:
    """Unit rows (n, rank + 1) of :func:`~.spectrum_matched.matched_rows`, to the last digit; None if there are none."""
    rows = matched_rows(n, spectrum, mean, rng)
    return None if rows is None else unit_rows(rows)
