"""Intrinsic dimension: planted manifolds, brute force, copies, intervals, and what covariance gives."""

import numpy as np
import pytest
import xarray as xr
from decoder_rows import gaussian_rows
from scipy import special, stats
from scipy.spatial.distance import cdist
from soak import lowest, over_deviation, times

from saegeom_data.errors import ParameterError
from saegeom_data.metrics.galaxy.intrinsic_dimension import SCALES, intrinsic_dimension
from saegeom_data.testing.checks import assert_equal, rechunk

FEW = {"n_surrogates": 1}


def dataset(rows):
    return xr.Dataset({"decoder": (("features", "hidden"), rows)})


def turned(rows, hidden):
    """Rows in a subspace of more dimensions, with unequal norms."""
    rotation = np.linalg.qr(gaussian_rows(99, hidden, rows.shape[1]))[0]
    return rows @ rotation.T * np.random.default_rng(98).uniform(0.1, 10, (len(rows), 1))


def sphere(seed, n, dimension):
    """A linear subspace of one dimension more, whose directions are a sphere."""
    return gaussian_rows(seed, n, dimension + 1)


def torus(seed, n, dimension):
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, (n, dimension))
    return np.c_[np.cos(angle), np.sin(angle)]


def patch(seed, n, dimension):
    """A small flat patch, which the directions to it keep."""
    cube = np.random.default_rng(seed).uniform(-0.05, 0.05, (n, dimension))
    return np.c_[cube, np.ones(n)]


def test_estimates_follow_their_formulas():
    rows = gaussian_rows(0, 90, 5)
    result = intrinsic_dimension(dataset(rows), k=(4, 9), **FEW)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    distance = np.sort(cdist(unit, unit), axis=1)[:, 1:]
    log = np.log(distance)
    assert result.two_nn.item() == pytest.approx(89 / (log[:, 1] - log[:, 0]).sum())
    for k in (4, 9):
        inverse = (log[:, k - 1 : k] - log[:, : k - 1]).mean()
        expected = (1 - 1 / (90 * (k - 1))) / inverse
        assert result.maximum_likelihood.sel(k=k).item() == pytest.approx(expected)
    for scale in SCALES:
        ratio = (log[:, 2 * scale - 1] - log[:, scale - 1]).mean()
        expected = 89 / 90 * (special.digamma(2 * scale) - special.digamma(scale)) / ratio
        assert result.dimension_by_scale.sel(scale=scale).item() == pytest.approx(expected)
        assert result.scale_distance.sel(scale=scale).item() == pytest.approx(distance[:, 2 * scale - 1].mean())
    np.testing.assert_allclose(result.local_dimension, 7 / (log[:, 8:9] - log[:, :8]).sum(axis=1))
    assert result.dimension_by_scale.sel(scale=1) == result.two_nn


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("hidden", [8, 30])
def test_dimension_of_a_subspace_is_found(dimension, hidden):
    result = intrinsic_dimension(dataset(turned(sphere(dimension, 1000, dimension), hidden)), **FEW)
    assert result.two_nn_low < dimension < result.two_nn_high
    # With more dimensions the estimators' own bias exceeds the tolerance.
    if dimension <= 3:
        found = [*result.maximum_likelihood.values, *result.dimension_by_scale.values]
        np.testing.assert_allclose(found, dimension, rtol=0.1)
        assert result.local_dimension.mean().item() == pytest.approx(dimension, rel=0.1)


@pytest.mark.parametrize(("make", "most"), [(torus, 4), (patch, 3)])
def test_dimension_of_a_curved_and_of_a_flat_manifold_is_found(make, most):
    for dimension in range(1, most + 1):
        result = intrinsic_dimension(dataset(turned(make(dimension, 1500, dimension), 20)), **FEW)
        assert result.two_nn_low < dimension < result.two_nn_high


@pytest.mark.parametrize("dimension", [8, 9, 10])
def test_more_dimensions_are_underestimated_by_a_little(dimension):
    result = intrinsic_dimension(dataset(turned(sphere(dimension, 2000, dimension), 20)), **FEW)
    assert result.two_nn.item() == pytest.approx(dimension, rel=0.12)
    assert result.two_nn_high < 1.2 * dimension


def test_many_dimensions_are_out_of_reach_but_the_surrogates_share_the_bias():
    result = intrinsic_dimension(dataset(gaussian_rows(0, 600, 60)), n_surrogates=19)
    assert 25 < result.two_nn < 40
    assert (result.maximum_likelihood.diff("k") < 0).all()
    np.testing.assert_allclose(result.two_nn_null_mean, result.two_nn, rtol=0.1)
    np.testing.assert_allclose(result.maximum_likelihood_null_mean[0], result.maximum_likelihood, rtol=0.03)
    np.testing.assert_allclose(result.dimension_by_scale_null_mean[0], result.dimension_by_scale, rtol=0.1)


