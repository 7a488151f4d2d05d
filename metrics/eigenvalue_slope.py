"""How steeply the covariance spectrum of the decoder rows falls, against the exact law of isotropic rows."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data import blocks, schema
from saegeom_data.declare import Anchor, Output, metric
from saegeom_data.errors import ParameterError

from ._moments import Moments, covariance, group_moments, merge, pool, without
from ._resampling import balanced_groups

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[Any]]
Partial = tuple[Moments, Array, int]

_OUTPUTS = (
    Output("eigenvalue", ("rank",), "squared decoder units", "covariance eigenvalues, descending; 0 beyond the rank"),
    Output("eigenvalue_null", ("rank",), "squared decoder units", "Marchenko-Pastur quantiles of isotropic rows"),
    Output("slope", description="of log10 eigenvalue on log10 rank; about -0.5 to 0, lower is steeper"),
    Output("slope_low", description="lower end of the 95 percent jackknife interval of slope"),
    Output("slope_high", description="upper end of the 95 percent jackknife interval of slope"),
    Output("slope_standard_error", description="delete-one-group jackknife standard error of slope"),
    Output("slope_ols_error", description="least-squares standard error as published; too small, ranks are dependent"),
    Output("slope_null", description="slope of eigenvalue_null over the same ranks"),
    Output("slope_excess", description="slope - slope_null; below 0 is steeper than isotropic rows"),
    Output("slope_p", description="two-sided p of slope = slope_null, jackknife t statistic, n_groups - 1 degrees"),
    Output("curvature", description="quadratic term of the same fit; 0 for a power law, below 0 bends downwards"),
    Output("slope_by_window", ("window",), description="slope over the ranks window_first_rank to window_last_rank"),
    Output("log_volume", units="nats", description="sum of log eigenvalues over first_rank to last_rank"),
    Output(
        "log_determinant", units="nats", description="sum of log eigenvalues over all ranks; -inf if rank-deficient"
    ),
    Output("effective_rank", description="exp of the entropy of the normalised eigenvalues, in [1, hidden]"),
    Output("participation_ratio", description="squared sum over sum of squares of the eigenvalues, in [1, hidden]"),
    Output("stable_rank", description="sum of the eigenvalues over the largest, in [1, hidden]"),
    Output("mean_resultant", description="norm of the mean unit row, in [0, 1]; 0 is no preferred direction"),
    Output("n_ranks", units="count", description="eigenvalues above rounding", fill=0),
    Output("n_features_used", units="count", description="rows of non-zero norm", fill=0),
    Output("n_features_dropped", units="count", description="rows of zero norm, dropped", fill=0),
)
_SCALARS = tuple(output.name for output in _OUTPUTS if not output.dims)
_JACKKNIFED = ("slope_low", "slope_high", "slope_standard_error", "slope_p")
_SCALED = ("eigenvalue", "eigenvalue_null", "log_volume", "log_determinant")
_PERMUTED = tuple(output.name for output in _OUTPUTS if output.name not in _JACKKNIFED)


def _isotropic() -> xr.Dataset:
    from saegeom_data.testing import simulate_sae

    return simulate_sae(n_features=4000, n_hidden=160, n_blocks=1)


@metric(
    version=1,
    scale="galaxy",
    inputs=(schema.decoder,),
    outputs=_OUTPUTS,
    invariances={
        "rotation": tuple(output.name for output in _OUTPUTS),
        "permutation": _PERMUTED,
        "scale": tuple(output.name for output in _OUTPUTS if output.name not in _SCALED),
    },
    pattern="rows",
    reference="Li et al. 2025, section 5.1",
    quick={"first_rank": 2, "last_rank": 10, "n_groups": 5},
    anchors=(Anchor("isotropic rows follow Marchenko-Pastur", _isotropic, {"slope_excess": (0.0, 0.004)}),),
)
def eigenvalue_slope(
    sae: xr.Dataset, *, first_rank: int = 11, last_rank: int = 150, n_groups: int = 20, seed: int = 0
) -> xr.Dataset:
    r"""Measure how steeply the covariance eigenvalues of the decoder rows fall with their rank.

    With eigenvalues :math:`\lambda_1 \ge \lambda_2 \ge \dots` of the centred covariance (ddof 1) of the non-zero rows,
    the slope is the least-squares slope of :math:`\log_{10} \lambda_r` on :math:`\log_{10} r` over ``first_rank`` to
    ``last_rank``. Isotropic rows have no slope of 0 either: their law (Marchenko-Pastur, of the same shape and mean
    eigenvalue) gives ``slope_null``, which needs no simulation.

    Parameters
    ----------
    sae
        Dataset with ``decoder`` (features, hidden).
    first_rank, last_rank
        Ranks of the fit, from 1, both included. The default is the published window.
    n_groups
        Random groups of features of the jackknife.
    seed
        Seed of the groups.

    Returns
    -------
    xarray.Dataset
        ``eigenvalue`` and ``eigenvalue_null`` (rank), ``slope`` with interval, null and p, ``curvature``,
        ``slope_by_window`` (window) for starts of 1, ``first_rank`` and twice it and ends of half ``last_rank``, it and
        twice it, and shape summaries. Where fewer than ``last_rank`` eigenvalues are above rounding (``n_ranks``), the
        slopes over those ranks are NaN and the log sums -inf; with fewer than two non-zero rows all estimates are NaN.

    Raises
    ------
    ParameterError
        If the window has fewer than 3 ranks or ends beyond min(hidden, features - 1), or n_groups is under 2 or over
        the features.

    Notes
    -----
    All outputs are invariant under rotation; all but the interval and p under permutation, because groups
    follow the row index; under scale all but eigenvalues and their log sums. The interval is slope plus or minus the t
    quantile of n_groups - 1 degrees times :math:`\sqrt{\frac{G-1}{G} \sum_g (s_{-g} - \bar s)^2}`, and ``slope_p``
    refers slope_excess over the same error to the same t law, both sides. They hold for the expected slope of this many
    rows, which is steeper than that of infinitely many: compare slopes of equal shape, or slope_excess. For isotropic
    rows the error is too large and p conservative, because equal eigenvalues repel each other.

    One pass, any chunks: features * hidden ** 2 multiplications, then n_groups + 1 eigenvalue decompositions. Each
    block in work, and up to 8 that wait to be merged, holds n_groups * hidden ** 2 float64.

    Examples
    --------
    >>> from saegeom_data.testing import simulate_sae
    >>> sae = simulate_sae(n_features=2000, n_hidden=64, spectrum_exponent=1.0)
    >>> result = eigenvalue_slope(sae, first_rank=5, last_rank=50)
    >>> bool(result.slope_high < result.slope_null)
    True
    """
    import xarray as xr

    n_features, hidden = sae.decoder.shape
    _check(n_features, hidden, first_rank, last_rank, n_groups)
    windows = _windows(first_rank, last_rank, min(hidden, n_features - 1))
    results = {name: blocks.Result() for name in _SCALARS}
    results |= {name: blocks.Result(dtype="int64") for name in _SCALARS if name.startswith("n_")}
    results |= {name: blocks.Result(("rank",), (hidden,)) for name in ("eigenvalue", "eigenvalue_null")}
    results["slope_by_window"] = blocks.Result(("window",), (len(windows),))
    dataset = blocks.rows(
        functools.partial(_chunk, n_features=n_features, n_groups=n_groups, seed=seed),
        _combine,
        functools.partial(_finalize, windows=windows, first_rank=first_rank, last_rank=last_rank),
        sae.decoder,
        outputs={output.name: results[output.name] for output in _OUTPUTS},
    )
    bounds = xr.Dataset(
        coords={
            "rank": np.arange(1, hidden + 1),
            "window_first_rank": ("window", [first for first, _ in windows]),
            "window_last_rank": ("window", [last for _, last in windows]),
        }
    )
    return dataset.assign_coords(bounds.coords)


def marchenko_pastur_quantiles(n_eigenvalues: int, gamma: float, variance: float = 1.0) -> Array:
    r"""Eigenvalues that a covariance of independent isotropic rows has in the limit, descending.

    Rank r is the quantile of upper probability (r - 1/2) / n_eigenvalues of the Marchenko-Pastur law, whose density is
    :math:`\sqrt{(b - x)(x - a)} / (2 \pi \gamma \sigma^2 x)` between
    :math:`a, b = \sigma^2 (1 \mp \sqrt\gamma)^2`, with a point mass of 1 - 1 / gamma at 0 if gamma > 1.

    Parameters
    ----------
    n_eigenvalues
        Number of quantiles: the hidden size.
    gamma
        Hidden size over number of rows, above 0.
    variance
        Variance of each coordinate: the mean eigenvalue.

    Returns
    -------
    numpy.ndarray
        Shape (n_eigenvalues,).

    Raises
    ------
    ParameterError
        If n_eigenvalues is under 1 or gamma is not above 0.

    Examples
    --------
    >>> marchenko_pastur_quantiles(3, 0.01).round(2).tolist()
    [1.11, 1.0, 0.89]
    """
    if n_eigenvalues < 1 or not gamma > 0:
        raise ParameterError(f"got n_eigenvalues {n_eigenvalues} and gamma {gamma}, expected both above 0")
    upper = (np.arange(n_eigenvalues) + 0.5) / n_eigenvalues
    mass = min(1.0, 1.0 / gamma)
    low, high = np.zeros(n_eigenvalues), np.full(n_eigenvalues, np.pi)
    for _ in range(60):
        middle = (low + high) / 2
        right = mass - _bulk(middle, gamma) > upper
        low, high = np.where(right, middle, low), np.where(right, high, middle)
    values = variance * (1 + gamma - 2 * np.sqrt(gamma) * np.cos((low + high) / 2))
    return np.where(upper < mass, values, 0.0)


def _bulk(angle: Array, gamma: float) -> Array:
    """Marchenko-Pastur probability of (0, x] at x = 1 + gamma - 2 sqrt(gamma) cos(angle), in closed form."""
    root = np.sqrt(gamma)
    tangent = np.arctan2((1 + root) * np.sin(angle / 2), abs(1 - root) * np.cos(angle / 2))
    return np.asarray(
        (np.sin(angle) / root + (1 + gamma) / (2 * gamma) * angle - abs(1 - gamma) / gamma * tangent) / np.pi
    )


def _check(n_features: int, hidden: int, first_rank: int, last_rank: int, n_groups: int) -> None:
    most = min(hidden, n_features - 1)
    if last_rank > most:
        raise ParameterError(
            f"eigenvalue_slope: last_rank: got {last_rank}, expected at most {most}, the ranks of {n_features} "
            f"features in {hidden} hidden dimensions; lower last_rank (and first_rank)"
        )
    if first_rank < 1 or last_rank < first_rank + 2:
        raise ParameterError(
            f"eigenvalue_slope: first_rank: got ranks {first_rank} to {last_rank}, expected 3 or more from rank 1; "
            "lower first_rank or raise last_rank"
        )
    if not 2 <= n_groups <= n_features:
        raise ParameterError(f"eigenvalue_slope: n_groups: got {n_groups}, expected 2 to {n_features}, the features")


def _windows(first_rank: int, last_rank: int, most: int) -> tuple[tuple[int, int], ...]:
    firsts = (1, first_rank, 2 * first_rank)
    lasts = (last_rank // 2, last_rank, min(2 * last_rank, most))
    return tuple((first, last) for first in firsts for last in lasts)


def _chunk(start: int, block: Array, *, n_features: int, n_groups: int, seed: int) -> Partial:
    # Groups are drawn for all rows, whatever the chunks, and looked up by index.
    group = balanced_groups(n_features, n_groups, np.random.default_rng(seed))[start : start + len(block)]
    rows = block.astype(np.float64)
    norm = np.linalg.norm(rows, axis=1)
    used = norm > 0
    directions = (rows[used] / norm[used, None]).sum(axis=0)
    return group_moments(rows[used], group[used], n_groups), directions, int((~used).sum())


def _combine(parts: Sequence[Partial]) -> Partial:
    directions = np.sum([part[1] for part in parts], axis=0)
    return merge([part[0] for part in parts]), directions, sum(part[2] for part in parts)


def _finalize(
    partial: Partial, *, windows: tuple[tuple[int, int], ...], first_rank: int, last_rank: int
) -> dict[str, Any]:
    moments, directions, n_dropped = partial
    pooled = pool(moments)
    count = int(pooled.count[0])
    eigenvalue = _eigenvalues(pooled)
    hidden = len(eigenvalue)
    null = marchenko_pastur_quantiles(hidden, hidden / max(count, 1), float(eigenvalue.mean()))
    slope, ols_error, curvature = _fit(eigenvalue, first_rank, last_rank)
    slope_null = _fit(null, first_rank, last_rank)[0]
    left_out = [without(pooled, moments, index) for index in range(len(moments.count))]
    jackknifed = _jackknife(
        slope, slope_null, np.array([_fit(_eigenvalues(one), first_rank, last_rank)[0] for one in left_out])
    )
    return {
        "eigenvalue": eigenvalue,
        "eigenvalue_null": null,
        "slope": slope,
        "slope_ols_error": ols_error,
        "slope_null": slope_null,
        "slope_excess": slope - slope_null,
        "curvature": curvature,
        "slope_by_window": [_fit(eigenvalue, first, last)[0] for first, last in windows],
        "log_volume": _log_sum(eigenvalue[first_rank - 1 : last_rank]),
        "log_determinant": _log_sum(eigenvalue),
        "mean_resultant": np.linalg.norm(directions) / count if count else np.nan,
        "n_ranks": np.count_nonzero(np.nan_to_num(eigenvalue)),
        "n_features_used": count,
        "n_features_dropped": n_dropped,
        **jackknifed,
        **_ranks(eigenvalue),
    }


def _eigenvalues(pooled: Moments) -> Array:
    """Eigenvalues in descending order, those within rounding of 0 exactly 0; NaN for fewer than two rows."""
    matrix = covariance(pooled)
    if not np.isfinite(matrix).all():
        return np.full(len(matrix), np.nan)
    values = np.linalg.eigvalsh(matrix)[::-1]
    return np.where(values > values[0] * len(values) * 4 * np.finfo(float).eps, values, 0.0)


def _fit(eigenvalue: Array, first: int, last: int) -> tuple[float, float, float]:
    """Slope, its least-squares standard error, and the quadratic term of log10 eigenvalue on log10 rank."""
    y = eigenvalue[first - 1 : last]
    if len(y) < 3 or len(y) != last - first + 1 or not (y > 0).all():
        return np.nan, np.nan, np.nan
    x = np.log10(np.arange(first, last + 1))
    x, y = x - x.mean(), np.log10(y)
    y = y - y.mean()
    slope = x @ y / (x @ x)
    residual = y - slope * x
    bend = x**2 - (x**2).mean()
    bend = bend - x * (x @ bend) / (x @ x)
    error = np.sqrt(residual @ residual / (len(y) - 2) / (x @ x))
    return float(slope), float(error), float(bend @ residual / (bend @ bend))


def _jackknife(slope: float, slope_null: float, left_out: Array) -> dict[str, float]:
    from scipy.special import stdtr, stdtrit

    degrees = len(left_out) - 1
    error = float(np.sqrt(degrees / len(left_out) * ((left_out - left_out.mean()) ** 2).sum()))
    reach = float(stdtrit(degrees, 0.975)) * error
    # Groups that agree to the last bit, as in rows that all point the same way, leave no scale to divide by.
    p = 2 * stdtr(degrees, -abs(slope - slope_null) / error) if error > 0 else np.nan
    return {"slope_low": slope - reach, "slope_high": slope + reach, "slope_standard_error": error, "slope_p": float(p)}


def _log_sum(values: Array) -> float:
    if np.isnan(values).any():
        return np.nan
    return float(np.log(values).sum()) if (values > 0).all() else -np.inf


def _ranks(eigenvalue: Array) -> dict[str, float]:
    if not eigenvalue[0] > 0:
        return dict.fromkeys(("effective_rank", "participation_ratio", "stable_rank"), np.nan)
    share = eigenvalue[eigenvalue > 0] / eigenvalue.sum()
    return {
        "effective_rank": float(np.exp(-(share * np.log(share)).sum())),
        "participation_ratio": float(1 / (share @ share)),
        "stable_rank": float(1 / share[0]),
    }
