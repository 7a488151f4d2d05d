"""Dimensionality of features, and the second moments that it and the frame potential follow from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Memory, Result, Work
from saegeom_data.metrics._shared.directions import directions
from saegeom_data.metrics._statistics.moments import pieces, scratch_bytes
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


def second_moments(decoder: xr.DataArray, is_kept: xr.DataArray) -> xr.Dataset:
    """``raw`` (hidden, hidden_other): sum of outer products of rows; ``unit_square``: squares of that of unit rows.

    Of the rows that ``is_kept`` (features) marks.
    """
    hidden = decoder.shape[1]
    matrix = 8 * hidden**2
    return lazy.rows(
        _products,
        _summed,
        _squared,
        # Which rows are kept is known once all have been read: held till then, they would be the whole decoder.
        lazy.again(decoder, is_kept),
        is_kept,
        outputs={"raw": Result(("hidden", "hidden_other"), (hidden, hidden)), "unit_square": Result()},
        # A task holds its two sums, which it hands on, and the buffer that each product goes into.
        memory=Memory(task=matrix + scratch_bytes(hidden), partial=2 * matrix, finish=matrix),
        work=Work(products=decoder.size * hidden, passes=100 * decoder.size, calls=100),
    )


def _products(start: int, block: Array, is_kept: Array) -> tuple[Array, Array]:
    """Sums of outer products W_i W_i' and u_i u_i' (hidden, hidden) of the rows and unit rows that are kept."""
    hidden = block.shape[1]
    raw, unit, product = np.zeros((hidden, hidden)), np.zeros((hidden, hidden)), np.empty((hidden, hidden))
    for rows in pieces(block if is_kept.all() else block[is_kept]):
        # Into one buffer: a new product for each piece would be as large as the sums.
        raw += np.matmul(rows.T, rows, out=product)
        rows, _ = directions(rows)
        unit += np.matmul(rows.T, rows, out=product)
    return raw, unit


def _summed(parts: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Sums of the sums of all parts."""
    raw, unit = zip(*parts, strict=True)
    return sum(raw[1:], raw[0]), sum(unit[1:], unit[0])


def _squared(part: tuple[Array, Array]) -> lazy.Arrays:
    """``raw`` as it is, and ``unit_square`` = tr (sum u_i u_i')^2, the sum of squares of a symmetric matrix."""
    raw, unit = part
    return {"raw": raw, "unit_square": np.vdot(unit, unit)}


def dimensionality_of(decoder: xr.DataArray, raw: xr.DataArray) -> xr.DataArray:
    """Dimensionality (features) of all rows, in a second reading; ``raw`` (hidden, hidden_other) as above."""
    hidden = decoder.shape[1]
    memory = Memory(task=2 * scratch_bytes(hidden), partial=8 * len(decoder))
    found: xr.DataArray = lazy.rows(
        _overlaps,
        np.concatenate,
        _named,
        lazy.again(decoder, raw),
        also=(raw,),
        outputs={"dimensionality": Result(("features",), (len(decoder),))},
        memory=memory,
        work=Work(products=decoder.size * hidden, passes=100 * decoder.size, calls=100),
    )["dimensionality"]
    return found


def _overlaps(start: int, block: Array, raw: Array) -> Array:
    """Dimensionality (rows,): |W_i|^2 over u_i' R u_i, R (hidden, hidden) the sum of outer products of all rows."""
    found = []
    for rows in pieces(block):
        unit, used = directions(rows)
        square = np.einsum("ij,ij->i", rows, rows)
        # A row of zeros has no direction: NaN, which is not a warning of zero by zero.
        overlap = np.full(len(rows), np.nan)
        overlap[used] = np.einsum("ij,ij->i", unit @ raw, unit)
        found.append(square / overlap)
    return np.concatenate(found)


def _named(values: Array) -> lazy.Arrays:
    return {"dimensionality": values}