def test_a_curve_has_fewer_dimensions_than_its_covariance():
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 400)
    curve = np.concatenate([[np.cos(m * angle), np.sin(m * angle)] for m in (1, 2, 3, 5)]).T
    result = intrinsic_dimension(dataset(turned(curve, 16)), n_surrogates=39)
    assert result.two_nn_low < 1 < result.two_nn_high
    assert (result.two_nn_null_mean > 4).all()
    assert (result.two_nn_p == 1 / 40).all()
    assert (result.maximum_likelihood_p == 1 / 40).all()
    assert (result.dimension_by_scale_p == 1 / 40).all()


def test_noise_shows_at_small_scales_only():
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 3000)
    circle = np.c_[np.cos(angle), np.sin(angle)]
    # Neighbours are 0.002 apart, as far as the noise reaches; those of larger scales are not.
    rows = np.c_[circle, np.zeros((3000, 6))] + 0.002 * gaussian_rows(1, 3000, 8)
    result = intrinsic_dimension(dataset(rows), **FEW)
    assert result.dimension_by_scale[0] > 1.8
    assert result.dimension_by_scale[-1] < 1.4
    assert (result.scale_distance.diff("scale") > 0).all()


@pytest.mark.statistical
@pytest.mark.parametrize(("make", "dimension"), [(sphere, 2), (sphere, 5), (torus, 2)])
def test_intervals_cover(make, dimension):
    n = times(20, 100)
    _, widest = over_deviation(0, 1.7, n)
    results = [intrinsic_dimension(dataset(make((3, seed), 400, dimension)), k=(5, 10), **FEW) for seed in range(n)]
    for name in ("two_nn", "maximum_likelihood", "dimension_by_scale"):
        value, low, high = (
            np.array([result[f"{name}{end}"].values for result in results]) for end in ("", "_low", "_high")
        )
        # They cover the sampling error: the estimator's expectation, which is not quite the dimension.
        covered = ((low < value.mean(axis=0)) & (value.mean(axis=0) < high)).sum(axis=0)
        assert (covered >= stats.binom.ppf(0.001, n, 0.95)).all(), name
        width = np.log(high / low).mean(axis=0) / (2 * 1.96 * np.log(value).std(axis=0))
        assert (width < widest).all(), (name, width)


@pytest.mark.statistical
def test_intervals_cover_where_neighbours_reach_around_a_curve():
    n, found = times(20, 200), []
    for seed in range(n):
        angle = 2 * np.pi * np.random.default_rng([4, seed]).random((100, 1)) * np.arange(1, 9)
        found.append(intrinsic_dimension(dataset(np.c_[np.cos(angle), np.sin(angle)]), k=(5,), **FEW))
    value, low, high = (
        np.array([result[f"dimension_by_scale{end}"].values for result in found]) for end in ("", "_low", "_high")
    )
    covered = ((low < value.mean(axis=0)) & (value.mean(axis=0) < high)).mean(axis=0)
    # Of 99 others, 32 neighbours lie on several turns; a law without degrees of freedom covers 0.84.
    assert (covered >= lowest(0.88, n)).all()


def test_local_dimension_tells_parts_of_different_dimension():
    line, ball = torus(0, 300, 1), sphere(1, 300, 4)
    rows = np.zeros((600, 7))
    # In orthogonal subspaces, so that neighbours never come from the other part.
    rows[:300, :2], rows[300:, 2:] = line, ball
    local = intrinsic_dimension(dataset(rows), **FEW).local_dimension.values
    assert np.median(local[:300]) == pytest.approx(1, abs=0.2)
    assert np.median(local[300:]) > 3


def test_copies_are_merged_and_counted():
    rows = gaussian_rows(0, 150, 5)
    alone = intrinsic_dimension(dataset(rows), k=(5, 10), **FEW)
    # Copies of other lengths, next to their originals and far from them.
    copied = np.r_[rows[:20], 3 * rows[:20], rows[20:], 0.7 * rows[[149, 149]]]
    result = intrinsic_dimension(dataset(copied), k=(5, 10), **FEW)
    assert (result.n_merged.item(), result.n_features_used.item()) == (22, 150)
    for name in ("two_nn", "two_nn_low", "maximum_likelihood"):
        np.testing.assert_allclose(result[name], alone[name], rtol=1e-9)
    np.testing.assert_allclose(result.dimension_by_scale[:4], alone.dimension_by_scale[:4], rtol=1e-9)
    expected = np.r_[alone.local_dimension[:20], alone.local_dimension[:20], alone.local_dimension[20:]]
    np.testing.assert_allclose(result.local_dimension[:170], expected, rtol=1e-9)
    assert (result.local_dimension[-2:] == result.local_dimension[169]).all()


