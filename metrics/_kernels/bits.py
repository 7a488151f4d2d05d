"""Co-occurrence by bits: blocks packed 64 to a word for each feature, pairs counted by AND and population count.

Words of four features stand side by side, and a carry-save adder takes sixteen of them at a time, so that one count of
bits serves sixteen words (Harley and Seal's method).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

from saegeom_data.typing import Array

WORD = 64
_LANES = 4  # features that lie side by side
_ROUND = 16  # words that go through the adder together
_DEPTH = 256  # words counted at a time, so that those of four features stay in the first-level cache
_ROWS = 128  # features that meet four others at a time, whose words stay in the second-level cache


def pack(occurrence: Array) -> Array:
    """Pack occurrence (blocks, features) to bits (features, words): block b is bit b % 64 of word b // 64.

    Bits past the last block are 0, so that packed pieces may be put one after the other.
    """
    n_blocks, n_features = occurrence.shape
    bits = np.zeros((n_features, -(-n_blocks // WORD)), np.uint64)
    if bits.size:
        _pack(np.ascontiguousarray(occurrence).view(np.uint8), bits)
    return bits


def count(bits: Array, others: Array | None = None) -> Array:
    """Count the bits that are set in both, for each row of ``bits`` and of ``others`` (n, words).

    Parameters
    ----------
    bits, others
        Rows (n, words), (m, words) of uint64; pairs of rows of ``bits`` itself where there are no others.

    Returns
    -------
    numpy.ndarray
        (n, m) int32.
    """
    same = others is None
    left, right = _padded(bits, 1), _padded(bits if others is None else others, _LANES)
    sums = np.zeros((len(bits), len(right) * _LANES), np.int32)
    _count(left, right, sums, same)
    n_columns = len(bits) if others is None else len(others)
    # Counts are symmetric, and copying half of them is cheaper than counting it.
    if same:
        _mirror(sums)
    return sums[:, :n_columns]


def count_bytes(n_rows: int, n_others: int, n_words: int) -> int:
    """Bytes that :func:`count` takes beside its rows, its result included."""
    words = -(-n_words // _ROUND) * _ROUND
    return 8 * words * (n_rows + n_others + _LANES) + 4 * n_rows * (n_others + _LANES)


def _padded(bits: Array, lanes: int) -> Array:
    """Words (groups, words, lanes) of groups of rows, with zeros up to whole groups and whole rounds."""
    n, n_words = bits.shape
    n_groups = -(-n // lanes)
    padded_words = -(-n_words // _ROUND) * _ROUND
    size = n_groups * padded_words * lanes
    buffer = np.zeros(size + 8, np.uint64)
    aligned = -buffer.ctypes.data % 64 // 8  # loads that straddle cache lines cost double
    words = buffer[aligned : aligned + size].reshape(n_groups, padded_words, lanes)
    for lane in range(lanes):
        rows = bits[lane::lanes]
        words[: len(rows), :n_words, lane] = rows
    return words


_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
_WORDS, _COUNTS = ir.VectorType(_INT64, _LANES), ir.VectorType(_INT32, _LANES)


@intrinsic  # type: ignore[untyped-decorator,unused-ignore]
def _add_counts(typing: Any, left: Any, i: Any, right: Any, j: Any, n_rounds: Any, sums: Any, at: Any) -> Any:
    """Add to four ``sums`` from ``at`` on the bits in both the words of one row from ``i`` and of four from ``j``."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        left, i, right, j, n_rounds, sums, at = (
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, values, strict=True)
        )

        def word(index: int) -> Any:
            left_word = _load(builder, left, builder.add(from_left, _INT64(index)), _INT64)
            right_words = _load(builder, right, builder.add(from_right, _INT64(_LANES * index)), _WORDS)
            return builder.and_(_spread(builder, left_word), right_words)

        def reduced(level: int, first: int) -> Any:
            """The carry out of ``level`` from words ``first`` to ``first + 2 ** (level + 1)``."""
            half = 2**level
            two = (word(first), word(first + 1)) if level == 0 else (
                reduced(level - 1, first), reduced(level - 1, first + half))  # fmt: skip
            carry, state[level] = _added(builder, state[level], *two)
            return carry

        before, body, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(body)
        builder.position_at_end(body)
        round_, total, *state = [builder.phi(kind) for kind in (_INT64, *[_WORDS] * 5)]
        phis = (round_, total, *state)
        offset = builder.mul(round_, _INT64(_ROUND))
        from_left = builder.add(i, offset)
        from_right = builder.add(j, builder.mul(offset, _INT64(_LANES)))
        # What the adder carries out of ones, twos, fours and eights counts sixteen; the rest waits in the state.
        sixteens = reduced(3, 0)
        summed = builder.add(total, _population(builder, sixteens))
        following = builder.add(round_, _INT64(1))
        for phi, end in zip(phis, (following, summed, *state), strict=True):
            phi.add_incoming(phi.type(None), before)
            phi.add_incoming(end, body)
        builder.cbranch(builder.icmp_signed("<", following, n_rounds), body, after)
        builder.position_at_end(after)
        # Bits that wait at each level count as many as the level: 1, 2, 4, 8.
        value = _shifted(builder, summed, 4)
        for level, left_over in enumerate(state):
            value = builder.add(value, _shifted(builder, _population(builder, left_over), level))
        place = builder.bitcast(builder.gep(sums.data, [at]), _COUNTS.as_pointer())
        builder.store(builder.add(builder.load(place, align=4), builder.trunc(value, _COUNTS)), place, align=4)
        return context.get_dummy_value()

    return types.void(left, types.intp, right, types.intp, types.intp, sums, types.intp), generate


