"""Compiled loops of the search for nearest neighbours: pairs screened in 16-bit integers, measured in double precision.

Everything that one of them calls is here or in :mod:`.vector_instructions`: numba caches compiled callers and looks at
their own file alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from saegeom_data.metrics._kernels.vector_instructions import GROUP, HEIGHT, compare, lowest, multiply
from saegeom_data.typing import Array

_DEPTH = 128  # pairs of coordinates multiplied at a time, so that both groups stay in the first-level cache
_CACHE = 384 * 1024  # bytes of `pairs` kept in the second-level cache
_STRIPS = 64  # strips with hits that are settled together
_LARGEST = 32766
MARGIN = 2.0**-20  # 16 roundings of float32, over twice those in a comparison
LEAST = 1e-15  # above what float32 loses to underflow, in units of the largest norm
# Squares of shorter rows come to the end of double precision.
TINY = 1e-150


class Lists(NamedTuple):
    """Rows, and for each those y so far for which |x - sign y| is least; ``terms``, in some unit, screen for them."""

    rows: Array
    sign: float
    unit: float
    terms: Array
    distances: Array
    indices: Array


class Block(NamedTuple):
    """Rows from an index on as the search sees them: ``pairs`` and terms screen, rows decide.

    The rows of ``centred`` are those of ``near`` less the centre, over their norms. Its lists and those of ``opposite``
    have no places where they are not wanted.
    """

    start: int
    pairs: Array
    near: Lists
    opposite: Lists
    centred: Lists


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})  # type: ignore[untyped-decorator,unused-ignore]
def quantise(rows: Array, centre: Array, pairs: Array, scales: Array) -> None:
    """Split rows x (n, d) less the centre into s q + e, with q rint(x / s) and s = |x| / 32766.

    Fills ``pairs`` with q, and ``scales`` (5, rows) with s, |s q|, a bound on |e|, |x| and s q . centre, for x less the
    centre.
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
        if norm <= TINY:
            continue
        # Rows of whole numbers of norm under 2 ** 15.5 have products under 2 ** 31.
        step = norm / _LARGEST
        inverse = 1 / step
        square = rest = along = 0.0
        for c in range(d):
            value = centred[c] * inverse
            rounded = np.rint(value)
            whole[c] = np.int16(np.int32(rounded))
            square += rounded * rounded
            along += rounded * centre[c]
            rest += (value - rounded) * (value - rounded)
        first = i // GROUP * n_pairs * GROUP + i % GROUP
        for p in range(n_pairs):
            pairs[first + p * GROUP] = both[p]
        scales[0, i] = step
        scales[1, i] = np.sqrt(square) * step
        scales[2, i] = np.sqrt(rest) * step + 2.0**-48 * norm
        scales[4, i] = along * step


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def search(block: Block, other: Block, same: bool) -> None:
    """Bring the lists of both blocks up to date with all pairs of their rows, once each if they are the same block."""
    n, m = len(block.near.rows), len(other.near.rows)
    n_pairs = (block.near.rows.shape[1] + 1) // 2
    width = max(1, _CACHE // (4 * n_pairs * GROUP)) * GROUP
    is_near_alone = block.opposite.distances.shape[1] == 0
    sums = np.empty(GROUP * GROUP, np.int32)
    # Of near pairs, centred ones and opposite ones.
    hits = np.empty((3, _STRIPS + GROUP // HEIGHT), np.uint64)
    corners = np.empty((3, hits.shape[1], 2), np.int64)
    near_hits, near_corners = hits[0], corners[0]
    for left in range(0, m, width):
        right = min(m, left + width)
        for i in range(0, min(n, right) if same else n, GROUP):
            # Of one type: numba compiles what is called once more for the constant 0.
            count, centred, opposite = np.int64(0), np.int64(0), np.int64(0)
            # Both triangles hold the same pairs, so of a block with itself only the upper one is visited.
            for j in range(max(left, i) if same else left, right, GROUP):
                sums[:] = 0
                for p in range(0, n_pairs, _DEPTH):
                    depth = min(_DEPTH, n_pairs - p)
                    multiply(block.pairs, i * n_pairs + p * GROUP, other.pairs, j * n_pairs + p * GROUP, depth, sums)
                count = _screen(sums, block.near.terms, i, other.near.terms, j, near_hits, near_corners, count)
                if not is_near_alone:
                    terms, other_terms = block.centred.terms, other.centred.terms
                    centred = _screen(sums, terms, i, other_terms, j, hits[1], corners[1], centred)
                    # In a loop: an array assigned to another is compiled with the text of an error, which takes long.
                    for cell in range(GROUP * GROUP):
                        sums[cell] = -sums[cell]
                    terms, other_terms = block.opposite.terms, other.opposite.terms
                    opposite = _screen(sums, terms, i, other_terms, j, hits[2], corners[2], opposite)
                if max(count, centred, opposite) >= _STRIPS:
                    _settle_all(hits, corners, count, centred, opposite, block, other, same)
                    count, centred, opposite = np.int64(0), np.int64(0), np.int64(0)
            _settle_all(hits, corners, count, centred, opposite, block, other, same)


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _screen(
    sums: Array, terms: Array, i: int, other_terms: Array, j: int, hits: Array, corners: Array, count: int
) -> int:
    """Add the strips of a cell that have pairs within reach to ``hits``; how many there are now."""
    for row in range(0, GROUP, HEIGHT):
        hits[count] = compare(sums, row * GROUP, terms, i + row, other_terms, j)
        corners[count, 0], corners[count, 1] = i + row, j
        # Without a branch: one that goes wrong throws away the products begun after it.
        count += hits[count] != 0
    return count


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _settle_all(
    hits: Array, corners: Array, count: int, centred: int, opposite: int, block: Block, other: Block, same: bool
) -> None:
    """Settle so many strips of near, centred and opposite pairs."""
    counts = count, centred, opposite
    lists, other_lists = (block.near, block.centred, block.opposite), (other.near, other.centred, other.opposite)
    # In a loop: three calls would be compiled three times.
    for which in range(3):
        if counts[which]:
            _settle(
                hits[which],
                corners[which],
                counts[which],
                block.start,
                lists[which],
                other.start,
                other_lists[which],
                same,
            )


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _settle(
    hits: Array, corners: Array, count: int, start: int, lists: Lists, other_start: int, other_lists: Lists, same: bool
) -> None:
    """Measure the pairs behind the bits of ``hits`` and offer each row to the other's list."""
    rows, sign, unit, terms, distances, indices = lists
    other_rows, _, _, other_terms, other_distances, other_indices = other_lists
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
        distance[pair] = _distance(rows, near[pair, 0], other_rows, near[pair, 1], sign)
    for pair in range(size):
        i, j, value = near[pair, 0], near[pair, 1], distance[pair]
        # Compared here, since most calls would be for nothing and numba passes arrays by all their fields.
        # With each neighbour found the reach of a row shrinks, and strips still to come are screened by the new one.
        if value <= distances[i, last] and insert(distances, indices, i, value, other_start + j):
            terms[3, i] = distances[i, last] * unit * (1 + MARGIN) + terms[2, i] + LEAST
        if value <= other_distances[j, last] and insert(other_distances, other_indices, j, value, start + i):
            other_terms[3, j] = other_distances[j, last] * unit * (1 + MARGIN) + other_terms[2, j] + LEAST


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})  # type: ignore[untyped-decorator,unused-ignore]
def _distance(rows: Array, i: int, others: Array, j: int, sign: float) -> float:
    """Root of sum_c (rows_ic - sign others_jc)^2, in double precision."""
    square = 0.0
    for c in range(rows.shape[1]):
        difference = np.float64(rows[i, c]) - sign * np.float64(others[j, c])
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
def add(distances: Array, indices: Array, more: Array, more_indices: Array) -> None:
    """Offer neighbours (n, k), each row ascending, to the lists (n, k); the first that finds no place ends its row."""
    for i in range(len(more)):
        for c in range(more.shape[1]):
            if more_indices[i, c] < 0 or not insert(distances, indices, i, more[i, c], more_indices[i, c]):
                break
