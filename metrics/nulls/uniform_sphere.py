"""Directions at random, uniform on the sphere."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.typing import Array

LABEL = "uniform_sphere"


def uniform_rows(n: int, hidden: int, rng: np.random.Generator) -> Array:
    """Independent rows (n, hidden), uniform on the sphere: Gaussian ones over their norms."""
    rows = rng.standard_normal((n, hidden))
    rows /= row_norms(rows)[:, None]
    return rows
