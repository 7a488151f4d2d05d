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
from typing import NamedTuple

import numpy as np

from saegeom_data.errors import DataValueError
from saegeom_data.lazy import Work
from saegeom_data.metrics._kernels.nearest_search import (
    LEAST,
    MARGIN,
    TINY,
    Block,
    Lists,
    add,
    keep_range,
    quantise,
    search,
)
from saegeom_data.metrics._kernels.vector_instructions import GROUP
from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.typing import Array


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


class CloudNeighbours(NamedTuple):
    """Neighbours of the rows of a cloud: ``near`` and ``centred`` (rows, k), ``opposite`` (rows, 1).

    Of the rows; of the rows less their mean, over their norms; and those y for which |x + y|, their distance, is least.
    """

    near: Neighbours
    centred: Neighbours
    opposite: Neighbours


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
    scaled = _quantised(rows, _centre(rows))
    unit, found = _unit(scaled), _nothing(len(rows), k)
    block = _block(start, rows, scaled, unit, found)
    search(block, block, True)
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
    block = _block(start, rows, scaled, unit, found)
    other = _block(other_start, other_rows, other_scaled, unit, other_found)
    search(block, other, False)
    keep_range(found.distance, found.index, other_start, other_start + len(other_rows))
    keep_range(other_found.distance, other_found.index, start, start + len(rows))
    return found, other_found


def merged(parts: Sequence[Neighbours]) -> Neighbours:
    """Return the k nearest over ``parts``, which are about the same rows and different others."""
    # A task may run again, so parts stay as they are.
    found = _copy(parts[0])
    for part in parts[1:]:
        add(found.distance, found.index, part.distance, part.index)
    return found


def nearest(rows: Array, k: int) -> Neighbours:
    """Return the k nearest others of each of ``rows`` (n, d), in the calling thread."""
    return within(0, rows, k)


def cloud_neighbours(rows: Array, mean: Array, centred: Array, k: int) -> CloudNeighbours:
    """Return neighbours of all rows of a cloud in three senses, from products of all pairs that are taken once.

    Parameters
    ----------
    rows
        Rows (n, d) in float64, as for :func:`within`.
    mean
        A point m (d,) amid the rows.
    centred
        (x - m) / |x - m| of each row x, in float64 too; rows of 0 have no neighbours and are nobody's.
    k
        Number of neighbours, at least 1; may exceed the rows.
    """
    rows, centred = _readable(rows), _readable(centred)
    scaled = _quantised(rows, mean)
    unit, n = _unit(scaled), len(rows)
    found = CloudNeighbours(_nothing(n, k), _nothing(n, k), _nothing(n, 1))
    block = _block(0, rows, scaled, unit, found.near)
    step, norm, error, length, along = scaled[1]
    # What is known of x - m holds for what it is divided by its length to.
    length = np.where(length > 0, length, 1.0)
    share = (norm / length) ** 2 * (1 - MARGIN)
    # No comparison with NaN holds, on either side; one of two infinities would.
    share[:n][row_norms(centred) == 0] = np.nan
    directions = _lists(centred, 1, 1.0, found.centred, step / length, share, error / length)
    # In units of what |x + y| may be, so that squares fit float32 however near to the mean the rows are.
    unit = 1 / (1 / unit + float(np.linalg.norm(mean)))
    square, along, beside = (norm * unit) ** 2, 4 * along * unit**2, 2 * float(mean @ mean) * unit**2
    # What rounding may take of a sum is in proportion to its parts, not to what they leave of each other.
    least = square + along + beside - MARGIN * (square + np.abs(along) + beside)
    opposite = _lists(rows, -1, unit, found.opposite, step * unit, least, error * unit)
    block = block._replace(centred=directions, opposite=opposite)
    search(block, block, True)
    return found


def nearest_bytes(n: int, d: int, k: int) -> int:
    """Bytes beside the rows that n of them take in :func:`nearest`, :func:`cloud_neighbours`, or two blocks."""
    return n * (2 * (d + 1) + 200) + 3 * 16 * n * k


def nearest_work(n: int, d: int, k: int) -> Work:
    """What :func:`nearest` of n rows computes: products of all pairs of rows, and distances of those within reach."""
    # Products of 16 bits are four times as many at a time as those of 64.
    return within_reach_work(n, d, k) + Work(products=0.13 * n**2 * d, steps=2 * n * d, calls=40)


def within_reach_work(n: int, d: int, k: int) -> Work:
    """Distances of pairs within reach: as a list of k fills in an order without meaning, k (1 + ln(n / k)) rows are."""
    return Work(steps=n * k * (1 + math.log(max(n / k, 1.0))) * (20 + 0.5 * k + 0.12 * d))


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
    """Pairs (groups * pairs of coordinates * group,) of int16 as int32, and what :func:`quantise` says of rows."""
    n_groups, n_pairs = -(-len(rows) // GROUP), -(-rows.shape[1] // 2)
    size = n_groups * n_pairs * GROUP
    buffer = np.zeros(size + GROUP, np.int32)
    aligned = -buffer.ctypes.data % 64 // buffer.itemsize  # loads that straddle cache lines cost double
    pairs, scales = buffer[aligned : aligned + size], np.zeros((5, n_groups * GROUP))
    quantise(rows, centre, pairs, scales)
    return pairs, scales


def _unit(*scaled: tuple[Array, Array]) -> float:
    """One over the largest norm, so that squares fit float32."""
    largest = max(float(scales[3].max(initial=0.0)) for _, scales in scaled)
    if not np.isfinite(largest):
        raise DataValueError("rows: got NaN, infinity, or values whose squares overflow, expected finite distances")
    return 1.0 / largest if largest > TINY else 1.0


def _block(start: int, rows: Array, scaled: tuple[Array, Array], unit: float, found: Neighbours) -> Block:
    """Rows with lists of their nearest, and with no others."""
    pairs, (step, norm, error, _, _) = scaled
    none = _lists(rows[:0], 1, unit, _nothing(0, 0), *np.empty((3, 0)))
    near = _lists(rows, 1, unit, found, step * unit, (norm * unit) ** 2 * (1 - MARGIN), error * unit)
    return Block(start, pairs, near, none, none)


def _lists(rows: Array, sign: int, unit: float, found: Neighbours, step: Array, square: Array, error: Array) -> Lists:
    """Lists of ``rows``, with the terms (4, rows) that screen pairs for them, in float32 and in some unit.

    They are sqrt(2) s for step s, a square, a bound on |e|, and the last distance plus that bound, each rounded to the
    side that keeps a pair. For x = c + s q + e and y alike, |x - y|^2 is |s q|^2 + |s' q'|^2 - 2 s s' q . q' but for
    the errors, and |x + y|^2 the same with + for - and squares |s q|^2 + 4 s q . c + 2 |c|^2.
    """
    terms, n = np.empty((4, len(step)), np.float32), len(rows)
    terms[0] = np.sqrt(2) * step
    terms[1] = square
    # Rows that fill up the last group are infinitely far from all.
    terms[1, n:] = np.inf
    terms[2] = error * (1 + MARGIN)
    terms[3] = 0
    if n:
        terms[3, :n] = found.distance[:, -1] * unit * (1 + MARGIN) + terms[2, :n] + LEAST
    return Lists(rows, float(sign), float(unit), terms, found.distance, found.index)
