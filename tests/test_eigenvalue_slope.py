"""The spectrum of decoder rows against planted spectra, exact laws and other people's linear algebra."""

import numpy as np
import pytest
import xarray as xr
from scipy import integrate, stats

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics._resampling import balanced_groups
from saegeom_data.metrics.eigenvalue_slope import eigenvalue_slope, marchenko_pastur_quantiles
from saegeom_data.testing import assert_equal, rechunk


def dataset(rows):
    return xr.Dataset({"decoder": (("features", "hidden"), rows)})


def gaussian_rows(seed, n, hidden, exponent=0.0):
    scale = np.arange(1, hidden + 1.0) ** (-exponent / 2)
    return np.random.default_rng(seed).standard_normal((n, hidden)) * scale


def with_exact_spectrum(seed, n, eigenvalue):
    rows = gaussian_rows(seed, n, len(eigenvalue))
    rows -= rows.mean(axis=0)
    whitened = np.linalg.svd(rows, full_matrices=False)[0] * np.sqrt(n - 1)
    rotation = np.linalg.qr(gaussian_rows(seed + 1, len(eigenvalue), len(eigenvalue)))[0]
    return whitened * np.sqrt(eigenvalue) @ rotation


def reference_slope(rows, first, last):
    eigenvalue = np.linalg.eigvalsh(np.cov(rows, rowvar=False))[::-1][first - 1 : last]
    return stats.linregress(np.log10(np.arange(first, last + 1)), np.log10(eigenvalue))


@pytest.mark.parametrize("exponent", [0.25, 1.0, 2.0])
def test_planted_power_law_is_recovered(exponent):
    rank = np.arange(1, 41.0)
    result = eigenvalue_slope(dataset(with_exact_spectrum(0, 300, rank**-exponent)), first_rank=4, last_rank=35)
    np.testing.assert_allclose(result.eigenvalue, rank**-exponent, rtol=1e-10)
    np.testing.assert_allclose(result.slope, -exponent, rtol=1e-10)
    np.testing.assert_allclose(result.slope_by_window, -exponent, rtol=1e-10)
    assert abs(result.curvature) < 1e-9
    np.testing.assert_allclose(result.log_volume, -exponent * np.log(rank[3:35]).sum(), rtol=1e-10)
    np.testing.assert_allclose(result.log_determinant, -exponent * np.log(rank).sum(), rtol=1e-10)


@pytest.mark.parametrize("bend", [-0.3, 0.3])
def test_planted_curvature_is_recovered(bend):
    x = np.log10(np.arange(1, 41.0))
    result = eigenvalue_slope(
        dataset(with_exact_spectrum(0, 300, 10 ** (bend * x**2 - 2 * x))), first_rank=4, last_rank=35
    )
    np.testing.assert_allclose(result.curvature, bend, rtol=1e-8)


def test_agrees_with_other_implementations():
    rows = gaussian_rows(1, 500, 30, 1.0) + 3.0
    result = eigenvalue_slope(dataset(rows), first_rank=3, last_rank=25)
    expected = np.linalg.eigvalsh(np.cov(rows, rowvar=False))[::-1]
    fit = reference_slope(rows, 3, 25)
    np.testing.assert_allclose(result.eigenvalue, expected, rtol=1e-10)
    np.testing.assert_allclose([result.slope, result.slope_ols_error], [fit.slope, fit.stderr], rtol=1e-10)
    share = expected / expected.sum()
    np.testing.assert_allclose(result.effective_rank, np.exp(stats.entropy(share)), rtol=1e-10)
    np.testing.assert_allclose(result.participation_ratio, 1 / (share**2).sum(), rtol=1e-10)
    np.testing.assert_allclose(result.stable_rank, 1 / share[0], rtol=1e-10)
    directions = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(result.mean_resultant, np.linalg.norm(directions.mean(axis=0)), rtol=1e-10)


def test_windows_are_what_their_bounds_say():
    rows = gaussian_rows(1, 500, 30, 1.0)
    result = eigenvalue_slope(dataset(rows), first_rank=3, last_rank=24)
    bounds = list(zip(result.window_first_rank.values, result.window_last_rank.values, strict=True))
    assert bounds == [(first, last) for first in (1, 3, 6) for last in (12, 24, 30)]
    expected = [reference_slope(rows, first, last).slope for first, last in bounds]
    np.testing.assert_allclose(result.slope_by_window, expected, rtol=1e-10)


