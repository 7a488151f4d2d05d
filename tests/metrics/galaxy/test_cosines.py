"""Measures of cosines, the exact laws on the sphere, and surrogates that make p uniform."""

import numpy as np
import pytest
import xarray as xr
from decoder_rows import decoder, gaussian_rows, unit_rows
from scipy import integrate, stats
from scipy.spatial.distance import pdist, squareform
from soak import times

from saegeom_data.metrics._shared import directions
from saegeom_data.metrics._statistics import sphere_law
from saegeom_data.metrics.galaxy._shared import cosines, surrogates
from saegeom_data.metrics.galaxy.intrinsic_dimension._ratio import dimensions
from saegeom_data.metrics.nulls import spectrum_matched, uniform_sphere


def rows_with_gaps():
    rows = gaussian_rows(0, 90, 6, 1.0)
    rows[[0, 17, 18, 50, 89]] = 0
    return rows


def test_centred_directions_are_less_their_mean():
    rows = np.r_[rows_with_gaps(), np.zeros((1, 6))]
    unit, used = directions.directions(rows)
    rows[90] = 3 * unit.mean(axis=0)
    unit, used = directions.directions(rows)
    array = decoder(rows).chunk(features=20)
    # The mean that is taken away is given, so that one row is equal to it.
    mean = decoder(rows)[90] / 3
    kept = xr.DataArray(np.arange(91) != 7, dims="features")
    found = cosines.centred_directions(array, mean, kept).values
    expected = np.zeros((91, 6))
    expected[used] = unit - mean.values
    expected[7] = 0
    assert not found[90].any() if np.isclose(np.linalg.norm(mean), 1) else found[90].any()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert not cosines.less_mean(np.ones((3, 2)) / 3, np.full(2, 1 / 3) + 1e-16).any()


@pytest.mark.parametrize("hidden", [2, 3, 24, 400])
def test_tail_of_the_cosine_is_that_of_a_beta_law(hidden):
    cosine = np.linspace(-1, 1, 41)
    expected = stats.beta(*[(hidden - 1) / 2] * 2).sf((1 + cosine) / 2)
    np.testing.assert_allclose(sphere_law.cosine_tail(cosine, hidden), expected, atol=1e-13)
    if hidden > 2:
        density = stats.beta(*[(hidden - 1) / 2] * 2)
        np.testing.assert_allclose(
            integrate.quad(lambda t: density.pdf((1 + t) / 2) / 2, 0.1, 1)[0],
            float(sphere_law.cosine_tail(0.1, hidden)),
            rtol=1e-8,
        )


@pytest.mark.parametrize(("n", "hidden"), [(1, 2), (7, 2), (149, 24), (1535, 384), (65_535, 2304), (999, 3)])
def test_largest_cosine_has_the_mean_and_quantiles_of_its_law(n, hidden):
    levels = np.array([1e-9, 1e-3, 0.05, 0.5, 0.95, 0.999])
    quantiles = sphere_law.largest_cosine_quantiles(levels, n, hidden)
    np.testing.assert_allclose(sphere_law.largest_cosine_tail(quantiles, n, hidden), 1 - levels, rtol=1e-6, atol=1e-12)
    inside = quantiles[(quantiles > -1) & (quantiles < 1)]
    below = integrate.quad(
        lambda t: 1 - float(sphere_law.largest_cosine_tail(t, n, hidden)), -1, 1, points=inside, limit=400, epsabs=1e-12
    )[0]
    assert sphere_law.largest_cosine_mean(n, hidden) == pytest.approx(1 - below, abs=1e-9)


def test_one_dimension_has_two_directions():
    assert sphere_law.cosine_tail(np.array([-1.5, -1.0, 0.3, 1.0]), 1).tolist() == [1.0, 0.5, 0.5, 0.0]
    assert sphere_law.largest_cosine_mean(3, 1) == 0.75
    assert sphere_law.largest_cosine_quantiles(np.array([0.1, 0.2]), 3, 1).tolist() == [-1.0, 1.0]
    assert sphere_law.largest_absolute_cosine_mean(3, 1) == 1.0


def test_nearest_neighbours_on_the_sphere_follow_the_law():
    rows = [uniform_sphere.uniform_rows(60, 5, np.random.default_rng(seed)) for seed in range(200)]
    largest = np.stack([np.sort(cloud @ cloud.T, axis=1)[:, -2] for cloud in rows])
    error = largest.mean(axis=1).std() / np.sqrt(200)
    assert abs(largest.mean() - sphere_law.largest_cosine_mean(59, 5)) < 4 * error
    # One row of each cloud is an independent draw of the law.
    uniform = sphere_law.largest_cosine_tail(largest[:, 0], 59, 5)
    assert stats.kstest(uniform, "uniform").pvalue > 0.001


