"""Scores of word-pair relations: each against an independent computation, its null on noise, and planted structure."""

import sys
import tracemalloc

import numpy as np
import pytest
import xarray as xr
from scipy.linalg import eigh
from scipy.spatial.distance import cdist
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import silhouette_samples, silhouette_score
from soak import SOAK, lowest, times

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics._statistics import discriminant, silhouettes
from saegeom_data.metrics.atom._word_pairs import prepare
from saegeom_data.metrics.atom.function_vectors import function_vectors
from saegeom_data.metrics.atom.parallelogram_quality import parallelogram_quality
from saegeom_data.testing import checks, simulate

SCORES = [
    "offset_consistency",
    "pairing_consistency",
    "parallelogram_residual",
    "trapezoid_cosine",
    "analogy_accuracy",
    "analogy_accuracy_with_inputs",
    "silhouette",
    "analogy_gain",
]


def quality(pairs: xr.Dataset, **parameters) -> xr.Dataset:
    """Result of the metric for held-out pairs, which most tests are about."""
    return parallelogram_quality(pairs, **parameters).sel(hold_out="pairs")


def noise(seed: int, n_relations: int = 4, n_pairs: int = 20, n_hidden: int = 24) -> xr.Dataset:
    """Pairs whose sources and targets have nothing to do with each other or with their relation."""
    pairs = simulate.simulate_relations(n_relations=n_relations, n_pairs=n_pairs, n_hidden=n_hidden, seed=seed)
    rng = np.random.default_rng([seed, 99])
    shape = pairs.source_activation.shape
    drawn = {
        name: (("pairs", "hidden"), rng.standard_normal(shape)) for name in ("source_activation", "target_activation")
    }
    return pairs.assign(drawn)


@pytest.fixture(scope="module")
def over_noise() -> list[xr.Dataset]:
    # Derangements of fewer pairs in a fold are no exact null.
    sizes = {"n_relations": 3, "n_pairs": 40, "n_hidden": 16}
    removals, n_permutations = ("lda", "principal_components_removed", "whitened"), 49 if SOAK else 19
    return [
        quality(noise(seed, **sizes), n_permutations=n_permutations, seed=seed, removals=removals)
        for seed in range(times(20, 64))
    ]


def test_nested_silhouettes_are_those_of_each_number_of_dimensions():
    rng = np.random.default_rng(7)
    label = rng.permutation(np.repeat(np.arange(3), [5, 8, 6]))
    placed = rng.standard_normal((19, 4)) + label[:, None]
    got = silhouettes.nested_silhouettes(placed, label, 3, (3, 1, 4))
    for row, n in zip(got, (3, 1, 4), strict=True):
        samples = silhouette_samples(placed[:, :n], label)
        np.testing.assert_allclose(row, [samples[label == relation].mean() for relation in range(3)], atol=1e-12)


@pytest.mark.parametrize("shrinkage", [0.3, 0.8])
def test_discriminants_are_those_of_the_generalised_eigenproblem(shrinkage):
    pairs = simulate.simulate_relations(noise=0.5)
    offset = (pairs.target_activation - pairs.source_activation).values
    label = np.repeat(np.arange(4), 30)
    basis = discriminant.fit_basis(offset, shrinkage)
    means, weights = discriminant.discriminants(basis.whiten(offset), label[None], 4, basis.shrinkage, 3)
    got = basis.whiten(offset) @ means[0].T @ weights[0]
    centre = np.array([offset[label == relation].mean(axis=0) for relation in range(4)])
    between = np.cov(centre[label].T, ddof=0)
    total = np.cov(offset.T, ddof=0)
    within = (1 - shrinkage) * (total - between) + shrinkage * np.trace(total) / 24 * np.eye(24)
    expected = (offset - offset.mean(axis=0)) @ eigh(between, within)[1][:, ::-1][:, :3]
    np.testing.assert_allclose(np.abs(got), np.abs(expected), atol=1e-8)


@pytest.mark.parametrize("n", [15, 40])
def test_principal_axes_are_those_of_the_singular_value_decomposition(n):
    centred = np.random.default_rng(0).standard_normal((n, 24))
    centred -= centred.mean(axis=0)
    variance, axes = discriminant.principal_axes(centred)
    _, singular, right = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(variance, singular[: len(variance)] ** 2 / n, rtol=1e-9)
    np.testing.assert_allclose(np.abs(axes.T), np.abs(right[: len(variance)]), atol=1e-7)


