"""Eigenvalues that covariances have in the limit, and the variances behind those that were observed.

The law is that of Marchenko and Pastur 1967 for rows, or axes, of unequal size, as Silverstein and Choi 1995 solve it.
"""

from __future__ import annotations

import numpy as np

from saegeom_data.lazy import Work
from saegeom_data.typing import Array

# Values that the law is solved for: the largest alone, the rest in groups that grow with their number.
_MOST_VALUES = 256
_GRID = 256
_SLICE = 256
_STEPS = 60
_TOLERANCE = 1e-12
_ROUNDS = 8


def grouped(values: Array, share: Array | None = None) -> tuple[Array, Array]:
    """Means (k,) of values in descending order, the largest alone and the others in groups, and shares (k,) of each.

    Values have the same share unless ``share`` says otherwise. The largest decide the first ranks, so groups grow in
    proportion to the rank that they begin at.
    """
    n = len(values)
    order = np.argsort(values)[::-1]
    values, share = values[order], np.full(n, 1 / n) if share is None else share[order]
    starts = np.unique(np.round(np.geomspace(1, n + 1, min(_MOST_VALUES, n) + 1)).astype(int)) - 1
    starts = starts[starts < n]
    total = np.add.reduceat(share, starts)
    sums = np.add.reduceat(values * share, starts)
    # Values of no share say nothing.
    return sums[total > 0] / total[total > 0], total[total > 0]


def upper_quantiles(upper: Array, gamma: float, value: Array, share: Array) -> Array:
    r"""Eigenvalues of :math:`\frac1n \sum_i \tau_i g_i g_i^\top` with the probabilities ``upper`` above them.

    g_i are n standard normal rows of p dimensions, :math:`\gamma = p / n`, and tau_i takes ``value`` (k,), 0 or more,
    with ``share`` (k,). With :math:`w = -1 / m` negated, m the Stieltjes transform, the law is the curve
    :math:`x = -w + E[\tau w / (w + \gamma \tau)]` over complex w where x is real: for each real part a of w the
    imaginary part b solves :math:`\gamma E[\tau^2 / ((a + \gamma \tau)^2 + b^2)] = 1`, and
    :math:`F(x) = \frac1\pi \mathrm{Im}(x / w - \ln w - E \ln(1 + \gamma \tau / w) / \gamma)`. A share 1 - 1 / gamma of
    the eigenvalues is 0 where gamma > 1.
    """
    positive = value > 0
    value, share, n_zero = value[positive], share[positive], float(share[~positive].sum())
    if not len(value):
        return np.zeros(len(upper))
    # The law is solved in units of the largest value, since its equations hold squares and fourth powers.
    scale = float(value.max())
    x, below = _curve(gamma, value / scale, share)
    mass = min(1.0, (1.0 - n_zero) / gamma)
    order = np.argsort(x)
    # Rounding may let a probability fall from one point to the next, which interpolation does not allow.
    found = np.interp(1 - upper, np.maximum.accumulate(below[order]), x[order])
    return np.where(upper < mass, scale * found, 0.0)


def law_work(n_values: int) -> Work:
    """What :func:`upper_quantiles` of so many values computes: each point of the curve takes a sum over all of them."""
    n_values = min(n_values, _MOST_VALUES)
    cells = (2 * _GRID + 3 * n_values) * n_values
    return Work(functions=6 * cells, passes=450 * cells, calls=2500)


def behind_work(n_values: int) -> Work:
    """What :func:`variances_behind` of so many eigenvalues computes."""
    return _ROUNDS * law_work(n_values)


def _curve(gamma: float, value: Array, share: Array) -> tuple[Array, Array]:
    """Points x of the law (m,) and the probability (m,) below each, along a grid of real parts of w."""
    places = _places(gamma, value, share)
    x, below = np.empty(len(places)), np.empty(len(places))
    for start in range(0, len(places), _SLICE):
        a = places[start : start + _SLICE]
        apart = a[:, None] + gamma * value
        squares = apart**2
        b = np.sqrt(_squares(gamma, squares, value**2 * share))
        squares += (b**2)[:, None]
        point = -a + share @ value - gamma * ((apart / squares) @ (share * value**2))
        # w = a - i b: m = 1 / w is in the upper half plane.
        angle = np.arctan2(b, a)
        turned = share.sum() * angle - np.arctan2(b[:, None], apart) @ share
        x[start : start + _SLICE] = point
        below[start : start + _SLICE] = (point * b / (a**2 + b**2) + angle - turned / gamma) / np.pi
    return x, below


