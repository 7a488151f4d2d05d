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
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

from saegeom_data.errors import DataValueError
from saegeom_data.lazy import Work
from saegeom_data.typing import Array

_GROUP = 16  # rows that lie side by side in `pairs`, and the sides of a cell
_HEIGHT = 4  # rows of a strip, the quarter of a cell whose sums fit the registers
_LANES = 8
_DEPTH = 128  # pairs of coordinates multiplied at a time, so that both groups stay in the first-level cache
_CACHE = 384 * 1024  # bytes of `pairs` kept in the second-level cache
_STRIPS = 64  # strips with hits that are settled together
_ROWS = 8192

_LARGEST = 32766
_MARGIN = 2.0**-20  # 16 roundings of float32, over twice those in a comparison
_LEAST = 1e-15  # above what float32 loses to underflow, in units of the largest norm
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
    n_groups, n_pairs = -(-len(rows) // _GROUP), -(-rows.shape[1] // 2)
    size = n_groups * n_pairs * _GROUP
    buffer = np.zeros(size + _GROUP, np.int32)
    aligned = -buffer.ctypes.data % 64 // buffer.itemsize  # loads that straddle cache lines cost double
    pairs, scales = buffer[aligned : aligned + size], np.zeros((4, n_groups * _GROUP))
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


_INT32, _INT64, _FLOAT32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
_INTEGERS, _FLOATS = ir.VectorType(_INT32, _LANES), ir.VectorType(_FLOAT32, _LANES)
_SHORTS, _PRODUCTS = ir.VectorType(ir.IntType(16), 2 * _LANES), ir.VectorType(_INT32, 2 * _LANES)


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def _multiply(typing: Any, left: Any, i: Any, right: Any, j: Any, n_pairs: Any, sums: Any, at: Any) -> Any:
    """Add to the ``sums`` of a strip, from ``at`` on, the products over ``n_pairs`` from ``i`` and ``j`` on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        left, i, right, j, n_pairs, sums, at = _values(context, builder, signature, values)
        cells = [(row, lane) for row in range(_HEIGHT) for lane in (0, _LANES)]
        places = [
            _pointer(builder, sums, builder.add(at, _INT64(_GROUP * row + lane)), _INTEGERS) for row, lane in cells
        ]
        # The sums of a strip stay in registers over all pairs of coordinates, and are stored once.
        first = [builder.load(place, align=4) for place in places]
        before, body, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(body)
        builder.position_at_end(body)
        pair, *totals = [builder.phi(kind) for kind in (_INT64, *[_INTEGERS] * len(cells))]
        offset = builder.mul(pair, _INT64(_GROUP))
        i, j = builder.add(i, offset), builder.add(j, offset)
        column = {lane: _load(builder, right, builder.add(j, _INT64(lane)), _INTEGERS) for lane in (0, _LANES)}
        row = [_spread(builder, _load(builder, left, builder.add(i, _INT64(row)), _INT32)) for row in range(_HEIGHT)]
        added = [
            builder.add(total, _pair_products(context, builder, row[r], column[lane]))
            for total, (r, lane) in zip(totals, cells, strict=True)
        ]
        following = builder.add(pair, _INT64(1))
        for phi, start, end in zip((pair, *totals), (_INT64(0), *first), (following, *added), strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(end, body)
        builder.cbranch(builder.icmp_signed("<", following, n_pairs), body, after)
        builder.position_at_end(after)
        for place, total in zip(places, added, strict=True):
            builder.store(total, place, align=4)
        return context.get_dummy_value()

    return types.void(left, types.intp, right, types.intp, types.intp, sums, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def _compare(typing: Any, sums: Any, at: Any, left: Any, i: Any, right: Any, j: Any) -> Any:
    """Bits, row by row, of the pairs of a strip that may lie within reach of either of the two.

    For terms (step, square norm, error, reach) a pair may if the square of max(reach + other error, other reach +
    error) is at least square norm + other square norm - 2 step * other step * sum.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        sums, at, left, i, right, j = _values(context, builder, signature, values)
        bits = _INT64(0)
        for row in range(_HEIGHT):
            step, square, error, reach = (
                _spread(builder, _load(builder, left, _term(builder, left, which, i, row), _FLOAT32))
                for which in range(4)
            )
            for lane in (0, _LANES):
                other_step, other_square, other_error, other_reach = (
                    _load(builder, right, _term(builder, right, which, j, lane), _FLOATS) for which in range(4)
                )
                bound, other_bound = builder.fadd(reach, other_error), builder.fadd(other_reach, error)
                most = builder.select(builder.fcmp_ordered(">", bound, other_bound), bound, other_bound)
                total = _load(builder, sums, builder.add(at, _INT64(_GROUP * row + lane)), _INTEGERS)
                product = builder.fmul(builder.sitofp(total, _FLOATS), other_step)
                fused = ("contract",)
                value = builder.fsub(builder.fmul(product, step, fused), other_square, fused)
                value = builder.fadd(builder.fmul(most, most, fused), value, fused)
                close = builder.bitcast(builder.fcmp_ordered(">=", value, square), ir.IntType(_LANES))
                shifted = builder.shl(builder.zext(close, _INT64), _INT64(_GROUP * row + lane))
                bits = builder.or_(bits, shifted)
        return bits

    return types.uint64(sums, types.intp, left, types.intp, right, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def _lowest(typing: Any, bits: Any) -> Any:
    """Place of the lowest bit that is set."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.cttz(values[0], ir.IntType(1)(1))

    return types.int64(types.uint64), generate


def _values(context: Any, builder: Any, signature: Any, values: Any) -> list[Any]:
    """Arrays as structures, the rest as it is."""
    return [
        context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, values, strict=True)
    ]


def _pointer(builder: Any, array: Any, offset: Any, kind: Any) -> Any:
    """Address of ``array[offset]``, as one of ``kind``."""
    return builder.bitcast(builder.gep(array.data, [offset]), kind.as_pointer())


def _load(builder: Any, array: Any, offset: Any, kind: Any) -> Any:
    """Value of ``kind`` from ``array[offset]`` on."""
    return builder.load(_pointer(builder, array, offset, kind), align=4)


def _term(builder: Any, terms: Any, which: int, start: Any, step: int) -> Any:
    """Offset of terms[which, start + step] in ``terms`` (4, rows)."""
    size = builder.extract_value(terms.shape, 1)
    return builder.add(builder.mul(size, _INT64(which)), builder.add(start, _INT64(step)))


def _spread(builder: Any, scalar: Any) -> Any:
    """Vector with ``scalar`` in every lane."""
    undefined = ir.VectorType(scalar.type, _LANES)(ir.Undefined)
    return _shuffled(builder, builder.insert_element(undefined, scalar, _INT32(0)), [0] * _LANES)


def _shuffled(builder: Any, vector: Any, order: Sequence[int]) -> Any:
    """Lanes of ``vector`` in that order."""
    return builder.shuffle_vector(vector, vector.type(ir.Undefined), ir.VectorType(_INT32, len(order))(list(order)))


def _pair_products(context: Any, builder: Any, left: Any, right: Any) -> Any:
    """Sums of two products of 16-bit integers each: one instruction, where there is AVX2."""
    shorts = [builder.bitcast(vector, _SHORTS) for vector in (left, right)]
    _, _, features = context.codegen().magic_tuple()
    if "+avx2" in features:
        kind = ir.FunctionType(_INTEGERS, [_SHORTS, _SHORTS])
        return builder.call(get_or_insert_function(builder.module, kind, "llvm.x86.avx2.pmadd.wd"), shorts)
    product = builder.mul(*(builder.sext(vector, _PRODUCTS) for vector in shorts))
    even, odd = (_shuffled(builder, product, range(first, 2 * _LANES, 2)) for first in (0, 1))
    return builder.add(even, odd)


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
        first = i // _GROUP * n_pairs * _GROUP + i % _GROUP
        for p in range(n_pairs):
            pairs[first + p * _GROUP] = both[p]
        scales[0, i] = step
        scales[1, i] = np.sqrt(square) * step
        scales[2, i] = np.sqrt(rest) * step + 2.0**-48 * norm


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _search(block: _Block, other: _Block, unit: float, same: bool) -> None:
    """Bring the lists of both blocks up to date with all pairs of their rows, once each if they are the same block."""
    n, m = len(block.rows), len(other.rows)
    n_pairs = (block.rows.shape[1] + 1) // 2
    width = max(1, _CACHE // (4 * n_pairs * _GROUP)) * _GROUP
    sums = np.empty(_GROUP * _GROUP, np.int32)
    hits = np.empty(_STRIPS + _GROUP // _HEIGHT, np.uint64)
    corners = np.empty((len(hits), 2), np.int64)
    for left in range(0, m, width):
        right = min(m, left + width)
        for i in range(0, min(n, right) if same else n, _GROUP):
            count = 0
            for j in range(max(left, i) if same else left, right, _GROUP):
                # Both triangles hold the same pairs, so of a block with itself only the upper one is visited.
                sums[:] = 0
                for p in range(0, n_pairs, _DEPTH):
                    depth = min(_DEPTH, n_pairs - p)
                    for row in range(0, _GROUP, _HEIGHT):
                        from_row, from_column = (i * n_pairs + p * _GROUP) + row, j * n_pairs + p * _GROUP
                        _multiply(block.pairs, from_row, other.pairs, from_column, depth, sums, row * _GROUP)
                for row in range(0, _GROUP, _HEIGHT):
                    hits[count] = _compare(sums, row * _GROUP, block.terms, i + row, other.terms, j)
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
    near = np.empty((count * _HEIGHT * _GROUP + 1, 2), np.int64)
    for hit in range(count):
        bits = hits[hit]
        while bits:
            place = _lowest(bits)
            bits &= bits - np.uint64(1)
            i, j = corners[hit, 0] + (place >> 4), corners[hit, 1] + (place & 15)
            near[size, 0], near[size, 1] = i, j
            size += i < n and j < m and (not same or i < j)
    distance = np.empty(size)
    for pair in range(size):
        distance[pair] = _distance(rows, near[pair, 0], other_rows, near[pair, 1])
    for pair in range(size):
        i, j, value = near[pair, 0], near[pair, 1], distance[pair]
        # Compared here, since most calls would be for nothing and numba passes arrays by all their fields.
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
