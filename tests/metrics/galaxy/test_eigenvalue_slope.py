"""The spectrum of decoder rows against planted spectra, exact laws and other people's linear algebra."""

import numpy as np
import pytest
import xarray as xr
from decoder_rows import gaussian_rows
from scipy import stats
from soak import over_deviation, times

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics.galaxy.eigenvalue_slope import eigenvalue_slope
from saegeom_data.metrics.nulls import families_turned, marchenko_pastur
from saegeom_data.testing.checks import assert_equal, rechunk


def dataset(rows):
    return xr.Dataset({"decoder": (("features", "hidden"), rows)})


def with_exact_spectrum(seed, n, eigenvalue):
    rows = gaussian_rows(seed, n, len(eigenvalue))
    rows -= rows.mean(axis=0)
    # Whitened by their own covariance: the sample then has the wanted eigenvalues to rounding, not on average.
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
    np.testing.assert_allclose(result.slope_by_window[:-1], -exponent, rtol=1e-10)
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
    # Away from the origin, so that a covariance that is not centred would show.
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
    # The last is that of the published shares, 0.48 to 6.5 percent of 30 dimensions: 1 to 2, too few ranks for a slope.
    assert bounds == [*((first, last) for first in (1, 3, 6) for last in (12, 24, 30)), (1, 2)]
    expected = [reference_slope(rows, first, last).slope for first, last in bounds[:-1]]
    np.testing.assert_allclose(result.slope_by_window, [*expected, np.nan], rtol=1e-10)
    shared = eigenvalue_slope(dataset(rows), first_rank=3, last_rank=24, first_share=0.1, last_share=0.5)
    np.testing.assert_allclose(shared.slope_by_share, reference_slope(rows, 3, 15).slope, rtol=1e-10)
    np.testing.assert_allclose(shared.slope_by_window[-1], shared.slope_by_share)
    assert shared.slope_by_share_low < shared.slope_by_share < shared.slope_by_share_high


def delete_one_jackknife(rows, estimate):
    left_out = np.array([estimate(np.delete(rows, index, axis=0)) for index in range(len(rows))])
    return np.sqrt((len(rows) - 1) / len(rows) * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))


def reference_estimates(rows, first, last):
    eigenvalue = np.linalg.eigvalsh(np.cov(rows, rowvar=False))[::-1][first - 1 : last]
    x = np.log10(np.arange(first, last + 1))
    line = np.polyfit(x, np.log10(eigenvalue), 1)[0]
    return line, np.polyfit(x, np.log10(eigenvalue), 2)[0], np.log(eigenvalue).sum()


@pytest.mark.parametrize("n", [300, 1200])
def test_errors_approach_those_of_the_delete_one_jackknife(n):
    rows = gaussian_rows(2, n, 8, 2.0) + 3.0
    result = eigenvalue_slope(dataset(rows), first_rank=2, last_rank=8)
    expected = delete_one_jackknife(rows, lambda left: reference_estimates(left, 2, 8))
    got = [float(result[f"{name}_standard_error"]) for name in ("slope", "curvature", "log_volume")]
    # The two differ by terms of order 1 / n, so the bound falls with n; a wrong factor would not.
    np.testing.assert_allclose(got, expected, rtol=12 / n)