def _squares(gamma: float, squares: Array, weight: Array) -> Array:
    """Squared imaginary parts B (m,) that solve gamma sum_k weight_k / (squares_mk + B) = 1; 0 where there is none."""
    # One term alone reaches 1 here, so the sum does: the root lies beyond, where Newton's steps on 1 / sum go up only.
    found = np.maximum((gamma * weight - squares).max(axis=1), 0.0)
    least = 1e-300
    for _ in range(_STEPS):
        inverse = 1 / np.maximum(squares + found[:, None], least)
        total = gamma * (inverse @ weight)
        slope = gamma * ((inverse**2) @ weight)
        step = np.where(total > 1, total * (total - 1) / slope, 0.0)
        found = found + step
        if (step <= _TOLERANCE * found).all():
            break
    return np.asarray(found)


def _places(gamma: float, value: Array, share: Array) -> Array:
    """Real parts of w from one end of the law to the other, dense at both, and near each value."""
    most, least = float(value.max()), float(value.min())
    low = _edge(gamma, value, share, -gamma * most, -np.sqrt(gamma) * most)
    high = _edge(gamma, value, share, -gamma * least, np.sqrt(gamma * (share @ value**2)))
    angle = np.linspace(0, np.pi, _GRID)
    even = (low + high) / 2 - (high - low) / 2 * np.cos(angle)
    # Few large values stretch the law to many times the width of its bulk, at the other end.
    towards = high - (high - low) * np.geomspace(1e-6, 1, _GRID)
    widths = np.sqrt(gamma * share) * value
    near = -gamma * value + np.linspace(-1, 1, 3)[:, None] * widths
    found = np.unique(np.clip(np.concatenate([even, towards, near.ravel()]), low, high))
    # The square of w is divided by, and is 0 where the law begins at 0.
    return np.where(found == 0, 1e-150, found)


def _edge(gamma: float, value: Array, share: Array, inner: float, reach: float) -> float:
    """Where gamma E[tau^2 / (a + gamma tau)^2] falls to 1 on the way from ``inner`` to ``inner + reach``."""
    near, far = 0.0, 1.0
    # More halvings than digits, as the place may be very near to ``inner``, where the total has a pole.
    for _ in range(80):
        middle = (near + far) / 2
        total = gamma * (share @ (value / (inner + middle * reach + gamma * value)) ** 2)
        near, far = (middle, far) if total > 1 else (near, middle)
    return inner + far * reach


def expected_eigenvalues(variance: Array, n_rows: float) -> Array:
    """Eigenvalues (hidden,) of the covariance of ``n_rows`` rows of given variances (hidden,), descending.

    They are those of the rows' products, a sum over dimensions: the same law with rows and dimensions exchanged.
    """
    hidden = len(variance)
    upper = (np.arange(hidden) + 0.5) / n_rows
    # The law is that of a mean over dimensions, while products are divided by the number of rows.
    return upper_quantiles(upper, n_rows / hidden, *grouped(variance)) * hidden / n_rows


def variances_behind(eigenvalue: Array, n_rows: float) -> Array:
    """Variances (hidden,), descending, of which ``n_rows`` rows are expected to have the observed ``eigenvalue``.

    A finite number of rows spreads a spectrum. Variances are multiplied by observed over expected eigenvalues, eight
    times: enough for the law, and too few to follow the noise of single eigenvalues. Eigenvalues of 0 stay 0.
    """
    variance = eigenvalue.copy()
    for _ in range(_ROUNDS):
        expected = expected_eigenvalues(variance, n_rows)
        ratio = np.divide(eigenvalue, expected, out=np.ones_like(expected), where=expected > 0)
        # Expected eigenvalues are compared rank by rank, so the variances have to stay in order.
        variance = np.sort(variance * ratio)[::-1]
    return variance
