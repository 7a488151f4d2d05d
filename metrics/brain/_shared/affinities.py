"""Affinities of features from their co-occurrence."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations_with_replacement
from typing import Any, Literal

import numpy as np

from saegeom_data import lazy
from saegeom_data.metrics._kernels.bits import count, count_bytes
from saegeom_data.metrics._statistics.bit_counts import n_active
from saegeom_data.typing import Array

# Sides of the tiles that a matrix in memory is made of, whose counts and affinities stay in cache.
_SIDE = 512
# So many features are done sooner than threads are started.
_ALONE_UP_TO = 4096
# Level, over all pairs of features, at which two that coincide entirely must be significant.
_LEVEL = 0.05
Kind = Literal["simple_matching", "jaccard", "dice", "overlap", "phi", "npmi", "mutual_information"]


def affinity_matrix(bits: Array, n_blocks: int, *, kind: Kind, dtype: Any = np.float64) -> Array:
    """Affinity (features, features) of features none of which is rare or saturated, from bits (features, words)."""
    n = len(bits)
    values = np.empty((n, n), dtype)
    active = n_active(bits).astype(float)

    def affinities(both: Array, rows: slice, columns: slice) -> Array:
        return KERNELS[kind](both, active[rows, None], active[None, columns], float(n_blocks))

    fill_by_counts(values, bits, affinities)
    return values


def fill_by_counts(values: Array, bits: Array, tile_of: Callable[[Array, slice, slice], Array]) -> None:
    """Fill a symmetric matrix (features, features) tile by tile, from bits (features, words).

    ``tile_of(both, rows, columns)`` makes a tile of the counts, in double precision, of blocks with both features on.
    """

    def fill(corner: tuple[int, int]) -> None:
        rows, columns = (slice(start, start + _SIDE) for start in corner)
        both = count(bits[rows]) if rows == columns else count(bits[rows], bits[columns])
        tile = tile_of(both.astype(float), rows, columns)
        values[rows, columns] = tile
        # The tile below the diagonal need not be counted.
        values[columns, rows] = tile.T

    n = len(values)
    lazy.each(fill, list(combinations_with_replacement(range(0, n, _SIDE), 2)), is_spread=n > _ALONE_UP_TO)


def affinity_matrix_bytes(n: int, n_words: int, itemsize: int, *, kind: Kind) -> int:
    """Bytes that :func:`affinity_matrix` takes, its result included."""
    side = min(n, _SIDE)
    return itemsize * n**2 + lazy.n_threads() * (count_bytes(side, side, n_words) + 8 * side**2 * TERMS.get(kind, 4))


def least_blocks(n_blocks: int, n_features: int) -> int:
    """Least number m of blocks such that two features on in the same m, and no others, can be told from chance.

    By Fisher's exact test that has probability 1 / C(T, m) in T blocks, so that among all n (n - 1) / 2 pairs it takes
    C(T, m) >= n (n - 1) / 2 / 0.05; at most a quarter of the blocks.

    Examples
    --------
    >>> least_blocks(3773, 1536), least_blocks(150_000, 16_384), least_blocks(240, 80)
    (3, 2, 3)
    """
    most = max(n_blocks // 4, 1)
    needed = n_features * (n_features - 1) / 2 / _LEVEL
    return next((m for m in range(1, most) if math.comb(n_blocks, m) >= needed), most)


def is_masked(active: Array, n_blocks: int, min_blocks: int) -> Array:
    """Whether each feature, on in ``active`` of ``n_blocks`` blocks, is rare or saturated."""
    # Nearly always on says as little as nearly never: either way few blocks decide.
    return np.asarray((active < min_blocks) | (active > n_blocks - min_blocks))


def _simple_matching(both: Array, row: Array, column: Array, total: float) -> Array:
    """(m11 + m00) / T: shares of blocks, for counts of pairs (rows, columns) in T blocks; so are all kernels."""
    return np.asarray((total - row - column + 2 * both) / total)


def _jaccard(both: Array, row: Array, column: Array, total: float) -> Array:
    """n_ij / (n_i + n_j - n_ij), (rows, columns)."""
    return np.asarray(both / (row + column - both))


def _dice(both: Array, row: Array, column: Array, total: float) -> Array:
    """2 n_ij / (n_i + n_j), (rows, columns)."""
    return np.asarray(2 * both / (row + column))


def _overlap(both: Array, row: Array, column: Array, total: float) -> Array:
    """n_ij / min(n_i, n_j), (rows, columns)."""
    return np.asarray(both / np.minimum(row, column))


def _phi(both: Array, row: Array, column: Array, total: float) -> Array:
    """(n_ij T - n_i n_j) / sqrt(n_i (T - n_i) n_j (T - n_j)), (rows, columns)."""
    # A root of each side's vector: one of the product would be a matrix more.
    root = np.sqrt(row * (total - row)) * np.sqrt(column * (total - column))
    return np.asarray((both * total - row * column) / root)


def _npmi(both: Array, row: Array, column: Array, total: float) -> Array:
    """ln(n_ij T / (n_i n_j)) / -ln(n_ij / T), and its limit -1 where n_ij = 0; (rows, columns)."""
    never = both == 0
    both = np.where(never, 1, both)
    values = np.log(both * total / (row * column)) / -np.log(both / total)
    values[never] = -1
    return np.asarray(values)


def _mutual_information(both: Array, row: Array, column: Array, total: float) -> Array:
    """Sum over the four cells m of m / T ln(m T / (product of margins)), at least 0; (rows, columns) in nats."""

    def term(cell: Array, first: Array, second: Array) -> Array:
        # An empty cell adds 0, the limit of m ln m.
        ratio = np.where(cell > 0, cell, 1) * np.where(cell > 0, total / (first * second), 1)
        return np.asarray(cell / total * np.log(ratio))

    # Summed so that a pair has the same value either way round, to the last digit.
    alone = term(row - both, row, total - column)
    alone += term(column - both, total - row, column)
    values = term(both, row, column)
    values += term(total - row - column + both, total - row, total - column)
    values += alone
    # Rounding may leave a little less than 0 where two features are independent.
    return np.asarray(np.maximum(values, 0, out=values))


# Matrices of a tile's size that a kernel holds at its peak, where they are more than four.
TERMS = {"npmi": 5, "mutual_information": 10}
KERNELS = {
    "simple_matching": _simple_matching,
    "jaccard": _jaccard,
    "dice": _dice,
    "overlap": _overlap,
    "phi": _phi,
    "npmi": _npmi,
    "mutual_information": _mutual_information,
}