def _added(builder: Any, first: Any, second: Any, third: Any) -> tuple[Any, Any]:
    """Carry and sum of three words, bit by bit."""
    different = builder.xor(first, second)
    carry = builder.or_(builder.and_(first, second), builder.and_(different, third))
    return carry, builder.xor(different, third)


def _population(builder: Any, words: Any) -> Any:
    """Number of bits set in each of four words."""
    kind = ir.FunctionType(_WORDS, [_WORDS])
    return builder.call(get_or_insert_function(builder.module, kind, f"llvm.ctpop.v{_LANES}i64"), [words])


def _shifted(builder: Any, words: Any, by: int) -> Any:
    """Words times 2 ** ``by``, lane by lane."""
    return builder.shl(words, _WORDS([by] * _LANES))


def _load(builder: Any, array: Any, offset: Any, kind: Any) -> Any:
    """A word, or the words of four rows, from ``offset`` on in ``array``."""
    return builder.load(builder.bitcast(builder.gep(array.data, [offset]), kind.as_pointer()), align=8)


def _spread(builder: Any, scalar: Any) -> Any:
    """Vector with ``scalar`` in every lane."""
    first = builder.insert_element(_WORDS(ir.Undefined), scalar, _INT32(0))
    return builder.shuffle_vector(first, _WORDS(ir.Undefined), ir.VectorType(_INT32, _LANES)([0] * _LANES))


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _count(left: Array, right: Array, sums: Array, same: bool) -> None:
    """Add sum_w popcount(left_iw & right_jw) to ``sums`` (n, groups * 4), for (n, words, 1) and (groups, words, 4).

    With ``same``, groups below the rows in work are left out, for :func:`_mirror` to fill.
    """
    n, n_words = left.shape[0], left.shape[1]
    for first in range(0, n_words, _DEPTH):
        n_rounds = (min(n_words, first + _DEPTH) - first) // _ROUND
        for start in range(0, n, _ROWS):
            stop = min(n, start + _ROWS)
            for group in range(start // _LANES if same else 0, right.shape[0]):
                from_right = (group * n_words + first) * _LANES
                for row in range(start, stop):
                    at = row * sums.shape[1] + group * _LANES
                    _add_counts(left, row * n_words + first, right, from_right, n_rounds, sums, at)


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _mirror(sums: Array) -> None:
    """Copy the upper triangle of ``sums`` (n, n or more columns) to the lower: sums_ij = sums_ji."""
    # In strips, so that the 64 rows that are read from stay in the cache.
    for start in range(0, len(sums), 64):
        for row in range(start, len(sums)):
            for column in range(start, min(row, start + 64)):
                sums[row, column] = sums[column, row]


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _pack(occurrence: Array, bits: Array) -> None:
    """Set bit b % 64 of bits[f, b // 64] where feature f of ``occurrence`` (blocks, features), as bytes, is on in b."""
    n_blocks, n_features = occurrence.shape
    for start in range(0, n_blocks, 64):
        for feature in range(0, n_features, 512):
            width = min(512, n_features - feature)
            # Occurrence is read along its rows; the words of 512 features wait in the first-level cache.
            words = np.zeros(512, np.uint64)
            for block in range(start, min(n_blocks, start + 64)):
                for column in range(width):
                    words[column] |= np.uint64(occurrence[block, feature + column]) << np.uint64(block - start)
            for column in range(width):
                bits[feature + column, start // 64] = words[column]
