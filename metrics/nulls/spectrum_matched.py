"""Directions at random with the mean and covariance of the data's: Gaussian rows, divided to norm 1 and matched."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from saegeom_data.lazy import Work
from saegeom_data.metrics._kernels.triangles import inverse_of_lower, times_upper
from saegeom_data.metrics._statistics.moments import Moments, covariance, moments_of, without_rounding
from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.typing import Array

LABEL = "spectrum_matched"

# Rows in work at a time, so that no copy of them all is held.
_SLICE = 2048
# So many rounds are usual; only narrow cones, of which chance decides, take more than a few tens.
_USUAL_ROUNDS = 5
_ROUNDS = 200
_TOLERANCE = 1e-4
_SAMPLING_ERRORS = 6.0


def matched_rows(n: int, spectrum: Array, mean: Array, rng: np.random.Generator) -> Array | None:
    """Gaussian rows of unit norm (n, rank + 1) whose own mean and covariance are those given; None if there are none.

    Gaussian rows are divided by their norms and mapped to the wanted moments in turn until both hold. Matching the
    moments of the sample, not of the law it is from, makes comparisons conditional on them: what the data's moments owe
    to chance, the surrogates owe it too. Otherwise nearest neighbours of isotropic rows look too close together.

    ``spectrum`` and ``mean`` (hidden,) are along the principal axes, in descending order of the spectrum. Directions
    without variance become one constant column.
    """
    # A variance that is rounding of the largest cannot be matched: its axis would be stretched to noise in each round.
    rank = int(np.count_nonzero(without_rounding(spectrum) > 1e-24))
    constant = float(np.linalg.norm(mean[rank:]))
    radius = np.sqrt(max(1 - constant**2, 0.0))
    if n < rank + 2:
        return None
    rows = np.empty((n, rank + 1))
    rows[:, rank] = constant
    free = rows[:, :rank]
    # In slices: all that is drawn at once would be a second and a third array of the size of the rows.
    for start in range(0, n, _SLICE):
        part = free[start : start + _SLICE]
        part[:] = rng.standard_normal(part.shape)
        part *= np.sqrt(spectrum[:rank])
        part += mean[:rank]
    return rows if not rank or _match(free, spectrum[:rank], mean[:rank], radius) else None


def matching_work(n: int, rank: int) -> Work:
    """What it takes to match the moments of n rows, without drawing them: a product and moments in each round."""
    one = Work(products=1.1 * n * rank**2 + rank**3, passes=160 * n * rank, calls=100 + 20 * n / _SLICE)
    return _USUAL_ROUNDS * one


def _match(rows: Array, spectrum: Array, mean: Array, radius: float) -> bool:
    """Bring ``rows`` (n, rank) in place to norm ``radius`` and the given moments; False if they are far off in the end.

    A round maps x to radius y / |y| with y = mean + F' (x - m), for the rows' own mean m and F = L^-T diag(root), where
    L L' is their own covariance: before the division y has exactly the mean (rank,) and variances ``spectrum`` (rank,).
    """
    root = np.sqrt(spectrum)
    moments = moments_of(_projected(rows, None, 0.0, radius), len(mean))
    deviation = _deviation(moments, mean, root)
    for index in range(_ROUNDS):
        last = deviation
        if deviation < _TOLERANCE:
            return True
        if not np.isfinite(deviation):
            return False
        try:
            factor = inverse_of_lower(np.linalg.cholesky(covariance(moments))).T * root
        except np.linalg.LinAlgError:
            return False
        moments = moments_of(_projected(rows, factor, mean - moments.mean @ factor, radius), len(mean))
        deviation = _deviation(moments, mean, root)
        if index > _ROUNDS // 4 and deviation > 0.999 * last:
            break
    # In a narrow cone the norms leave the variance along its axis no freedom: chance decides it, as in the data.
    return bool(deviation < _SAMPLING_ERRORS * np.sqrt(2 / len(rows)))


def _projected(rows: Array, factor: Array | None, shift: Array | float, radius: float) -> Iterator[Array]:
    """Slices of ``rows`` (n, rank), changed in place: x F + shift, for upper F (rank, rank), divided to ``radius``."""
    for start in range(0, len(rows), _SLICE):
        part = rows[start : start + _SLICE]
        if factor is not None:
            times_upper(part, factor)
            part += shift
        # A row at the origin has no direction; what it becomes is seen by the deviation, which is then no number.
        with np.errstate(divide="ignore", invalid="ignore"):
            part *= (radius / row_norms(part))[:, None]
        yield part


def _deviation(moments: Moments, mean: Array, root: Array) -> float:
    """Largest difference from the wanted moments, each direction measured by its own deviation ``root`` (rank,).

    The larger of max |C_ij / (r_i r_j) - delta_ij| over the covariance C, and max |(m_i - mean_i) / r_i|.
    """
    own = covariance(moments) / np.outer(root, root)
    own[np.diag_indices_from(own)] -= 1
    return float(max(np.abs(own).max(), np.abs((moments.mean - mean) / root).max()))