def test_jackknife_leaves_out_one_group_at_a_time():
    rows = gaussian_rows(2, 202, 20, 1.0)
    result = eigenvalue_slope(dataset(rows), first_rank=2, last_rank=18, n_groups=7, seed=5)
    group = balanced_groups(202, 7, np.random.default_rng(5))
    assert np.ptp(np.bincount(group)) == 1
    left_out = np.array([reference_slope(rows[group != index], 2, 18).slope for index in range(7)])
    error = np.sqrt(6 / 7 * ((left_out - left_out.mean()) ** 2).sum())
    slope = reference_slope(rows, 2, 18).slope
    np.testing.assert_allclose(result.slope_standard_error, error, rtol=1e-8)
    interval = stats.t.interval(0.95, 6, slope, error)
    np.testing.assert_allclose([result.slope_low, result.slope_high], interval, rtol=1e-8)
    p = 2 * stats.t.sf(abs(slope - float(result.slope_null)) / error, 6)
    np.testing.assert_allclose(result.slope_p, p, rtol=1e-6)


def test_jackknife_interval_covers():
    n_seeds = 60
    results = [
        eigenvalue_slope(dataset(gaussian_rows(seed, 400, 20, 1.0)), first_rank=2, last_rank=18)
        for seed in range(n_seeds)
    ]
    # The slope is that of a sample of this size: its expectation lies below the slope of infinitely many rows.
    expectation = np.mean(
        [reference_slope(gaussian_rows((9, seed), 400, 20, 1.0), 2, 18).slope for seed in range(2000)]
    )
    covered = sum(bool(one.slope_low < expectation < one.slope_high) for one in results)
    assert stats.binom.ppf(0.001, n_seeds, 0.95) <= covered
    deviation = np.std([float(one.slope) for one in results])
    assert 0.75 < np.mean([float(one.slope_standard_error) for one in results]) / deviation < 1.35


def test_isotropic_rows_agree_with_the_analytic_null():
    rejected = 0
    n_seeds = 12
    for seed in range(n_seeds):
        result = eigenvalue_slope(dataset(gaussian_rows(seed, 600, 100)), first_rank=5, last_rank=80)
        np.testing.assert_allclose(result.eigenvalue, result.eigenvalue_null, rtol=0.09)
        rejected += bool(result.slope_p < 0.05)
    assert rejected <= stats.binom.ppf(0.999, n_seeds, 0.05)


def test_planted_slope_excludes_the_null():
    result = eigenvalue_slope(dataset(gaussian_rows(0, 600, 100, 0.5)), first_rank=5, last_rank=80)
    assert result.slope_p < 1e-6
    assert result.slope_excess < -0.2
    np.testing.assert_allclose(result.slope_excess, result.slope - result.slope_null)


def test_published_shape_has_the_known_null_slope():
    quantile = marchenko_pastur_quantiles(2304, 2304 / 65536)
    for first, last, expected in ((11, 150, -0.02761), (1, 100, -0.0160)):
        fit = stats.linregress(np.log10(np.arange(first, last + 1)), np.log10(quantile[first - 1 : last]))
        assert fit.slope == pytest.approx(expected, abs=5e-5)
    np.testing.assert_allclose(quantile[[0, -1]], [1.4102, 0.6602], atol=3e-3)


@pytest.mark.parametrize("gamma", [1e-3, 0.2, 0.97, 1.0, 4.0])
def test_quantiles_hold_their_probability(gamma):
    n, variance = 40, 2.5
    low, high = variance * (1 - np.sqrt(gamma)) ** 2, variance * (1 + np.sqrt(gamma)) ** 2

    def density(x):
        return np.sqrt(max((high - x) * (x - low), 0.0)) / (2 * np.pi * gamma * variance * x)

    quantile = marchenko_pastur_quantiles(n, gamma, variance)
    assert (np.diff(quantile) <= 0).all()
    assert np.count_nonzero(quantile) == round(n * min(1.0, 1 / gamma))
    for rank in np.flatnonzero(quantile)[::5]:
        above = integrate.quad(density, quantile[rank], high, limit=200)[0]
        assert above == pytest.approx((rank + 0.5) / n, abs=1e-6)


def test_null_of_more_dimensions_than_rows_has_zeros():
    rows = gaussian_rows(0, 100, 250)
    result = eigenvalue_slope(dataset(rows), first_rank=5, last_rank=60, n_groups=4)
    assert np.count_nonzero(result.eigenvalue) == result.n_ranks == 99
    assert np.count_nonzero(result.eigenvalue_null) == 100
    np.testing.assert_allclose(result.eigenvalue[:90], result.eigenvalue_null[:90], rtol=0.15)
    assert result.log_determinant == -np.inf
    assert abs(result.slope_excess) < 0.05


