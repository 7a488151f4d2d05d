"""Isotropy of directions against exact laws, sums over all pairs and the published steps."""

import itertools

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from soak import over_deviation, times

from saegeom_data.metrics.galaxy.isotropy import _mean_cosine, _second_moment, isotropy
from saegeom_data.testing.checks import assert_equal, rechunk


def dataset(rows):
    return xr.Dataset({"decoder": (("features", "hidden"), rows)})


def gaussian_rows(seed, n, hidden, exponent=0.0, mean=0.0):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, hidden)) * np.arange(1, hidden + 1.0) ** (-exponent / 2)
    rows[:, 0] += mean
    return rows


def cosines(rows):
    directions = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return directions @ directions.T


def published_iso_score(points):
    """Its steps: principal components, diagonal of the covariance, its length, the defect, and the score."""
    n = points.shape[1]
    centred = points - points.mean(axis=0)
    scores = centred @ np.linalg.svd(centred, full_matrices=False)[2].T
    diagonal = np.diag(np.cov(scores, rowvar=False))
    normalised = diagonal * np.sqrt(n) / np.linalg.norm(diagonal)
    defect = np.linalg.norm(normalised - 1) / np.sqrt(2 * (n - np.sqrt(n)))
    used = (n - defect**2 * (n - np.sqrt(n))) ** 2 / n**2
    return (n * used - 1) / (n - 1)


@pytest.mark.parametrize(("exponent", "mean"), [(0.0, 0.0), (1.0, 0.0), (0.5, 2.0)])
def test_agrees_with_sums_over_pairs_and_published_steps(exponent, mean):
    rows = gaussian_rows(0, 150, 11, exponent, mean)
    result = isotropy(rechunk(dataset(rows), {"features": 40})).compute()
    cosine = cosines(rows)
    pairs = cosine[np.triu_indices(150, 1)]
    directions = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(result.mean_cosine, pairs.mean(), rtol=1e-9)
    np.testing.assert_allclose(result.second_moment_excess, 11 * (pairs**2).mean() - 1, rtol=1e-9)
    np.testing.assert_allclose(result.mean_resultant, np.linalg.norm(directions.mean(axis=0)), rtol=1e-9)
    np.testing.assert_allclose(result.iso_score, published_iso_score(directions), rtol=1e-9)


def test_standard_error_is_the_unbiased_one_of_a_u_statistic():
    # Eight rows, since all permutations of four of them are gone through.
    rows = gaussian_rows(8, 8, 4, mean=1.5)
    kernel = cosines(rows)
    quadruples = np.array(list(itertools.permutations(range(8), 4)))
    triples = np.array(list(itertools.permutations(range(8), 3)))
    pairs = np.array(list(itertools.permutations(range(8), 2)))
    square_of_mean = (kernel[quadruples[:, 0], quadruples[:, 1]] * kernel[quadruples[:, 2], quadruples[:, 3]]).mean()
    of_row = (kernel[triples[:, 0], triples[:, 1]] * kernel[triples[:, 0], triples[:, 2]]).mean() - square_of_mean
    of_pair = (kernel[pairs[:, 0], pairs[:, 1]] ** 2).mean() - square_of_mean
    # Otherwise the estimate is cut off at 0, and nothing would be compared.
    assert of_row > 0
    expected = np.sqrt((4 * 6 * of_row + 2 * of_pair) / 56)
    result = isotropy(dataset(rows))
    np.testing.assert_allclose(result.mean_cosine_standard_error, expected, rtol=1e-9)
    reach = stats.norm.ppf(0.975) * expected
    np.testing.assert_allclose(result.mean_cosine_high - result.mean_cosine, reach, rtol=1e-9)
    np.testing.assert_allclose(result.mean_cosine - result.mean_cosine_low, reach, rtol=1e-9)


@pytest.mark.statistical
# Few rows, many rows, and more dimensions than rows.
@pytest.mark.parametrize(("n", "hidden"), [(20, 5), (400, 12), (60, 150)])
def test_uniform_directions_follow_the_exact_null(n, hidden):
    n_seeds = times(20, 200)
    results = [isotropy(dataset(gaussian_rows((seed, n), n, hidden))) for seed in range(n_seeds)]
    value = {name: np.array([float(result[name]) for result in results]) for name in results[0].data_vars}
    for name in ("mean_resultant_p", "second_moment_p"):
        assert stats.kstest(value[name], "uniform").pvalue > 0.01, name
    for name in ("mean_cosine", "second_moment_excess"):
        sd = value[f"{name}_null_sd"][0]
        assert abs(value[name].mean()) < 3.3 * sd / np.sqrt(n_seeds)
        # The larger the deviation, the smaller its inverse, whose bounds these are.
        low, high = over_deviation(1 / 1.2, 1 / 0.8, n_seeds)
        assert low < sd / value[name].std() < high
    spread = value["iso_score"].std() / np.sqrt(n_seeds)
    np.testing.assert_allclose(value["iso_score"].mean(), value["iso_score_null"][0], rtol=0, atol=3.3 * spread)
    assert 0.85 < value["mean_cosine_standard_error"].mean() / value["mean_cosine_null_sd"][0] < 1.3