def test_held_out_raw_silhouette_is_the_mean_over_folds():
    pairs = simulate.simulate_relations(noise=0.4)
    columns = {variable.name: pairs[variable.name].values for variable in parallelogram_quality.inputs}
    relations = tuple(pairs.attrs["relations"])
    kept = prepare.prepare(columns, relations=relations, max_pairs=200, n_folds=5, seed=0)
    assert {tuple(np.bincount(kept.label[kept.fold == fold])) for fold in range(5)} == {(6, 6, 6, 6)}
    values = [silhouette_score(kept.offset[kept.fold == fold], kept.label[kept.fold == fold]) for fold in range(5)]
    result = quality(pairs, n_permutations=9)
    assert float(result.silhouette.sel(view="raw")) == pytest.approx(np.mean(values), abs=1e-10)


def test_published_is_the_authors_code_on_every_row():
    pairs = simulate.simulate_relations(n_relations=5, noise=0.5)
    # A pair that we would drop, and the authors' code does not.
    pairs["target"].values[3] = pairs.source.values[3]
    result = quality(pairs, estimator="published", n_permutations=9)
    offset, label = (pairs.source_activation - pairs.target_activation).values, pairs.relation.values.astype(str)
    for n in (2, 3, 4):
        fitted = LinearDiscriminantAnalysis(n_components=n).fit_transform(offset, label)
        got = float(result.silhouette_published_by_directions.sel(directions=n))
        assert got == pytest.approx(silhouette_score(fitted, label), abs=1e-10)
    assert float(result.silhouette_published_raw) == pytest.approx(silhouette_score(offset, label), abs=1e-10)
    assert np.isnan(quality(pairs, n_permutations=9).silhouette_published_by_directions).all()


@pytest.mark.statistical
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("view", ["lda", "principal_components_removed", "whitened", "whitened_at_random"])
def test_held_out_improvement_on_noise_has_zero_in_its_interval(over_noise, score, view):
    at = {"score": score, "view": view, "null": "label_permutation"}
    ends = [
        [float(result[f"improvement_above_null_{end}"].sel(at)) for end in ("low", "high")] for result in over_noise
    ]
    covered = [low <= 0 <= high for low, high in ends]
    # Whitened noise is hardly changed: the few verdicts that differ decide, of which a jackknife knows little.
    share = 0.8 if score == "analogy_accuracy_with_inputs" and view.startswith("whitened") else 0.9
    assert np.mean(covered) >= lowest(share, len(covered))
    values = np.array([float(result.improvement_above_null.sel(at)) for result in over_noise])
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(len(values))


def test_in_sample_score_separates_noise_and_the_held_out_one_does_not():
    for seed in range(12):
        pairs = noise(seed, n_hidden=60)
        result = quality(pairs, estimator="published", n_permutations=19)
        # With 60 dimensions and 80 pairs, discriminants separate noise on the pairs that they were fitted on.
        assert float(result.silhouette_published_by_directions.min()) > 0.3
        assert float(result.score_by_directions.sel(score="silhouette").max()) < 0.05
        at = {"score": "silhouette", "view": "lda", "null": "label_permutation"}
        assert float(result.improvement_above_null_low.sel(at)) <= 0


def test_planted_parallelograms_come_back_once_the_distractor_is_gone():
    planted = {"n_relations": 6, "n_pairs": 40, "noise": 0.05}
    clean = quality(simulate.simulate_relations(**planted), n_permutations=49)
    result = quality(simulate.simulate_relations(**planted, distractor_strength=3.0), n_permutations=49)
    raw, lda, removed = result.parallelogram_residual.values
    floor = float(clean.parallelogram_residual.sel(view="raw"))
    assert raw > 0.9
    assert removed < 1.2 * floor
    assert lda < 2 * floor
    for name in ("parallelogram_residual", "silhouette", "offset_consistency", "trapezoid_cosine"):
        assert float(result.improvement_low.sel(score=name, view="lda")) > 0, name
        assert (result.p.sel(score=name, view="lda", null=["label_permutation", "offsets_redealt"]) == 1 / 50).all()
    at = {"direction": "dropped_by_lda_1", "nuisance": "length", "scope": "within_relations"}
    assert float(result.nuisance_spearman.sel(at)) > 0.95


