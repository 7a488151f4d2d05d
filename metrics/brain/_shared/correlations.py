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
    part = _parts(bits, n_blocks)
    # A feature by itself in its part has no affinity to others.
    live = np.flatnonzero(np.bincount(part)[part] > 1)
    phi = ShiftedPhi(bits[live] if len(live) < len(bits) else bits, n_blocks)
    degree = (phi @ np.ones((len(live), 1)))[:, 0]
    dtype = matrix_dtype(len(bits))
    value, vector = embed_product(lambda columns: phi @ columns, degree, part[live], n_components, dtype)
    embedding = np.full((len(bits), vector.shape[1]), np.nan, dtype)
    embedding[live] = vector
    return value, embedding


def _parts(bits: Array, n_blocks: int) -> Array:
    """Label (n,) of each feature's part of the graph of 1 + phi: 0, or 1 for the complements of others.

    Two features have no affinity if each is on in just those blocks in which the other is not. So there is more than
    one part only where all features are on in the same blocks as the first or in all others.
    """
    part, on_first = np.zeros(len(bits), int), n_active(bits[:1])
    # Some rows at a time, until one is neither: seldom more than the first.
    for start in range(0, len(bits), 512):
        rows = slice(start, start + 512)
        is_equal = (bits[rows] == bits[0]).all(axis=1)
        is_opposite = ~(bits[rows] & bits[0]).any(axis=1) & (n_active(bits[rows]) + on_first == n_blocks)
        if not (is_equal | is_opposite).all():
            return np.zeros(len(bits), int)
        part[rows] = is_opposite
    return part


def embed_shifted_phi_bytes(n: int, n_words: int, n_components: int) -> int:
    """Peak memory of :func:`embed_shifted_phi` beside the bits, with its result."""
    vectors = products_bytes(n, n_words, solver_width(n_components)) + 16 * n * solver_width(n_components)
    return embed_product_bytes(n, n_components, matrix_dtype(n).itemsize) + vectors
