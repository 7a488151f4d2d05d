"""Correlations of firing, shifted to be non-negative, as a matrix that is multiplied with but never made."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._kernels.bit_products import padded, products_bytes, times, times_transposed
from saegeom_data.metrics._statistics.bit_counts import n_active
from saegeom_data.metrics._statistics.spectral import embed_product, embed_product_bytes, matrix_dtype, solver_width
from saegeom_data.typing import Array


class ShiftedPhi:
    """1 + phi of features (n), with 0 on the diagonal, from their bits (n, words) in ``n_blocks`` blocks.

    With x_i the bits of feature i, n_i their sum and q_i^2 = n_i (1 - n_i / T), phi_ij = (x_i . x_j - n_i n_j / T) /
    (q_i q_j). So a product with the n by n matrix is two with the bits, and one with a matrix of rank 1. No feature may
    be on in none or in all blocks.
    """

    def __init__(self, bits: Array, n_blocks: int) -> None:
        self._bits = bits
        on = n_active(bits).astype(float)
        self._inverse = 1 / np.sqrt(on * (1 - on / n_blocks))
        self._level = on / np.sqrt(n_blocks) * self._inverse

    def __matmul__(self, columns: Array) -> Array:
        """Product with columns (n, c), in double precision."""
        width = columns.shape[1]
        image = times(self._bits, times_transposed(self._bits, padded(columns * self._inverse[:, None])))[:, :width]
        image *= self._inverse[:, None]
        image -= self._level[:, None] * (self._level @ columns)
        image += columns.sum(axis=0)
        # Of each feature with itself, the correlation and the shift are 1.
        image -= 2 * columns
        return image


def embed_shifted_phi(bits: Array, n_blocks: int, n_components: int) -> tuple[Array, Array]:
    """As :func:`~.spectral.embed` of 1 + phi, of more features than have a matrix that fits memory."""
    phi = ShiftedPhi(bits, n_blocks)
    degree = (phi @ np.ones((len(bits), 1)))[:, 0]
    return embed_product(lambda columns: phi @ columns, degree, n_components, matrix_dtype(len(bits)))


def embed_shifted_phi_bytes(n: int, n_words: int, n_components: int) -> int:
    """Peak memory of :func:`embed_shifted_phi` beside the bits, with its result."""
    vectors = products_bytes(n, n_words, solver_width(n_components)) + 16 * n * solver_width(n_components)
    return embed_product_bytes(n, n_components, matrix_dtype(n).itemsize) + vectors
