"""Products with triangular matrices and their inverses, by blocks: half of what full ones take, or less.

BLAS and LAPACK have both, but scipy's wrappers hold the interpreter while they work; numpy's products do not.
"""

from __future__ import annotations

import numpy as np

from saegeom_data.typing import Array

# Columns of the widest triangle that is multiplied, and of the one that is inverted, as if it were full.
_COLUMNS = 160
_FULL = 96


def times_upper(rows: Array, factor: Array) -> None:
    """Replace ``rows`` X (n, d) by X F, for an upper triangular ``factor`` F (d, d); what is below is not read.

    With parts A and C of F on the diagonal and B above, and X = [Y Z], it is [Y A, Y B + Z C].
    """
    if len(factor) <= _COLUMNS:
        rows[:] = rows @ np.triu(factor)
        return
    half = len(factor) // 2
    first, second = rows[:, :half], rows[:, half:]
    times_upper(second, factor[half:, half:])
    second += first @ factor[:half, half:]
    times_upper(first, factor[:half, :half])


def inverse_of_lower(matrix: Array) -> Array:
    """Inverse (d, d) of a lower triangular ``matrix`` (d, d); what is above is not read.

    With parts A and C on the diagonal and B below, it is A^-1 and C^-1 on the diagonal and -C^-1 B A^-1 below.
    """
    inverse = np.zeros_like(matrix)
    _invert(matrix, inverse)
    return inverse


def _invert(matrix: Array, inverse: Array) -> None:
    """Write the inverse into ``inverse`` (d, d), which is 0."""
    size = len(matrix)
    if size <= _FULL:
        inverse[:] = np.tril(np.linalg.inv(np.tril(matrix)))
        return
    half = size // 2
    first, second = slice(None, half), slice(half, None)
    _invert(matrix[first, first], inverse[first, first])
    _invert(matrix[second, second], inverse[second, second])
    inverse[second, first] = -(inverse[second, second] @ matrix[second, first] @ inverse[first, first])
