"""Vector instructions of the search for nearest neighbours, which numba's loops do not make by themselves.

They act on a cell, :data:`GROUP` rows against those of another group, or on a strip of it of :data:`HEIGHT` rows. numba
caches compiled callers and looks at their own file alone: after a change here, delete what it keeps of
:mod:`.nearest_search`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

GROUP = 16  # rows that lie side by side in `pairs`, and the sides of a cell
HEIGHT = 4  # rows of a strip, whose comparisons are the bits of one word
_LANES = 8

_INT32, _INT64, _FLOAT32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
_INTEGERS, _FLOATS = ir.VectorType(_INT32, _LANES), ir.VectorType(_FLOAT32, _LANES)


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def multiply(typing: Any, left: Any, i: Any, right: Any, j: Any, n_pairs: Any, sums: Any) -> Any:
    """Add to the ``sums`` of a cell the products over ``n_pairs`` from ``i`` and ``j`` on."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        # As many rows at a time as have their sums in registers: 16 of 512 bits, of which there are 32, or 8 of 256.
        rows, lanes = (GROUP, GROUP) if _has(context, "avx512bw") else (HEIGHT, _LANES)
        for first in range(0, GROUP, rows):
            _multiply_rows(context, builder, _values(context, builder, signature, values), first, rows, lanes)
        return context.get_dummy_value()

    return types.void(left, types.intp, right, types.intp, types.intp, sums), generate


def _multiply_rows(context: Any, builder: Any, values: Sequence[Any], first: int, rows: int, lanes: int) -> None:
    """Add the products of ``rows`` rows of a cell from the ``first`` on, in vectors of ``lanes`` numbers."""
    left, i, right, j, n_pairs, sums = values
    integers = ir.VectorType(_INT32, lanes)
    cells = [(row, lane) for row in range(first, first + rows) for lane in range(0, GROUP, lanes)]
    places = [_pointer(builder, sums, _INT64(GROUP * row + lane), integers) for row, lane in cells]
    # The sums stay in registers over all pairs of coordinates, and are stored once.
    known = [builder.load(place, align=4) for place in places]
    before, body, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
    builder.branch(body)
    builder.position_at_end(body)
    pair, *totals = [builder.phi(kind) for kind in (_INT64, *[integers] * len(cells))]
    offset = builder.mul(pair, _INT64(GROUP))
    i, j = builder.add(i, offset), builder.add(j, offset)
    column = {lane: _load(builder, right, builder.add(j, _INT64(lane)), integers) for lane in range(0, GROUP, lanes)}
    row_of = {
        row: _spread(builder, _load(builder, left, builder.add(i, _INT64(row)), _INT32), lanes)
        for row in range(first, first + rows)
    }
    added = [
        builder.add(total, _pair_products(context, builder, row_of[row], column[lane]))
        for total, (row, lane) in zip(totals, cells, strict=True)
    ]
    following = builder.add(pair, _INT64(1))
    for phi, start, end in zip((pair, *totals), (_INT64(0), *known), (following, *added), strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(end, body)
    builder.cbranch(builder.icmp_signed("<", following, n_pairs), body, after)
    builder.position_at_end(after)
    for place, total in zip(places, added, strict=True):
        builder.store(total, place, align=4)


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def compare(typing: Any, sums: Any, at: Any, left: Any, i: Any, right: Any, j: Any) -> Any:
    """Bits, row by row, of the pairs of a strip that may lie within reach of either of the two.

    For terms (step, square norm, error, reach) a pair may if the square of max(reach + other error, other reach +
    error) is at least square norm + other square norm - 2 step * other step * sum.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        sums, at, left, i, right, j = _values(context, builder, signature, values)
        bits = _INT64(0)
        for row in range(HEIGHT):
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
                total = _load(builder, sums, builder.add(at, _INT64(GROUP * row + lane)), _INTEGERS)
                product = builder.fmul(builder.sitofp(total, _FLOATS), other_step)
                fused = ("contract",)
                value = builder.fsub(builder.fmul(product, step, fused), other_square, fused)
                value = builder.fadd(builder.fmul(most, most, fused), value, fused)
                close = builder.bitcast(builder.fcmp_ordered(">=", value, square), ir.IntType(_LANES))
                shifted = builder.shl(builder.zext(close, _INT64), _INT64(GROUP * row + lane))
                bits = builder.or_(bits, shifted)
        return bits

    return types.uint64(sums, types.intp, left, types.intp, right, types.intp), generate


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def lowest(typing: Any, bits: Any) -> Any:
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


def _has(context: Any, feature: str) -> bool:
    """Whether the processor that code is made for has a feature."""
    _, _, features = context.codegen().magic_tuple()
    return f"+{feature}" in features.split(",")


def _spread(builder: Any, scalar: Any, lanes: int = _LANES) -> Any:
    """Vector with ``scalar`` in every lane."""
    undefined = ir.VectorType(scalar.type, lanes)(ir.Undefined)
    return _shuffled(builder, builder.insert_element(undefined, scalar, _INT32(0)), [0] * lanes)


def _shuffled(builder: Any, vector: Any, order: Sequence[int]) -> Any:
    """Lanes of ``vector`` in that order."""
    return builder.shuffle_vector(vector, vector.type(ir.Undefined), ir.VectorType(_INT32, len(order))(list(order)))


def _pair_products(context: Any, builder: Any, left: Any, right: Any) -> Any:
    """Sums of two products of 16-bit integers each: one instruction, where there is AVX2 or AVX-512."""
    lanes = left.type.count
    integers, halves = ir.VectorType(_INT32, lanes), ir.VectorType(ir.IntType(16), 2 * lanes)
    shorts = [builder.bitcast(vector, halves) for vector in (left, right)]
    instruction = {8: "llvm.x86.avx2.pmadd.wd", 16: "llvm.x86.avx512.pmaddw.d.512"}[lanes]
    if lanes > _LANES or _has(context, "avx2"):
        # It overflows only where all four numbers are -32768, and rows are scaled to 32766.
        kind = ir.FunctionType(integers, [halves, halves])
        return builder.call(get_or_insert_function(builder.module, kind, instruction), shorts)
    product = builder.mul(*(builder.sext(vector, ir.VectorType(_INT32, 2 * lanes)) for vector in shorts))
    even, odd = (_shuffled(builder, product, range(first, 2 * lanes, 2)) for first in (0, 1))
    return builder.add(even, odd)