def test_order_of_rows_changes_nothing_even_when_relations_are_capped():
    pairs = simulate.simulate_relations()
    order = np.random.default_rng(0).permutation(pairs.sizes["pairs"])
    options = {"n_permutations": 9, "max_pairs": 22}
    result = quality(pairs, **options)
    # Outputs with a row for each pair follow the rows; all others stay as they are.
    xr.testing.assert_identical(quality(pairs.isel(pairs=order), **options), result.isel(pairs=order))


def held_out_by_hand(pairs):
    """Offsets and labels in the order of the input, and which pairs are in fold 0, found by their words alone."""
    columns = {variable.name: pairs[variable.name].values for variable in parallelogram_quality.inputs}
    relations = tuple(pairs.attrs["relations"])
    kept = prepare.prepare(columns, relations=relations, max_pairs=200, n_folds=5, seed=0)
    offset = pairs.target_activation.values - pairs.source_activation.values
    label = np.array([relations.index(name) for name in pairs.relation.values])
    # Activations are drawn from a continuous law: each offset says which row it is.
    first = np.isclose(cdist(offset, kept.offset[kept.fold == 0]), 0).any(axis=1)
    assert first.sum() == (kept.fold == 0).sum() == len(label) / 5
    return offset, label, first


def signed(train, points):
    """Points turned so that the training point of largest coordinate is positive."""
    return points * np.sign([column[np.abs(column).argmax()] for column in train.T])


@pytest.mark.parametrize("shrinkage", [None, 0.4])
@pytest.mark.parametrize("n_components_removed", [0, 1, 3])
def test_positions_are_those_of_other_libraries_fitted_on_the_other_folds(shrinkage, n_components_removed):
    pairs = simulate.simulate_relations(n_relations=5, noise=0.5, distractor_strength=1.0)
    pairs = pairs.isel(pairs=np.random.default_rng(0).permutation(pairs.sizes["pairs"]))
    offset, label, first = held_out_by_hand(pairs)
    train = offset[~first]
    axes = PCA().fit(train).components_.T
    delta = ledoit_wolf_shrinkage(train) if shrinkage is None else shrinkage
    centre = np.array([train[label[~first] == relation].mean(axis=0) for relation in range(5)])[label[~first]]
    between, total = np.cov(centre.T, ddof=0), np.cov(train.T, ddof=0)
    within = (1 - delta) * (total - between) + delta * np.trace(total) / 24 * np.eye(24)
    directions = eigh(between, within)[1][:, ::-1]
    parameters = {"n_permutations": 2, "shrinkage": shrinkage, "n_components_removed": n_components_removed}
    result = quality(pairs, **parameters)
    removed = axes[:, n_components_removed : n_components_removed + 2]
    for view, plane in {
        "raw": axes[:, :2],
        "lda": directions[:, :2],
        "principal_components_removed": removed,
    }.items():
        got = result.offset_position.sel(view=view).values
        np.testing.assert_allclose(got[first], signed(train @ plane, offset[first] @ plane), atol=1e-7, err_msg=view)
        assert np.isnan(got[~first]).all()
    np.testing.assert_array_equal(result.pair_relation, np.where(first, label, -1))


def test_pairs_shown_served_to_fit_no_axis():
    pairs = simulate.simulate_relations(n_pairs=40)
    result = quality(pairs, n_permutations=2)
    shown = result.pair_relation.values >= 0
    assert np.bincount(result.pair_relation.values[shown]).tolist() == [8, 8, 8, 8]
    moved = pairs.copy(deep=True)
    # Pairs that are only shown move nothing but themselves; pairs that axes are fitted on move all.
    moved["target_activation"].values[np.flatnonzero(shown)[:3]] += 5.0
    again = quality(moved, n_permutations=2)
    still = shown & (np.cumsum(shown) > 3)
    np.testing.assert_allclose(
        again.offset_position.values[:, still], result.offset_position.values[:, still], atol=1e-9
    )
    assert not np.allclose(again.offset_position.values[:, shown], result.offset_position.values[:, shown])
    moved["target_activation"].values[np.flatnonzero(~shown)[:3]] += 5.0
    again = quality(moved, n_permutations=2)
    assert not np.allclose(again.offset_position.values[:, still], result.offset_position.values[:, still])


