"""Hubs among directions: counts by brute force, what makes hubs, centring, and p on its null."""

import numpy as np
import pytest
import xarray as xr
from decoder_rows import gaussian_rows
from scipy import stats
from sklearn.neighbors import NearestNeighbors
from soak import over_deviation, times

from saegeom_data.errors import ParameterError
from saegeom_data.metrics.galaxy.hubness import hubness
from saegeom_data.metrics.galaxy.hubness._lists import Lists
from saegeom_data.metrics.nulls import spectrum_matched
from saegeom_data.testing.checks import assert_equal, rechunk

FEW = {"n_surrogates": 1}
MEASURES = ("skewness", "robin_hood", "antihub_share", "largest_occurrence")


def dataset(rows):
    return xr.Dataset({"decoder": (("features", "hidden"), rows)})


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def occurrence(rows, k):
    index = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(rows).kneighbors(return_distance=False)
    return np.bincount(index.ravel(), minlength=len(rows))


def test_agrees_with_brute_force():
    # Unequal norms, which must play no part.
    rows = gaussian_rows(0, 200, 30, 0.5, 0.7) * np.random.default_rng(1).uniform(0.1, 10, (200, 1))
    result = hubness(dataset(rows), k=7, **FEW)
    counts = [occurrence(unit(rows), 7), occurrence(unit(unit(rows) - unit(rows).mean(axis=0)), 7)]
    np.testing.assert_array_equal(result.k_occurrence, counts)
    assert result.similarity.values.tolist() == ["cosine", "centred_cosine"]
    np.testing.assert_allclose(result.skewness, [stats.skew(count) for count in counts])
    np.testing.assert_allclose(result.robin_hood, [np.abs(count - 7).sum() / (2 * 200 * 7) for count in counts])
    np.testing.assert_allclose(result.antihub_share, [np.mean(count == 0) for count in counts])
    np.testing.assert_allclose(result.largest_occurrence, [count.max() for count in counts])


def star(n):
    """One direction, and n others at equal angles around it."""
    return np.r_[[np.r_[1.0, np.zeros(n)]], np.c_[np.full(n, 0.6), 0.8 * np.eye(n)]]


def test_the_centre_of_a_star_is_in_every_list():
    result = hubness(dataset(star(40)), k=1, **FEW).sel(similarity="cosine")
    assert result.largest_occurrence == 40
    assert result.k_occurrence.values[0] == 40
    # All others are at one distance from the centre, and share the place in its list.
    np.testing.assert_allclose(result.k_occurrence.values[1:], 1 / 40)
    assert result.antihub_share == 0
    assert result.robin_hood.item() == pytest.approx((39 + 39) / (2 * 41))


def test_results_follow_from_surrogates():
    result = hubness(dataset(gaussian_rows(0, 80, 8, 1.0)), n_surrogates=19)
    for measure in MEASURES:
        assert result[f"{measure}_null_mean"].dims == result[f"{measure}_p"].dims == ("null", "similarity")
        standing = (result[measure] - result[f"{measure}_null_mean"]) / result[f"{measure}_null_sd"]
        # Above all surrogates is far above their mean, and the reverse.
        assert (result[f"{measure}_p"].where(standing > 4, 0.05) == 0.05).all()
        assert (result[f"{measure}_p"].where(standing < -4, 1.0) == 1).all()
    assert result["null"].values.tolist() == [spectrum_matched.LABEL]


def test_a_common_mean_makes_hubs_which_centring_takes_away():
    result = hubness(dataset(gaussian_rows(0, 500, 40, 0.0, 0.8)), n_surrogates=19)
    plain, centred = result.skewness.values
    assert plain > 1.5
    assert plain > 3 * abs(centred)
    assert result.antihub_share[0] > result.antihub_share[1]
    # Gaussian rows with that mean have the same hubs, so that they are no finding.
    assert (result.skewness_p > 0.05).all()
    np.testing.assert_allclose(result.skewness_null_mean[0], result.skewness, atol=0.6)