@pytest.mark.parametrize(("n", "hidden"), [(16, 2), (16, 3), (16, 64), (64, 2), (32, 8)])
def test_both_ends_of_both_tests_keep_their_level_with_few_directions_and_dimensions(n, hidden):
    n_draws = 20_000
    rng = np.random.default_rng((n, hidden))
    found = {"mean_resultant_p": [], "second_moment_p": []}
    for _ in range(0, n_draws, 2000):
        rows = rng.standard_normal((2000, n, hidden))
        rows /= np.linalg.norm(rows, axis=2, keepdims=True)
        gram = np.matmul(rows, rows.transpose(0, 2, 1))
        for resultant, squared in zip(gram.sum(axis=(1, 2)), (gram**2).sum(axis=(1, 2)), strict=True):
            outputs = _mean_cosine(n, hidden, resultant, squared, 0.0) | _second_moment(n, hidden, squared)
            for name, values in found.items():
                values.append(outputs[name])
    for values in found.values():
        p = np.array(values)
        # How much more often than it says, and 3.3 deviations of the share of these draws.
        for level, factor in ((0.05, 1.1), (0.01, 1.25), (0.001, 2.2)):
            most = factor * level + 3.3 * np.sqrt(factor * level / n_draws)
            assert (p < level).mean() < most
            assert (1 - p < level).mean() < most


def test_too_few_directions_are_not_tested():
    rows = gaussian_rows(3, 16, 5)
    assert np.isfinite(isotropy(dataset(rows)).second_moment_p)
    few = isotropy(dataset(rows[:15]))
    assert np.isnan(few.second_moment_p)
    assert np.isnan(few.mean_resultant_p)
    assert np.isfinite(few.mean_cosine)
    # In one dimension all rows are copies of one of two directions.
    line = isotropy(dataset(np.random.default_rng(0).choice([-1.0, 1.0], (64, 1))))
    assert np.isnan(line.mean_resultant_p)


def test_directions_on_one_line_have_a_score_of_0():
    result = isotropy(dataset(np.outer(np.random.default_rng(0).standard_normal(64), np.ones(8))))
    assert result.iso_score == 0
    assert np.isnan(isotropy(dataset(np.ones((64, 8)))).iso_score)


@pytest.mark.statistical
@pytest.mark.parametrize(("mean", "exponent"), [(1.0, 0.0), (0.7, 1.0)])
def test_interval_covers_the_mean_cosine_of_a_planted_direction(mean, exponent):
    n_seeds = times(20, 200)
    # So many that their own error is far below the intervals that are tested.
    many = gaussian_rows(99, 400_000, 10, exponent, mean)
    expected = ((many / np.linalg.norm(many, axis=1, keepdims=True)).mean(axis=0) ** 2).sum()
    results = [isotropy(dataset(gaussian_rows(seed, 150, 10, exponent, mean))) for seed in range(n_seeds)]
    covered = sum(bool(result.mean_cosine_low < expected < result.mean_cosine_high) for result in results)
    assert stats.binom.ppf(0.002, n_seeds, 0.95) <= covered <= stats.binom.ppf(0.998, n_seeds, 0.95)
    assert max(float(result.mean_resultant_p) for result in results) < 1e-3


@pytest.mark.parametrize("cosine", [0.1, 0.6, 0.99])
def test_planted_mean_direction_is_recovered(cosine):
    around = gaussian_rows(1, 200, 9)
    around[:, 0] = 0
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    # In opposite pairs, so that the mean is the planted direction to rounding.
    rows = np.concatenate([around, -around]) * np.sqrt(1 - cosine**2)
    rows[:, 0] = cosine
    result = isotropy(dataset(rows))
    np.testing.assert_allclose(result.mean_resultant, cosine, rtol=1e-10)
    np.testing.assert_allclose(result.mean_cosine, (400 * cosine**2 - 1) / 399, rtol=1e-10)


