"""Nearest neighbours in direction: brute force, the exact law, p on nulls, and intervals that cover."""

import numpy as np
import pytest
import xarray as xr
from decoder_rows import gaussian_rows
from scipy import stats
from soak import over_deviation, times

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics._statistics import sphere_law
from saegeom_data.metrics.galaxy.neighbour_angle import neighbour_angle
from saegeom_data.metrics.nulls import spectrum_matched, uniform_sphere
from saegeom_data.testing.checks import assert_equal, rechunk

FEW = {"n_surrogates": 1}


def dataset(rows):
    return xr.Dataset({"decoder": (("features", "hidden"), rows)})


def clustered_rows(seed, n, hidden, separation):
    centre = np.random.default_rng(0).standard_normal((6, hidden))
    return gaussian_rows(seed, n, hidden) + separation * centre[np.arange(n) % 6]


def cosines(rows):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    return cosine


def test_agrees_with_brute_force():
    rows = clustered_rows(0, 150, 12, 0.5) * np.random.default_rng(1).uniform(0.1, 10, (150, 1))
    result = neighbour_angle(dataset(rows), threshold=0.6, n_surrogates=3)
    cosine = cosines(rows)
    largest = cosine.max(axis=1)
    np.testing.assert_array_equal(result.neighbour, cosine.argmax(axis=1))
    np.testing.assert_allclose(result.neighbour_cosine, largest, atol=1e-13)
    assert result.mean_cosine.item() == pytest.approx(largest.mean())
    assert result.share_above.item() == np.mean(largest > 0.6)
    np.testing.assert_allclose(result.quantile_cosine, np.quantile(largest, result["quantile"]), atol=1e-13)
    edges = np.append(result.bin_low, result.bin_high[-1])
    np.testing.assert_allclose(result.histogram, np.histogram(largest, edges)[0] / 150)
    assert edges[[0, -1]].tolist() == [-1, 1]


def test_results_follow_from_surrogates():
    result = neighbour_angle(dataset(clustered_rows(0, 80, 8, 0.3)), n_surrogates=12)
    draws = result.mean_cosine_surrogate
    assert draws.dims == ("null", "surrogate")
    np.testing.assert_allclose(result.mean_cosine_null_sd, draws.std("surrogate", ddof=1))
    np.testing.assert_allclose(result.mean_cosine_null[1], draws[1].mean())
    np.testing.assert_allclose(result.mean_cosine_excess, result.mean_cosine - result.mean_cosine_null)
    np.testing.assert_array_equal(result.p, ((draws >= result.mean_cosine).sum("surrogate") + 1) / 13)
    assert result["null"].values.tolist() == [uniform_sphere.LABEL, spectrum_matched.LABEL]
    np.testing.assert_allclose(result.histogram_null.sum("bin"), 1)
    assert (result.quantile_cosine_null.diff("quantile") > 0).all()


def test_surrogates_on_the_sphere_follow_the_exact_law():
    result = neighbour_angle(dataset(gaussian_rows(0, 100, 6)), threshold=0.815, n_surrogates=150)
    error = float(result.mean_cosine_null_sd[0]) / np.sqrt(150)
    assert abs(float(result.mean_cosine_surrogate[0].mean() - result.mean_cosine_null[0])) < 4 * error
    # Surrogates with the moments of isotropic rows are much the same, so that the histograms are.
    np.testing.assert_allclose(result.histogram_null[1], result.histogram_null[0], atol=0.03)
    np.testing.assert_allclose(result.quantile_cosine_null[1], result.quantile_cosine_null[0], atol=0.03)
    assert result.share_above_null[0].item() == pytest.approx(sphere_law.largest_cosine_tail(0.815, 99, 6))
    assert result.share_above_null[1].item() == pytest.approx(result.share_above_null[0].item(), abs=0.03)