def test_planted_hubs_are_more_than_the_spectrum_explains():
    rows = unit(gaussian_rows(0, 300, 40))
    groups = np.arange(300) % 10
    # The first ten rows are the centres of groups whose other members are apart from each other.
    centre = rows[:10].copy()
    rows = unit(rows + 0.7 * centre[groups])
    rows[:10] = centre
    result = hubness(dataset(rows), n_surrogates=19)
    assert (result.skewness_p == 0.05).all()
    assert (result.k_occurrence.values[0].argsort()[-10:] < 10).all()


@pytest.mark.statistical
def test_p_is_uniform_under_its_null():
    n = times(20, 100)
    results = [
        hubness(dataset(gaussian_rows((3, seed), 150, 24, 1.0, 0.7)), n_surrogates=9, seed=seed) for seed in range(n)
    ]
    for measure in MEASURES:
        p = np.array([result[f"{measure}_p"].values[0] for result in results])
        assert ((p <= 0.1).sum(axis=0) <= stats.binom.ppf(0.999, n, 0.1)).all(), measure
        # The others take few values, and equal ones count against the data.
        if measure == "skewness":
            jittered = p - np.random.default_rng(0).random(p.shape) / 10
            assert min(stats.kstest(column, "uniform").pvalue for column in jittered.T) > 0.001


@pytest.mark.statistical
def test_interval_covers():
    n = times(20, 100)
    # Features share their lists, which makes intervals up to 1.6 times too wide.
    _, excess = over_deviation(0, 1.8, n)
    results = [hubness(dataset(gaussian_rows((4, seed), 200, 30, 1.0)), **FEW) for seed in range(n)]
    for measure in MEASURES[:3]:
        values = np.array([result[measure].values for result in results])
        low, high = (np.array([result[f"{measure}_{end}"].values for result in results]) for end in ("low", "high"))
        covered = ((low <= values.mean(axis=0)) & (values.mean(axis=0) <= high)).sum(axis=0)
        assert (covered >= stats.binom.ppf(0.001, n, 0.95)).all(), measure
        assert ((high - low).mean(axis=0) < 2 * 2.05 * excess * values.std(axis=0)).all(), measure
    # A maximum has no interval by subsampling: subsamples never hold larger ones.
    assert "largest_occurrence_low" not in results[0]


def test_zero_rows_are_dropped_and_counted():
    rows = gaussian_rows(3, 60, 8)
    # At both ends, and two in a row.
    padded = np.insert(rows, [0, 10, 10, 60], 0.0, axis=0)
    got, expected = hubness(dataset(padded), **FEW), hubness(dataset(rows), **FEW)
    names = [name for name in expected if name != "k_occurrence" and not name.endswith(("_low", "_high", "_dropped"))]
    assert_equal(got[names], expected[names])
    kept = padded.any(axis=1)
    assert got.n_features_dropped == 4
    np.testing.assert_array_equal(got.k_occurrence[:, kept], expected.k_occurrence)
    assert np.isnan(got.k_occurrence[:, ~kept]).all()


def test_copies_are_merged_and_have_the_occurrence_of_the_first():
    rows = gaussian_rows(3, 60, 8)
    copied = np.r_[rows[:20], [[2.0], [0.3]] * rows[:2], rows[20:]]
    result, alone = hubness(dataset(copied), **FEW), hubness(dataset(rows), **FEW)
    names = [
        name for name in alone if name not in ("k_occurrence", "n_merged") and not name.endswith(("_low", "_high"))
    ]
    assert_equal(result[names], alone[names])
    assert (result.n_merged.item(), result.n_features_used.item()) == (2, 60)
    np.testing.assert_array_equal(result.k_occurrence, alone.k_occurrence[:, [*range(20), 0, 1, *range(20, 60)]])


@pytest.mark.parametrize("n", [40, 512])
def test_equal_distances_make_no_hubs(n):
    # Orthogonal rows are all at one distance from each other, whichever has the lower index.
    result = hubness(dataset(np.eye(n)), n_surrogates=1).sel(similarity="cosine")
    assert (result.k_occurrence == 10).all()
    assert (result.robin_hood, result.antihub_share, result.largest_occurrence) == (0, 0, 10)
    assert np.isnan(result.skewness)


