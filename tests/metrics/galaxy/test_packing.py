"""Packing of directions: closed forms of regular frames, bounds, exact laws and brute force."""

import dask
import numpy as np
import pytest
import xarray as xr
from decoder_rows import gaussian_rows
from scipy import stats
from soak import times

from saegeom_data.errors import ParameterError
from saegeom_data.metrics.galaxy.packing import packing
from saegeom_data.metrics.nulls import spectrum_matched
from saegeom_data.testing.checks import assert_equal, rechunk

FEW = {"n_surrogates": 1}


def dataset(rows):
    return xr.Dataset({"decoder": (("features", "hidden"), rows)})


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def simplex(hidden):
    corners = np.eye(hidden + 1) - 1 / (hidden + 1)
    return unit(corners @ np.linalg.svd(corners)[2][:hidden].T)


def icosahedron():
    golden = (1 + np.sqrt(5)) / 2
    return np.array([row for s in (1, -1) for row in ([0, 1, s * golden], [1, s * golden, 0], [s * golden, 0, 1])])


def test_agrees_with_brute_force():
    rows = gaussian_rows(0, 130, 10, 0.5) * np.random.default_rng(1).uniform(0.1, 10, (130, 1))
    result = packing(dataset(rows), threshold=(0.0, 0.3, 0.8), **FEW)
    cosine = unit(rows) @ unit(rows).T
    upper = np.abs(cosine[np.triu_indices(130, 1)])
    assert result.coherence.item() == pytest.approx(upper.max(), rel=1e-14)
    assert abs(cosine[tuple(result.coherence_pair.values)]) == pytest.approx(upper.max())
    assert result.coherence_pair[0] < result.coherence_pair[1]
    assert result.n_pairs_above.values.tolist() == [(upper > bound).sum() for bound in (0.0, 0.3, 0.8)]
    assert result.mean_squared_cosine.item() == pytest.approx((upper**2).mean())
    assert result.frame_potential.item() == pytest.approx((cosine**2).sum())
    expected = (rows**2).sum(axis=1) / ((unit(rows) @ rows.T) ** 2).sum(axis=1)
    np.testing.assert_allclose(result.dimensionality, expected, rtol=1e-10)
    assert result.total_dimensionality.item() == pytest.approx(expected.sum())


@pytest.mark.parametrize(
    ("rows", "coherence"),
    [(simplex(2), 1 / 2), (simplex(7), 1 / 7), (simplex(30), 1 / 30), (icosahedron(), 1 / np.sqrt(5))],
    ids=["triangle", "simplex of 7", "simplex of 30", "icosahedron"],
)
def test_equiangular_tight_frames_meet_their_bounds(rows, coherence):
    n, hidden = rows.shape
    # Rotated and scaled, as neither may change an angle.
    rotated = rows @ np.linalg.qr(gaussian_rows(0, hidden, hidden))[0]
    result = packing(dataset(3 * rotated), **FEW)
    assert result.coherence.item() == pytest.approx(coherence)
    assert result.welch_bound.item() == pytest.approx(coherence)
    assert result.coherence_ratio.item() == pytest.approx(1)
    assert result.frame_potential.item() == pytest.approx(n**2 / hidden)
    assert result.frame_potential_ratio.item() == pytest.approx(1)
    np.testing.assert_allclose(result.dimensionality, hidden / n)


def test_axes_and_their_opposites_have_half_a_dimension_each():
    axes = np.r_[np.eye(9), -2 * np.eye(9)[:4]]
    result = packing(dataset(axes), **FEW)
    assert (result.coherence.item(), result.coherence_pair.values.tolist()) == (1, [0, 9])
    # Of a feature of norm 1 and its opposite of norm 2, one has 1 / (1 + 4) and the other 4 / (1 + 4) of a dimension.
    np.testing.assert_allclose(result.dimensionality, [1 / 5] * 4 + [1] * 5 + [4 / 5] * 4)
    assert result.total_dimensionality.item() == pytest.approx(9)


def test_orthonormal_rows_have_no_coherence():
    result = packing(dataset(np.linalg.qr(gaussian_rows(0, 20, 20))[0][:15]), **FEW)
    assert result.coherence < 1e-12
    assert (result.welch_bound.item(), result.coherence_ratio.item()) == (0, np.inf)
    assert result.frame_potential.item() == pytest.approx(15)
    assert result.frame_potential_ratio.item() == pytest.approx(1)
    np.testing.assert_allclose(result.dimensionality, 1)
    assert result.n_pairs_above.sum() == 0


