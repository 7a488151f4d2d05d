"""Products of a matrix of bits, and of its transpose, with blocks of columns: sums over the bits that are set."""

from __future__ import annotations

import numba
import numpy as np

from saegeom_data.lazy import each
from saegeom_data.metrics._kernels.bits import WORD
from saegeom_data.metrics._kernels.vector_instructions import lowest
from saegeom_data.typing import Array

# Columns that are added together: two vectors of AVX-512, four of AVX2.
_LANES = 16
# Bytes of sums that rows add to, or are added from, in any order: they stay in the second-level cache.
_CACHE = 1 << 20
_ROWS = 4096
_PIECES = 4


def padded(columns: Array) -> Array:
    """Columns (n, c) in double precision, with zeros up to whole groups of 16."""
    width = -(-columns.shape[1] // _LANES) * _LANES
    out = np.zeros((len(columns), width))
    out[:, : columns.shape[1]] = columns
    return out


def times_transposed(bits: Array, columns: Array) -> Array:
    """X' C (places, c) for bits X (n, places), packed to words (n, words), and ``padded`` columns C (n, c)."""
    n_words, width = bits.shape[1], columns.shape[1]
    sums = np.zeros((n_words * WORD, width))
    # Several pieces for all cores, each of which passes over the columns.
    step = min(_words_in_cache(width), -(-n_words // _PIECES)) or 1

    def add(first: int) -> None:
        last = min(first + step, n_words)
        _add(bits, columns, sums[first * WORD : last * WORD], first, last, True)

    each(add, range(0, n_words, step))
    return sums


def times(bits: Array, sums: Array) -> Array:
    """X S (n, c) for bits X (n, places), packed to words (n, words), and sums S (places, c), as they are padded."""
    n_words, width = bits.shape[1], sums.shape[1]
    out = np.zeros((len(bits), width))
    step = _words_in_cache(width)

    def add(first_row: int) -> None:
        rows = slice(first_row, first_row + _ROWS)
        for first in range(0, n_words, step):
            last = min(first + step, n_words)
            _add(bits[rows], out[rows], sums[first * WORD : last * WORD], first, last, False)

    each(add, range(0, len(bits), _ROWS))
    return out


def products_bytes(n: int, n_words: int, n_columns: int) -> int:
    """Bytes that columns, sums and results of so many columns take."""
    width = -(-n_columns // _LANES) * _LANES
    return 8 * width * (2 * n + n_words * WORD)


def _words_in_cache(width: int) -> int:
    return max(1, _CACHE // (8 * WORD * width))


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add(bits: Array, of_rows: Array, of_places: Array, first: int, last: int, to_places: bool) -> None:
    """Add rows to places, or places to rows, wherever a bit is set in words ``first`` to ``last`` of a row."""
    for i in range(len(bits)):
        for w in range(first, last):
            word = bits[i, w]
            while word:
                place = (w - first) * 64 + lowest(word)
                word &= word - np.uint64(1)
                # So many at a time, which the compiler knows and needs no remainder for.
                for c in range(0, of_rows.shape[1], 16):
                    if to_places:
                        for lane in range(16):
                            of_places[place, c + lane] += of_rows[i, c + lane]
                    else:
                        for lane in range(16):
                            of_rows[i, c + lane] += of_places[place, c + lane]
