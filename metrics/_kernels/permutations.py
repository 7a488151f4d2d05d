"""Statistics of many permutations without a table or a matrix for each, and occurrence drawn straight into bits."""

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
        sums[row] = information, float(inside), squares
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
        sums[draw] = first, second
    return sums


_STEP, _FIRST, _SECOND = (np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_THIRTY, _TWENTY_SEVEN, _THIRTY_ONE, _HALF, _LOW = (np.uint64(number) for number in (30, 27, 31, 32, 0xFFFFFFFF))


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def draw_rows(states: Array, thresholds: Array, place: Array, bits: Array) -> None:
    """Fill ``bits`` (rows, words): the bit of block b is set with probability thresholds[row, place[b]] / 2 ** 32.

    Each row has a stream of its own, SplitMix64 from ``states[row]``; one number of 64 bits serves two blocks.
    """
    n_blocks = len(place)
    for row in range(len(states)):
        state, limits = states[row], thresholds[row]
        for word in range(bits.shape[1]):
            filled = np.uint64(0)
            first = 64 * word
            for bit in range(0, min(64, n_blocks - first), 2):
                state += _STEP
                number = (state ^ (state >> _THIRTY)) * _FIRST
                number = (number ^ (number >> _TWENTY_SEVEN)) * _SECOND
                number ^= number >> _THIRTY_ONE
                filled |= np.uint64((number & _LOW) < limits[place[first + bit]]) << np.uint64(bit)
                if first + bit + 1 < n_blocks:
                    filled |= np.uint64((number >> _HALF) < limits[place[first + bit + 1]]) << np.uint64(bit + 1)
            bits[row, word] = filled
