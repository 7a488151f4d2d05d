"""Kernels of trends over depth: least squares, partial correlations, and where a fitted curve is extreme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saegeom_data.results.intervals import ROUNDED_NORMAL_QUANTILE
from saegeom_data.typing import Array

# SAEs beyond the parameters of a fit: Fisher's interval needs them.
SPARE = 2
# Places at which the extreme is tested, a thousandth of the layers apart.
_GRID = 1001
_ROUNDING = 1e-10


def is_regular(design: Array) -> bool:
    """Whether no column follows from the others."""
    # Columns of norm 1, as the units of a covariate must not decide.
    scaled = design / np.linalg.norm(design, axis=0)
    return bool(np.isfinite(scaled).all() and np.linalg.svd(scaled, compute_uv=False)[-1] > 1e-6)


def design(layer: Array, covariates: Mapping[str, Array]) -> Array:
    """Columns of the whole model: powers 0 to 2 of the scaled depth, then the covariates."""
    return np.column_stack([_powers(_scaled(layer)[0]), *covariates.values()])


def _scaled(layer: Array) -> tuple[Array, float, float]:
    """Depth from -1 to 1, and the middle and scale that take it back to layers."""
    middle, scale = float(layer.max() + layer.min()) / 2, float(layer.max() - layer.min()) / 2
    return (layer - middle) / scale, middle, scale


def _powers(depth: Array) -> Array:
    """Columns 1, t and t^2 of scaled depth t: (n,) to (n, 3)."""
    return np.asarray(depth[:, None] ** np.arange(3))


def _to_layers(middle: float, scale: float) -> Array:
    """Matrix from coefficients of the powers of scaled depth to those of layer."""
    shift = middle / scale
    return np.array([[1, -shift, shift**2], [0, 1 / scale, -2 * shift / scale], [0, 0, 1 / scale**2]])


@dataclass(frozen=True)
class _Fit:
    """Coefficients (p,), their covariance (p, p), residuals (n,) and degrees of freedom of a fit."""

    coefficient: Array
    covariance: Array
    residual: Array
    degrees: int


def _fit(design: Array, y: Array) -> _Fit:
    """Least squares b = (X'X)^-1 X'y of y (n,) on design X (n, p), and the covariance (X'X)^-1 e'e / (n - p) of b."""
    # Normal equations would square the condition of the design.
    orthogonal, triangle = np.linalg.qr(design)
    inverse = np.linalg.inv(triangle)
    residual = y - orthogonal @ (orthogonal.T @ y)
    degrees = len(y) - design.shape[1]
    covariance = inverse @ inverse.T * (residual @ residual / degrees)
    return _Fit(inverse @ (orthogonal.T @ y), covariance, residual, degrees)


def orders(layer: Array, n_permutations: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Random orders, and all circular shifts forwards and backwards but the identity: none where layers repeat."""
    n = len(layer)
    forwards = np.arange(n)
    free = rng.permuted(np.tile(forwards, (n_permutations, 1)), axis=1)
    if len(set(layer.tolist())) < n:
        return free, np.empty((0, n), dtype=int)
    shifted = np.array([np.roll(order, k) for order in (forwards, forwards[::-1]) for k in range(n)])
    # The first is the identity: the observed value counts for it.
    return free, shifted[1:]


def _partial(tested: Array, nuisance: Array, y: Array, orders: Sequence[Array] = ()) -> tuple[float, list[float]]:
    """Partial correlation of y with the columns tested given those of nuisance, and its Freedman-Lane p.

    Signed for one tested column; for several the multiple correlation. NaN where nuisance leaves nothing of y, or for
    the p of no orders.
    """
    kept, _ = np.linalg.qr(nuisance)
    error = y - kept @ (kept.T @ y)
    # What is left would be the correlation of rounding errors.
    if np.linalg.norm(error) <= _ROUNDING * np.linalg.norm(y):
        return np.nan, [np.nan] * len(orders)
    axes = tested - kept @ (kept.T @ tested)
    axes = axes / np.linalg.norm(axes) if axes.shape[1] == 1 else np.linalg.qr(axes)[0]

    def correlations(errors: Array) -> Array:
        """|e A| / |e - e K K'| (draws,) for ``errors`` e (draws, n), axes A and nuisance K; signed for one axis."""
        explained = errors @ axes
        # Permuted residuals are no longer orthogonal to the nuisance.
        size = np.sqrt((errors**2).sum(axis=1) - ((errors @ kept) ** 2).sum(axis=1))
        along = explained[:, 0] if axes.shape[1] == 1 else np.linalg.norm(explained, axis=1)
        return np.asarray(along / size)

    observed = float(correlations(error[None])[0])
    # Orders that change nothing give the observed value but for rounding, and must count as reaching it.
    reached = [np.abs(correlations(error[order])) >= abs(observed) - _ROUNDING for order in orders]
    return observed, [float((hit.sum() + 1) / (hit.size + 1)) if hit.size else np.nan for hit in reached]


def over_depth(
    layer: Array, y: Array, covariates: Mapping[str, Array], orders: Sequence[Array], sign: int
) -> dict[str, Any]:
    """Trends over depth without and with the covariates, and intervals of the adjusted values."""
    per_adjustment = [_trends(layer, y, given, orders[:1], sign) for given in ({}, covariates)]
    found: dict[str, Any] = {
        name: np.array([numbers[name] for numbers in per_adjustment]) for name in per_adjustment[0]
    }
    # Without covariates nothing is adjusted, and no interval is needed.
    half = np.zeros(len(y))
    if covariates:
        from scipy.special import stdtrit

        full, columns = _fit(design(layer, covariates), y), np.column_stack([*covariates.values()])
        variance = np.einsum("ij,jk,ik->i", columns, full.covariance[3:, 3:], columns)
        half = stdtrit(full.degrees, 0.975) * np.sqrt(variance)
    return found | {"adjusted_low": found["value"][1] - half, "adjusted_high": found["value"][1] + half}


def _trends(
    layer: Array, y: Array, covariates: Mapping[str, Array], orders: Sequence[Array], sign: int
) -> dict[str, Any]:
    """Linear and quadratic trend of y (n,) over layer (n,) beside covariates (n,), each a fit of y = P(t) b + C c.

    Coefficients and their standard errors are (2 trends, 3 powers), NaN beyond a trend's degree; what has no trend of
    its own is of the quadratic fit.
    """
    depth, middle, scale = _scaled(layer)
    powers, back = _powers(depth), _to_layers(middle, scale)
    others = np.column_stack([np.ones(len(y)), *covariates.values()])
    columns = others[:, 1:]
    coefficient, error = np.full((2, 2, 3), np.nan)
    fitted, correlation, p = np.empty((2, len(y))), np.empty(2), np.empty(2)
    for i, degree in enumerate((1, 2)):
        fit = _fit(np.column_stack([powers[:, : degree + 1], columns]), y)
        own = slice(0, degree + 1)
        fitted[i] = powers[:, own] @ fit.coefficient[own]
        coefficient[i, own] = back[own, own] @ fit.coefficient[own]
        error[i, own] = np.sqrt(np.diag(back[own, own] @ fit.covariance[own, own] @ back[own, own].T))
        correlation[i], (p[i],) = _partial(powers[:, 1 : degree + 1], others, y, orders)
    value = y - columns @ fit.coefficient[3:]
    best, low, high = (middle + scale * place for place in _extreme(fit, sign))
    return {
        "value": value,
        "fitted": fitted,
        "depth_coefficient": coefficient,
        "depth_coefficient_standard_error": error,
        "depth_correlation": correlation,
        "depth_p": p,
        "extreme_layer": layer[np.argmin(sign * value)],
        "curve_extreme_layer": best,
        "curve_extreme_layer_low": low,
        "curve_extreme_layer_high": high,
        "residual_autocorrelation": _autocorrelation(fit.residual, y),
    }


def _extreme(fit: _Fit, sign: int) -> tuple[float, float, float]:
    """Where in [-1, 1] the fitted curve is lowest, and the hull of all places that t tests at 5 percent do not reject.

    A place inside is rejected if the derivative differs from 0 there or the curve bends downwards. An end is rejected
    only as the lowest of a curve that bends upwards and also of one that bends downwards.
    """
    from scipy.special import stdtrit

    slope, bend = sign * fit.coefficient[1:3]
    covariance, reach = fit.covariance[1:3, 1:3], stdtrit(fit.degrees, 0.975)

    def lowest_and_highest(at_slope: Array | float, at_bend: Array | float) -> tuple[Any, Any]:
        """Ends of the 95 percent interval of a s + b c, for slope s and bend c with covariance V (2, 2)."""
        value = at_slope * slope + at_bend * bend
        variance = (
            at_slope**2 * covariance[0, 0] + 2 * at_slope * at_bend * covariance[0, 1] + at_bend**2 * covariance[1, 1]
        )
        half = reach * np.sqrt(np.maximum(variance, 0))
        return value - half, value + half

    inside = [-slope / (2 * bend)] if bend > 0 and abs(slope) < 2 * bend else []
    best = min([-1.0, 1.0, *inside], key=lambda at: slope * at + bend * at**2)
    # The lowest place is never rejected; with it among them, the hull is never empty.
    places = np.unique([*np.linspace(-1, 1, _GRID), best])
    low, high = lowest_and_highest(1.0, 2 * places)
    bend_low, bend_high = lowest_and_highest(0.0, 1.0)
    kept = (low <= 0) & (high >= 0) & (bend_high >= 0)
    rise_low, rise_high = lowest_and_highest(2.0, 0.0)
    bends_down_at_most, bends_up_at_most = bend_high < 0, bend_low > 0
    kept[0] |= not ((high[0] < 0 or bends_down_at_most) and (rise_high < 0 or bends_up_at_most))
    kept[-1] |= not ((low[-1] > 0 or bends_down_at_most) and (rise_low > 0 or bends_up_at_most))
    return float(best), float(places[kept][0]), float(places[kept][-1])


def _autocorrelation(residual: Array, y: Array) -> float:
    """sum_i e_i e_i+1 / sum_i e_i^2 of residuals (n,) in order of depth; NaN where only rounding is left of y."""
    size = residual @ residual
    return float(residual[1:] @ residual[:-1] / size) if size > (_ROUNDING * np.linalg.norm(y)) ** 2 else np.nan


def of_covariates(
    layer: Array, y: Array, covariates: Mapping[str, Array | None], orders: Sequence[Array]
) -> dict[str, Any]:
    """What each covariate explains given depth and the others; NaN for those that do not differ (None)."""
    differing = {name: values for name, values in covariates.items() if values is not None}
    # As many SAEs must remain as a fit of three powers and all covariates needs.
    n_left_out = min(round(np.sqrt(len(y))), len(y) - 3 - len(differing) - SPARE) if differing else 0
    per_covariate = []
    for name, covariate in covariates.items():
        others = {other: values for other, values in differing.items() if other != name}
        if covariate is None:
            per_covariate.append(_absent(len(y), len(orders)))
        else:
            per_covariate.append(_of_covariate(layer, y, covariate, others, orders, n_left_out))
    found: dict[str, Any] = {name: np.array([numbers[name] for numbers in per_covariate]) for name in per_covariate[0]}
    return found | {"n_saes": len(y), "n_left_out": n_left_out}


def _of_covariate(
    layer: Array, y: Array, covariate: Array, others: Mapping[str, Array], orders: Sequence[Array], n_left_out: int
) -> dict[str, Any]:
    """What one covariate (n,) explains of y (n,) given the powers of depth and the ``others``.

    The interval is Fisher's, tanh(arctanh r -+ z / sqrt(n - given - 3)), and the variance inflation is x'x / u'u for
    what the rest leaves unexplained, u.
    """
    nuisance, tested = design(layer, others), covariate[:, None]
    correlation, p = _partial(tested, nuisance, y, orders)
    # Fisher's z: a standard error of 1 / sqrt(SAEs - variables given - 3).
    half = ROUNDED_NORMAL_QUANTILE / np.sqrt(len(y) - (nuisance.shape[1] - 1) - 3)
    # Of a perfect correlation z would be infinite, and its interval NaN.
    middle = np.arctanh(np.clip(correlation, -1 + 1e-15, 1 - 1e-15))
    fit = _fit(np.column_stack([nuisance, tested]), y)
    without = [
        _partial(tested[kept], nuisance[kept], y[kept])[0]
        if n_left_out and is_regular(np.column_stack([nuisance, tested])[kept])
        else np.nan
        for kept in _neighbours_left_out(len(y), n_left_out)
    ]
    kept, _ = np.linalg.qr(nuisance)
    unexplained = covariate - kept @ (kept.T @ covariate)
    return {
        "partial_correlation": correlation,
        "partial_correlation_low": np.tanh(middle - half),
        "partial_correlation_high": np.tanh(middle + half),
        "partial_correlation_p": p,
        "partial_correlation_without": without,
        "covariate_coefficient": fit.coefficient[-1],
        "covariate_coefficient_standard_error": np.sqrt(fit.covariance[-1, -1]),
        "variance_inflation": covariate @ covariate / (unexplained @ unexplained),
        "covariate_autocorrelation": _autocorrelation(unexplained, covariate),
    }


def _absent(n: int, n_orders: int) -> dict[str, Any]:
    """The same where the covariate does not differ: NaN throughout."""
    vectors = {"partial_correlation_p": [np.nan] * n_orders, "partial_correlation_without": [np.nan] * n}
    names = ("partial_correlation", "partial_correlation_low", "partial_correlation_high", "covariate_coefficient")
    more = ("covariate_coefficient_standard_error", "covariate_autocorrelation", "variance_inflation")
    scalars = dict.fromkeys((*names, *more), np.nan)
    return vectors | scalars


def _neighbours_left_out(n: int, n_left_out: int) -> list[Array]:
    """For each of n in order, all but the n_left_out nearest to it."""
    starts = np.clip(np.arange(n) - n_left_out // 2, 0, n - n_left_out)
    return [np.delete(np.arange(n), slice(start, start + n_left_out)) for start in starts]
