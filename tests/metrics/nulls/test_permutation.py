import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score

from saegeom_data.errors import ParameterError
from saegeom_data.metrics._kernels import permutations
from saegeom_data.metrics._statistics.agreement import contingency
from saegeom_data.metrics.brain.lobe_modularity import _surrogates
from saegeom_data.metrics.brain.lobe_modularity._partitions import _Measures
from saegeom_data.metrics.brain.lobe_modularity._spatial_clusters import angular_similarity
from saegeom_data.metrics.nulls import permutation


def test_p_counts_draws_at_least_as_large_and_itself():
    draws = np.array([[0.0, 1.0, 3.0], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(permutation.p_value([2.0, 1.0], draws), [0.5, 0.25])
    np.testing.assert_array_equal(permutation.p_value([3.0, np.nan], draws), [0.5, np.nan])


def test_draws_equal_but_for_rounding_count():
    assert permutation.tail(0.3, np.array([0.1 + 0.2, 0.3, 0.2])) == 0.75
    assert permutation.tail(0.1 + 0.2, np.array([0.3])) == 1


def test_summary_is_nan_where_a_draw_is_missing():
    mean, sd, p = permutation.summary_of(np.array([1.0, 1.0]), np.array([[0.0, 2.0], [0.0, np.nan]]))
    np.testing.assert_array_equal([mean[0], sd[0], p[0]], [1, 1, 2 / 3])
    assert np.isnan([mean[1], sd[1], p[1]]).all()


def test_permutations_stay_within_groups_and_fill_batches(monkeypatch):
    monkeypatch.setattr(permutation, "_ELEMENTS", 30)
    groups = np.array([0, 1, 0, 1, 1, 2])
    drawn = np.concatenate(list(permutation.permutations_within(groups, 12, np.random.default_rng(0))))
    assert drawn.shape == (12, 6)
    assert (np.sort(drawn, axis=1) == np.arange(6)).all()
    assert (groups[drawn] == groups).all()
    assert len(np.unique(drawn, axis=0)) > 4


def test_strata_hold_like_rates():
    rate = np.random.default_rng(0).integers(1, 500, 90)
    assert not permutation.strata("label_permutation", rate, 7).any()
    groups = permutation.strata("frequency_stratified", rate, 7)
    size = np.bincount(groups)
    assert len(size) == 7
    assert np.ptp(size) <= 1
    assert all(rate[groups == one].max() <= rate[groups == one + 1].min() for one in range(6))
    assert len(np.unique(permutation.strata("frequency_stratified", rate, None))) == 4
    with pytest.raises(ParameterError, match="n_strata: got 91, expected at most 90"):
        permutation.strata("frequency_stratified", rate, 91)


@pytest.mark.parametrize(("n_labels", "n_others"), [(2, 2), (5, 40), (1, 3)])
def test_sums_of_permuted_partitions_are_those_of_their_tables(n_labels, n_others):
    rng = np.random.default_rng(1)
    labels, others = (rng.integers(0, n, 60).astype(np.int32) for n in (n_labels, n_others))
    edges = rng.integers(0, 60, (2, 150))
    degree = np.bincount(edges.ravel(), minlength=60)
    orders = rng.permuted(np.tile(np.arange(60), (5, 1)), axis=1)
    count = np.arange(61)
    gain = np.append(0.0, np.diff(count * np.log(np.maximum(count, 1))))
    sums = permutations.partition_sums(orders, labels, others, n_labels, n_others, edges, degree, gain)
    for order, one in zip(orders, sums, strict=True):
        permuted = labels[order]
        table = contingency(permuted, others, (n_labels, n_others))
        inside = (permuted[edges[0]] == permuted[edges[1]]).sum()
        squares = (np.bincount(permuted, degree) ** 2).sum()
        np.testing.assert_allclose(one, [(table * np.log(np.maximum(table, 1))).sum(), inside, squares], rtol=1e-13)


def test_measures_of_permuted_lobes_are_those_of_scikit_learn():
    rng = np.random.default_rng(2)
    lobe, spatial = rng.integers(0, 6, 80), rng.integers(0, 6, 80)
    orders = rng.permuted(np.tile(np.arange(80), (4, 1)), axis=1)
    found = _Measures(lobe, spatial, rng.integers(0, 80, (2, 100)))(orders)[:, 0]
    expected = [adjusted_mutual_info_score(lobe[order], spatial) for order in orders]
    np.testing.assert_allclose(found, expected, atol=1e-12)


SETTINGS = _surrogates.Settings("phi", (2, 3), "shift", 1, 5, 2, 1, 0)


def test_clouds_have_the_spectrum_and_the_mean_of_the_rows(monkeypatch):
    """The draw's rows are seen where it compares them."""
    seen = []
    monkeypatch.setattr(_surrogates, "angular_similarity", lambda rows: seen.append(rows) or angular_similarity(rows))
    rng = np.random.default_rng(3)
    decoder = rng.standard_normal((150, 8)) * np.arange(8, 0, -1) + 1
    nearest = np.tile(np.arange(1, 6), (150, 1))
    nearest[140:] = -1
    moments = _moments(decoder[:140])
    lobe = np.tile(np.arange(150) % 2, (2, 1))
    chosen, rate = np.arange(20), np.full(20, 3.0)
    affinity = rng.standard_normal((20, 20))
    inputs = (*moments, nearest, lobe, affinity + affinity.T, rate, chosen)
    draws = [_surrogates.spectrum_draw(*inputs, draw=draw, settings=SETTINGS) for draw in (0, 1, 0)]
    np.testing.assert_array_equal(draws[0]["measures"], draws[2]["measures"])
    assert (draws[0]["mantel"] != draws[1]["mantel"]).all()
    unit = decoder[:140] / np.linalg.norm(decoder[:140], axis=1, keepdims=True)
    spectrum = np.linalg.eigvalsh(np.cov(unit.T))
    for rows in seen:
        assert len(rows) == 140
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)
        np.testing.assert_allclose(np.linalg.eigvalsh(np.cov(rows.T))[-8:], spectrum, rtol=1e-3)
        assert np.linalg.norm(rows.mean(axis=0)) == pytest.approx(np.linalg.norm(unit.mean(axis=0)), rel=1e-3)


def _moments(decoder):
    from saegeom_data.metrics.brain.lobe_modularity._spatial_clusters import _moments as moments

    found = moments(decoder, np.zeros((len(decoder), 1), int))
    return found["spectrum"], found["principal_mean"]


def test_no_cloud_where_rows_are_too_few():
    rng = np.random.default_rng(4)
    decoder, nearest = rng.standard_normal((12, 30)), np.tile(np.arange(1, 6), (12, 1))
    lobe = np.tile(np.arange(12) % 2, (2, 1))
    inputs = (*_moments(decoder), nearest, lobe, np.ones((12, 12)), np.ones(12), np.arange(12))
    draw = _surrogates.spectrum_draw(*inputs, draw=0, settings=SETTINGS)
    assert np.isnan(draw["measures"]).all()
    assert np.isnan(draw["mantel"]).all()
