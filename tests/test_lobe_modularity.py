import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import adjusted_mutual_info_score, balanced_accuracy_score
from threadpoolctl import threadpool_limits

from saegeom_data import testing
from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics import _classification, _neighbours, nulls
from saegeom_data.metrics._agreement import adjusted_mutual_information, contingency
from saegeom_data.metrics.lobe_modularity import lobe_modularity

MEASURES = ("ami", "modularity", "neighbour_agreement", "balanced_accuracy")
FAST = {"n_lobes": (2,), "n_permutations": 99, "n_seeds": 2}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Matrices are small here, and threads that wait for each other take longer than the work."""
    with threadpool_limits(1):
        yield


def measure(seed, n_lobes=2, **planted):
    sae = testing.simulate_sae(n_features=100, n_hidden=12, n_blocks=120, n_lobes=n_lobes, seed=seed, **planted)
    return lobe_modularity(sae, **(FAST | {"n_lobes": (n_lobes,)}))


def driven_by_rate(seed):
    """Features of like firing rate fire together and lie together; nothing else ties function to geometry."""
    rng = np.random.default_rng(seed)
    sae = testing.simulate_sae(n_features=400, n_hidden=16, n_blocks=300, seed=seed)
    rate, activity = rng.uniform(0.02, 0.5, 400), rng.uniform(-0.9, 0.9, 300)
    standing = stats.rankdata(rate) / 200 - 1
    on = rng.random((300, 400)) < rate * (1 + activity[:, None] * standing)
    position = rng.standard_normal((400, 16)) / 4
    position[:, 0] += 2 * (stats.rankdata(on.sum(axis=0)) / 200 - 1)
    return sae.assign(occurrence=sae.occurrence.copy(data=on), decoder=sae.decoder.copy(data=position))


def test_lobes_planted_in_function_and_geometry_are_found():
    result = measure(0, geometry_strength=2.0, function_strength=0.9)
    for name in MEASURES:
        smallest = 0.02 if name == "balanced_accuracy" else 0.01
        np.testing.assert_allclose(result[f"{name}_p"], smallest, err_msg=name)
        assert result[f"{name}_low"].item() > float(result[f"{name}_null_mean"].max())
    assert result.ami_split_half.item() == pytest.approx(1)


@pytest.fixture(scope="module")
def without_geometry():
    return [measure(seed, n_lobes=4, function_strength=0.6) for seed in range(64)]


@pytest.mark.parametrize("name", ["ami", "modularity", "neighbour_agreement"])
@pytest.mark.parametrize("null", ["label_permutation", "frequency_stratified"])
def test_p_is_uniform_without_geometry(without_geometry, name, null):
    p = [one[f"{name}_p"].sel(null=null).item() for one in without_geometry]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_p_of_accuracy_is_valid_without_geometry(without_geometry):
    p = np.array([one.balanced_accuracy_p.values.ravel() for one in without_geometry])
    assert (p <= 0.1).mean() <= 0.1


# The interval of accuracy leaves out that other folds would have trained other models, and is known to be short.
@pytest.mark.parametrize(
    ("name", "least"), [("modularity", 0.9), ("neighbour_agreement", 0.9), ("balanced_accuracy", 0.7)]
)
def test_intervals_cover_chance_without_geometry(without_geometry, name, least):
    inside = []
    for one in without_geometry:
        chance = one[f"{name}_null_mean"].values[0, 0]
        inside.append(one[f"{name}_low"].item() <= chance <= one[f"{name}_high"].item())
    assert np.mean(inside) >= least


def test_only_the_stratified_null_sees_through_firing_rate():
    results = [lobe_modularity(driven_by_rate(seed), **FAST) for seed in range(6)]
    for name in ("ami", "modularity", "balanced_accuracy"):
        p = np.array([one[f"{name}_p"].values[:, 0] for one in results])
        assert (p[:, 0] <= 0.02).all(), name
        assert np.median(p[:, 1]) > 0.1, name


def test_balanced_accuracy_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    assert float(_classification.accuracy(labels, predicted)) == pytest.approx(
        balanced_accuracy_score(labels, predicted)
    )


@pytest.mark.parametrize("sizes", [(2, 2), (5, 3), (1, 1), (1, 4)])
def test_adjusted_mutual_information_is_that_of_scikit_learn(sizes):
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, sizes[0], 150), rng.integers(0, sizes[1], 150)
    for one, other in ((first, second), (first, first)):
        got = adjusted_mutual_information(contingency(one, other, (6, 6)))
        assert got == pytest.approx(adjusted_mutual_info_score(one, other), abs=1e-12)


def test_reported_ami_is_that_of_the_reported_partitions():
    result = measure(3, geometry_strength=0.5, function_strength=0.6)
    expected = adjusted_mutual_info_score(result.lobe[0], result.spatial_cluster[0])
    assert float(result.ami[0]) == pytest.approx(expected, abs=1e-12)


def test_modularity_equals_newmans_sum_over_pairs():
    rng = np.random.default_rng(2)
    unit = _neighbours.unit_rows(rng.standard_normal((30, 4)))
    labels = rng.integers(0, 3, 30)
    adjacency = np.zeros((30, 30))
    for i in range(30):
        for j in np.argsort(-(unit @ unit[i]))[1:5]:
            adjacency[i, j] = adjacency[j, i] = 1
    degree = adjacency.sum(axis=0)
    same = labels[:, None] == labels
    expected = ((adjacency - np.outer(degree, degree) / degree.sum()) * same).sum() / degree.sum()
    edges = _neighbours.neighbour_graph(unit, 4)
    assert edges.shape[1] == adjacency.sum() / 2
    chance = _neighbours.expected_agreement(labels, _neighbours.degrees(edges, 30), 3)
    assert float(_neighbours.neighbour_agreement(labels, edges) - chance) == pytest.approx(expected)


def test_permutations_stay_within_groups_and_fill_batches(monkeypatch):
    monkeypatch.setattr(nulls, "_ELEMENTS", 30)
    groups = np.array([0, 1, 0, 1, 1, 2])
    drawn = np.concatenate(list(nulls.permutations_within(groups, 12, np.random.default_rng(0))))
    assert drawn.shape == (12, 6)
    assert (np.sort(drawn, axis=1) == np.arange(6)).all()
    assert (groups[drawn] == groups).all()
    assert len(np.unique(drawn, axis=0)) > 4


def test_folds_are_stratified_and_even():
    labels = np.repeat([0, 1, 2], [40, 11, 3])
    fold = _classification.stratified_folds(labels, 5, np.random.default_rng(0))
    table = contingency(labels, fold, (3, 5))
    assert (np.ptp(table, axis=1) <= 1).all()
    assert np.ptp(table.sum(axis=0)) <= 1


def test_a_lobe_of_one_feature_is_no_error():
    labels = np.array([0] * 30 + [1])
    rng = np.random.default_rng(0)
    fold = _classification.stratified_folds(labels, 5, rng)
    predicted = _classification.out_of_fold(rng.standard_normal((31, 3)), labels, fold)
    assert 0 <= float(_classification.accuracy(labels, predicted)) <= 1


def test_rows_of_zero_norm_and_silent_features_are_left_out():
    sae = testing.simulate_sae(n_features=100, n_blocks=120, n_lobes=2, function_strength=0.8)
    sae.decoder.values[4] = 0
    sae.occurrence.values[:, 9] = False
    result = lobe_modularity(sae, **FAST)
    assert int(result.n_features_used) == 98
    assert int(result.spatial_cluster[0, 4]) == int(result.lobe[0, 9]) == int(result.spatial_cluster[0, 9]) == -1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_lobes": (20,)}, "n_lobes: got 20, expected 2 to 12"),
        ({"n_neighbours": 100}, "n_neighbours: got 100, expected at most 99"),
        ({"n_strata": 101}, "n_strata: got 101, expected at most 100"),
        ({"n_folds": 1}, "n_folds: got 1"),
        ({"n_permutations": 0}, "n_permutations: got 0"),
    ],
)
def test_parameters_out_of_range_are_named(parameters, message):
    with pytest.raises(ParameterError, match=message):
        lobe_modularity(testing.simulate_sae(n_features=100), **(FAST | parameters))


def test_one_document_is_an_error():
    sae = testing.simulate_sae(n_features=100)
    with pytest.raises(DataValueError, match="got 1 documents, expected at least 2"):
        lobe_modularity(sae.assign(document=sae.document * 0, document_type=sae.document_type), **FAST)
