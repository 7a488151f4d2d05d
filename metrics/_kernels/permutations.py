"""Statistics of many permutations without a table or a matrix for each, and rows of bits that trade."""

from __future__ import annotations

import numba
import numpy as np

from saegeom_data.typing import Array


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def partition_sums(
    order: Array, labels: Array, others: Array, n_labels: int, n_others: int, edges: Array, degree: Array, gain: Array
) -> Array:
    """Sums (permutations, 3) from which all measures of a partition follow, for labels permuted by ``order``.

    They are the sum of n ln n over cells of the contingency table with ``others``, edges inside a class, and the sum of
    squares of the classes' degrees. ``gain[c]`` is c ln c - (c - 1) ln(c - 1). Equal tables give equal sums to the last
    digit, as the gains are added in the order of c.
    """
    n = len(labels)
    sums = np.empty((len(order), 3))
    table = np.zeros(n_labels * n_others, np.int32)
    by_class = np.zeros(n_labels, np.int64)
    reached = np.zeros(n + 1, np.int64)
    permuted = np.empty(n, labels.dtype)
    for row in range(len(order)):
        by_class[:] = 0
        most = 0
        for i in range(n):
            label = labels[order[row, i]]
            permuted[i] = label
            by_class[label] += degree[i]
            # n ln n of a cell is the sum of gains 1 to n, so it is enough to count how many cells come to hold c
            # members.
            cell = label * n_others + others[i]
            table[cell] += 1
            reached[table[cell]] += 1
            most = max(most, table[cell])
        for i in range(n):
            table[permuted[i] * n_others + others[i]] = 0
        information = 0.0
        for count in range(1, most + 1):
            information += reached[count] * gain[count]
            reached[count] = 0
        inside = 0
        for edge in range(edges.shape[1]):
            inside += permuted[edges[0, edge]] == permuted[edges[1, edge]]
        squares = 0.0
        for label in range(n_labels):
            squares += float(by_class[label]) * float(by_class[label])
        # One by one: a row set to a tuple takes two seconds more to compile, for errors that it might raise.
        sums[row, 0], sums[row, 1], sums[row, 2] = information, float(inside), squares
    return sums


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})  # type: ignore[untyped-decorator,unused-ignore]
def pair_products(order: Array, fixed: Array, moved: Array) -> Array:
    """Sums over pairs (permutations, 2) of ``fixed`` times ``moved``, two symmetric matrices each (n, n, 2).

    Rows and columns of ``moved`` are permuted by ``order`` (permutations, n).
    """
    sums = np.empty((len(order), 2))
    for draw in range(len(order)):
        first = second = 0.0
        for i in range(1, len(fixed)):
            row = moved[order[draw, i]]
            first_of_row = second_of_row = 0.0
            for j in range(i):
                k = order[draw, j]
                first_of_row += fixed[i, j, 0] * row[k, 0]
                second_of_row += fixed[i, j, 1] * row[k, 1]
            first += first_of_row
            second += second_of_row
        sums[draw, 0], sums[draw, 1] = first, second
    return sums


# All numbers are unsigned: numba makes float64 of an unsigned and a signed one, and bits would be lost.
_STEP, _FIRST, _SECOND = (np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_THIRTY, _TWENTY_SEVEN, _THIRTY_ONE, _ELEVEN, _ONE = (np.uint64(number) for number in (30, 27, 31, 11, 1))


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def trade_rows(states: Array, pairs: Array, bits: Array) -> None:
    """Share out anew, in place, the bits that one of two rows of ``bits`` (rows, words) alone has.

    For each of ``pairs`` (n, 2) of rows, in turn. Each row keeps its number of bits, and every way to share them out is
    as likely. Each pair has a stream of its own, SplitMix64 from ``states`` (n,), of which every bit that differs takes
    one number.
    """
    for trade in range(len(pairs)):
        state, first, second = states[trade], bits[pairs[trade, 0]], bits[pairs[trade, 1]]
        left = of_first = 0
        for word in range(bits.shape[1]):
            differ = first[word] ^ second[word]
            while differ:
                lowest = differ & (~differ + _ONE)
                left += 1
                of_first += (first[word] & lowest) != 0
                differ ^= lowest
        for word in range(bits.shape[1]):
            differ = first[word] ^ second[word]
            while differ:
                lowest = differ & (~differ + _ONE)
                differ ^= lowest
                state += _STEP
                # SplitMix64 (Steele, Lea and Flood 2014): a stream is one number of state, so every trade can have its
                # own.
                number = (state ^ (state >> _THIRTY)) * _FIRST
                number = (number ^ (number >> _TWENTY_SEVEN)) * _SECOND
                number ^= number >> _THIRTY_ONE
                # Of the bits that are left, those of the first row are drawn without replacement.
                if float(number >> _ELEVEN) * 2.0**-53 * left < of_first:
                    first[word] |= lowest
                    second[word] &= ~lowest
                    of_first -= 1
                else:
                    first[word] &= ~lowest
                    second[word] |= lowest
                left -= 1