def test_places_are_shared_by_those_that_tie():
    # Row 0 has one neighbour at 0.5 and three at one distance; row 4 has row 0 alone.
    distance = np.array([[0.5, 0.7, 0.7, 0.7], *[[0.7, np.inf, np.inf, np.inf]] * 3, [0.5, np.inf, np.inf, np.inf]])
    neighbour = np.array([[4, 1, 2, 3], *[[0, -1, -1, -1]] * 3, [0, -1, -1, -1]])
    lists = Lists(distance, neighbour)
    everyone = np.ones(5, bool)
    np.testing.assert_allclose(lists.occurrence(2, everyone), [4, 1 / 3, 1 / 3, 1 / 3, 1])
    np.testing.assert_allclose(lists.occurrence(1, everyone), [4, 0, 0, 0, 1])
    np.testing.assert_allclose(lists.occurrence(2, everyone & (np.arange(5) != 2)), [3, 1 / 2, 0, 1 / 2, 1])


def test_ties_that_lists_do_not_hold_are_not_guessed():
    result = hubness(dataset(np.eye(600)), n_surrogates=1)
    assert np.isnan(result.robin_hood.sel(similarity="cosine"))
    assert np.isnan(result.k_occurrence.sel(similarity="cosine")).all()


def test_equal_rows_are_one_row():
    result = hubness(dataset(np.full((60, 4), 0.3)), k=5, n_surrogates=2)
    assert (result.n_features_used.item(), result.n_merged.item()) == (1, 59)
    assert np.isnan(result.skewness).all()
    assert np.isnan(result.k_occurrence).all()


@pytest.mark.parametrize("n_alive", [0, 1, 5])
def test_k_or_fewer_others_leave_a_written_outcome(n_alive):
    rows = np.zeros((20, 4))
    rows[:n_alive] = gaussian_rows(0, n_alive, 4)
    result = hubness(rechunk(dataset(rows), {"features": 6}), k=5, n_surrogates=2).compute()
    assert (result.n_features_used.item(), result.n_features_dropped.item()) == (n_alive, 20 - n_alive)
    assert all(np.isnan(result[name]).all() for name in result if result[name].dtype.kind == "f")


def test_all_others_are_neighbours_of_all():
    result = hubness(dataset(gaussian_rows(0, 11, 4)), k=10, n_surrogates=2)
    assert (result.k_occurrence == 10).all()
    assert (result.robin_hood == 0).all()
    assert np.isnan(result.skewness).all()
    # Data and surrogates are all equal, and ties count against the data.
    assert (result.robin_hood_p == 1).all()


def test_one_and_two_dimensions():
    line = hubness(dataset(gaussian_rows(0, 50, 1)), n_surrogates=3)
    assert (line.n_features_used.item(), line.n_merged.item()) == (2, 48)
    result = hubness(dataset(gaussian_rows(0, 50, 2)), n_surrogates=3)
    assert (result.k_occurrence.sum("features") == 500).all()
    assert np.isfinite(result.skewness).all()


def test_sampled_rows_are_measured_among_themselves():
    rows = gaussian_rows(4, 90, 8, 1.0)
    result = hubness(rechunk(dataset(rows), {"features": 11}), n_samples=40, n_surrogates=3, seed=2).compute()
    drawn = np.flatnonzero(np.isfinite(result.k_occurrence[0]))
    alone = hubness(dataset(rows[drawn]), n_surrogates=3, seed=2)
    assert_equal(result.drop_vars("k_occurrence"), alone.drop_vars("k_occurrence"))
    np.testing.assert_array_equal(result.k_occurrence[:, drawn], alone.k_occurrence)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"k": 50}, "k: got 50, expected at most 49, the other rows"),
        ({"k": 20, "n_samples": 20}, "k: got 20, expected at most 19, the other rows"),
        ({"n_samples": 51}, "n_samples: got 51, expected 1 to 50"),
        ({"k": 0}, "k: got 0"),
    ],
)
def test_wrong_parameters_are_named(parameters, message):
    with pytest.raises(ParameterError, match=f"hubness: {message}"):
        hubness(rechunk(dataset(np.ones((50, 3))), {"features": 7}), **parameters)
