"""Errors of what is linear in log eigenvalues, from the influence of rows and of families of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data.metrics._statistics.families import ClosePairs, close_pairs
from saegeom_data.metrics.galaxy.eigenvalue_slope._fits import Window, contrasts
from saegeom_data.typing import Array

# Families are told by their cosines over so many whitened axes, where there are ten rows for each.
_MOST_AXES = 512
_ROWS_PER_AXIS = 10


@dataclass(frozen=True)
class Errors:
    """Standard errors (4,) of slope, curvature, log volume and slope by share, with degrees of freedom (4,).

    Attributes
    ----------
    n_effective
        Rows over the inflation of the slope's variance by families.
    pairs
        Pairs of sampled rows that are close; None where no errors are known.
    """

    error: Array
    degrees: Array
    n_effective: float
    pairs: ClosePairs | None

    def reach(self, place: int) -> float:
        """Half the width of a 95 percent interval: error times t quantile; infinite where the error is."""
        from scipy.special import stdtrit

        return float(stdtrit(self.degrees[place], 0.975)) * float(self.error[place])

    def lower_tail(self, place: int, deviation: Array | float) -> Array:
        """P(T <= deviation / error) of t, as many degrees as the error has; NaN for an error of 0."""
        from scipy.special import stdtr

        error = self.error[place]
        return np.asarray(stdtr(self.degrees[place], deviation / error) if error else np.full_like(deviation, np.nan))


def axes_used(n_ranks: int, n_rows: int, last: int) -> int:
    """Leading axes along which rows are compared: those of the windows, and more where there are rows enough."""
    return max(last, min(n_ranks, n_rows // _ROWS_PER_AXIS, _MOST_AXES))


def unknown() -> Errors:
    """Errors where there is no slope."""
    return Errors(np.full(4, np.nan), np.full(4, np.nan), np.nan, None)


def errors(scores: Array, eigenvalue: Array, n: int, window: Window, share: Window) -> Errors:
    """Errors from centred scores (m, d) of sampled rows on the leading axes, of eigenvalues (d,) of n rows.

    Row i moves sum_r w_r ln lambda_r by U_i / n, U_i = sum_r w_r (n / (n - 1) z_ir^2 / lambda_r - 1). The variance is
    the mean square of U times its inflation by families, over n - 1 - K for K ranks in the window: as many eigenvalues
    are fitted.
    """
    m = len(scores)
    weights, ranks = _weights(scores.shape[1], window, share)
    # In place, and deleted below: each of these arrays is as large as the sampled rows.
    scores /= np.sqrt(eigenvalue)
    relative = scores**2
    relative *= n / (n - 1)
    relative -= 1
    influence = relative @ weights
    del relative
    squares = influence**2
    variance = squares.mean(axis=0)
    pairs = close_pairs(scores, n)
    inflation = pairs.inflation(influence)
    left = n - 1 - ranks
    error = np.full(4, np.inf)
    error[left > 0] = np.sqrt((variance * inflation)[left > 0] / left[left > 0])
    # Satterthwaite: as many degrees as a chi-squared mean square of the same relative variance has. Influence values
    # all alike but for sign have a kurtosis of 1: their mean square is known exactly.
    excess = np.divide((squares**2).mean(axis=0), variance**2, out=np.ones(4), where=variance > 0) - 1
    degrees = np.divide(2 * m / inflation, excess, out=np.full(4, np.inf), where=excess > 0)
    if share[1] - share[0] < 2:
        error[3] = np.nan
    return Errors(error, degrees, float(n / inflation[0]), pairs)


def _weights(n_axes: int, window: Window, share: Window) -> tuple[Array, Array]:
    """Weights (axes, 4) of relative changes of eigenvalues in slope, curvature, log volume and slope by share.

    And the number of ranks (4,) that each uses. Slopes are of log10; log_volume is in natural logs.
    """
    weights, ranks = np.zeros((n_axes, 4)), np.empty(4)
    inside = slice(window[0] - 1, window[1])
    slope, bend = contrasts(*window)
    weights[inside, 0], weights[inside, 1] = slope / np.log(10), bend / np.log(10)
    weights[inside, 2] = 1.0
    ranks[:3] = window[1] - window[0] + 1
    ranks[3] = share[1] - share[0] + 1
    # With fewer ranks no slope is fitted.
    if ranks[3] >= 3:
        weights[share[0] - 1 : share[1], 3] = contrasts(*share)[0] / np.log(10)
    return weights, ranks
