"""Count, mean and scatter matrix of rows in one pass of float64, merged without cancellation (Chan et al. 1983)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from saegeom_data.lazy import Work
from saegeom_data.typing import Array

_ROWS = 1024


@dataclass(frozen=True)
class Moments:
    """Moments of rows: their count, mean (hidden,) and scatter about it (hidden, hidden), not divided by the count."""

    count: int
    mean: Array
    scatter: Array


def pieces(block: Array) -> Iterator[Array]:
    """Float64 copies of a block (rows, hidden) of any float dtype, 1024 rows at a time, each in place of the last."""
    buffer = np.empty((min(_ROWS, len(block)), block.shape[1]))
    for start in range(0, len(block), _ROWS):
        rows = buffer[: len(block) - start]
        rows[...] = block[start : start + _ROWS]
        yield rows


def scratch_bytes(hidden: int) -> int:
    """Bytes that 1024 rows in work take, copied, selected and centred."""
    return 3 * 8 * _ROWS * hidden


def moments_work(n: int, hidden: int) -> Work:
    """Moments of n rows: half a product of the rows with themselves, and what copies and centres them."""
    return Work(products=n * hidden**2 / 2, passes=100 * n * hidden)


def row_moments(block: Array) -> Moments:
    """Moments of a block (rows, hidden) of any float dtype; memory beside it is 1024 rows and two scatter matrices."""
    return moments_of(pieces(block), block.shape[1])


def moments_of(parts: Iterable[Array], hidden: int) -> Moments:
    """Moments of all rows of ``parts``, float64 arrays (rows, hidden)."""
    count, mean, scatter = 0, np.zeros(hidden), np.zeros((hidden, hidden))
    product = np.empty((hidden, hidden))
    buffer = np.empty((0, hidden))
    for rows in parts:
        n = len(rows)
        if not n:
            continue
        # Memory is touched once: fresh arrays for each part would take a tenth of the time.
        buffer = buffer if len(buffer) > n else np.empty((n + 1, hidden))
        centred = buffer[: n + 1]
        # Rows far from the origin keep their digits, and equal ones have a scatter of exactly 0, relative to the first.
        np.subtract(rows, rows[0], out=centred[:n])
        shift = centred[:n].mean(axis=0)
        centred[:n] -= shift
        apart = rows[0] + shift - mean
        # The rank-one term of the merge is one more row.
        centred[n] = apart * np.sqrt(count * n / (count + n))
        # Both operands are views of one buffer, so numpy does half the work; scipy's dsyrk would hold the interpreter.
        scatter += np.matmul(centred.T, centred, out=product)
        mean += apart * (n / (count + n))
        count += n
    return Moments(count, mean, scatter)


def merge(parts: Sequence[Moments]) -> Moments:
    """Moments of all the rows behind ``parts``, which are left as they are."""
    counts = np.array([part.count for part in parts])
    total = int(counts.sum())
    # From the first part's mean and not from 0, or means far from the origin would lose digits in the sum.
    origin = parts[int(np.argmax(counts > 0))].mean
    apart = np.stack([part.mean if part.count else origin for part in parts]) - origin
    shift = (counts / max(total, 1)) @ apart
    between = (apart - shift) * np.sqrt(counts)[:, None]
    scatter = between.T @ between
    for part in parts:
        scatter += part.scatter
    return Moments(total, origin + shift, scatter)


def covariance(moments: Moments) -> Array:
    """Covariance (hidden, hidden) with ddof 1; NaN for fewer than two rows."""
    if moments.count < 2:
        return np.full(moments.scatter.shape, np.nan)
    return np.asarray(moments.scatter / (moments.count - 1))


def without_rounding(spectrum: Array) -> Array:
    """Variances (hidden,) along principal axes, descending, with 0 for those that are rounding of the first."""
    rounding = spectrum[0] * len(spectrum) * 4 * np.finfo(float).eps
    return np.where(spectrum > rounding, spectrum, 0.0)