@pytest.mark.statistical
def test_p_is_uniform_on_isotropic_rows():
    n = times(20, 100)
    results = [
        neighbour_angle(dataset(gaussian_rows((1, seed), 150, 24)), n_surrogates=9, seed=seed) for seed in range(n)
    ]
    p = np.array([result.p.values for result in results])
    jittered = p - np.random.default_rng(0).random(p.shape) / 10
    assert min(stats.kstest(column, "uniform").pvalue for column in jittered.T) > 0.001
    assert ((p <= 0.1).sum(axis=0) <= stats.binom.ppf(0.999, n, 0.1)).all()


def test_clusters_are_closer_than_their_spectrum_says():
    excess = []
    for separation in (0.0, 1.0, 2.0):
        result = neighbour_angle(dataset(clustered_rows(3, 240, 24, separation)), n_surrogates=19)
        excess.append(float(result.mean_cosine_excess.sel(null=spectrum_matched.LABEL)))
    assert excess[0] < 0.01 < excess[1] < excess[2]
    assert result.p.values.tolist() == [0.05, 0.05]


def test_a_power_law_is_not_uniform_but_is_its_own_surrogate():
    result = neighbour_angle(dataset(gaussian_rows(0, 300, 24, 1.5)), n_surrogates=39)
    assert result.p[0] == 1 / 40
    assert result.p[1] > 0.05


def test_frames_that_repel_are_further_apart_than_the_null():
    # A cross polytope: no two of its directions are closer than a right angle.
    axes = np.r_[np.eye(12), -np.eye(12)]
    result = neighbour_angle(dataset(axes), n_surrogates=19)
    assert result.p.values[0] == 1
    assert result.mean_cosine_excess[0] < -0.3
    assert abs(result.mean_cosine) < 1e-12


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda seed: gaussian_rows((5, seed), 200, 3), sphere_law.largest_cosine_mean(199, 3)),
        (lambda seed: gaussian_rows((5, seed), 200, 24), sphere_law.largest_cosine_mean(199, 24)),
        (lambda seed: clustered_rows((5, seed), 200, 24, 2.0), None),
    ],
    ids=["few dimensions", "many dimensions", "clusters"],
)
def test_interval_covers(make, expected):
    n = times(20, 100)
    results = [neighbour_angle(dataset(make(seed)), **FEW) for seed in range(n)]
    mean = np.array([float(result.mean_cosine) for result in results])
    expected = mean.mean() if expected is None else expected
    covered = sum(bool(result.mean_cosine_low < expected < result.mean_cosine_high) for result in results)
    assert stats.binom.ppf(0.001, n, 0.95) <= covered
    width = np.mean([float(result.mean_cosine_high - result.mean_cosine_low) for result in results])
    low, high = over_deviation(0.9, 1.6, n)
    assert low < width / (2 * 1.96 * mean.std()) < high


def test_zero_rows_are_dropped_and_counted():
    rows = gaussian_rows(3, 60, 8)
    padded = np.insert(rows, [0, 10, 10, 60], 0.0, axis=0)
    got, expected = neighbour_angle(dataset(padded), **FEW), neighbour_angle(dataset(rows), **FEW)
    scalars = [name for name in expected if "features" not in expected[name].dims and name != "n_features_dropped"]
    assert_equal(got[scalars], expected[scalars])
    assert (int(got.n_features_dropped), int(got.n_features_used)) == (4, 60)
    zero = ~padded.any(axis=1)
    assert np.isnan(got.neighbour_cosine.values[zero]).all()
    assert (got.neighbour.values[zero] == -1).all()
    np.testing.assert_allclose(got.neighbour_cosine.values[~zero], expected.neighbour_cosine)
    np.testing.assert_array_equal(got.neighbour.values[~zero], np.flatnonzero(~zero)[expected.neighbour])


