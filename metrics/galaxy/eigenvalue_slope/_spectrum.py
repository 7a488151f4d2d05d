"""Eigenvalues of a covariance, what they are expected to be, and what is fitted to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from saegeom_data.metrics._statistics.covariance_law import variances_behind
from saegeom_data.metrics._statistics.families import line_strengths
from saegeom_data.metrics._statistics.moments import Moments, covariance, pieces, without_rounding
from saegeom_data.metrics.galaxy.eigenvalue_slope._fits import Window, explained, fit, slope_of
from saegeom_data.metrics.galaxy.eigenvalue_slope._uncertainty import Errors, axes_used, errors, unknown
from saegeom_data.metrics.nulls import families_turned, marchenko_pastur
from saegeom_data.metrics.nulls.families_turned import families_turned_quantiles
from saegeom_data.metrics.nulls.marchenko_pastur import marchenko_pastur_quantiles
from saegeom_data.metrics.nulls.power_law import power_law_eigenvalues
from saegeom_data.typing import Array

NULLS = (marchenko_pastur.LABEL, families_turned.LABEL)
_SLOPE, _CURVATURE, _VOLUME, _SHARE = range(4)


def summarised(
    moments: Moments, sample: Array, windows: tuple[Window, ...], window: Window, share: Window
) -> dict[str, Any]:
    """Outputs from moments of the rows that count, and sampled rows (m, hidden).

    Fits are over ``windows``, the headline's over ``window``, and that of a share of the hidden size over ``share``.
    """
    count = moments.count
    eigenvalue, vectors = _spectrum(moments, max(window[1], share[1]))
    hidden = len(eigenvalue)
    slope, ols_error, curvature = fit(eigenvalue, window)
    found = _errors(moments, sample, eigenvalue, vectors, window, share) if np.isfinite(slope) else unknown()
    n_lines = float(count) if found.pairs is None else found.pairs.n_lines
    null = _nulls(eigenvalue, moments, sample, found)
    slope_null = np.array([slope_of(row, window) for row in null])
    # The mean is taken away, so there is one row less to tell variances by.
    behind = variances_behind(eigenvalue, n_lines - 1) if np.isfinite(slope) else np.full(hidden, np.nan)
    r_squared, break_rank = explained(behind, window)
    return {
        "eigenvalue": eigenvalue,
        "eigenvalue_null": null,
        "eigenvalue_behind": behind,
        "slope": slope,
        "slope_low": slope - found.reach(_SLOPE),
        "slope_high": slope + found.reach(_SLOPE),
        "slope_standard_error": found.error[_SLOPE],
        "slope_degrees": found.degrees[_SLOPE],
        "slope_ols_error": ols_error,
        "slope_behind": slope_of(behind, window),
        "slope_null": slope_null,
        "slope_excess": slope - slope_null,
        "slope_p": found.lower_tail(_SLOPE, slope - slope_null),
        "curvature": curvature,
        "curvature_standard_error": found.error[_CURVATURE],
        **_bend(behind, n_lines - 1, curvature, found, window),
        "power_law_r_squared": r_squared,
        "break_rank": break_rank,
        "slope_by_window": [slope_of(eigenvalue, ranks) for ranks in windows],
        **_by_share(eigenvalue, null, found, share),
        "log_volume": _log_sum(eigenvalue[window[0] - 1 : window[1]]),
        "log_volume_standard_error": found.error[_VOLUME],
        "log_determinant": _log_sum(eigenvalue),
        "n_ranks": np.count_nonzero(np.nan_to_num(eigenvalue)),
        "n_features_effective": found.n_effective,
        "n_lines": np.nan if found.pairs is None else n_lines,
        **_ranks(eigenvalue),
    }


def _spectrum(moments: Moments, last: int) -> tuple[Array, Array]:
    """Eigenvalues in descending order, those within rounding of 0 exactly 0, and leading eigenvectors in columns.

    At least ``last`` vectors, and as many as rows are compared along. All are NaN for fewer than two rows.
    """

    matrix = covariance(moments)
    hidden = len(matrix)
    if not np.isfinite(matrix).all():
        return np.full(hidden, np.nan), np.full((hidden, last), np.nan)
    # A subset of the eigenvectors from scipy takes as long together with all eigenvalues, and holds the interpreter.
    values, vectors = np.linalg.eigh(matrix)
    values = without_rounding(values[::-1])
    return values, vectors[:, ::-1][:, : axes_used(int(np.count_nonzero(values)), moments.count, last)]


def _errors(
    moments: Moments, sample: Array, eigenvalue: Array, vectors: Array, window: Window, share: Window
) -> Errors:
    """Standard errors from the sampled rows (m, hidden), along the axes that have variance."""
    n_axes = min(vectors.shape[1], int(np.count_nonzero(eigenvalue)))
    if not len(sample):
        return unknown()
    scores = np.empty((len(sample), n_axes))
    place = 0
    for rows in pieces(sample):
        scores[place : place + len(rows)] = (rows - moments.mean) @ vectors[:, :n_axes]
        place += len(rows)
    # One rank is too few for a slope, and leaves its error NaN.
    within = share if share[1] <= n_axes else (1, 1)
    return errors(scores, eigenvalue[:n_axes], moments.count, window, within)


def _nulls(eigenvalue: Array, moments: Moments, sample: Array, found: Errors) -> Array:
    """Expected eigenvalues (null, hidden) of isotropic rows, with the mean eigenvalue of the data."""
    hidden, count, variance = len(eigenvalue), moments.count, float(eigenvalue.mean())
    rows = np.asarray(sample, dtype=float) - moments.mean
    if found.pairs is None:
        lines = np.einsum("ij,ij->i", rows, rows), np.full(len(rows), 1 / max(len(rows), 1))
    else:
        lines = line_strengths(rows, found.pairs)
    return np.stack(
        [
            marchenko_pastur_quantiles(hidden, hidden / max(count, 1), variance),
            families_turned_quantiles(hidden, count, lines, variance),
        ]
    )


def _bend(behind: Array, n_rows: float, curvature: float, found: Errors, window: Window) -> dict[str, float]:
    """Curvature less that of a power law of as many rows, with interval and p."""
    expected = fit(power_law_eigenvalues(behind, n_rows, *window), window)[2]
    bend, reach = curvature - expected, found.reach(_CURVATURE)
    return {
        "power_law_curvature": expected,
        "power_law_bend": bend,
        "power_law_bend_low": bend - reach,
        "power_law_bend_high": bend + reach,
        "power_law_p": float(found.lower_tail(_CURVATURE, bend)),
    }


def _by_share(eigenvalue: Array, null: Array, found: Errors, share: Window) -> dict[str, Any]:
    """Slope over a share of the ranks, with interval and nulls."""
    slope, reach = slope_of(eigenvalue, share), found.reach(_SHARE)
    return {
        "slope_by_share": slope,
        "slope_by_share_low": slope - reach,
        "slope_by_share_high": slope + reach,
        "slope_by_share_null": [slope_of(row, share) for row in null],
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
