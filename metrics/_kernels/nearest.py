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

import numpy as np

from saegeom_data.errors import DataValueError
from saegeom_data.lazy import Work
from saegeom_data.metrics._kernels.nearest_search import (
    LEAST,
    MARGIN,
    TINY,
    Block,
    add,
    keep_range,
    quantise,
    search,
)
from saegeom_data.metrics._kernels.vector_instructions import GROUP
from saegeom_data.typing import Array

_ROWS = 8192


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
    search(block, block, unit, True)
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
    search(block, other, unit, False)
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
    quantise(rows, centre, pairs, scales)
    return pairs, scales


def _unit(*scaled: tuple[Array, Array]) -> float:
    """One over the largest norm, so that squares fit float32."""
    largest = max(float(scales[3].max(initial=0.0)) for _, scales in scaled)
    if not np.isfinite(largest):
        raise DataValueError("rows: got NaN, infinity, or values whose squares overflow, expected finite distances")
    return 1.0 / largest if largest > TINY else 1.0


def _block(start: int, rows: Array, found: Neighbours, scaled: tuple[Array, Array], unit: float) -> Block:
    """Rows with the terms (4, rows) that pairs are screened by, in float32 and in units of the largest norm.

    They are sqrt(2) s for step s, |s q|^2, a bound on |e|, and the k-th distance plus that bound, each rounded to the
    side that keeps a pair.
    """
    pairs, scales = scaled
    step, norm, error, _ = scales * unit
    terms = np.empty(scales.shape, np.float32)
    terms[0] = np.sqrt(2) * step
    terms[1] = norm**2 * (1 - MARGIN)
    # Rows that fill up the last group are infinitely far from all.
    terms[1, len(rows) :] = np.inf
    terms[2] = error * (1 + MARGIN)
    terms[3] = 0
    terms[3, : len(rows)] = found.distance[:, -1] * unit * (1 + MARGIN) + terms[2, : len(rows)] + LEAST
    return Block(start, rows, pairs, terms, found.distance, found.index)
