"""Norms of rows, and rows over their norms."""

from __future__ import annotations

import numpy as np

from saegeom_data.typing import Array


def row_norms(rows: Array) -> Array:
    """Norms (rows,) of ``rows`` (rows, hidden) in double precision: squares of more than 256 are beyond float16."""
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64)))


def unit_rows(rows: Array) -> Array:
    """Rows (rows, hidden) over their norms, as float64; rows of zero norm stay zero."""
    rows = rows.astype(float)
    # Not row_norms: it adds in another order, and published numbers hold the last digit of this one.
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, norm, out=np.zeros_like(rows), where=norm > 0))
