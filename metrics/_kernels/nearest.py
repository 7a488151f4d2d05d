"""Exact nearest neighbours by Euclidean distance: screened in 16-bit integers, decided in double precision.

A row less the centre of its tile is s q + e: q whole numbers of 16 bits, s the row's own step, the norm of e known.
Integer products of q are exact, and twice as fast as float32 ones, so the distance of two rows is known to within the
norms of their e. Only pairs that may lie within reach of either row's k-th neighbour are computed in float64, from the
rows themselves; these decide, so no result depends on centre, step, or tiling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numba
import numpy as np

from saegeom_data.errors import DataValueError
from saegeom_data.lazy import Work
from saegeom_data.metrics._kernels.vector_instructions import GROUP, HEIGHT, compare, lowest, multiply
from saegeom_data.typing import Array

_DEPTH = 128  # pairs of coordinates multiplied at a time, so that both groups stay in the first-level cache
_CACHE = 384 * 1024  # bytes of `pairs` kept in the second-level cache
_STRIPS = 64  # strips with hits that are settled together
_ROWS = 8192

_LARGEST = 32766
_MARGIN = 2.0**-20  # 16 roundings of float32, over twice those in a comparison
_LEAST = 1e-15  # above what float32 loses to underflow, in units of the largest norm
# Squares of shorter rows come to the end of double precision.
_TINY = 1e-150


@dataclass(frozen=True)
class Neighbours:
    """The k nearest others of each row.

    Attributes
    ----------
    distance
        (rows, k) float64, ascending; inf where there are fewer than k others.
    index
        (rows, k) int64, global index of that other row; -1 where there is none. Equal distances stand by index.
    """

    distance: Array
    index: Array


def within(start: int, rows: Array, k: int) -> Neighbours:
    """Return the k nearest others of ``rows`` (n, d) among themselves, indexed from ``start``.

    Parameters
    ----------
    start
        Global index of the first row.
    rows
        Finite rows (n, d), float32 or float64, whose squares do not overflow.
    k
        Number of neighbours, at least 1; may exceed the rows.
    """
    rows = _readable(rows)
    found = _nothing(len(rows), k)
    scaled = _quantised(rows, _centre(rows))
    unit = _unit(scaled)
    block = _block(start, rows, found, scaled, unit)
    _search(block, block, unit, True)
    return found


def between(
    start: int, rows: Array, known: Neighbours, other_start: int, other_rows: Array, other_known: Neighbours
) -> tuple[Neighbours, Neighbours]:
    """Return the neighbours of ``rows`` among ``other_rows`` and the reverse, each pair measured once.

    Only neighbours that belong to the k nearest of a row, given those that are ``known`` of it (from other rows than
    these), are returned; the rest is padding.
    """
    rows, other_rows = _readable(rows), _readable(other_rows)
    centre = _centre(rows, other_rows)
    scaled, other_scaled = _quantised(rows, centre), _quantised(other_rows, centre)
    unit = _unit(scaled, other_scaled)
    # Lists begin with what is known, so that only pairs that can still enter one are measured; taken out again below.
    found, other_found = _copy(known), _copy(other_known)
    block = _block(start, rows, found, scaled, unit)
    other = _block(other_start, other_rows, other_found, other_scaled, unit)
    _search(block, other, unit, False)
    keep_range(found.distance, found.index, other_start, other_start + len(other_rows))
    keep_range(other_found.distance, other_found.index, start, start + len(rows))
    return found, other_found


def merged(parts: Sequence[Neighbours]) -> Neighbours:
    """Return the k nearest over ``parts``, which are about the same rows and different others."""
    # A task may run again, so parts stay as they are.
    found = _copy(parts[0])
    for part in parts[1:]:
        _add(found.distance, found.index, part.distance, part.index)
    return found


def nearest(rows: Array, k: int) -> Neighbours:
    """Return the k nearest others of each of ``rows`` (n, d), in the calling thread."""
    starts = range(0, len(rows), _ROWS)
    blocks = [rows[start : start + _ROWS] for start in starts]
    found = [within(start, block, k) for start, block in zip(starts, blocks, strict=True)]
    for i, j in combinations(range(len(blocks)), 2):
        gained, other_gained = between(starts[i], blocks[i], found[i], starts[j], blocks[j], found[j])
        found[i], found[j] = merged([found[i], gained]), merged([found[j], other_gained])
    found = found or [_nothing(0, k)]
    return Neighbours(
        np.concatenate([neighbours.distance for neighbours in found]),
        np.concatenate([neighbours.index for neighbours in found]),
    )


def nearest_bytes(n: int, d: int, k: int) -> int:
    """Bytes that :func:`nearest` of n rows, or a tile of two blocks of n rows, takes beside the rows themselves."""
    quantised = 2 * n * (2 * (d + 1) + 4 * (8 + 8 + 4))
    return quantised + 4 * 16 * n * k


def nearest_work(n: int, d: int, k: int) -> Work:
    """What :func:`nearest` of n rows computes: products of all pairs of rows, and distances of those within reach.

    While a list of k fills in an order without meaning, k (1 + ln(n / k)) rows come within its reach.
    """
    within_reach = n * k * (1 + math.log(max(n / k, 1.0)))
    # Products of 16 bits are four times as many at a time as those of 64.
    return Work(products=0.13 * n**2 * d, steps=within_reach * (20 + 0.5 * k + 0.12 * d) + 2 * n * d, calls=40)


class _Block(NamedTuple):
    """Rows as the search sees them: ``pairs`` and ``terms`` screen, ``rows`` decide."""

    start: int
    rows: Array
    pairs: Array
    terms: Array
    distances: Array
    indices: Array


def _readable(rows: Array) -> Array:
    """Rows in one layout, and read-only, so that each dtype is compiled once."""
    view = np.ascontiguousarray(rows, dtype=np.float32 if rows.dtype == np.float32 else np.float64).view()
    view.flags.writeable = False
    return view


def _nothing(n: int, k: int) -> Neighbours:
    """Lists (n, k) without a neighbour: distance inf, index -1."""
    return Neighbours(np.full((n, k), np.inf), np.full((n, k), -1))


def _copy(found: Neighbours) -> Neighbours:
    """The same lists, which may be changed."""
    return Neighbours(found.distance.copy(), found.index.copy())


def _centre(*blocks: Array) -> Array:
    """A point amid all rows: it changes how well pairs are screened, not what is found."""
    # Rows that are not finite are refused by their norms.
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.sum([rows.sum(axis=0, dtype=float) for rows in blocks], axis=0)
    return np.asarray(total / max(1, sum(map(len, blocks))))


def _quantised(rows: Array, centre: Array) -> tuple[Array, Array]:
    """Pairs (groups * pairs of coordinates * group,) of int16 as int32, and step, norm, error, reach (4, rows)."""
    n_groups, n_pairs = -(-len(rows) // GROUP), -(-rows.shape[1] // 2)
    size = n_groups * n_pairs * GROUP
    buffer = np.zeros(size + GROUP, np.int32)
    aligned = -buffer.ctypes.data % 64 // buffer.itemsize  # loads that straddle cache lines cost double
    pairs, scales = buffer[aligned : aligned + size], np.zeros((4, n_groups * GROUP))
    _quantise(rows, centre, pairs, scales)
    return pairs, scales


def _unit(*scaled: tuple[Array, Array]) -> float:
    """One over the largest norm, so that squares fit float32."""
    largest = max(float(scales[3].max(initial=0.0)) for _, scales in scaled)
    if not np.isfinite(largest):
        raise DataValueError("rows: got NaN, infinity, or values whose squares overflow, expected finite distances")
    return 1.0 / largest if largest > _TINY else 1.0


def _block(start: int, rows: Array, found: Neighbours, scaled: tuple[Array, Array], unit: float) -> _Block:
    """Rows with the terms (4, rows) that pairs are screened by, in float32 and in units of the largest norm.

    They are sqrt(2) s for step s, |s q|^2, a bound on |e|, and the k-th distance plus that bound, each rounded to the
    side that keeps a pair.
    """
    pairs, scales = scaled
    step, norm, error, _ = scales * unit
    terms = np.empty(scales.shape, np.float32)
    terms[0] = np.sqrt(2) * step
    terms[1] = norm**2 * (1 - _MARGIN)
    # Rows that fill up the last group are infinitely far from all.
    terms[1, len(rows) :] = np.inf
    terms[2] = error * (1 + _MARGIN)
    terms[3] = 0
    terms[3, : len(rows)] = found.distance[:, -1] * unit * (1 + _MARGIN) + terms[2, : len(rows)] + _LEAST
    return _Block(start, rows, pairs, terms, found.distance, found.index)


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})  # type: ignore[untyped-decorator,unused-ignore]
def _quantise(rows: Array, centre: Array, pairs: Array, scales: Array) -> None:
    """Split rows x (n, d) less the centre into s q + e, with q rint(x / s) and s = |x| / 32766.

    Fills ``pairs`` with q, and ``scales`` (4, rows) with s, |s q|, a bound on |e|, and |x|.
    """
    n, d = rows.shape
    n_pairs = (d + 1) // 2
    centred = np.empty(d)
    whole = np.zeros(2 * n_pairs, np.int16)
    both = whole.view(np.int32)
    for i in range(n):
        square = 0.0
        for c in range(d):
            centred[c] = rows[i, c] - centre[c]
            square += centred[c] * centred[c]
        norm = np.sqrt(square)
        scales[2, i] = scales[3, i] = norm
        # A row at the centre keeps q = 0 and step 0, and all of it is error.
        if norm <= _TINY:
            continue
        # Rows of whole numbers of norm under 2 ** 15.5 have products under 2 ** 31.
        step = norm / _LARGEST
        inverse = 1 / step
        square = rest = 0.0
        for c in range(d):
            value = centred[c] * inverse
            rounded = np.rint(value)
            whole[c] = np.int16(np.int32(rounded))
            square += rounded * rounded
            rest += (value - rounded) * (value - rounded)
        first = i // GROUP * n_pairs * GROUP + i % GROUP
        for p in range(n_pairs):
            pairs[first + p * GROUP] = both[p]
        scales[0, i] = step
        scales[1, i] = np.sqrt(square) * step
        scales[2, i] = np.sqrt(rest) * step + 2.0**-48 * norm


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _search(block: _Block, other: _Block, unit: float, same: bool) -> None:
    """Bring the lists of both blocks up to date with all pairs of their rows, once each if they are the same block."""
    n, m = len(block.rows), len(other.rows)
    n_pairs = (block.rows.shape[1] + 1) // 2
    width = max(1, _CACHE // (4 * n_pairs * GROUP)) * GROUP
    sums = np.empty(GROUP * GROUP, np.int32)
    hits = np.empty(_STRIPS + GROUP // HEIGHT, np.uint64)
    corners = np.empty((len(hits), 2), np.int64)
    for left in range(0, m, width):
        right = min(m, left + width)
        for i in range(0, min(n, right) if same else n, GROUP):
            count = 0
            # Both triangles hold the same pairs, so of a block with itself only the upper one is visited.
            for j in range(max(left, i) if same else left, right, GROUP):
                sums[:] = 0
                for p in range(0, n_pairs, _DEPTH):
                    depth = min(_DEPTH, n_pairs - p)
                    for row in range(0, GROUP, HEIGHT):
                        from_row, from_column = (i * n_pairs + p * GROUP) + row, j * n_pairs + p * GROUP
                        multiply(block.pairs, from_row, other.pairs, from_column, depth, sums, row * GROUP)
                for row in range(0, GROUP, HEIGHT):
                    hits[count] = compare(sums, row * GROUP, block.terms, i + row, other.terms, j)
                    corners[count, 0], corners[count, 1] = i + row, j
                    # Without a branch: one that goes wrong throws away the products begun after it.
                    count += hits[count] != 0
                if count >= _STRIPS:
                    _settle(hits, corners, count, block, other, unit, same)
                    count = 0
            _settle(hits, corners, count, block, other, unit, same)


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _settle(hits: Array, corners: Array, count: int, block: _Block, other: _Block, unit: float, same: bool) -> None:
    """Measure the pairs behind the bits of ``hits`` and offer each row to the other's list."""
    start, rows, _, terms, distances, indices = block
    other_start, other_rows, _, other_terms, other_distances, other_indices = other
    n, m, last = len(rows), len(other_rows), distances.shape[1] - 1
    size = 0
    near = np.empty((count * HEIGHT * GROUP + 1, 2), np.int64)
    for hit in range(count):
        bits = hits[hit]
        while bits:
            place = lowest(bits)
            bits &= bits - np.uint64(1)
            i, j = corners[hit, 0] + (place >> 4), corners[hit, 1] + (place & 15)
            near[size, 0], near[size, 1] = i, j
            # A pair that is none is overwritten by the next, without a branch: hence one place more than there are
            # bits.
            size += i < n and j < m and (not same or i < j)
    # Measured in a loop of their own, which nothing interrupts.
    distance = np.empty(size)
    for pair in range(size):
        distance[pair] = _distance(rows, near[pair, 0], other_rows, near[pair, 1])
    for pair in range(size):
        i, j, value = near[pair, 0], near[pair, 1], distance[pair]
        # Compared here, since most calls would be for nothing and numba passes arrays by all their fields.
        # With each neighbour found the reach of a row shrinks, and strips still to come are screened by the new one.
        if value <= distances[i, last] and insert(distances, indices, i, value, other_start + j):
            terms[3, i] = distances[i, last] * unit * (1 + _MARGIN) + terms[2, i] + _LEAST
        if value <= other_distances[j, last] and insert(other_distances, other_indices, j, value, start + i):
            other_terms[3, j] = other_distances[j, last] * unit * (1 + _MARGIN) + other_terms[2, j] + _LEAST


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})  # type: ignore[untyped-decorator,unused-ignore]
def _distance(rows: Array, i: int, others: Array, j: int) -> float:
    """Root of sum_c (rows_ic - others_jc)^2, in double precision."""
    square = 0.0
    for c in range(rows.shape[1]):
        difference = np.float64(rows[i, c]) - np.float64(others[j, c])
        square += difference * difference
    return float(np.sqrt(square))


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def insert(distances: Array, indices: Array, i: int, distance: float, index: int) -> bool:
    """Put a neighbour at its place in the list of row ``i``; False if it is beyond the last."""
    # Equal distances stand by index, whatever order they come in, so that no list depends on the tiling.
    place = distances.shape[1] - 1
    if distances[i, place] < distance or (distances[i, place] == distance and indices[i, place] < index):
        return False
    while place > 0 and (
        distances[i, place - 1] > distance or (distances[i, place - 1] == distance and indices[i, place - 1] > index)
    ):
        distances[i, place], indices[i, place] = distances[i, place - 1], indices[i, place - 1]
        place -= 1
    distances[i, place], indices[i, place] = distance, index
    return True


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def keep_range(distances: Array, indices: Array, start: int, stop: int) -> None:
    """Leave the neighbours of index ``start`` to ``stop`` alone."""
    n, k = distances.shape
    for i in range(n):
        kept = 0
        for c in range(k):
            if start <= indices[i, c] < stop:
                distances[i, kept], indices[i, kept] = distances[i, c], indices[i, c]
                kept += 1
        distances[i, kept:] = np.inf
        indices[i, kept:] = -1


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add(distances: Array, indices: Array, more: Array, more_indices: Array) -> None:
    """Offer neighbours (n, k), each row ascending, to the lists (n, k); the first that finds no place ends its row."""
    for i in range(len(more)):
        for c in range(more.shape[1]):
            if more_indices[i, c] < 0 or not insert(distances, indices, i, more[i, c], more_indices[i, c]):
                break