def test_many_rows_meet_the_orthoplex_bound():
    # Three orthonormal bases of the plane's double, unbiased to each other: 12 lines in 4 dimensions.
    plane = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
    bases = [np.eye(4), np.kron(plane, plane), np.kron(plane, plane) * [1, 1, 1, -1]]
    lines = np.concatenate(bases)
    result = packing(dataset(lines), **FEW)
    assert result.coherence.item() == pytest.approx(0.5)
    assert result.orthoplex_bound.item() == 0.5
    assert np.isnan(packing(dataset(lines[:10]), **FEW).orthoplex_bound)
    assert packing(dataset(lines), threshold=(0.49, 0.5), **FEW).n_pairs_above.values.tolist() == [48, 0]


@pytest.mark.parametrize("rows_per_block", [1, 7, 30, 200])
def test_tiles_do_not_change_the_answer(rows_per_block):
    rows = gaussian_rows(2, 64, 9)
    rows[[5, 40]] = 0
    # The pair of largest coherence lies in different blocks for most sizes, and is an opposite.
    rows[63] = -rows[17]
    expected = packing(dataset(rows), **FEW)
    assert expected.coherence_pair.values.tolist() == [17, 63]
    with dask.config.set({"saegeom_data.block_bytes": rows_per_block * 72}):
        assert_equal(packing(rechunk(dataset(rows), {"features": 11, "hidden": 4}), **FEW).compute(), expected)


def test_single_precision_data_are_measured_in_double():
    rows = gaussian_rows(3, 300, 40).astype(np.float32)
    single, double = packing(dataset(rows), **FEW), packing(dataset(rows.astype(float)), **FEW)
    assert_equal(single.drop_vars("dimensionality"), double.drop_vars("dimensionality"))
    np.testing.assert_allclose(single.dimensionality, double.dimensionality, rtol=1e-12)


@pytest.mark.statistical
def test_pairs_expected_on_the_sphere_are_exact():
    n = times(20, 100)
    found = [
        packing(dataset(gaussian_rows((1, seed), 60, 8)), threshold=(0.3, 0.6), **FEW).n_pairs_above.values
        for seed in range(n)
    ]
    expected = packing(dataset(gaussian_rows(0, 60, 8)), threshold=(0.3, 0.6), **FEW).n_pairs_above_sphere.values
    # Pairs are independent two by two, so that the variance of their number is binomial.
    share = expected / (60 * 59 / 2)
    error = np.sqrt(expected * (1 - share))
    assert (np.abs(np.mean(found, axis=0) - expected) < 4 * error / np.sqrt(n)).all()
    np.testing.assert_allclose(np.std(found, axis=0), error, rtol=0.25 * np.sqrt(99 / (n - 1)))


@pytest.mark.statistical
@pytest.mark.parametrize(("n", "hidden"), [(150, 24), (300, 3)])
def test_p_is_uniform_on_the_sphere(n, hidden):
    n_seeds = times(20, 150)
    results = [packing(dataset(gaussian_rows((2, seed), n, hidden)), **FEW) for seed in range(n_seeds)]
    for p in (
        [result.coherence_p[0].item() for result in results],
        [result.mean_squared_cosine_p.item() for result in results],
    ):
        assert stats.kstest(p, "uniform").pvalue > 0.001
        assert (np.array(p) <= 0.05).sum() <= stats.binom.ppf(0.999, n_seeds, 0.05)
    largest = np.array([result.coherence.item() for result in results])
    mean = results[0].coherence_null_mean[0].item()
    assert abs(largest.mean() - mean) < 4 * largest.std() / np.sqrt(n_seeds)


def test_anisotropy_shows_in_squared_cosines_and_a_close_pair_in_coherence():
    rows = gaussian_rows(0, 200, 24, 1.0)
    result = packing(dataset(rows), n_surrogates=39)
    assert result.mean_squared_cosine_p < 1e-10
    assert result.coherence_p.sel(null=spectrum_matched.LABEL) > 0.05
    # One pair changes the maximum at once, and the mean of squares not at all.
    rows[7] = rows[100] + 0.1 * gaussian_rows(1, 1, 24)[0]
    close = packing(dataset(rows), n_surrogates=39)
    assert close.coherence_p.values[1] == 1 / 40
    assert close.coherence_p.values[0] < 1e-6
    assert close.coherence_pair.values.tolist() == [7, 100]
    draws = close.coherence_surrogate
    assert close.coherence_null_mean.values[1] == pytest.approx(draws.mean().item())