def test_near_copies_are_counted():
    rows = gaussian_rows(0, 300, 10)
    near = np.r_[rows[:294], rows[:6] + 1e-4 * gaussian_rows(1, 6, 10)]
    plain, moved = (intrinsic_dimension(dataset(cloud), k=(5, 20), **FEW) for cloud in (rows, near))
    assert (plain.n_near_copies.item(), moved.n_near_copies.item(), moved.n_merged.item()) == (0, 12, 0)
    assert moved.two_nn < plain.two_nn / 2
    assert moved.maximum_likelihood[1] > 0.8 * plain.maximum_likelihood[1]


def test_equal_distances_have_infinite_dimension():
    # All distances are the square root of 2: their ratios are 1 and carry no dimension.
    result = intrinsic_dimension(dataset(np.eye(40)), k=(5,), **FEW)
    assert (result.two_nn.item(), result.two_nn_low.item()) == (np.inf, np.inf)
    assert np.isnan(result.two_nn_p).all()


def test_zero_rows_are_dropped_and_counted():
    rows = gaussian_rows(3, 60, 8)
    padded = np.insert(rows, [0, 10, 10, 60], 0.0, axis=0)
    got, expected = (intrinsic_dimension(dataset(vectors), k=(5,), **FEW) for vectors in (padded, rows))
    names = [name for name in expected if name not in ("local_dimension", "n_features_dropped")]
    assert_equal(got[names], expected[names])
    kept = padded.any(axis=1)
    assert got.n_features_dropped == 4
    np.testing.assert_allclose(got.local_dimension[kept], expected.local_dimension)
    assert np.isnan(got.local_dimension[~kept]).all()


@pytest.mark.parametrize("rows", [np.zeros((9, 4)), np.eye(9)[:, :1], np.eye(9)[:, :2], np.ones((9, 4))])
def test_too_few_distinct_rows_leave_a_written_outcome(rows):
    result = intrinsic_dimension(rechunk(dataset(rows), {"features": 4}), k=(3,), n_surrogates=2).compute()
    n_distinct = len(np.unique(rows[rows.any(axis=1)], axis=0))
    assert result.n_features_used == n_distinct
    assert result.n_features_used + result.n_merged + result.n_features_dropped == 9
    assert np.isnan([result.two_nn, result.two_nn_low, result.two_nn_high]).all()
    assert np.isnan(result.local_dimension).all()
    assert np.isnan(result.two_nn_p).all()


def test_one_and_two_dimensions():
    line = intrinsic_dimension(dataset(gaussian_rows(0, 40, 1)), **FEW)
    assert (line.n_features_used.item(), line.n_merged.item()) == (2, 38)
    assert np.isnan(line.two_nn)
    plane = intrinsic_dimension(dataset(gaussian_rows(0, 400, 2)), **FEW)
    assert plane.two_nn_low < 1 < plane.two_nn_high


def test_sampled_rows_are_measured_among_themselves():
    rows = gaussian_rows(4, 90, 8, 1.0)
    lazy = intrinsic_dimension(rechunk(dataset(rows), {"features": 11}), k=(5,), n_samples=40, n_surrogates=3, seed=2)
    result = lazy.compute()
    drawn = np.flatnonzero(np.isfinite(result.local_dimension))
    alone = intrinsic_dimension(dataset(rows[drawn]), k=(5,), n_surrogates=3, seed=2)
    assert_equal(result.drop_vars("local_dimension"), alone.drop_vars("local_dimension"))
    np.testing.assert_allclose(result.local_dimension[drawn], alone.local_dimension)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k": (2, 5)}, "k: got (2, 5), expected different numbers of neighbours from 3"),
        ({"k": (5, 5)}, "k: got (5, 5), expected different"),
        ({"k": ()}, "k: got (), expected different"),
        ({"k": (5, 50)}, "k: got 50, expected at most 49, the other rows"),
        ({"n_samples": 51}, "n_samples: got 51, expected 1 to 50"),
    ],
)
def test_wrong_parameters_are_named(parameters, message):
    with pytest.raises(ParameterError) as caught:
        intrinsic_dimension(rechunk(dataset(np.ones((50, 3))), {"features": 7}), **parameters)
    assert f"intrinsic_dimension: {message}" in str(caught.value)