def test_interval_and_p_follow_from_the_error_and_the_kurtosis_of_influence():
    rows = gaussian_rows(2, 200, 20, 1.0)
    result = eigenvalue_slope(dataset(rows), first_rank=2, last_rank=18)
    centred = rows - rows.mean(axis=0)
    eigenvalue, vectors = np.linalg.eigh(np.cov(rows, rowvar=False))
    square = ((centred @ vectors) ** 2 / eigenvalue)[:, ::-1][:, 1:18]
    x = np.log10(np.arange(2, 19))
    influence = square @ (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    kurtosis = (influence**4).mean() / (influence**2).mean() ** 2
    inflation = 200 / float(result.n_features_effective)
    degrees = 2 * 200 / inflation / (kurtosis - 1)
    slope, error = float(result.slope), float(result.slope_standard_error)
    expected = 200 / 199 * np.sqrt(inflation * (influence**2).mean() / 182) / np.log(10)
    np.testing.assert_allclose(error, expected, rtol=1e-9)
    np.testing.assert_allclose(result.slope_degrees, degrees, rtol=1e-9)
    interval = stats.t.interval(0.95, degrees, slope, error)
    np.testing.assert_allclose([result.slope_low, result.slope_high], interval, rtol=1e-9)
    p = stats.t.cdf((slope - result.slope_null) / error, degrees)
    np.testing.assert_allclose(result.slope_p, p, rtol=1e-6)


def heavy_tailed(rng, rows):
    return rows * np.sqrt(5 / rng.chisquare(5, len(rows)))[:, None]


def unit_norm(rng, rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def as_they_are(rng, rows):
    return rows


def in_families(correlation):
    def kind(rng, rows):
        # Ten rows each share a part, so their squared scores rise and fall together.
        shared = np.repeat(rng.permutation(rows)[::10], 10, axis=0)
        return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rows

    return kind


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("n", "hidden", "exponent", "kind"),
    [
        # Few rows for 20 dimensions, where the expected slope is far from that of infinitely many.
        (80, 20, 1.0, as_they_are),
        (400, 20, 2.0, as_they_are),
        (1000, 20, 0.5, as_they_are),
        # Influences of large kurtosis, for which a normal quantile would be too short.
        (400, 20, 1.0, heavy_tailed),
        # Like the rows of most SAEs: equal norms make the squares of a row depend on each other.
        (80, 20, 1.0, unit_norm),
        (400, 20, 1.0, unit_norm),
        # Families of ten, of which independent rows' errors would cover 0.7 to 0.8.
        (600, 60, 1.0, in_families(0.5)),
        (600, 60, 1.0, in_families(0.8)),
        (600, 60, 1.0, as_they_are),
    ],
)
def test_interval_covers_the_expected_slope_of_this_many_rows(n, hidden, exponent, kind):
    first, last = (2, 18) if hidden == 20 else (3, 40)

    def rows(seed):
        rng = np.random.default_rng(seed)
        return kind(rng, rng.standard_normal((n, hidden))) * np.arange(1, hidden + 1.0) ** (-exponent / 2)

    # The expected slope of a sample of this size lies below the slope of infinitely many rows.
    expectation = np.mean([reference_slope(rows((9, seed)), first, last).slope for seed in range(times(100, 400))])
    n_seeds = times(8, 200)
    parameters = {"first_rank": first, "last_rank": last}
    results = [eigenvalue_slope(dataset(rows(seed)), **parameters) for seed in range(n_seeds)]
    covered = sum(bool(result.slope_low < expectation < result.slope_high) for result in results)
    # From the binomial law of the number of seeds, so that the bound is right for few and for many.
    assert covered >= stats.binom.ppf(0.005, n_seeds, 0.95)
    deviation = np.std([float(result.slope) for result in results])
    low, high = over_deviation(0.85, 1.3, n_seeds)
    assert low < np.mean([float(result.slope_standard_error) for result in results]) / deviation < high


def isotropic(seed, kind, n=600, hidden=60):
    rng = np.random.default_rng(seed)
    rows = unit_norm(rng, rng.standard_normal((n, hidden)))
    if kind == "unequal norms":
        return rows * rng.lognormal(0, 0.7, (n, 1))
    if "families" in kind:
        # Two families for each dimension: fewer leave no room in which their members are told to be close.
        families = unit_norm(rng, in_families(0.7)(rng, rng.standard_normal((2 * n, hidden))))
        return families * rng.lognormal(0, 0.7, (2 * n, 1)) if "unequal norms" in kind else families
    if kind == "opposites":
        return np.concatenate([rows[: n // 2], -rows[: n // 2]])
    return np.concatenate([rows[: n * 2 // 3], rows[: n // 3]]) if kind == "copies" else rows


@pytest.mark.statistical
@pytest.mark.parametrize(
    "kind", ["equal norms", "unequal norms", "opposites", "copies", "families", "families of unequal norms"]
)
def test_isotropic_rows_are_not_steeper_than_every_null(kind):
    n_seeds = times(6, 200)
    results = [
        eigenvalue_slope(dataset(isotropic(seed, kind)), first_rank=3, last_rank=40).slope_p for seed in range(n_seeds)
    ]
    # As findings judge them: the largest p over the nulls, doubled as there are two sides.
    p = np.array([2 * min(p.max(), (1 - p).max()) for p in results])
    assert (p < 0.05).sum() <= stats.binom.ppf(0.999, n_seeds, 0.05)
    exact = np.array([p.sel(null=marchenko_pastur.LABEL) for p in results])
    assert (exact < 0.05).all() == (kind not in ("equal norms", "copies"))


@pytest.mark.statistical
@pytest.mark.parametrize(("size", "correlation"), [(1, 0.0), (2, 0.9), (10, 0.8)])
def test_a_sample_of_rows_never_makes_families_look_flatter(size, correlation):
    rng = np.random.default_rng(0)
    shared = np.repeat(rng.standard_normal((2000 // size, 80)), size, axis=0)
    rows = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rng.standard_normal((2000, 80))
    of_all, of_some = (
        eigenvalue_slope(dataset(rows), first_rank=3, last_rank=50, n_influence_rows=m).slope_null.sel(
            null=families_turned.LABEL
        )
        for m in (2000, 500)
    )
    # What the sample's families stand for is more uneven than they were: the null is steeper, the claim more careful.
    assert float(of_all) * 1.25 < float(of_some) < float(of_all) + 0.004


def test_copies_are_merged_and_opposites_are_one_line():
    parameters = {"first_rank": 3, "last_rank": 40}
    rows = isotropic(0, "copies")
    copied, single = (eigenvalue_slope(dataset(each), **parameters) for each in (rows, rows[:400]))
    assert int(copied.n_merged) == 200
    rest = [name for name in copied.data_vars if name != "n_merged"]
    assert_equal(copied[rest], single[rest])
    opposite = eigenvalue_slope(dataset(isotropic(0, "opposites")), **parameters)
    assert float(opposite.n_lines) == pytest.approx(300, rel=0.04)


@pytest.mark.statistical
@pytest.mark.parametrize(("n", "exponent"), [(240, 1.0), (480, 0.3)])
def test_a_power_law_is_not_rejected_for_its_few_rows(n, exponent):
    n_seeds = times(6, 100)
    parameters = {"first_rank": 4, "last_rank": 50}
    results = [eigenvalue_slope(dataset(gaussian_rows(s, n, 120, exponent)), **parameters) for s in range(n_seeds)]
    p = np.array([min(float(result.power_law_p), 1 - float(result.power_law_p)) * 2 for result in results])
    assert (p < 0.05).sum() <= stats.binom.ppf(0.999, n_seeds, 0.05)
    # The bend of few rows is many times the error of what is left of it.
    assert np.mean([float(result.curvature) for result in results]) < -0.05
    bend = np.array([float(result.power_law_bend) for result in results])
    assert abs(bend.mean()) < 0.025
    behind = np.mean([float(result.slope_behind) for result in results])
    assert behind == pytest.approx(-exponent, abs=0.03)


@pytest.mark.parametrize(("form", "bend"), [("log_normal", -0.5), ("broken_power_law", -0.9)])
def test_other_laws_are_told_from_a_power_law(form, bend):
    x = np.log10(np.arange(1, 81.0))
    y = bend * x**2 if form == "log_normal" else bend * np.maximum(x - np.log10(20), 0)
    result = eigenvalue_slope(dataset(gaussian_rows(0, 2000, 80) * 10 ** (y / 2)), first_rank=4, last_rank=70)
    assert result.power_law_p < 0.001
    assert result.power_law_bend_high < 0
    explained = result.power_law_r_squared
    assert explained.sel(form=form) == explained.max()
    assert explained.sel(form="power_law") < explained.max() - 0.005
    if form == "broken_power_law":
        assert 15 <= result.break_rank <= 26


def test_sampled_rows_estimate_the_error_of_all():
    n_seeds = times(12, 30)
    rows = gaussian_rows(3, 4000, 20, 1.0)
    full = eigenvalue_slope(dataset(rows), first_rank=2, last_rank=18)
    sampled = [
        eigenvalue_slope(dataset(rows), first_rank=2, last_rank=18, n_influence_rows=200, seed=seed)
        for seed in range(n_seeds)
    ]
    assert {float(result.slope) for result in sampled} == {float(full.slope)}
    ratio = np.array([float(result.slope_standard_error / full.slope_standard_error) for result in sampled]) ** 2
    # The mean of 200 squares of influence, whose kurtosis is about 4, spreads by sqrt(3 / 200).
    assert abs(ratio.mean() - 1) < 4 * np.sqrt(3 / 200 / n_seeds)
    assert 0.07 < ratio.std() < 0.19
    wider = np.mean([float((result.slope_high - result.slope_low) / result.slope_standard_error) for result in sampled])
    assert wider > float((full.slope_high - full.slope_low) / full.slope_standard_error)


def test_the_seed_draws_the_same_rows_for_any_chunks():
    rows = gaussian_rows(3, 301, 12, 1.0)
    # Rows of zero norm must not shift which of the others are drawn.
    rows[[4, 17, 200]] = 0
    parameters = {"first_rank": 2, "last_rank": 10, "n_influence_rows": 64}
    expected = eigenvalue_slope(dataset(rows), **parameters)
    for chunks in (1, 50, 300):
        assert_equal(eigenvalue_slope(rechunk(dataset(rows), {"features": chunks}), **parameters).compute(), expected)
    other = eigenvalue_slope(dataset(rows), **parameters, seed=1)
    assert float(other.slope_standard_error) != float(expected.slope_standard_error)
    assert float(other.slope) == float(expected.slope)


@pytest.mark.statistical
def test_isotropic_intervals_are_too_wide_because_eigenvalues_repel():
    n_seeds = times(10, 60)
    results = [eigenvalue_slope(dataset(gaussian_rows(s, 600, 40)), first_rank=3, last_rank=36) for s in range(n_seeds)]
    deviation = np.std([float(result.slope) for result in results])
    low, high = over_deviation(1.4, 2.1, n_seeds)
    assert low < np.mean([float(result.slope_standard_error) for result in results]) / deviation < high
    assert min(float(result.slope_p.min()) for result in results) > 0.005


def test_isotropic_rows_agree_with_the_analytic_null():
    rejected = 0
    n_seeds = 12
    for seed in range(n_seeds):
        result = eigenvalue_slope(dataset(gaussian_rows(seed, 600, 100)), first_rank=5, last_rank=80)
        for null in result.eigenvalue_null:
            np.testing.assert_allclose(result.eigenvalue, null, rtol=0.09)
        rejected += bool((result.slope_p < 0.05).all())
    assert rejected <= stats.binom.ppf(0.999, n_seeds, 0.05)


def test_planted_slope_excludes_the_null():
    result = eigenvalue_slope(dataset(gaussian_rows(0, 600, 100, 0.5)), first_rank=5, last_rank=80)
    assert (result.slope_p < 1e-6).all()
    assert (result.slope_excess < -0.2).all()
    np.testing.assert_allclose(result.slope_excess, result.slope - result.slope_null)


def test_null_of_more_dimensions_than_rows_has_zeros():
    rows = gaussian_rows(0, 100, 250)
    result = eigenvalue_slope(dataset(rows), first_rank=5, last_rank=60)
    # One less than the rows, as the mean is taken away; the law knows of no mean.
    assert np.count_nonzero(result.eigenvalue) == result.n_ranks == 99
    assert np.count_nonzero(result.eigenvalue_null.sel(null=marchenko_pastur.LABEL)) == 100
    for null in result.eigenvalue_null:
        np.testing.assert_allclose(result.eigenvalue[:90], null[:90], rtol=0.15)
    assert result.log_determinant == -np.inf
    assert (abs(result.slope_excess) < 0.05).all()


def test_zero_rows_are_dropped_and_counted():
    rows = gaussian_rows(3, 90, 12)
    padded = np.insert(rows, [0, 10, 10, 90], 0.0, axis=0)
    names = ["eigenvalue", "slope", "slope_null", "mean_resultant", "n_features_used"]
    got = eigenvalue_slope(dataset(padded), first_rank=2, last_rank=10)
    expected = eigenvalue_slope(dataset(rows), first_rank=2, last_rank=10)
    assert_equal(got[names], expected[names])
    assert (int(got.n_features_dropped), int(expected.n_features_dropped)) == (4, 0)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rows_far_from_the_origin_keep_their_spectrum_in_any_dtype(dtype):
    rows = gaussian_rows(4, 400, 15, 2.0).astype(dtype)
    # As far as each type still holds the rows' differences, and they are more than a millionth of the rows.
    shift = {"float16": 8, "float32": 2.0**12, "float64": 1e4}[dtype]
    rows = (rows + rows.dtype.type(shift)).astype(dtype)
    exact = rows.astype(float) - shift
    expected = np.linalg.svd(exact - exact.mean(axis=0), compute_uv=False) ** 2 / 399
    result = eigenvalue_slope(rechunk(dataset(rows), {"features": 37}), first_rank=1, last_rank=15).compute()
    np.testing.assert_allclose(result.eigenvalue, expected, rtol=0, atol=1e-10 * expected[0])


def test_constant_columns_leave_a_written_outcome():
    rows = gaussian_rows(6, 80, 12)
    rows[:, 7:] = 0.25
    result = eigenvalue_slope(dataset(rows), first_rank=2, last_rank=10)
    assert result.n_ranks == 7
    assert np.isnan(result.slope)
    assert np.isnan(result.slope_p).all()
    assert result.log_volume == -np.inf
    assert np.isfinite(result.effective_rank)
    assert np.isfinite(eigenvalue_slope(dataset(rows), first_rank=2, last_rank=7).slope)


@pytest.mark.parametrize("value", [0.1, 1e6 / 3])
def test_equal_rows_leave_a_written_outcome(value):
    rows = np.full((2500, 12), value)
    # Chunks of unequal size: merging their means must not leave rounding that looks like variance.
    result = eigenvalue_slope(rechunk(dataset(rows), {"features": 1100}), first_rank=2, last_rank=10).compute()
    assert (int(result.n_features_used), int(result.n_merged)) == (1, 2499)
    np.testing.assert_allclose(result.mean_resultant, 1)
    undefined = (
        "eigenvalue",
        "slope",
        "slope_low",
        "slope_p",
        "curvature_standard_error",
        "effective_rank",
        "log_volume",
    )
    assert all(np.isnan(result[name]).all() for name in undefined)


def test_window_of_all_ranks_that_the_rows_can_have_leaves_the_error_open():
    result = eigenvalue_slope(dataset(gaussian_rows(7, 12, 30)), first_rank=1, last_rank=11)
    assert np.isfinite(result.slope)
    assert float(result.slope_standard_error) == np.inf
    assert result.slope_p.values.tolist() == [0.5, 0.5]
    assert (float(result.slope_low), float(result.slope_high)) == (-np.inf, np.inf)


@pytest.mark.parametrize("n_alive", [0, 1])
def test_too_few_rows_leave_a_written_outcome(n_alive):
    rows = np.zeros((40, 8))
    rows[:n_alive] = 1.0
    result = eigenvalue_slope(dataset(rows), first_rank=2, last_rank=6)
    assert (int(result.n_features_used), int(result.n_features_dropped)) == (n_alive, 40 - n_alive)
    assert all(np.isnan(result[name]).all() for name in ("eigenvalue", "slope", "slope_p", "log_volume", "stable_rank"))


@pytest.mark.parametrize(
    ("shape", "parameters", "message"),
    [
        ((200, 24), {}, "last_rank: got 150, expected at most 24"),
        ((20, 24), {"first_rank": 2, "last_rank": 20}, "last_rank: got 20, expected at most 19"),
        ((200, 24), {"first_rank": 0, "last_rank": 20}, "first_rank: got ranks 0 to 20"),
        ((200, 24), {"first_rank": 19, "last_rank": 20}, "first_rank: got ranks 19 to 20"),
        ((200, 24), {"first_rank": 2, "last_rank": 20, "n_influence_rows": 1}, "n_influence_rows: got 1, expected at"),
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