def test_zero_rows_are_dropped_and_counted():
    rows = gaussian_rows(3, 60, 8)
    padded = np.insert(rows, [0, 10, 10, 60], 0.0, axis=0)
    got, expected = packing(dataset(padded), **FEW), packing(dataset(rows), **FEW)
    names = [name for name in expected if name not in ("dimensionality", "coherence_pair", "n_features_dropped")]
    assert_equal(got[names], expected[names])
    kept = np.flatnonzero(padded.any(axis=1))
    assert got.n_features_dropped == 4
    assert got.coherence_pair.values.tolist() == kept[expected.coherence_pair].tolist()
    np.testing.assert_allclose(got.dimensionality.values[kept], expected.dimensionality)
    assert np.isnan(np.delete(got.dimensionality.values, kept)).all()


@pytest.mark.parametrize("n_alive", [0, 1])
def test_too_few_rows_leave_a_written_outcome(n_alive):
    rows = np.zeros((6, 4))
    rows[:n_alive] = 1
    result = packing(dataset(rows), n_surrogates=2)
    assert (result.n_features_used.item(), result.n_features_dropped.item()) == (n_alive, 6 - n_alive)
    assert np.isnan([result.coherence, result.welch_bound, result.frame_potential, result.mean_squared_cosine]).all()
    assert np.isnan(result.coherence_p).all()
    assert result.coherence_pair.values.tolist() == [-1, -1]
    assert result.n_pairs_above.sum() == 0
    assert int(np.isfinite(result.dimensionality).sum()) == n_alive


def test_copies_are_merged_and_opposites_are_not():
    rows = gaussian_rows(3, 60, 8)
    copied = np.r_[rows, rows[:3]]
    result, alone = packing(dataset(copied), **FEW), packing(dataset(rows), **FEW)
    names = [name for name in alone if name not in ("dimensionality", "n_merged")]
    assert_equal(result[names], alone[names])
    assert (result.n_merged.item(), result.n_features_used.item()) == (3, 60)
    np.testing.assert_array_equal(result.dimensionality, alone.dimensionality[[*range(60), 0, 1, 2]])
    assert packing(dataset(np.r_[rows, -rows[:1]]), **FEW).coherence == 1


def test_equal_rows_and_one_dimension():
    equal = packing(dataset(np.full((30, 5), 0.3)), n_surrogates=3)
    assert (equal.n_features_used.item(), equal.n_merged.item()) == (1, 29)
    assert np.isnan([equal.coherence, equal.frame_potential, *equal.coherence_p]).all()
    np.testing.assert_allclose(equal.dimensionality, 1)
    line = packing(dataset(gaussian_rows(0, 30, 1)), n_surrogates=3)
    # Two distinct directions, opposite to each other.
    assert (line.coherence.item(), line.welch_bound.item(), line.mean_squared_cosine_p.item()) == (1, 1, 1)
    assert line.coherence_p.values[0] == 1


def test_sampled_rows_are_measured_among_themselves():
    rows = gaussian_rows(4, 90, 8, 1.0)
    result = packing(rechunk(dataset(rows), {"features": 11}), n_samples=40, n_surrogates=3, seed=2).compute()
    drawn = np.flatnonzero(np.isfinite(result.dimensionality))
    alone = packing(dataset(rows[drawn]), n_surrogates=3, seed=2)
    names = [name for name in alone if name not in ("dimensionality", "coherence_pair")]
    assert_equal(result[names], alone[names])
    assert result.coherence_pair.values.tolist() == drawn[alone.coherence_pair].tolist()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"threshold": (0.5, 1.0)}, "threshold: got (0.5, 1.0), expected different cosines from 0 to below 1"),
        ({"threshold": (-0.1,)}, "threshold: got (-0.1,)"),
        ({"threshold": (0.5, 0.5)}, "threshold: got (0.5, 0.5)"),
        ({"n_samples": 51}, "n_samples: got 51, expected 1 to 50"),
    ],
)
def test_wrong_parameters_are_named(parameters, message):
    with pytest.raises(ParameterError) as caught:
        packing(rechunk(dataset(np.ones((50, 3))), {"features": 7}), **parameters)
    assert f"packing: {message}" in str(caught.value)
