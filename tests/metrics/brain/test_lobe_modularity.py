import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_mutual_info_score, balanced_accuracy_score
from sklearn.metrics.cluster import expected_mutual_information
from soak import highest, lowest, times
from threadpoolctl import threadpool_limits

from saegeom_data import lazy
from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics._statistics import agreement, logistic, neighbours, unit_rows
from saegeom_data.metrics._statistics.agreement import adjusted_mutual_information, contingency
from saegeom_data.metrics.brain.lobe_modularity import _partitions, _position_accuracy, lobe_modularity
from saegeom_data.metrics.nulls import fixed_margins, frequency_stratified, label_permutation, places_redrawn
from saegeom_data.testing import checks, simulate

BY_LOBES = ("ami", "modularity", "neighbour_agreement", "balanced_accuracy")
MEASURES = (*BY_LOBES, "mantel", "mantel_partial")
NULLS = (label_permutation.LABEL, frequency_stratified.LABEL, fixed_margins.LABEL, places_redrawn.LABEL)
FAST = {"n_lobes": (2,), "n_permutations": 99, "n_redraws": 4, "n_seeds": 2}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Matrices are small here, and threads that wait for each other take longer than the work."""
    with threadpool_limits(1):
        yield


def measure(seed, n_lobes=2, changes=(), **planted):
    sae = simulate.simulate_sae(n_features=100, n_hidden=12, n_blocks=120, n_lobes=n_lobes, seed=seed, **planted)
    return lobe_modularity(sae, **(FAST | {"n_lobes": (n_lobes,)} | dict(changes)))


def driven_by_rate(seed):
    """Firing has no structure but activity of blocks and rates of features, which the positions follow."""
    rng = np.random.default_rng(seed)
    sae = simulate.simulate_sae(n_features=200, n_hidden=16, n_blocks=300, seed=seed)
    logit = rng.uniform(-4, 0.5, 200) + 1.5 * rng.standard_normal((300, 1))
    on = rng.random((300, 200)) < 1 / (1 + np.exp(-logit))
    position = rng.standard_normal((200, 16)) / 4
    position[:, 0] += 2 * (stats.rankdata(on.sum(axis=0)) / 100 - 1)
    return sae.assign(occurrence=sae.occurrence.copy(data=on), decoder=sae.decoder.copy(data=position))


def test_lobes_planted_in_function_and_geometry_are_found_under_every_null():
    result = measure(0, geometry_strength=2.0, function_strength=0.9)
    assert tuple(result["null"].values) == NULLS
    for name in MEASURES:
        # Twice the median over folds, each of which can reach 1 / 100.
        permuted = 0.02 if name == "balanced_accuracy" else 0.01
        redrawn = [np.nan if name == "neighbour_agreement" else 0.2, 0.2]
        np.testing.assert_allclose(result[f"{name}_p"].values.ravel(), [permuted, permuted, *redrawn], err_msg=name)
        assert result[f"{name}_low"].item() > np.nanmax(result[f"{name}_null_mean"])
    assert result.ami_split_half.item() == pytest.approx(1)


@pytest.fixture(scope="module")
def without_geometry():
    changes = {"n_seeds": 1, "n_folds": 2}
    return [measure(seed, n_lobes=4, function_strength=0.6, changes=changes) for seed in range(times(20, 100))]


@pytest.mark.statistical
@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("name", MEASURES)
def test_p_is_uniform_without_geometry(without_geometry, name, null):
    p = np.array([result[f"{name}_p"].sel(null=null).item() for result in without_geometry])
    if (name, null) == ("neighbour_agreement", "fixed_margins"):
        assert np.isnan(p).all()
        return
    if name == "balanced_accuracy" and null in NULLS[:2]:
        # Combined over folds, which is valid and no more.
        assert (p <= 0.1).mean() <= highest(0.1, len(p))
        return
    # Spread over the step that ends at each value, so that few draws are uniform too.
    step = 1 / ((FAST["n_permutations"] if null in NULLS[:2] else FAST["n_redraws"]) + 1)
    assert stats.kstest(p - step * np.random.default_rng(0).random(len(p)), "uniform").pvalue > 0.01


# The interval of accuracy leaves out that other folds would have trained other models, and is known to be short.
@pytest.mark.statistical
@pytest.mark.parametrize(
    ("name", "least"),
    [("modularity", 0.9), ("neighbour_agreement", 0.9), ("balanced_accuracy", 0.7), ("mantel", 0.88)],
)
def test_intervals_cover_chance_without_geometry(without_geometry, name, least):
    inside = []
    for result in without_geometry:
        chance = result[f"{name}_null_mean"].values.ravel()[0]
        inside.append(result[f"{name}_low"].item() <= chance <= result[f"{name}_high"].item())
    assert np.mean(inside) >= lowest(least, len(inside))


def test_label_permutation_is_fooled_by_firing_rate_and_the_others_are_not():
    results = [lobe_modularity(driven_by_rate(seed), **(FAST | {"n_redraws": 9})) for seed in range(3)]
    for name in ("ami", "modularity", "balanced_accuracy", "mantel"):
        p = np.array([result[f"{name}_p"].values.ravel() for result in results])
        assert (p[:, 0] <= 0.02).all(), name
        # Redrawn places ask what permuted labels ask, and are fooled alike.
        assert (p[:, 3] == 0.1).all(), name
        assert np.median(p[:, 1]) > 0.1, name
        assert np.median(p[:, 2]) > 0.1, name
    for result in results:
        assert abs(result.mantel_partial.item()) < 0.2 * result.mantel.item()
    p = np.array([result.mantel_partial_p.values for result in results])
    assert (np.median(p, axis=0)[:3] > 0.1).all()


def test_without_redraws_the_ladder_is_shorter_and_the_rest_the_same():
    # Leaving nulls out must not shift the streams of those that stay.
    full, short = (measure(1, function_strength=0.7, changes={"n_redraws": n}) for n in (2, 0))
    assert tuple(short["null"].values) == NULLS[:2]
    checks.assert_equal(short, full.isel(null=slice(2)), relative=0)


def test_more_draws_begin_with_the_same():
    """Streams are by draw: 1 draw and 2 tell the second by their means."""
    single, double, triple = (measure(1, function_strength=0.7, changes={"n_redraws": n}) for n in (1, 2, 3))
    for null in NULLS[2:]:
        first, mean, sd = (
            float(x.sel(null=null)) for x in (single.mantel_null_mean, double.mantel_null_mean, double.mantel_null_sd)
        )
        second = 2 * mean - first
        assert sd == pytest.approx(abs(first - second) / 2)
        assert float(triple.mantel_null_sd.sel(null=null)) > 0


def test_every_null_count_and_draw_is_a_task_with_its_memory_stated():
    sae = checks.rechunk(simulate.simulate_sae(n_features=100, n_blocks=120), {"features": 40, "blocks": 50})
    result = lobe_modularity(sae, **(FAST | {"n_lobes": (2, 3, 4)}))
    stages = list(lazy.find_stages(dict(result.__dask_graph__())).values())
    found = [stage.function for stage in stages]
    expected = {
        "_partitions.partition_values": 3,
        "_partitions.partition_null": 6,
        "_position_accuracy.classify_positions": 3,
        "_mantel.mantel_null": 2,
        "_surrogates.margins_draw": 4,
        "_surrogates.places_draw": 4,
        "_tests._gathered": 1,
    }
    assert {name: found.count(name) for name in expected} == expected
    for stage in stages:
        if stage.function in expected and stage.function != "_tests._gathered":
            assert stage.memory.finish > 0


def test_balanced_accuracy_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    expected = balanced_accuracy_score(labels, predicted)
    assert float(_position_accuracy.accuracy(labels, predicted)) == pytest.approx(expected)


@pytest.mark.parametrize("n_classes", [2, 3, 9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predictions_are_those_of_scikit_learn(n_classes, dtype):
    rng = np.random.default_rng(n_classes)
    labels = np.minimum(rng.geometric(0.4, 400) - 1, n_classes - 1)
    rows = rng.standard_normal((400, 15)) + 0.8 * rng.standard_normal((n_classes, 15))[labels]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    model = LogisticRegression(max_iter=5000, class_weight="balanced", tol=1e-8).fit(rows[:300], labels[:300])
    got = logistic.logistic_predictions(rows[:300].astype(dtype), labels[:300], rows[300:].astype(dtype))
    np.testing.assert_array_equal(got, model.predict(rows[300:]))


def test_many_classes_are_told_apart():
    """Gradients of so many classes are below the tolerance at which scikit-learn stops."""
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 60
    rows = rng.standard_normal((600, 40)) / 4 + rng.standard_normal((60, 40))[labels]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    fold = _position_accuracy.stratified_folds(labels, 5, rng)
    predicted = _position_accuracy.out_of_fold(rows.astype(np.float32), labels, fold)
    assert float(_position_accuracy.accuracy(labels, predicted)) > 0.95


def test_reported_accuracy_is_that_of_the_reported_lobes():
    sae = simulate.simulate_sae(n_features=100, n_hidden=12, n_blocks=120, n_lobes=2, function_strength=0.6, seed=3)
    result = lobe_modularity(sae, **FAST)
    labels = result.lobe.values[0]
    # The key of the stream by hand: published folds must not move.
    fold = _position_accuracy.stratified_folds(labels, 5, np.random.default_rng([0, 2, 2]))
    predicted = np.empty_like(labels)
    for held_out in range(5):
        model = LogisticRegression(class_weight="balanced", tol=1e-8).fit(
            sae.decoder[fold != held_out], labels[fold != held_out]
        )
        predicted[fold == held_out] = model.predict(sae.decoder[fold == held_out])
    assert result.balanced_accuracy.item() == pytest.approx(balanced_accuracy_score(labels, predicted))


@pytest.mark.parametrize("sizes", [(2, 2), (5, 3), (1, 1), (1, 4)])
def test_adjusted_mutual_information_is_that_of_scikit_learn(sizes):
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, sizes[0], 150), rng.integers(0, sizes[1], 150)
    for labels, other in ((first, second), (first, first)):
        got = adjusted_mutual_information(contingency(labels, other, (6, 6)))
        assert got == pytest.approx(adjusted_mutual_info_score(labels, other), abs=1e-12)


@pytest.mark.parametrize("sizes", [(2, 2), (40, 7), (150, 1), (90, 90)])
def test_expected_mutual_information_is_that_of_scikit_learn(sizes):
    rng = np.random.default_rng(2)
    first, second = (np.minimum(rng.geometric(min(2 / size, 1), 2000), size) - 1 for size in sizes)
    table = contingency(first, second, sizes)
    got = agreement.expected_mutual_information(table.sum(axis=1), table.sum(axis=0))
    occupied = table[table.any(axis=1)][:, table.any(axis=0)]
    assert got == pytest.approx(expected_mutual_information(occupied, 2000), rel=1e-9, abs=1e-12)


def test_reported_ami_is_that_of_the_reported_partitions():
    result = measure(3, geometry_strength=0.5, function_strength=0.6)
    expected = adjusted_mutual_info_score(result.lobe[0], result.spatial_cluster[0])
    assert float(result.ami[0]) == pytest.approx(expected, abs=1e-12)


def test_modularity_equals_newmans_sum_over_pairs():
    rng = np.random.default_rng(2)
    unit = unit_rows.unit_rows(rng.standard_normal((30, 4)))
    labels = rng.integers(0, 3, 30)
    adjacency = np.zeros((30, 30))
    for i in range(30):
        for j in np.argsort(-(unit @ unit[i]))[1:5]:
            adjacency[i, j] = adjacency[j, i] = 1
    degree = adjacency.sum(axis=0)
    same = labels[:, None] == labels
    expected = ((adjacency - np.outer(degree, degree) / degree.sum()) * same).sum() / degree.sum()
    edges = neighbours.edges_of(neighbours.nearest_rows(unit, 4))
    assert edges.shape[1] == adjacency.sum() / 2
    _, modularity, agreement = _partitions.partition_measures(labels, labels, edges)
    assert modularity == pytest.approx(expected)
    assert agreement == pytest.approx((adjacency * same).sum() / adjacency.sum())


def test_edges_to_features_without_a_lobe_are_left_out():
    nearest = np.array([[1, 2], [0, 2], [0, 1], [2, 1], [-1, -1]])
    lobe = np.array([0, 0, -1, 1, 1])
    keep = _partitions.compared(nearest, lobe)
    np.testing.assert_array_equal(keep, [0, 1, 3])
    np.testing.assert_array_equal(neighbours.edges_of(_partitions.within(nearest, keep)), [[0, 1], [1, 2]])


def test_folds_are_stratified_and_even():
    labels = np.repeat([0, 1, 2], [40, 11, 3])
    fold = _position_accuracy.stratified_folds(labels, 5, np.random.default_rng(0))
    table = contingency(labels, fold, (3, 5))
    assert (np.ptp(table, axis=1) <= 1).all()
    assert np.ptp(table.sum(axis=0)) <= 1


def permutation_null(lobe, spatial, n_neighbours=4):
    rows = unit_rows.unit_rows(np.random.default_rng(5).standard_normal((len(lobe), 3)))
    nearest = neighbours.nearest_rows(rows, n_neighbours)
    options = {"null": "label_permutation", "n_permutations": 19, "n_strata": None, "seed": 0}
    value = _partitions.partition_values(nearest, lobe, spatial, seed=0)["value"][0]
    return value, _partitions.partition_null(nearest, np.ones(len(lobe)), lobe, spatial, **options)["summary"]


def test_all_features_in_one_lobe_agree_trivially():
    lobe = np.zeros(40, int)
    value, summary = permutation_null(lobe, lobe)
    np.testing.assert_allclose(value, [1, 0, 1])
    np.testing.assert_allclose(summary[2], 1)
    value, summary = permutation_null(lobe, np.arange(40) % 2)
    np.testing.assert_allclose(value, [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(summary[2], 1)


def test_a_lobe_of_one_feature_is_no_error():
    labels = np.array([0] * 30 + [1])
    value, summary = permutation_null(labels, labels)
    assert value[0] == pytest.approx(1)
    assert np.isfinite(summary).all()
    rng = np.random.default_rng(0)
    fold = _position_accuracy.stratified_folds(labels, 5, rng)
    predicted = _position_accuracy.out_of_fold(rng.standard_normal((31, 3)), labels, fold)
    # It is predicted from folds that never saw it.
    assert float(_position_accuracy.accuracy(labels, predicted)) <= 0.5


def test_rows_of_zero_norm_and_silent_features_are_left_out():
    sae = simulate.simulate_sae(n_features=100, n_blocks=120, n_lobes=2, function_strength=0.8)
    sae.decoder.values[4] = 0
    sae.occurrence.values[:, 9] = False
    # A block in which nothing fires has no odds to be redrawn with.
    sae.occurrence.values[7] = False
    sae.occurrence.values[:, 11] = True
    result = lobe_modularity(sae, **FAST)
    assert int(result.n_features_used) == int(result.n_features_mantel) == 97
    for lobe, place in ((result.lobe[0, i], result.spatial_cluster[0, i]) for i in (9, 11)):
        assert int(lobe) == int(place) == -1
    assert int(result.spatial_cluster[0, 4]) == -1
    assert np.isfinite(result.drop_sel(null="fixed_margins")[[f"{name}_p" for name in MEASURES]].to_array()).all()


def test_rare_features_are_masked_on_request():
    sae = simulate.simulate_sae(n_features=100, n_blocks=120, n_lobes=2, function_strength=0.8)
    sae.occurrence.values[:, :3] = np.arange(120)[:, None] < [1, 2, 3]
    assert int(lobe_modularity(sae, min_blocks=3, **FAST).n_features_used) == 98


def test_numbers_of_lobes_do_not_change_each_other():
    sae = simulate.simulate_sae(n_features=100, n_hidden=12, n_blocks=120, n_lobes=3, function_strength=0.7)
    options = FAST | {"n_lobes": (2, 3)}
    both, three = lobe_modularity(sae, **options), lobe_modularity(sae, **(options | {"n_lobes": (3,)}))
    checks.assert_equal(both.sel(n_lobes=[3]), three)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_lobes": (20,)}, "n_lobes: got 20, expected 2 to 12"),
        ({"n_neighbours": 100}, "n_neighbours: got 100, expected at most 99"),
        ({"n_strata": 101}, "n_strata: got 101, expected at most 100"),
        ({"n_folds": 1}, "n_folds: got 1"),
        ({"n_permutations": 0}, "n_permutations: got 0"),
        ({"n_redraws": -1}, "n_redraws: got -1"),
        ({"n_mantel_features": 7}, "n_mantel_features: got 7"),
    ],
)
def test_parameters_out_of_range_are_named(parameters, message):
    with pytest.raises(ParameterError, match=message):
        lobe_modularity(simulate.simulate_sae(n_features=100), **(FAST | parameters))


def test_one_document_is_an_error():
    sae = simulate.simulate_sae(n_features=100)
    with pytest.raises(DataValueError, match="got 1 documents, expected at least 2"):
        lobe_modularity(sae.assign(document=sae.document * 0, document_type=sae.document_type), **FAST)