@pytest.mark.parametrize(
    ("n", "hidden", "exponent", "shift"),
    [(150, 24, 0.0, 0.0), (150, 24, 1.0, 0.7), (40, 24, 0.5, 0.0), (300, 3, 2.0, 0)],
)
def test_matched_rows_have_the_moments_of_the_data(n, hidden, exponent, shift):
    unit = unit_rows(3, n, hidden, exponent, shift)
    given = directions.principal(directions._unit_moments(0, unit))
    rows = spectrum_matched.matched_rows(n, given["spectrum"], given["principal_mean"], np.random.default_rng(0))[
        :, :hidden
    ]
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(rows.mean(axis=0), given["principal_mean"], atol=2e-4 * np.sqrt(given["spectrum"][0]))
    np.testing.assert_allclose(np.cov(rows, rowvar=False), np.diag(given["spectrum"]), atol=2e-4 * given["spectrum"][0])


def test_matched_rows_keep_what_is_constant():
    unit = unit_rows(0, 100, 4)
    unit = np.c_[unit * 0.8, np.full(100, 0.6)]
    given = directions.principal(directions._unit_moments(0, unit))
    rows = spectrum_matched.matched_rows(100, given["spectrum"], given["principal_mean"], np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(rows[:, -1], 0.6, rtol=1e-9)
    equal = directions.principal(directions._unit_moments(0, np.full((9, 4), 0.5)))
    assert (
        np.ptp(spectrum_matched.matched_rows(9, equal["spectrum"], equal["principal_mean"], np.random.default_rng(0)))
        == 0
    )


def test_there_are_no_matched_rows_of_impossible_moments():
    unit = unit_rows(0, 6, 5)
    few = directions.principal(directions._unit_moments(0, unit))
    rng = np.random.default_rng(0)
    assert spectrum_matched.matched_rows(6, few["spectrum"], few["principal_mean"], rng) is None
    assert spectrum_matched.matched_rows(100, np.array([0.2, 0.1]), np.array([0.1, 0.1]), rng) is None
    found = surrogates._drawn_statistics(
        6, few["spectrum"], few["principal_mean"], null=spectrum_matched.LABEL, hidden=5, k=3, indices=(0, 1), seed=0
    )
    assert all(np.isnan(values).all() for values in found.values())
    assert np.isnan(cosines.tail_of(1.0, found["mean_cosine"]))


def test_rows_in_a_narrow_cone_are_matched_but_for_their_norms():
    unit = unit_rows(0, 300, 24, 0.0, 8.0)
    given = directions.principal(directions._unit_moments(0, unit))
    rows = spectrum_matched.matched_rows(300, given["spectrum"], given["principal_mean"], np.random.default_rng(0))
    covariance = np.cov(rows[:, :24], rowvar=False)
    np.testing.assert_allclose(covariance, np.diag(given["spectrum"]), atol=0.01 * given["spectrum"][0])


def brute_coherence(rows, threshold):
    square = np.minimum(squareform(pdist(rows)), squareform(pdist(np.r_[rows, -rows]))[: len(rows), len(rows) :])
    cosine = 1 - square**2 / 2
    upper = np.triu_indices(len(rows), 1)
    best = int(np.argmax(cosine[upper]))
    return cosine[upper][best], (upper[0][best], upper[1][best]), [(cosine[upper] > bound).sum() for bound in threshold]


@pytest.mark.parametrize("hidden", [2, 24, 300])
def test_search_finds_the_pair_and_counts(hidden):
    rows, threshold = unit_rows(hidden, 700, hidden), (0.0, 0.1, 0.5)
    cosine, pair, above = brute_coherence(rows, threshold)
    side = rows, np.arange(700)
    found, counts = cosines.search_pairs(side, side, cosines.Coherence(), threshold)
    assert found.cosine == pytest.approx(cosine, abs=1e-15)
    assert found.pair == pair
    assert counts.tolist() == above


def test_search_takes_the_first_of_equal_pairs():
    rows = np.repeat(unit_rows(0, 100, 4), 2, axis=0)[::-1].copy()
    rows[150] = -rows[20]
    side = rows, 10 + np.arange(200)
    assert cosines.search_pairs(side, side, cosines.Coherence(), ())[0] == cosines.Coherence(1.0, (10, 11))
    known = cosines.Coherence(1.0, (3, 4))
    assert cosines.search_pairs(side, side, known, ())[0] == known
    other = rows[150:], 160 + np.arange(50)
    found, _ = cosines.search_pairs((rows[15:21], 25 + np.arange(6)), other, cosines.Coherence(), ())
    assert found == cosines.Coherence(1.0, (30, 160))


def test_cosines_equal_to_a_threshold_are_not_above_it():
    # Roots of E8 but for opposites: all cosines are 0 or one half.
    signs = np.array(np.meshgrid(*[[1, -1]] * 8)).reshape(8, -1).T / 2
    halves = signs[(signs.prod(axis=1) > 0) & (signs[:, 0] > 0)]
    pairs = np.array([np.eye(8)[i] + s * np.eye(8)[j] for i in range(8) for j in range(i) for s in (1, -1)])
    rows = np.r_[halves, pairs] / np.sqrt(2)
    rows = rows @ np.linalg.qr(gaussian_rows(0, 8, 8))[0]
    side = rows, np.arange(120)
    found, counts = cosines.search_pairs(side, side, cosines.Coherence(), (0.4, 0.5))
    assert found.cosine == pytest.approx(0.5, abs=1e-14)
    assert counts.tolist() == [120 * 56 // 2, 0]


def test_error_sums_products_over_neighbours():
    rng = np.random.default_rng(0)
    values, neighbour = rng.standard_normal(40), rng.integers(0, 40, (40, 3))
    values[[3, 30]], neighbour[7, 2] = np.nan, -1
    linked = np.eye(40, dtype=bool)
    for row in range(40):
        for other in neighbour[row][neighbour[row] >= 0]:
            linked[row, other] = linked[other, row] = True
    apart = np.nan_to_num(values - np.nanmean(values))
    expected = max(apart @ linked @ apart, apart @ apart)
    assert cosines.dependent_error(values, neighbour) == pytest.approx(np.sqrt(expected) / 38)
    assert cosines.dependent_error(np.full(40, 2.0), neighbour) == 0


def test_measures_of_occurrence_are_the_standard_ones():
    count = np.random.default_rng(0).poisson(4.0, 300).astype(float)
    found = dict(zip(cosines.OCCURRENCE_MEASURES, cosines.occurrence_measures(count), strict=True))
    assert found["skewness"] == pytest.approx(stats.skew(count))
    lorenz = np.cumsum(np.sort(count)) / count.sum()
    robin_hood = (np.arange(1, 301) / 300 - lorenz).max()
    assert found["robin_hood"] == pytest.approx(robin_hood)
    assert found["antihub_share"] == np.mean(count == 0)
    assert found["largest_occurrence"] == count.max()
    assert np.isnan(cosines.occurrence_measures(np.full(5, 2.0))[0])


def compared(statistics, n):
    """What metrics refer to surrogates, larger where there is more structure."""
    estimated = [
        dimensions(name, order, statistics["mean_log_distance"], n)
        for name, order in (("two_nn", 1), ("maximum_likelihood", 10), ("dimension_by_scale", 8))
    ]
    hubs = np.moveaxis(statistics["occurrence"][..., 0, 9], -1, 0)
    return np.stack(
        [statistics["mean_cosine"], *(-dimension for dimension in estimated), *hubs, statistics["coherence"]], axis=-1
    )


@pytest.mark.statistical
@pytest.mark.parametrize(("exponent", "shift"), [(0.0, 0.0), (1.0, 0.7)])
def test_p_is_uniform_on_gaussian_directions(exponent, shift):
    n, n_seeds, p = 150, times(20, 100), []
    for seed in range(n_seeds):
        unit = unit_rows((5, seed), n, 24, exponent, shift)
        moments = directions.principal(directions._unit_moments(0, unit))
        given = moments["n_used"], moments["spectrum"], moments["principal_mean"]
        draws = surrogates._drawn_statistics(
            *given, null=spectrum_matched.LABEL, hidden=24, k=32, indices=tuple(range(19)), seed=seed
        )
        observed = compared(surrogates._statistics(unit, 32, spectrum_matched.LABEL), n)
        p.append(cosines.tail_of(observed, compared(draws, n).T))
    p = np.array(p)
    jittered = p - np.random.default_rng(0).random(p.shape) / 20
    pvalues = [stats.kstest(column, "uniform").pvalue for column in jittered.T]
    assert min(pvalues) > 0.001, pvalues
    assert ((p <= 0.1).sum(axis=0) <= stats.binom.ppf(0.999, n_seeds, 0.1)).all()