def test_zero_rows_are_dropped_and_counted():
    rows = gaussian_rows(3, 90, 12)
    padded = np.insert(rows, [0, 10, 10, 90], 0.0, axis=0)
    names = ["eigenvalue", "slope", "slope_null", "mean_resultant", "n_features_used"]
    got = eigenvalue_slope(dataset(padded), first_rank=2, last_rank=10, n_groups=5)
    expected = eigenvalue_slope(dataset(rows), first_rank=2, last_rank=10, n_groups=5)
    assert_equal(got[names], expected[names])
    assert (int(got.n_features_dropped), int(expected.n_features_dropped)) == (4, 0)


def test_rows_far_from_the_origin_keep_their_spectrum():
    rows = gaussian_rows(4, 400, 15, 2.0)
    near = eigenvalue_slope(dataset(rows), first_rank=1, last_rank=15)
    far = eigenvalue_slope(rechunk(dataset(rows + 1e5), {"features": 37}), first_rank=1, last_rank=15).compute()
    np.testing.assert_allclose(far.eigenvalue, near.eigenvalue, rtol=1e-7)


def test_single_precision_rows_are_accumulated_in_double():
    rows = gaussian_rows(5, 3000, 20, 3.0).astype(np.float32)
    result = eigenvalue_slope(dataset(rows), first_rank=1, last_rank=20)
    np.testing.assert_allclose(result.eigenvalue, np.linalg.eigvalsh(np.cov(rows.T.astype(float)))[::-1], rtol=1e-9)


def test_constant_columns_leave_a_written_outcome():
    rows = gaussian_rows(6, 80, 12)
    rows[:, 7:] = 0.25
    result = eigenvalue_slope(dataset(rows), first_rank=2, last_rank=10)
    assert result.n_ranks == 7
    assert np.isnan(result.slope)
    assert np.isnan(result.slope_p)
    assert result.log_volume == -np.inf
    assert np.isfinite(result.effective_rank)
    assert np.isfinite(eigenvalue_slope(dataset(rows), first_rank=2, last_rank=7).slope)


@pytest.mark.parametrize("n_alive", [0, 1])
def test_too_few_rows_leave_a_written_outcome(n_alive):
    rows = np.zeros((40, 8))
    rows[:n_alive] = 1.0
    result = eigenvalue_slope(dataset(rows), first_rank=2, last_rank=6, n_groups=5)
    assert (int(result.n_features_used), int(result.n_features_dropped)) == (n_alive, 40 - n_alive)
    assert all(np.isnan(result[name]).all() for name in ("eigenvalue", "slope", "slope_p", "log_volume", "stable_rank"))


@pytest.mark.parametrize(
    ("shape", "parameters", "message"),
    [
        ((200, 24), {}, "last_rank: got 150, expected at most 24"),
        ((20, 24), {"first_rank": 2, "last_rank": 20}, "last_rank: got 20, expected at most 19"),
        ((200, 24), {"first_rank": 0, "last_rank": 20}, "first_rank: got ranks 0 to 20"),
        ((200, 24), {"first_rank": 19, "last_rank": 20}, "first_rank: got ranks 19 to 20"),
        ((200, 24), {"first_rank": 2, "last_rank": 20, "n_groups": 1}, "n_groups: got 1, expected 2 to 200"),
        ((200, 24), {"first_rank": 2, "last_rank": 20, "n_groups": 201}, "n_groups: got 201"),
    ],
)
def test_parameters_that_the_shape_cannot_serve_are_named_while_building(shape, parameters, message):
    lazy = rechunk(dataset(np.zeros(shape)), {"features": 7})
    with pytest.raises(ParameterError, match=message):
        eigenvalue_slope(lazy, **parameters)


def test_missing_values_are_refused():
    rows = gaussian_rows(0, 50, 12)
    rows[3, 4] = np.nan
    with pytest.raises(DataValueError, match="features 3"):
        eigenvalue_slope(dataset(rows), first_rank=2, last_rank=10)


@pytest.mark.parametrize(("n", "gamma"), [(0, 0.5), (5, 0.0), (5, -1.0), (5, np.nan)])
def test_quantiles_refuse_impossible_shapes(n, gamma):
    with pytest.raises(ParameterError, match="n_eigenvalues"):
        marchenko_pastur_quantiles(n, gamma)