def test_planted_second_moments_are_recovered():
    counts = np.array([50, 20, 20, 5, 5])
    axes = np.repeat(np.eye(5), counts, axis=0)
    rows = np.concatenate([axes, -axes]) * 3.0
    # Apart by more than copies are; what squares see of it is of the order of 1e-8.
    result = isotropy(dataset(rows + np.random.default_rng(0).normal(0, 1e-4, rows.shape)))
    share = counts / counts.sum()
    np.testing.assert_allclose(result.iso_score, (1 / (share**2).sum() - 1) / 4, rtol=1e-7)
    n = 200
    np.testing.assert_allclose(result.second_moment_excess, 5 * (n * (share**2).sum() - 1) / (n - 1) - 1, rtol=1e-7)
    assert result.second_moment_p < 1e-10
    assert result.mean_resultant_p > 0.99


def test_bingham_test_sees_axes_that_the_rayleigh_test_does_not():
    # No mean direction, so that only second moments differ from those of the sphere.
    rows = gaussian_rows(5, 600, 20, exponent=0.3)
    result = isotropy(dataset(rows))
    assert result.second_moment_p < 1e-6
    assert result.mean_resultant_p > 0.01
    assert result.iso_score < result.iso_score_null


@pytest.mark.parametrize(("exponent", "mean"), [(0.0, 0.0), (1.0, 0.0), (0.5, 1.0)])
def test_partition_isotropy_is_the_ratio_over_eigenvectors_in_both_signs(exponent, mean):
    rows = gaussian_rows(6, 500, 16, exponent, mean)
    directions = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    axes = np.linalg.svd(directions)[2].T
    partition = np.exp(directions @ np.concatenate([axes, -axes], axis=1)).sum(axis=0)
    for dataset_ in (dataset(rows), rechunk(dataset(rows), {"features": 130})):
        got = isotropy(dataset_).partition_isotropy.compute()
        np.testing.assert_allclose(got, partition.min() / partition.max(), rtol=1e-10)


def test_row_norms_and_zero_rows_make_no_difference():
    rows = gaussian_rows(7, 90, 6, mean=0.5)
    lengths = np.random.default_rng(8).uniform(0.1, 10, (90, 1))
    padded = np.insert(rows * lengths, [0, 10, 10, 90], 0.0, axis=0)
    got, expected = isotropy(rechunk(dataset(padded), {"features": 11})).compute(), isotropy(dataset(rows))
    assert (int(got.n_features_dropped), int(expected.n_features_dropped)) == (4, 0)
    assert_equal(got.drop_vars("n_features_dropped"), expected.drop_vars("n_features_dropped"))


def test_equal_directions_leave_a_written_outcome():
    rows = np.outer(np.linspace(0.1, 3, 40), [0.1, 0.7, -0.3])
    result = isotropy(rechunk(dataset(rows), {"features": 7})).compute()
    assert (int(result.n_features_used), int(result.n_merged)) == (1, 39)
    names = ("mean_cosine", "mean_resultant_p", "second_moment_excess", "iso_score", "partition_isotropy")
    assert all(np.isnan(result[name]) for name in names)


def test_copies_change_nothing():
    rows = gaussian_rows(11, 60, 12)
    copied = isotropy(dataset(np.concatenate([rows, 2 * rows[:20]])))
    assert int(copied.n_merged) == 20
    rest = [name for name in copied.data_vars if name != "n_merged"]
    assert_equal(copied[rest], isotropy(dataset(rows))[rest])


@pytest.mark.parametrize("n_alive", [0, 1, 2, 3])
def test_too_few_rows_leave_a_written_outcome(n_alive):
    rows = np.zeros((10, 4))
    rows[:n_alive] = gaussian_rows(9, n_alive, 4)
    result = isotropy(dataset(rows))
    assert (int(result.n_features_used), int(result.n_features_dropped)) == (n_alive, 10 - n_alive)
    assert np.isnan(result.mean_cosine_standard_error)
    others = ("mean_cosine", "iso_score", "partition_isotropy")
    assert all(np.isnan(result[name]) == (n_alive < 2) for name in others)


def test_one_dimension_has_no_axes_to_compare():
    result = isotropy(dataset(np.array([[1.0], [-2.0], [3.0], [0.5], [-1.0]])))
    # Only two directions are there, and three copies of them.
    np.testing.assert_allclose(result.mean_cosine, -1)
    assert int(result.n_merged) == 3
    undefined = ("iso_score", "iso_score_null", "second_moment_excess", "second_moment_p")
    assert all(np.isnan(result[name]) for name in undefined)


def test_single_precision_rows_are_accumulated_in_double():
    # Enough rows for sums in single precision to be off by more than the tolerance.
    rows = gaussian_rows(10, 3000, 20).astype(np.float32)
    assert_equal(isotropy(dataset(rows)), isotropy(dataset(rows.astype(float))))
