"""Lines and other forms of law, fitted to the logs of eigenvalues over the logs of their ranks."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics.nulls import power_law
from saegeom_data.typing import Array

FORMS = (power_law.LABEL, "log_normal", "broken_power_law")
Window = tuple[int, int]


def contrasts(first: int, last: int) -> tuple[Array, Array]:
    """Weights of log10 eigenvalues in the slope and in the quadratic term of a fit on log10 rank."""
    x = np.log10(np.arange(first, last + 1))
    x = x - x.mean()
    bend = x**2 - (x**2).mean()
    # At right angles to the line, so that curvature and slope are fitted independently.
    bend = bend - x * (x @ bend) / (x @ x)
    return x / (x @ x), bend / (bend @ bend)


def fit(eigenvalue: Array, window: Window) -> tuple[float, float, float]:
    """Slope, its least-squares standard error, and the quadratic term of log10 eigenvalue on log10 rank."""
    y = logs(eigenvalue, window)
    if y is None:
        return np.nan, np.nan, np.nan
    slope_weights, curvature_weights = contrasts(*window)
    # The weights are centred log ranks over the sum of their squares, which is got back here.
    spread = 1 / (slope_weights @ slope_weights)
    slope = slope_weights @ y
    residual = y - slope * slope_weights * spread
    error = np.sqrt(residual @ residual / (len(y) - 2) / spread)
    return float(slope), float(error), float(curvature_weights @ y)


def slope_of(eigenvalue: Array, window: Window) -> float:
    """Slope of log10 eigenvalue on log10 rank."""
    return fit(eigenvalue, window)[0]


def logs(eigenvalue: Array, window: Window) -> Array | None:
    """Centred log10 eigenvalues of a window; None where it holds fewer than 3 ranks, or an eigenvalue of 0 or NaN."""
    first, last = window
    y = eigenvalue[first - 1 : last]
    # An eigenvalue of 0 has no logarithm: such a window has no slope, and no other one is chosen for it.
    if len(y) < 3 or len(y) != last - first + 1 or not (y > 0).all():
        return None
    y = np.log10(y)
    return np.asarray(y - y.mean())


def explained(eigenvalue: Array, window: Window) -> tuple[list[float], float]:
    """R squared of each of ``FORMS`` over a window, and the rank where the best broken power law breaks.

    On x = log10 rank: a line; a parabola, which the ranks of log-normal values follow closely; and two lines that meet,
    max(x - x_r, 0) beside the line, at the inner rank r that leaves the least squares.
    """
    y = logs(eigenvalue, window)
    if y is None or not y.any():
        return [np.nan] * len(FORMS), np.nan
    first, last = window
    x = np.log10(np.arange(first, last + 1))
    x = x - x.mean()
    line = x * (x @ y) / (x @ x)
    rest, total = y - line, y @ y
    hinge = np.maximum(x[:, None] - x[1:-1], 0.0)
    columns = np.column_stack([x**2, hinge])
    columns = columns - columns.mean(axis=0)
    columns -= np.outer(x, x @ columns) / (x @ x)
    # Each column beside the line takes (c'e)^2 / c'c off the squares that the line leaves.
    gain = (columns.T @ rest) ** 2 / (columns**2).sum(axis=0)
    best = int(np.argmax(gain[1:]))
    left = np.array([rest @ rest, rest @ rest - gain[0], rest @ rest - gain[1 + best]])
    return np.clip(1 - left / total, 0.0, 1.0).tolist(), float(first + 1 + best)
