"""Few leading eigenpairs of a matrix by Lanczos iteration, from its products with single vectors.

LAPACK brings the whole matrix to three diagonals first, which takes ten times as long for 4 of 1,500 pairs.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np

from saegeom_data.metrics._kernels.lapack import symmetric_product
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

# Below so many rows, and for more pairs than a part of them, LAPACK is as fast.
_LEAST_ROWS, _ROWS_FOR_EACH = 1024, 32
# In so many products eigenvalues of noise settle too, which crowd; more would take longer than LAPACK.
_MOST_PRODUCTS = 500


class _UnsettledError(Exception):
    """Raised to end an iteration that has taken too long."""


def are_few(n: int, count: int) -> bool:
    """Whether ``count`` eigenpairs of n rows are so few that Lanczos iteration finds them faster than LAPACK."""
    return n >= _LEAST_ROWS and n >= _ROWS_FOR_EACH * count


def usual_products(count: int) -> int:
    """Products with a vector that the iteration for ``count`` eigenpairs usually takes; of noise twice as many."""
    return 30 + 6 * count


def by_lanczos(matrix: Any, count: int, known: Array) -> tuple[Array, Array] | None:
    """Leading eigenvalues (count,), descending, and eigenvectors (n, count) of a symmetric ``matrix`` (n, n).

    ``matrix`` is an array or sparse, with no eigenvalue beyond -1 to 1; ``known`` (n, at most count) are orthonormal
    eigenvectors of eigenvalue 1, all that there are, which come first. All pairs are exact to rounding; None where they
    do not settle in 500 products.

    A Krylov space holds one copy of a repeated eigenvalue. Rounding brings in the others, but where the last wanted is
    one of them the next smaller eigenvalue may stand in for a copy. That takes a graph that is symmetric to the last
    digit: parts that are alike, or a torus. To rule it out takes longer than the iteration.
    """
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    n, n_known = known.shape
    if n_known >= count:
        return np.ones(count), known[:, :count]
    # In single precision the last steps would follow rounding of the products.
    if isinstance(matrix, np.ndarray):
        image = partial(symmetric_product, np.ascontiguousarray(matrix, np.float64))
    else:
        image = matrix.astype(np.float64, copy=False).dot
    n_products = itertools.count(1)

    def product(vector: Array) -> Array:
        if next(n_products) > _MOST_PRODUCTS:
            raise _UnsettledError
        # What is known gets the eigenvalue -1, the least there can be.
        return np.asarray(image(vector) - known @ (2 * (known.T @ vector)))

    rng = stream("eigenvectors", 0)
    try:
        value, vector = eigsh(
            LinearOperator((n, n), product, dtype=np.float64),
            k=count - n_known,
            which="LA",
            v0=rng.standard_normal(n),
            rng=rng,
        )
    except (ArpackError, _UnsettledError):
        return None
    return np.concatenate([np.ones(n_known), value[::-1]]), np.hstack([known, vector[:, ::-1]])
