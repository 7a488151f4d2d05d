import numpy as np
import pytest
import xarray as xr
from scipy import stats
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_mutual_info_score, balanced_accuracy_score
from sklearn.metrics.cluster import expected_mutual_information
from soak import highest, lowest, times
from threadpoolctl import threadpool_limits

from saegeom_data import lazy
from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics._statistics import agreement, logistic, neighbours, unit_rows
from saegeom_data.metrics._statistics.agreement import adjusted_mutual_information, contingency
from saegeom_data.metrics._statistics.p_values import summary_of
from saegeom_data.metrics.brain._shared.document_halves import document_halves
from saegeom_data.metrics.brain.lobe_modularity import (
    _any_number,
    _correction,
    _mantel,
    _partitions,
    _position_accuracy,
    _within_type,
    lobe_modularity,
)
from saegeom_data.metrics.nulls import fixed_margins, frequency_stratified, label_permutation, places_redrawn
from saegeom_data.testing import checks, simulate

BY_LOBES = ("ami", "modularity", "neighbour_agreement", "ami_within_type", "balanced_accuracy")
MEASURES = (*BY_LOBES, "mantel", "mantel_partial")
NULLS = (label_permutation.LABEL, frequency_stratified.LABEL, fixed_margins.LABEL, places_redrawn.LABEL)
FAST = {"n_lobes": (2,), "n_permutations": 99, "n_redraws": 4, "n_folds": 2, "n_seeds": 2}
SHORT = FAST | {"n_redraws": 0}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Matrices are small here, and threads that wait for each other take longer than the work."""
    with threadpool_limits(1):
        yield


def measure(seed, n_lobes=2, changes=(), **planted):
    sae = simulate.simulate_sae(n_features=100, n_hidden=12, n_blocks=120, n_lobes=n_lobes, seed=seed, **planted)
    return lobe_modularity(sae, **(FAST | {"n_lobes": (n_lobes,)} | dict(changes)))


def driven_by_rate(seed, n=200):
    """Firing has no structure but activity of blocks and rates of n features, which the positions follow."""
    rng = np.random.default_rng(seed)
    sae = simulate.simulate_sae(n_features=n, n_hidden=16, n_blocks=300, seed=seed)
    logit = rng.uniform(-4, 0.5, n) + 1.5 * rng.standard_normal((300, 1))
    on = rng.random((300, n)) < 1 / (1 + np.exp(-logit))
    position = rng.standard_normal((n, 16)) / 4
    position[:, 0] += 2 * (2 * stats.rankdata(on.sum(axis=0)) / n - 1)
    return sae.assign(occurrence=sae.occurrence.copy(data=on), decoder=sae.decoder.copy(data=position))


def without_null(name):
    """Nulls that a measure has not."""
    return {"neighbour_agreement": (fixed_margins.LABEL,), "mantel_partial": (NULLS[0], NULLS[3])}.get(name, ())


def test_lobes_planted_in_function_and_geometry_are_found_under_every_null():
    sae = planted_within_types(0)
    result = lobe_modularity(sae, **FAST)
    assert tuple(result["null"].values) == NULLS
    least = dict(zip(NULLS, (0.01, 0.01, 0.2, 0.2), strict=True))
    for name in MEASURES:
        # Twice the median over folds, each of which can reach 1 / 100.
        factor = {null: 2 if name == "balanced_accuracy" and p < 0.1 else 1 for null, p in least.items()}
        expected = [np.nan if null in without_null(name) else factor[null] * p for null, p in least.items()]
        np.testing.assert_allclose(result[f"{name}_p"].values.ravel(), expected, err_msg=name)
        assert result[f"{name}_low"].item() > np.nanmax(result[f"{name}_null_mean"])
    for name in ("ami", "ami_within_type"):
        np.testing.assert_allclose(result[f"{name}_any_p"], list(least.values()))
        assert (result[f"{name}_any_n_lobes"] == 2).all()
    for name in ("ami_split_half", "spatial_seed_agreement", "ami_corrected"):
        assert result[name].item() == pytest.approx(1)


def planted_within_types(seed, **planted):
    """Lobes planted in function and geometry, in documents whose types have nothing to do with lobes."""
    options = {"n_features": 100, "n_hidden": 12, "n_blocks": 120, "n_lobes": 2, "seed": seed}
    sae = simulate.simulate_sae(**options, **({"geometry_strength": 2.0, "function_strength": 0.9} | planted))
    types = np.random.default_rng(seed).permutation(40)[sae.document.values] % 2
    return sae.assign(document_type=("blocks", np.array([f"type {i}" for i in types], dtype=object)))


def test_agreement_that_types_of_documents_explain_is_none_within_them():
    """Lobes and types are one here: with type known, features fire independently."""
    planted = {"geometry_strength": 2.0, "function_strength": 0.9, "changes": {"n_redraws": 0}}
    results = [measure(seed, **planted) for seed in range(times(3, 30))]
    for result in results:
        assert result.ami.item() == pytest.approx(1)
        assert abs(result.ami_within_type.item()) < 0.2
    p = np.array([result.ami_within_type_p.values.ravel()[:2] for result in results])
    assert ((p <= 0.2).sum(axis=0) <= binom.ppf(1 - 1e-4, len(p), 0.2)).all()


def test_correlation_given_the_type_is_that_of_what_types_leave():
    sae = planted_within_types(1, function_strength=0.5)
    on = sae.occurrence.values.astype(float)
    types = sae.document_type.values
    left = on.copy()
    for name in np.unique(types):
        left[types == name] -= on[types == name].mean(axis=0)
    everyone = xr.DataArray(np.ones(100, bool), dims="features")
    held = _within_type.packed_types(sae.chunk(blocks=50), None, everyone).compute()
    counts = np.stack([on[types == name].sum(axis=0) for name in ("type 0", "type 1")], axis=1)
    got = _within_type.phi_within(held.bits.values, counts, held.n_blocks.values)
    np.testing.assert_allclose(got, np.corrcoef(left.T), atol=1e-12)
    np.testing.assert_allclose(_within_type.left_by_types(counts, held.n_blocks.values), (left**2).sum(axis=0))


def test_lobes_within_one_type_are_those_of_phi():
    sae = planted_within_types(2, function_strength=0.5)
    one = sae.assign(document_type=sae.document_type.copy(data=np.full(120, "type 0", dtype=object)))
    result = lobe_modularity(one, **SHORT)
    np.testing.assert_array_equal(result.lobe_within_type, result.lobe)
    np.testing.assert_allclose(result.ami_within_type_p[:2], result.ami_p[:2])


def test_without_types_nothing_is_said_within_them():
    sae = planted_within_types(3).drop_vars("document_type")
    result = lobe_modularity(sae.chunk(blocks=50), **(FAST | {"n_redraws": 1})).compute()
    for name in ("ami_within_type", "ami_within_type_low", "ami_within_type_p", "ami_within_type_any_p"):
        assert np.isnan(result[name]).all()
    assert (result.lobe_within_type == -1).all()
    assert np.isfinite(result.ami_p).all()
    assert (result.ami_within_type_any_n_lobes == -1).all()


def test_types_of_lazy_data_must_be_known():
    sae = planted_within_types(4).chunk(blocks=50)
    sae.attrs.pop("document_types")
    with pytest.raises(ParameterError, match="document_types: the dataset has no attribute of that name"):
        lobe_modularity(sae, **SHORT)
    named = lobe_modularity(sae, document_types=("type 0", "type 1"), **SHORT)
    checks.assert_equal(
        named.compute()[["ami_within_type"]], lobe_modularity(planted_within_types(4), **SHORT)[["ami_within_type"]]
    )


def noisy_partitions(rng, n_labels, agree):
    """Two partitions of 400 members that agree on a share of them, and each of them seen twice with as much noise."""
    true = rng.integers(0, n_labels, 400)
    other = np.where(rng.random(400) < agree, true, rng.integers(0, n_labels, 400))

    def seen(labels):
        return np.where(rng.random(400) < 0.8, labels, rng.integers(0, n_labels, 400))

    return (true, other), [(seen(labels), seen(labels)) for labels in (true, other)]


@pytest.mark.parametrize("n_labels", [2, 8])
@pytest.mark.parametrize("agree", [0.0, 1.0])
def test_correction_gives_the_agreement_without_noise(n_labels, agree):
    """Labels seen through noise agree far less than those behind it; over the root of both reliabilities, as much."""
    rng, found = np.random.default_rng(n_labels), []
    for _ in range(times(8, 200)):
        (true, other), (first, second) = noisy_partitions(rng, n_labels, agree)
        seen, half, start = (adjusted_mutual_info_score(*pair) for pair in ((first[0], second[0]), first, second))
        values = _correction.corrected_agreement(*np.full((3, 1), seen), np.array([half]), np.array([start]))
        found.append([values["ami_corrected"].item(), seen, adjusted_mutual_info_score(true, other)])
    corrected, seen, true = np.mean(found, axis=0)
    error = np.std([row[0] for row in found]) / np.sqrt(len(found))
    assert abs(corrected - true) < 5 * error
    assert agree == 0 or seen < 0.6


def test_correction_needs_reliabilities():
    ones = np.ones(4)
    values = _correction.corrected_agreement(ones, ones, ones, np.array([0.5, 0, -0.1, np.nan]), np.full(4, 0.5))
    np.testing.assert_allclose(values["ami_corrected"], [2, np.nan, np.nan, np.nan])


@pytest.mark.statistical
def test_p_over_all_numbers_is_uniform_and_at_most_that_of_the_best_by_their_number():
    rng, p = np.random.default_rng(0), []
    for _ in range(times(200, 2000)):
        # Counts differ in scale and shape, and share half of their noise.
        noise = rng.standard_normal((3, 20)) + rng.standard_normal(20)
        values = np.array([0.01, 0.1, 1])[:, None] * np.stack([noise[0], noise[1], np.exp(noise[2])])
        result = _any_number.any_number(values[:, 0], values[:, 1:], (2, 3, 4))
        p.append(result["p"])
    # 19 draws give the twentieths from 0.05 to 1.
    counts = np.bincount(np.round(np.array(p) * 20).astype(int), minlength=21)[1:]
    assert stats.chisquare(counts).pvalue > 0.001


def test_p_over_all_numbers_is_that_of_the_only_number():
    rng = np.random.default_rng(1)
    draws = rng.standard_normal((1, 99))
    assert _any_number.any_number(np.array([1.5]), draws, (5,)) == {
        "p": (1 + (draws >= 1.5).sum()) / 100, "n_lobes": 5,
    }  # fmt: skip
    absent = np.full((1, 99), np.nan)
    with_absent = _any_number.any_number(np.array([np.nan, 1.5]), np.concatenate([absent, draws]), (4, 5))
    assert with_absent == _any_number.any_number(np.array([1.5]), draws, (5,))
    assert np.isnan(_any_number.any_number(np.array([np.nan]), absent, (4,))["p"])


def test_agreement_at_one_number_among_many_is_found_over_all():
    draws = np.random.default_rng(2).standard_normal((5, 199))
    value = np.array([0, 0, 5.0, 0, 0])
    assert _any_number.any_number(value, draws, (2, 3, 4, 8, 16)) == {"p": 0.005, "n_lobes": 4}


@pytest.fixture(scope="module")
def without_geometry():
    return [measure(seed, n_lobes=4, function_strength=0.6, changes={"n_seeds": 1}) for seed in range(times(6, 100))]


@pytest.mark.statistical
@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("name", MEASURES)
def test_p_is_uniform_without_geometry(without_geometry, name, null):
    p = np.array([result[f"{name}_p"].sel(null=null).item() for result in without_geometry])
    if null in without_null(name):
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
    [
        ("ami", 0.93),
        ("ami_within_type", 0.93),
        ("modularity", 0.9),
        ("neighbour_agreement", 0.9),
        ("balanced_accuracy", 0.7),
        ("mantel", 0.88),
    ],
)
def test_intervals_cover_chance_without_geometry(without_geometry, name, least):
    inside = []
    for result in without_geometry:
        chance = result[f"{name}_null_mean"].values.ravel()[0]
        inside.append(result[f"{name}_low"].item() <= chance <= result[f"{name}_high"].item())
    assert np.mean(inside) >= lowest(least, len(inside))


def test_label_permutation_is_fooled_by_firing_rate_and_the_others_are_not():
    results = [lobe_modularity(driven_by_rate(seed, n=120), **FAST) for seed in range(times(2, 5))]
    for name in ("ami", "modularity", "balanced_accuracy", "mantel"):
        p = np.array([result[f"{name}_p"].values.ravel() for result in results])
        assert (p[:, 0] <= 0.02).all(), name
        # Redrawn places ask what permuted labels ask, and are fooled alike.
        assert (p[:, 3] == 0.2).all(), name
        assert np.median(p[:, 1]) > 0.1, name
        assert np.median(p[:, 2]) > 0.2, name
    for result in results:
        assert abs(result.mantel_partial.item()) < 0.2 * result.mantel.item()
    p = np.array([result.mantel_partial_p.values for result in results])
    assert (np.median(p[:, 1:3], axis=0) > [0.1, 0.2]).all()
    assert np.isnan(p[:, [0, 3]]).all()


@pytest.mark.statistical
def test_given_rates_the_correlation_has_its_size_where_rates_drive_both_sides():
    p = []
    for seed in range(times(20, 400)):
        sae = driven_by_rate(seed)
        on, unit = sae.occurrence.values.astype(float), unit_rows.unit_rows(sae.decoder.values)
        options = {"null": NULLS[1], "n_permutations": 99, "n_strata": None, "seed": seed}
        arrays = (np.corrcoef(on.T), unit @ unit.T, on.sum(axis=0), np.asarray(200))
        p.append(_mantel.mantel_null(*arrays, **options)["summary"][2, 1])
    for level in (0.05, 0.2):
        assert np.mean(np.array(p) <= level) <= highest(level, len(p))


@pytest.fixture(scope="module")
def by_redraws():
    """One SAE with none, one and more redraws of each null."""
    return [measure(1, function_strength=0.7, changes={"n_redraws": n, "n_permutations": 9}) for n in range(3)]


def test_without_redraws_the_ladder_is_shorter_and_the_rest_the_same(by_redraws):
    # Leaving nulls out must not shift the streams of those that stay.
    short, _, full = by_redraws
    assert tuple(short["null"].values) == NULLS[:2]
    checks.assert_equal(short, full.isel(null=slice(2)), relative=0)


def test_more_draws_begin_with_the_same(by_redraws):
    """Streams are by draw: 1 draw and 2 tell the second by their means."""
    _, single, double = by_redraws
    for null in NULLS[2:]:
        first, mean, sd = (
            float(x.sel(null=null)) for x in (single.mantel_null_mean, double.mantel_null_mean, double.mantel_null_sd)
        )
        second = 2 * mean - first
        assert sd == pytest.approx(abs(first - second) / 2)
        assert sd > 0


def test_every_null_count_and_draw_is_a_task_with_its_memory_stated():
    sae = checks.rechunk(simulate.simulate_sae(n_features=100, n_blocks=120), {"features": 40, "blocks": 50})
    result = lobe_modularity(sae, **(FAST | {"n_lobes": (2, 3, 4)}))
    stages = list(lazy.find_stages(dict(result.__dask_graph__())).values())
    found = [stage.function for stage in stages]
    expected = {
        "lobe_modularity.partition_values": 3,
        "lobe_modularity.partition_null": 2,
        "lobe_modularity.classify_positions": 3,
        "lobe_modularity.mantel_null": 2,
        "lobe_modularity.margins_draw": 4,
        "lobe_modularity.places_draw": 4,
        "lobe_modularity._gathered": 1,
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


def test_reported_measures_are_those_of_the_reported_partitions():
    options = {"n_features": 100, "n_hidden": 12, "n_blocks": 120, "n_lobes": 2, "seed": 3}
    sae = simulate.simulate_sae(**options, function_strength=0.6, geometry_strength=0.5)
    result = lobe_modularity(sae, **(SHORT | {"n_folds": 5}))
    expected = adjusted_mutual_info_score(result.lobe[0], result.spatial_cluster[0])
    assert float(result.ami[0]) == pytest.approx(expected, abs=1e-12)
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
    value = _partitions.partition_values(nearest, lobe, lobe, spatial, seed=0)["value"][0]
    partitions = (lobe[None], lobe[None], spatial[None])
    (draws,) = _partitions.partition_null(nearest, np.ones(len(lobe)), *partitions, **options)["draws"]
    assert value[3] == value[0]
    np.testing.assert_array_equal(draws[:, 3], draws[:, 0])
    return value[:3], summary_of(value[:3], draws[:, :3].T)


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
    result = lobe_modularity(sae, **(FAST | {"n_redraws": 1}))
    assert int(result.n_features_used) == int(result.n_features_mantel) == 97
    for lobe, place in ((result.lobe[0, i], result.spatial_cluster[0, i]) for i in (9, 11)):
        assert int(lobe) == int(place) == -1
    assert int(result.spatial_cluster[0, 4]) == -1
    for name in MEASURES:
        assert np.isfinite(result[f"{name}_p"].drop_sel(null=list(without_null(name)))).all()


def test_copies_of_rows_count_once_and_make_no_claim():
    sae = simulate.simulate_sae(n_features=60, n_hidden=12, n_blocks=120, seed=5)
    order = np.r_[:60, :30]
    copied = (
        sae[["document", "document_type"]]
        .assign_attrs(sae.attrs)
        .assign({name: sae[name].isel(features=order) for name in ("decoder", "occurrence")})
        .assign_coords(width=90)
    )
    # Of other norms: copies are told by direction.
    copied["decoder"] = copied.decoder * xr.DataArray(np.linspace(1, 2, 90), dims="features")
    once, twice = (lobe_modularity(data, min_blocks=3, **SHORT) for data in (sae, copied))
    assert (int(once.n_merged), int(twice.n_merged)) == (0, 30)
    assert int(twice.n_features_used) == int(once.n_features_used)
    for name in ("lobe", "lobe_within_type", "spatial_cluster"):
        np.testing.assert_array_equal(twice[name][:, :60], once[name])
        assert (twice[name][:, 60:] == -1).all()
    for name in ("ami", "ami_within_type", "ami_any_p", "ami_within_type_any_p"):
        np.testing.assert_allclose(twice[name], once[name], atol=1e-9)


def test_features_that_all_fire_alike_have_nothing_to_compare():
    sae = simulate.simulate_sae(n_features=80, n_hidden=12, n_blocks=60)
    alike = np.repeat(np.arange(60)[:, None] % 2 == 0, 80, axis=1)
    result = lobe_modularity(sae.assign(occurrence=sae.occurrence.copy(data=alike)), **(FAST | {"n_redraws": 1}))
    assert (result.lobe == -1).all()
    assert int(result.n_features_used) == 0
    for name in (*MEASURES, "ami_corrected", "ami_split_half"):
        assert np.isnan(result[name]).all(), name
    assert np.isnan(result.ami_any_p).all()
    # The other side is as good as ever.
    assert (result.spatial_cluster >= 0).all()


def test_halves_without_a_feature_in_common_give_no_correction():
    sae = simulate.simulate_sae(n_features=80, n_hidden=12, n_blocks=240, n_lobes=2, function_strength=0.5)
    half = document_halves(sae).values
    for index in (0, 1):
        sae.occurrence.values[np.ix_(half == index, np.arange(80) // 40 == index)] = False
    result = lobe_modularity(sae, **SHORT)
    assert np.isnan(result.ami_split_half).all()
    assert np.isnan(result.ami_corrected).all()
    assert np.isfinite(result.ami_p).all()


def test_rare_features_are_masked_on_request():
    sae = simulate.simulate_sae(n_features=100, n_blocks=120, n_lobes=2, function_strength=0.8)
    sae.occurrence.values[:, :3] = np.arange(120)[:, None] < [1, 2, 3]
    assert int(lobe_modularity(sae, min_blocks=3, **SHORT).n_features_used) == 98


def test_numbers_of_lobes_do_not_change_each_other():
    sae = simulate.simulate_sae(n_features=100, n_hidden=12, n_blocks=120, n_lobes=3, function_strength=0.7)
    options = FAST | {"n_lobes": (2, 3), "n_permutations": 9, "n_redraws": 1}
    both, three = lobe_modularity(sae, **options), lobe_modularity(sae, **(options | {"n_lobes": (3,)}))
    over_all = [str(name) for name in both if "_any_" in str(name)]
    checks.assert_equal(both.sel(n_lobes=[3]).drop_vars(over_all), three.drop_vars(over_all))


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
