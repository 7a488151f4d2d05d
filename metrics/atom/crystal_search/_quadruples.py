"""Quadruples of rows whose sides agree: pairs of near neighbours, offsets between them, and pairs of these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saegeom_data.lazy import Work, ordering
from saegeom_data.metrics._shared.directions import COPY
from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.typing import Array

KINDS = ("parallelogram", "trapezoid")
# Why quadruples are left out: their two pairs share a row, or a row of one lies nearer to one of the other, or to its
# opposite, than the rows of a pair to each other.
EXCLUDED = ("shared_member", "close_pairs", "opposite_pairs")
# Quadruples of a cloud that are kept, the best of each kind.
MOST = 10_000
# Pairs that are multiplied with as many others at a time, and combinations that are scored at a
# time: both bound memory.
_TILE = 2048
_EXACT = 1024
# Rows of a tile looked at together: all of their combinations may agree.
_STRIP = 16
# Cosines in a square or a lattice are equal but for rounding.
_EQUAL = 1e-9


@dataclass(frozen=True)
class Quadruples:
    """Quadruples that agree, the best first by cosine.

    ``corner`` (quadruples, 4) holds rows a, b, c, d, turned so that b - a and d - c point the same way. ``cosine`` is
    that of these offsets, ``residual`` the norm of their difference over the mean of their norms. ``n_pairs`` is the
    number of pairs of near neighbours, ``n_excluded`` that of combinations of two that were left out, by reason.
    """

    corner: Array
    cosine: Array
    residual: Array
    n_pairs: int
    n_excluded: Array

    def agreement(self, kind: str) -> Array:
        """Agreement in [0, 1]: the cosine, or 1 - residual ** 2 / 2, which is the same for offsets of one length."""
        return self.cosine if kind == "trapezoid" else 1 - self.residual**2 / 2

    def ranked(self, kind: str, least: float) -> Array:
        """Indices of the quadruples that agree at least so well as ``kind``, the best first."""
        agreement = self.agreement(kind)
        order = np.lexsort((*self.corner.T[::-1], -agreement))
        return np.asarray(order[agreement[order] >= least][:MOST])


def mutual_pairs(distance: Array, neighbour: Array, k: int) -> Array:
    """Pairs (pairs, 2) of rows that are each among the k nearest of the other, ascending; copies are no pairs."""
    n = len(neighbour)
    listed = neighbour[:, :k]
    row = np.broadcast_to(np.arange(n)[:, None], listed.shape)
    valid = (listed >= 0) & (distance[:, :k] >= COPY)
    first, second = np.minimum(row, listed)[valid], np.maximum(row, listed)[valid]
    # One number for each pair, in 64 bits: the square of many features does not fit into 32.
    code, count = np.unique(first.astype(np.int64) * n + second, return_counts=True)
    # Each row lists the other: with one list alone, hubs would be in a pair with everybody.
    return np.stack(np.divmod(code[count == 2], max(n, 1)), axis=1)


def find_quadruples(rows: Array, pairs: Array, least: float, *, is_counted: bool = True) -> Quadruples:
    """Quadruples of two ``pairs`` of unit ``rows`` whose offsets have an absolute cosine of at least ``least``.

    Left out are combinations that share a row, and those in which a row of one pair lies nearer to one of the other, or
    to the opposite of one, than the rows of either pair to each other: near copies of a pair, and near opposites, have
    its offset for no other reason.

    Unless ``is_counted``, what is left out is not counted but for shared rows, which saves time where most agree.

    Products in single precision find combinations, which are then scored in double precision. Memory: a tile of
    offsets and their products, and the quadruples found; :func:`search_bytes` states it.
    """
    found, worst = [_empty(rows.dtype)], least
    for combination, cosine in _candidates(rows, pairs, least):
        chosen = combination if is_counted else combination[cosine >= worst - _rounding(rows)]
        if not len(chosen):
            continue
        part = _scored(rows, pairs, chosen, least)
        # Whatever agrees less than the worst that is kept is none of the best.
        found.append(_taken(part, np.flatnonzero(part.cosine >= worst)))
        # Thinned as the search goes, since a cloud with many copies of a shape has millions of quadruples.
        if sum(len(part.cosine) for part in found) > 2 * MOST:
            found = [_best(_joined(found), least)]
            worst = _worst(found[0], least)
    best = _best(_joined(found), least)
    degree = np.bincount(pairs.ravel(), minlength=1)
    n_excluded = best.n_excluded.copy()
    # Pairs of pairs with a common row are never formed; how many there are follows from degrees.
    n_excluded[0] = (degree * (degree - 1) // 2).sum()
    return Quadruples(best.corner, best.cosine, best.residual, len(pairs), n_excluded)


def search_bytes(n_pairs: int, hidden: int) -> int:
    """Bytes that :func:`find_quadruples` takes beside the rows, at most."""
    tile = min(_TILE, n_pairs)
    strip = _STRIP * tile
    # Offsets in both precisions, and products; combinations of a strip, and rows and differences of what is scored at a
    # time; quadruples found, while the best are picked.
    offsets = tile * hidden * 24 + tile**2 * 4
    return offsets + strip * 160 + 10 * 8 * _EXACT * hidden + (2 * MOST + strip) * 6 * 48


def quadruples_work(n: int, hidden: int, k: int) -> Work:
    """What :func:`find_quadruples` of n rows computes: of k near neighbours, about a third are mutual."""
    n_pairs = n * k / 6
    offsets = Work(passes=60 * n_pairs * hidden * (1 + n_pairs / _TILE / 2), sorting=ordering(n * k), calls=200)
    return offsets + Work(
        products=n_pairs**2 * hidden / 4, passes=10 * n_pairs**2, calls=20 * n_pairs**2 / _TILE / _STRIP
    )


def _rounding(rows: Array) -> float:
    """Bound on the rounding of products in single precision of rows of norm 1."""
    return float(2 * (rows.shape[1] + 8) * 2.0**-24)


def _candidates(rows: Array, pairs: Array, least: float) -> Iterator[tuple[Array, Array]]:
    """Combinations (combinations, 2) of pairs that share no row and may agree, and their cosines, some at a time."""
    limit = np.float32(least - _rounding(rows))
    starts = range(0, len(pairs), _TILE)
    for start in starts:
        unit = _unit_offsets(rows, pairs[start : start + _TILE])
        for other_start in range(start, len(pairs), _TILE):
            other = unit if other_start == start else _unit_offsets(rows, pairs[other_start : other_start + _TILE])
            cosine = unit @ other.T
            np.abs(cosine, out=cosine)
            for at in range(0, len(cosine), _STRIP):
                first, second = np.nonzero(cosine[at : at + _STRIP] >= limit)
                agreed = cosine[first + at, second]
                first, second = first + (start + at), second + other_start
                # A tile of pairs with itself holds each combination in both orders.
                kept = first < second
                for row in range(2):
                    for other_row in range(2):
                        kept &= pairs[first, row] != pairs[second, other_row]
                found = np.stack([first[kept], second[kept]], axis=1)
                if len(found):
                    yield found, agreed[kept]


def _unit_offsets(rows: Array, pairs: Array) -> Array:
    """(r_j - r_i) / |r_j - r_i| for each pair i, j: (pairs, hidden), in single precision."""
    offset = rows[pairs[:, 1]] - rows[pairs[:, 0]]
    offset /= row_norms(offset)[:, None]
    return offset.astype(np.float32)


def _scored(rows: Array, pairs: Array, combination: Array, least: float) -> Quadruples:
    """Quadruples of those combinations that agree, less the degenerate ones."""
    parts = []
    for start in range(0, len(combination), _EXACT):
        corner = pairs[combination[start : start + _EXACT]].reshape(-1, 4)
        a, b, c, d = (rows[corner[:, place]] for place in range(4))
        first, second = b - a, d - c
        product = np.einsum("ij,ij->i", first, second)
        length, other_length = (row_norms(offset) for offset in (first, second))
        cosine = np.abs(product) / (length * other_length)
        turned = np.where(product < 0, -1.0, 1.0)[:, None]
        residual = 2 * np.linalg.norm(first - turned * second, axis=1) / (length + other_length)
        # Cosines stand for distances here, because rows have norm 1.
        own = np.minimum(*(np.einsum("ij,ij->i", *pair) for pair in ((a, b), (c, d)))) + _EQUAL
        across = np.stack([np.einsum("ij,ij->i", end, other_end) for end in (a, b) for other_end in (c, d)])
        # A pair has no order of its own: the second is turned round so that both offsets point one way.
        corner = np.where(turned < 0, corner[:, [0, 1, 3, 2]], corner)
        agrees = cosine >= least
        close, opposite = across.max(axis=0) > own, -across.min(axis=0) > own
        kept = agrees & ~close & ~opposite
        n_excluded = np.array([0, *map(np.count_nonzero, (agrees & close, agrees & opposite & ~close))])
        parts.append(Quadruples(corner[kept], np.minimum(cosine, 1.0)[kept], residual[kept], 0, n_excluded))
    return _joined(parts)


def _best(found: Quadruples, least: float) -> Quadruples:
    """The best of each kind, each four rows once: equal sides let a square be found from either pair of them."""
    _, first = np.unique(np.sort(found.corner, axis=1), axis=0, return_index=True)
    once = _taken(found, first)
    kept = np.unique(np.concatenate([once.ranked(kind, least) for kind in KINDS]))
    # Equal cosines by their rows, so that the order does not follow from how the search was tiled.
    return _taken(once, kept[np.lexsort((*once.corner[kept].T[::-1], -once.cosine[kept]))])


def _worst(found: Quadruples, least: float) -> float:
    """Cosine below which no quadruple is among the best of a kind: parallelograms agree no better than by cosine."""
    ranked = [(kind, found.ranked(kind, least)) for kind in KINDS]
    return min(found.agreement(kind)[index[-1]] if len(index) == MOST else least for kind, index in ranked)


def _taken(found: Quadruples, index: Array) -> Quadruples:
    """Those quadruples, in that order."""
    return Quadruples(found.corner[index], found.cosine[index], found.residual[index], found.n_pairs, found.n_excluded)


def _joined(parts: Sequence[Quadruples]) -> Quadruples:
    """Quadruples of all parts, in their order, with what was left out added up."""
    return Quadruples(
        np.concatenate([part.corner for part in parts]),
        np.concatenate([part.cosine for part in parts]),
        np.concatenate([part.residual for part in parts]),
        0,
        np.sum([part.n_excluded for part in parts], axis=0),
    )


def _empty(dtype: Any) -> Quadruples:
    """No quadruples."""
    return Quadruples(
        np.empty((0, 4), np.int64), np.empty(0, dtype), np.empty(0, dtype), 0, np.zeros(len(EXCLUDED), np.int64)
    )
