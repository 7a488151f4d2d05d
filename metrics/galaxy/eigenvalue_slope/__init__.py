"""How steeply the covariance spectrum of the decoder rows falls, against the exact law of isotropic rows."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.metric import Anchor, Output, metric
from saegeom_data.errors import ParameterError
from saegeom_data.metrics._statistics.moments import Moments, covariance, merge, moments_of, pieces, scratch_bytes
from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.metrics.galaxy._shared.outputs import count
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


_OUTPUTS = (
    Output(
        "eigenvalue",
        ("rank",),
        "squared decoder units",
        "covariance eigenvalues, descending; 0 beyond the rank",
        bounds=(0, None),
    ),
    Output(
        "eigenvalue_null",
        ("rank",),
        "squared decoder units",
        "Marchenko-Pastur quantiles of isotropic rows",
        bounds=(0, None),
        label="eigenvalue of noise",
    ),
    Output(
        "slope", description="of log10 eigenvalue on log10 rank; about -0.5 to 0, lower is steeper", direction="lower"
    ),
    Output("slope_low", description="lower end of the 95 percent interval of slope, infinitesimal jackknife"),
    Output("slope_high", description="upper end of the 95 percent interval of slope, infinitesimal jackknife"),
    Output("slope_standard_error", description="infinitesimal jackknife standard error of slope", bounds=(0, None)),
    Output(
        "slope_ols_error",
        description="least-squares standard error as published; too small, ranks are dependent",
        bounds=(0, None),
    ),
    Output("slope_null", description="slope of eigenvalue_null over the same ranks", label="slope of noise"),
    Output("slope_excess", description="slope - slope_null; below 0 is steeper than isotropic rows", direction="lower"),
    Output(
        "slope_p",
        description="two-sided p of slope = slope_null, t test on slope_standard_error",
        bounds=(0, 1),
        direction="lower",
    ),
    Output("curvature", description="quadratic term of the same fit; 0 for a power law, below 0 bends downwards"),
    Output(
        "curvature_standard_error", description="infinitesimal jackknife standard error of curvature", bounds=(0, None)
    ),
    Output(
        "slope_by_window",
        ("window",),
        description="slope over the ranks window_first_rank to window_last_rank",
        direction="lower",
    ),
    Output("log_volume", units="nats", description="sum of log eigenvalues over first_rank to last_rank"),
    Output(
        "log_volume_standard_error",
        units="nats",
        description="infinitesimal jackknife error of log_volume",
        bounds=(0, None),
    ),
    Output(
        "log_determinant", units="nats", description="sum of log eigenvalues over all ranks; -inf if rank-deficient"
    ),
    Output(
        "effective_rank",
        description="exp of the entropy of the normalised eigenvalues, in [1, hidden]",
        bounds=(1, None),
        direction="higher",
    ),
    Output(
        "participation_ratio",
        description="squared sum over sum of squares of the eigenvalues, in [1, hidden]",
        bounds=(1, None),
        direction="higher",
    ),
    Output(
        "stable_rank",
        description="sum of the eigenvalues over the largest, in [1, hidden]",
        bounds=(1, None),
        direction="higher",
    ),
    Output(
        "mean_resultant",
        description="norm of the mean unit row, in [0, 1]; 0 is no preferred direction",
        bounds=(0, 1),
        direction="higher",
        label="norm of the mean direction",
    ),
    count("n_ranks", "eigenvalues above rounding", "ranks"),
    count("n_features_used", "rows of non-zero norm", "features used"),
    count("n_features_dropped", "rows of zero norm, dropped", "features dropped"),
)
_SCALARS = tuple(output.name for output in _OUTPUTS if not output.dims)
_SAMPLED = ("slope_low", "slope_high", "slope_p", *(name for name in _SCALARS if name.endswith("_standard_error")))
_SCALED = ("eigenvalue", "eigenvalue_null", "log_volume", "log_determinant")


@dataclass(frozen=True)
class _Partial:
    """Of the non-zero rows: moments, sum of directions, sampled rows (rows, hidden); and the number of zero rows."""

    moments: Moments
    directions: Array
    sample: Array
    n_dropped: int


def _isotropic() -> xr.Dataset:
    from saegeom_data.testing.simulate import simulate_sae

    return simulate_sae(n_features=4000, n_hidden=160, n_blocks=1)


@metric(
    version=2,
    scale="galaxy",
    inputs=(schema.decoder,),
    outputs=_OUTPUTS,
    invariances={
        "rotation": tuple(output.name for output in _OUTPUTS),
        "permutation": tuple(output.name for output in _OUTPUTS if output.name not in _SAMPLED),
        "scale": tuple(output.name for output in _OUTPUTS if output.name not in _SCALED),
    },
    pattern="rows",
    reference="Li et al. 2025, section 5.1",
    presentation="saegeom_data.metrics.galaxy.eigenvalue_slope.presentation:PRESENTATION",
    quick={"first_rank": 2, "last_rank": 10, "n_influence_rows": 50},
    anchors=(Anchor("isotropic rows follow Marchenko-Pastur", _isotropic, {"slope_excess": (0.0, 0.004)}),),
)
def eigenvalue_slope(
    sae: xr.Dataset,
    *,
    first_rank: int = 11,
    last_rank: int = 150,
    n_influence_rows: int = 4096,
    seed: Annotated[int, Field(ge=0)] = 0,
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
    n_influence_rows
        Rows drawn without replacement to estimate standard errors from; all rows if there are no more.
    seed
        Seed of that draw.

    Returns
    -------
    xarray.Dataset
        ``eigenvalue`` and ``eigenvalue_null`` (rank), ``slope`` with interval, null and p, ``curvature``,
        ``slope_by_window`` (window) for starts of 1, ``first_rank`` and twice it and ends of half ``last_rank``, it and
        twice it, and shape summaries.

        Rows of zero norm are dropped and counted. Fewer rows than dimensions, constant columns and other rank
        deficiency leave eigenvalues of exactly 0 beyond ``n_ranks``: ``log_determinant`` is -inf, and where the window
        reaches beyond ``n_ranks``, its slope, curvature and standard errors are NaN and ``log_volume`` is -inf. If all
        rows are equal, every eigenvalue is 0 and the ranks are NaN; with fewer than two non-zero rows all estimates
        are NaN. Where the window takes up all ranks that the rows can have, standard errors are infinite and p is 1.

    Raises
    ------
    ParameterError
        If the window has fewer than 3 ranks or ends beyond min(hidden, features - 1), or n_influence_rows is under 2.

    Notes
    -----
    All outputs are invariant under rotation; under permutation all, but standard errors, interval and p only if
    n_influence_rows is at least the features; under scale all but eigenvalues and their log sums.

    To first order row i moves the slope by the influence
    :math:`U_i = \sum_r w_r (\frac{n}{n-1} z_{ir}^2 / \lambda_r - 1) / \ln 10`, where z are centred scores on the
    eigenvectors and w the weights of the fit. The squared standard error is the mean of :math:`U_i^2` over the m
    sampled rows, over n - 1 - K for K ranks in the window; curvature and log_volume take their own weights. Interval
    and p use t quantiles of :math:`2 m / (\kappa - 1)` degrees, :math:`\kappa` the kurtosis of U, which match the
    spread of that mean (Satterthwaite). They hold for the expected slope of this many rows, which is steeper than that
    of infinitely many: compare slopes of equal shape, or slope_excess. Where eigenvalues lie closer than their sampling
    errors they repel each other: then the error is too large, by about 1.7 for isotropic rows, and p conservative.
    The null is that of rows of like norms, as those of most SAEs: isotropic rows of very unequal norms are steeper.

    One pass, any chunks: features * hidden ** 2 multiplications, then one eigen-decomposition. A block in work holds
    two matrices of hidden ** 2 float64 beside itself, one that waits to be merged holds one, the last step five; the
    sampled rows come on top.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> sae = simulate_sae(n_features=2000, n_hidden=64, spectrum_exponent=1.0)
    >>> result = eigenvalue_slope(sae, first_rank=5, last_rank=50)
    >>> bool(result.slope_high < result.slope_null)
    True
    """

    import xarray as xr

    n_features, hidden = sae.decoder.shape
    _check(n_features, hidden, first_rank, last_rank, n_influence_rows)
    windows = _windows(first_rank, last_rank, min(hidden, n_features - 1))
    sizes = {"rank": hidden, "window": len(windows)}
    dataset = lazy.rows(
        functools.partial(_chunk, n_features=n_features, n_sampled=min(n_influence_rows, n_features), seed=seed),
        _combine,
        functools.partial(_finalize, windows=windows, first_rank=first_rank, last_rank=last_rank),
        sae.decoder,
        outputs={output.name: output.result(sizes) for output in _OUTPUTS},
        memory=_memory(sae.decoder, min(n_influence_rows, n_features), last_rank - first_rank + 1),
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
    # With more dimensions than rows, a share 1 - 1 / gamma of the eigenvalues is exactly 0.
    mass = min(1.0, 1.0 / gamma)
    low, high = np.zeros(n_eigenvalues), np.full(n_eigenvalues, np.pi)
    # Halved in the angle, where the law is smooth up to both edges; 60 halvings of pi end below rounding.
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


def _check(n_features: int, hidden: int, first_rank: int, last_rank: int, n_influence_rows: int) -> None:
    """Raise if the window of ranks does not fit the decoder, or too few rows are sampled."""
    # Taking the mean away costs one dimension, so n rows have n - 1 eigenvalues at most.
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
    if n_influence_rows < 2:
        raise ParameterError(f"eigenvalue_slope: n_influence_rows: got {n_influence_rows}, expected at least 2")


def _windows(first_rank: int, last_rank: int, most: int) -> tuple[tuple[int, int], ...]:
    """All pairs of first and last ranks that ``slope_by_window`` is fitted over."""
    # Windows that begin and end elsewhere show whether the slope is a property of the window.
    firsts = (1, first_rank, 2 * first_rank)
    lasts = (last_rank // 2, last_rank, min(2 * last_rank, most))
    return tuple((first, last) for first in firsts for last in lasts)


def _memory(decoder: xr.DataArray, n_sampled: int, n_window: int) -> lazy.Memory:
    """Memory of the steps, in bytes."""
    hidden = decoder.shape[1]
    matrix, sample = 8 * hidden**2, n_sampled * hidden * decoder.dtype.itemsize
    # Samples of all waiting partial results together are one sample, and twice that where they are put together.
    return lazy.Memory(
        task=matrix + scratch_bytes(hidden),
        partial=matrix + sample // 4,
        finish=5 * matrix + sample + scratch_bytes(hidden) + 24 * n_sampled * n_window,
    )


def _chunk(start: int, block: Array, *, n_features: int, n_sampled: int, seed: int) -> _Partial:
    """Moments of a block (rows, hidden), the sum of its directions (hidden,), and its rows that are sampled."""
    # Rows are drawn from all, whatever the chunks, and looked up by index.
    drawn = np.sort(stream("spectrum_sample", seed).choice(n_features, n_sampled, replace=False))
    sample = block[drawn[np.searchsorted(drawn, start) : np.searchsorted(drawn, start + len(block))] - start]
    hidden = block.shape[1]
    directions = np.zeros(hidden)

    def used() -> Iterator[Array]:
        for rows in pieces(block):
            norm = row_norms(rows)
            alive = norm > 0
            rows, norm = (rows, norm) if alive.all() else (rows[alive], norm[alive])
            directions[:] += (1 / norm) @ rows
            yield rows

    moments = moments_of(used(), hidden)
    return _Partial(moments, directions, sample[sample.any(axis=1)], len(block) - moments.count)


def _combine(parts: Sequence[_Partial]) -> _Partial:
    """Partial result of all blocks, with the sampled rows in their order."""
    return _Partial(
        merge([part.moments for part in parts]),
        np.sum([part.directions for part in parts], axis=0),
        np.concatenate([part.sample for part in parts]),
        sum(part.n_dropped for part in parts),
    )


def _finalize(
    partial: _Partial, *, windows: tuple[tuple[int, int], ...], first_rank: int, last_rank: int
) -> dict[str, Any]:
    """Outputs from the moments of all rows: eigenvalues (hidden,), fits over the window, and their errors."""
    count = partial.moments.count
    eigenvalue, vectors = _spectrum(partial.moments, first_rank, last_rank)
    hidden = len(eigenvalue)
    null = marchenko_pastur_quantiles(hidden, hidden / max(count, 1), float(eigenvalue.mean()))
    slope, ols_error, curvature = _fit(eigenvalue, first_rank, last_rank)
    slope_null = _fit(null, first_rank, last_rank)[0]
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
        "mean_resultant": np.linalg.norm(partial.directions) / count if count else np.nan,
        "n_ranks": np.count_nonzero(np.nan_to_num(eigenvalue)),
        "n_features_used": count,
        "n_features_dropped": partial.n_dropped,
        **_uncertainty(partial, eigenvalue, vectors, (first_rank, last_rank), (slope, slope_null)),
        **_ranks(eigenvalue),
    }


def _spectrum(moments: Moments, first: int, last: int) -> tuple[Array, Array]:
    """Eigenvalues in descending order, those within rounding of 0 exactly 0, and the eigenvectors of the window.

    All are NaN for fewer than two rows.
    """

    matrix = covariance(moments)
    hidden = len(matrix)
    if not np.isfinite(matrix).all():
        return np.full(hidden, np.nan), np.full((hidden, last - first + 1), np.nan)
    # A subset of the eigenvectors from scipy takes as long together with all eigenvalues, and holds the interpreter.
    values, vectors = np.linalg.eigh(matrix)
    values, vectors = values[::-1], vectors[:, ::-1][:, first - 1 : last]
    return np.where(values > values[0] * hidden * 4 * np.finfo(float).eps, values, 0.0), vectors


def _contrasts(first: int, last: int) -> tuple[Array, Array]:
    """Weights of log10 eigenvalues in the slope and in the quadratic term of a fit on log10 rank."""
    x = np.log10(np.arange(first, last + 1))
    x = x - x.mean()
    bend = x**2 - (x**2).mean()
    # At right angles to the line, so that curvature and slope are fitted independently.
    bend = bend - x * (x @ bend) / (x @ x)
    return x / (x @ x), bend / (bend @ bend)


def _fit(eigenvalue: Array, first: int, last: int) -> tuple[float, float, float]:
    """Slope, its least-squares standard error, and the quadratic term of log10 eigenvalue on log10 rank."""
    y = eigenvalue[first - 1 : last]
    if len(y) < 3 or len(y) != last - first + 1 or not (y > 0).all():
        return np.nan, np.nan, np.nan
    # An eigenvalue of 0 has no logarithm: such a window has no slope, and no other one is chosen for it.
    y = np.log10(y)
    y = y - y.mean()
    slope_weights, curvature_weights = _contrasts(first, last)
    spread = 1 / (slope_weights @ slope_weights)
    slope = slope_weights @ y
    residual = y - slope * slope_weights * spread
    error = np.sqrt(residual @ residual / (len(y) - 2) / spread)
    return float(slope), float(error), float(curvature_weights @ y)


def _uncertainty(
    partial: _Partial, eigenvalue: Array, vectors: Array, window: tuple[int, int], slopes: tuple[float, float]
) -> dict[str, float]:
    """Standard errors of what is linear in the window's log eigenvalues, from the influence of the sampled rows."""
    from scipy.special import stdtr, stdtrit

    first, last = window
    slope, slope_null = slopes
    count, m = partial.moments.count, len(partial.sample)
    if np.isnan(slope) or not m:
        return dict.fromkeys(_SAMPLED, np.nan)
    scores = np.concatenate([(rows - partial.moments.mean) @ vectors for rows in pieces(partial.sample)])
    relative = count / (count - 1) * scores**2 / eigenvalue[first - 1 : last] - 1
    # Derivatives of log10; log_volume is in natural logs and weighs all ranks alike.
    slope_weights, curvature_weights = _contrasts(first, last)
    n_window = last - first + 1
    weights = np.stack([slope_weights / np.log(10), curvature_weights / np.log(10), np.ones(n_window)])
    squares = (relative @ weights.T) ** 2
    variance = squares.mean(axis=0)
    degrees_left = count - 1 - n_window
    errors = np.sqrt(variance / degrees_left) if degrees_left > 0 else np.full(3, np.inf)
    # Influence values all alike but for sign have a kurtosis of 1: their mean square is known exactly.
    excess = (squares[:, 0] ** 2).mean() / variance[0] ** 2 - 1 if variance[0] else np.nan
    # Satterthwaite: as many degrees as a chi-squared mean square of the same relative variance has.
    degrees = 2 * m / excess if excess > 0 else np.inf
    reach = float(stdtrit(degrees, 0.975)) * errors[0]
    p = 2 * stdtr(degrees, -abs(slope - slope_null) / errors[0]) if errors[0] else np.nan
    return {
        "slope_low": slope - reach,
        "slope_high": slope + reach,
        "slope_standard_error": float(errors[0]),
        "slope_p": float(p),
        "curvature_standard_error": float(errors[1]),
        "log_volume_standard_error": float(errors[2]),
    }


def _log_sum(values: Array) -> float:
    """Sum of logs; -inf if one of the values is 0, NaN if one is NaN."""
    if np.isnan(values).any():
        return np.nan
    return float(np.log(values).sum()) if (values > 0).all() else -np.inf


def _ranks(eigenvalue: Array) -> dict[str, float]:
    """Effective ranks of shares s of the trace: exp(-sum s ln s), 1 / sum s^2, and 1 / max s; NaN without variance."""
    if not eigenvalue[0] > 0:
        return dict.fromkeys(("effective_rank", "participation_ratio", "stable_rank"), np.nan)
    # s ln s tends to 0 with s, but 0 ln 0 is NaN.
    share = eigenvalue[eigenvalue > 0] / eigenvalue.sum()
    return {
        "effective_rank": float(np.exp(-(share * np.log(share)).sum())),
        "participation_ratio": float(1 / (share @ share)),
        "stable_rank": float(1 / share[0]),
    }