def test_dropped_pairs_have_no_position():
    pairs = simulate.simulate_relations()
    shown = quality(pairs, n_permutations=2).pair_relation.values >= 0
    spoilt = np.flatnonzero(shown)[:2]
    pairs["target"].values[spoilt] = pairs.source.values[spoilt]
    pairs = xr.concat([pairs, pairs.isel(pairs=np.flatnonzero(shown)[4:6])], "pairs", data_vars="minimal")
    result = quality(pairs, n_permutations=2)
    gone = [*spoilt, 120, 121]
    assert (result.pair_relation.values[gone] == -1).all()
    assert np.isnan(result.offset_position.values[:, gone]).all()
    np.testing.assert_array_equal(
        np.isfinite(result.offset_position).all(("view", "axis")), result.pair_relation.values >= 0
    )


def test_dropped_pairs_are_counted_by_reason():
    pairs = simulate.simulate_relations()
    pairs["target"].values[0] = pairs.source.values[0]
    pairs = xr.concat([pairs, pairs.isel(pairs=[31, 32])], "pairs", data_vars="minimal")
    pairs["target_activation"].values[60:63] = pairs.source_activation.values[60:63]
    result = quality(pairs, n_permutations=9, max_pairs=28)
    expected = {"identical_words": [1, 0, 0, 0], "duplicate_pair": [0, 2, 0, 0], "zero_offset": [0, 0, 3, 0]}
    for reason, counts in expected.items():
        assert result.n_dropped.sel(reason=reason).values.tolist() == counts, reason
    assert result.n_dropped.sel(reason="over_max_pairs").values.tolist() == [1, 2, 0, 2]
    assert result.n_pairs.values.tolist() == [28, 28, 27, 28]


def test_relations_need_not_be_listed_for_pairs_in_memory():
    pairs = simulate.simulate_relations()
    unlisted = pairs.drop_attrs()
    listed = quality(pairs, n_permutations=9)
    xr.testing.assert_equal(quality(unlisted, n_permutations=9), listed)
    with pytest.raises(ParameterError, match=r"assign_attrs\(relations="):
        quality(unlisted.chunk(), n_permutations=9)


def identical_words(pairs):
    pairs["target"].values[:30] = pairs.source.values[:30]
    return pairs


def no_offsets(pairs):
    pairs["target_activation"].values[:30] = pairs.source_activation.values[:30]
    return pairs


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (identical_words, r"'relation 0': got 0 pairs \(dropped: 30 identical_words.*at least 20"),
        (no_offsets, r"'relation 0': got 0 pairs \(dropped: .*30 zero_offset"),
        (lambda pairs: pairs.isel(pairs=slice(19, None)), r"'relation 0': got 11 pairs .*at least 20, 4 for each of 5"),
        (lambda pairs: pairs.isel(pairs=slice(30)), "'relation 1': got 0 pairs"),
        (lambda pairs: pairs.assign_attrs(relations=["relation 0", "relation 1"]), "got 'relation 2', expected one of"),
        (
            lambda pairs: pairs.isel(pairs=slice(30)).assign_attrs(relations=["relation 0"]),
            "got 1 relation.* at least 2",
        ),
    ],
)
def test_unfit_pairs_are_refused(spoil, message, chunked):
    pairs = spoil(simulate.simulate_relations())
    pairs = pairs.chunk(pairs=7) if chunked else pairs
    with pytest.raises(DataValueError, match=message):
        quality(pairs, n_permutations=9).compute()


def test_norms_that_overflow_in_half_precision_leave_pairs_in():
    pairs = simulate.simulate_relations(n_pairs=60, n_hidden=64)
    rng = np.random.default_rng(0)
    # Squares of these sum to more than 65,504, the largest number of float16.
    far = np.zeros((240, 64))
    far[:, 0] = rng.uniform(100, 400, 240)
    names = ("source_activation", "target_activation")
    large = pairs.assign({name: (("pairs", "hidden"), 20 * pairs[name].values + far) for name in names})
    half, double = (
        quality(
            large.assign({name: large[name].astype(dtype) for name in names}), n_permutations=5, estimator="published"
        )
        for dtype in (np.float16, np.float64)
    )
    assert half.n_pairs.values.tolist() == [60] * 4
    for name in ("silhouette", "offset_consistency", "silhouette_published_raw"):
        np.testing.assert_allclose(half[name], double[name], atol=5e-3)