def test_copies_are_merged_and_have_the_neighbour_of_the_first():
    rows = gaussian_rows(3, 60, 8)
    copied = np.r_[rows, [[2.0], [0.3]] * rows[[1]]]
    result, alone = neighbour_angle(dataset(copied), **FEW), neighbour_angle(dataset(rows), **FEW)
    scalars = [name for name in alone if "features" not in alone[name].dims and name != "n_merged"]
    assert_equal(result[scalars], alone[scalars])
    assert (result.n_merged.item(), result.n_features_used.item()) == (2, 60)
    for name in ("neighbour", "neighbour_cosine"):
        np.testing.assert_array_equal(result[name], alone[name][[*range(60), 1, 1]])


def test_equal_rows_leave_a_written_outcome():
    result = neighbour_angle(dataset(np.full((30, 5), -0.7)), n_surrogates=3)
    assert (result.n_features_used.item(), result.n_merged.item()) == (1, 29)
    assert np.isnan([result.mean_cosine, *result.p]).all()
    assert (result.neighbour == -1).all()


@pytest.mark.parametrize("n_alive", [0, 1])
def test_too_few_rows_leave_a_written_outcome(n_alive):
    rows = np.zeros((6, 4))
    rows[:n_alive] = 1
    result = neighbour_angle(rechunk(dataset(rows), {"features": 4}), n_surrogates=2).compute()
    assert (result.n_features_used.item(), result.n_features_dropped.item()) == (n_alive, 6 - n_alive)
    estimates = [name for name in result if result[name].dtype.kind == "f"]
    assert all(np.isnan(result[name]).all() for name in estimates), estimates
    assert (result.neighbour == -1).all()


def test_one_and_two_dimensions():
    line = neighbour_angle(dataset(gaussian_rows(0, 30, 1)), n_surrogates=9)
    # Two distinct directions, opposite to each other; of two at random half are.
    assert (line.mean_cosine.item(), line.n_merged.item()) == (-1, 28)
    assert line.mean_cosine_null[0].item() == 0
    plane = neighbour_angle(dataset(gaussian_rows(1, 60, 2)), n_surrogates=39)
    assert plane.p[0] > 0.05
    assert plane.mean_cosine_null[0].item() == pytest.approx(plane.mean_cosine.item(), abs=0.005)


def test_sampled_rows_are_measured_among_themselves():
    rows = gaussian_rows(4, 90, 8, 1.0)
    result = neighbour_angle(dataset(rows), n_samples=40, n_surrogates=3, seed=2)
    drawn = np.flatnonzero(result.neighbour >= 0)
    assert len(drawn) == result.n_features_used == 40
    alone = neighbour_angle(dataset(rows[drawn]), n_surrogates=3, seed=2)
    scalars = [name for name in alone if "features" not in alone[name].dims]
    assert_equal(result[scalars], alone[scalars])
    np.testing.assert_array_equal(result.neighbour.values[drawn], drawn[alone.neighbour])
    assert np.isnan(np.delete(result.neighbour_cosine.values, drawn)).all()
    lazy = neighbour_angle(rechunk(dataset(rows), {"features": 11}), n_samples=40, n_surrogates=3, seed=2)
    assert_equal(lazy.compute(), result)
    assert_equal(neighbour_angle(dataset(rows), n_samples=90, **FEW), neighbour_angle(dataset(rows), **FEW))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_samples": 51}, "n_samples: got 51, expected 1 to 50, the features"),
        ({"n_samples": 0}, "n_samples: got 0, expected greater than or equal to 1"),
        ({"n_surrogates": 0}, "n_surrogates: got 0"),
        ({"threshold": 1.0}, "threshold: got 1.0, expected less than 1"),
    ],
)
def test_wrong_parameters_are_named(parameters, message):
    with pytest.raises(ParameterError, match=message):
        neighbour_angle(rechunk(dataset(np.ones((50, 3))), {"features": 7}), **parameters)


def test_missing_values_are_refused():
    rows = gaussian_rows(0, 50, 12)
    rows[3, 4] = np.nan
    with pytest.raises(DataValueError, match="features 3"):
        neighbour_angle(dataset(rows), **FEW)
