"""The most extreme logits of many rows, found tile by tile, with mean and scatter of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from saegeom_data.errors import DataValueError
from saegeom_data.typing import Array

# Logits in work at a time: a tile of rows and tokens.
_TILE = 2**21
_TOKENS = 8192
# Beyond it sums of squares leave the numbers there are, and so does float32.
_LARGEST = 1e30


class Ranked(NamedTuple):
    """The extreme logits of each row, the most extreme first, and moments of all n.

    ``raised`` and ``lowered`` (rows, ranks) are float32 with tokens beside them; ``highest``, ``lowest``, ``mean`` and
    the sum of squared differences from it, ``squares``, (rows,) are float64.
    """

    n: int
    raised: Array
    raised_token: Array
    lowered: Array
    lowered_token: Array
    highest: Array
    lowest: Array
    mean: Array
    squares: Array


def tile_bytes(hidden: int) -> int:
    """What :func:`ranked_in` takes at most, beside its inputs and what it returns."""
    # Logits in float64 and float32, and a copy that is partitioned; candidates are few; rows in float64.
    return 40 * _TILE + 8 * hidden * (_TOKENS + _TILE // _TOKENS)


def ranked_in(decoder: Array, unembedding: Array, start: int, n_ranks: int) -> Ranked:
    r"""Logits :math:`d_f \cdot u_v` of rows (rows, hidden) on tokens (tokens, hidden) from number ``start`` on."""
    tokens_at_once = max(1, min(_TOKENS, len(unembedding)))
    rows_at_once = max(1, _TILE // tokens_at_once)
    # All rows of one piece of tokens, then the next: the piece is turned to float64 once.
    parts = []
    for first in range(0, len(unembedding), tokens_at_once):
        piece = unembedding[first : first + tokens_at_once].astype("float64")
        tiles = [
            _of_tile(decoder[row : row + rows_at_once].astype("float64"), piece, start + first, n_ranks)
            for row in range(0, len(decoder), rows_at_once)
        ]
        parts.append(Ranked(len(piece), *(np.concatenate(column) for column in list(zip(*tiles, strict=True))[1:])))
    return combined(parts, n_ranks=n_ranks)


def _of_tile(rows: Array, tokens: Array, start: int, n_ranks: int) -> Ranked:
    # Whether they overflow is asked of the result, which says it of all of them.
    with np.errstate(over="ignore", invalid="ignore"):
        exact = rows @ tokens.T
    if not np.abs(exact).max(initial=0.0) < _LARGEST:
        raise DataValueError("unembedding: logits beyond 1e30; scale decoder and unembedding to values near 1")
    mean = exact.mean(axis=1)
    squares = ((exact - mean[:, None]) ** 2).sum(axis=1)
    # To fewer digits, so that equal rows of the unembedding have equal logits, however a product was cut.
    logits = exact.astype("float32")
    raised, raised_token = _largest(logits, n_ranks)
    lowered, lowered_token = _largest(-logits, n_ranks)
    ends = exact.max(axis=1), exact.min(axis=1)
    return Ranked(len(tokens), raised, raised_token + start, -lowered, lowered_token + start, *ends, mean, squares)


def _largest(values: Array, n: int) -> tuple[Array, Array]:
    """Largest n of each row (rows, n) with their columns; of equal ones those of the first columns."""
    n = min(n, values.shape[1])
    least = np.partition(values, values.shape[1] - n, axis=1)[:, [values.shape[1] - n]]
    # All that may be among them: of ties at the end there can be more than n.
    row, column = np.nonzero(values >= least)
    return _first_of_rows(row, column, values[row, column], len(values), n)


def _first_of_rows(row: Array, column: Array, value: Array, n_rows: int, n: int) -> tuple[Array, Array]:
    """Of entries with at least n in each row, the n largest (rows, n); of equal ones those of the first columns."""
    order = np.lexsort((column, -value, row))
    first = np.searchsorted(row[order], np.arange(n_rows))
    chosen = order[first[:, None] + np.arange(n)]
    return value[chosen], column[chosen]


def combined(parts: Sequence[Ranked], *, n_ranks: int) -> Ranked:
    """Of several sets of tokens that follow each other, one; moments by the rule of Chan, Golub and LeVeque."""
    if len(parts) == 1:
        return parts[0]
    n = sum(part.n for part in parts)
    mean = np.sum([part.n * part.mean for part in parts], axis=0) / n
    squares = np.sum([part.squares + part.n * (part.mean - mean) ** 2 for part in parts], axis=0)
    # A block of fewer tokens than ranks gives as many as it has.
    width = min(n, n_ranks)
    raised = _merged([(part.raised, part.raised_token) for part in parts], width, 1)
    lowered = _merged([(part.lowered, part.lowered_token) for part in parts], width, -1)
    highest = np.max([part.highest for part in parts], axis=0)
    lowest = np.min([part.lowest for part in parts], axis=0)
    return Ranked(n, *raised, *lowered, highest, lowest, mean, squares)


def _merged(parts: Sequence[tuple[Array, Array]], n: int, sign: int) -> tuple[Array, Array]:
    value, token = (np.concatenate(column, axis=1) for column in zip(*parts, strict=True))
    rows = np.repeat(np.arange(len(value)), value.shape[1])
    chosen, which = _first_of_rows(rows, token.ravel(), sign * value.ravel(), len(value), n)
    return sign * chosen, which