@pytest.mark.parametrize(("n_relations", "n_folds"), [(3, 2), (4, 2), (3, 3), (5, 2)])
def test_held_out_relations_leave_two_to_tell_apart(n_relations, n_folds):
    pairs = simulate.simulate_relations(n_relations=n_relations, noise=0.05)
    result = parallelogram_quality(pairs, hold_out=("relations",), n_folds=n_folds, n_permutations=5)
    # Directions of other relations say little of these, but none would leave nothing at all.
    assert float(result.offset_consistency.sel(view="lda", hold_out="relations")) > 0.3


def test_listed_relations_are_listed_once():
    pairs = simulate.simulate_relations()
    with pytest.raises(DataValueError, match="got 1 relation"):
        quality(pairs.assign_attrs(relations="relation 0"))
    with pytest.raises(DataValueError, match=r"attrs\['relations'\]: got 'relation 0' twice"):
        quality(pairs.assign_attrs(relations=["relation 0", "relation 1", "relation 0"]))
    with pytest.raises(DataValueError, match="4 for each of 5 folds; raise max_pairs"):
        quality(pairs, max_pairs=5)


@pytest.mark.parametrize(
    ("metric", "parameters"),
    [
        (parallelogram_quality, {"max_pairs": 20}),
        (parallelogram_quality, {"max_pairs": 400}),
        (parallelogram_quality, {"max_pairs": 20, "estimator": "published"}),
        (function_vectors, {"max_pairs": 20}),
        (function_vectors, {"max_pairs": 400}),
    ],
)
def test_memory_is_as_stated_and_follows_the_pairs_in_use(monkeypatch, metric, parameters):
    pairs = simulate.simulate_relations(n_pairs=400, n_hidden=512)
    names = ("source_activation", "target_activation")
    pairs = pairs.assign({name: pairs[name].astype(np.float32) for name in names})
    # What is imported and compiled is there before memory is measured, whatever the number of pairs.
    few = metric(pairs.chunk(pairs=-1), n_permutations=2, **parameters | {"max_pairs": 20})
    few.compute(scheduler="synchronous")
    stated = []
    module = sys.modules[f"saegeom_data.metrics.atom.{metric.name}"]
    asked = module.over_folds

    def over_folds(*given, **costs):
        stated.append(max(costs["memory"]))
        return asked(*given, **costs)

    monkeypatch.setattr(module, "over_folds", over_folds)
    lazy = metric(pairs.chunk(pairs=-1), n_permutations=2, **parameters)
    tracemalloc.start()
    lazy.compute(scheduler="synchronous")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 75 MB are for what other libraries load, which is there already.
    assert peak <= stated[0] - 75e6 <= 2.2 * peak


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_directions": (4,)}, r"n_directions: got \(4,\), expected numbers in 1..3"),
        ({"n_directions": ()}, "n_directions"),
        ({"n_folds": 1}, "n_folds: got 1, expected at least 2"),
        ({"n_folds": 20_000}, r"n_folds: got 20,000, expected at most \d+, the number of pairs"),
        ({"n_permutations": 1}, "n_permutations: got 1, expected at least 2"),
        ({"shrinkage": 0.0}, r"shrinkage: got 0.0, expected a number in \(0, 1\]"),
        ({"headline_directions": 0}, "headline_directions: got 0"),
        ({"n_components_removed": 24}, "n_components_removed: got 24"),
        ({"estimator": "best"}, "estimator: got 'best'"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ParameterError, match=message):
        quality(simulate.simulate_relations(), **parameters)


def test_two_relations_and_a_single_direction_suffice():
    result = quality(simulate.simulate_relations(n_relations=2), n_permutations=19)
    assert result.directions.values.tolist() == [1]
    assert float(result.silhouette.sel(view="lda")) > 0.7
    x, y = result.offset_position.sel(view="lda").dropna("pairs").values.T
    assert (y == 0).all()
    assert (x != 0).all()


def test_positions_are_the_same_however_few_directions_are_scored():
    pairs = simulate.simulate_relations()
    result = quality(pairs, n_permutations=2, n_directions=(1,), headline_directions=1)
    checks.assert_equal(result[["offset_position"]], quality(pairs, n_permutations=2)[["offset_position"]])


def test_position_is_0_along_axes_that_are_missing():
    pairs = simulate.simulate_relations(n_hidden=2)
    position = quality(pairs, n_permutations=2).offset_position.dropna("pairs")
    assert (position.sel(view="principal_components_removed", axis="y") == 0).all()
    assert (position.sel(view="principal_components_removed", axis="x") != 0).any()
