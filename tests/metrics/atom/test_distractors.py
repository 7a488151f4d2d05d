"""Nuisance variables of word pairs, and what the directions that are removed owe to them."""

import numpy as np
import pytest
import xarray as xr
from scipy.linalg import null_space
from scipy.stats import kstest, pearsonr, rankdata, spearmanr
from sklearn.linear_model import LinearRegression
from soak import highest, lowest, times

from saegeom_data.data import selection, store, write
from saegeom_data.errors import ParameterError, ValidationError
from saegeom_data.metrics._statistics import discriminant
from saegeom_data.metrics.atom._word_pairs import nuisances
from saegeom_data.metrics.atom.parallelogram_quality import _distractors, parallelogram_quality
from saegeom_data.testing import checks, simulate

ALL = {"scope": "all"}


def with_columns(pairs: xr.Dataset, seed: int = 0) -> xr.Dataset:
    """The same pairs with every nuisance column there may be."""
    rng = np.random.default_rng([seed, 5])
    n = pairs.sizes["pairs"]
    counts = {f"{side}_token_count": ("pairs", rng.integers(1, 5, n)) for side in ("source", "target")}
    ranks = {f"{side}_frequency_rank": ("pairs", rng.integers(1, 10**5, n)) for side in ("source", "target")}
    language = np.where(pairs.relation.values == "relation 0", "fr", "en").astype(object)
    languages = {
        "source_language": ("pairs", np.full(n, "en", dtype=object)),
        "target_language": ("pairs", language),
    }
    words = np.array(
        [word.title() if place % 3 else word for place, word in enumerate(pairs.target.values)], dtype=object
    )
    length = {"last_token_length_difference": ("pairs", rng.integers(-3, 4, n))}
    return pairs.assign(counts | ranks | languages | length | {"target": ("pairs", words)})


def test_nuisances_are_differences_of_the_words():
    columns = {
        "relation": np.array(["r"] * 3),
        "source": np.array(["austria", "Wien", "the"], dtype=object),
        "target": np.array(["Vienna", "vienna", "of"], dtype=object),
        "length_difference": np.array([-1, 2, -1]),
        "source_frequency_rank": np.array([10, 100, 0]),
        "target_frequency_rank": np.array([20, 100, 3]),
        "source_language": np.array(["en", "de", "en"], dtype=object),
        "target_language": np.array(["en", "en", "en"], dtype=object),
    }
    found = dict(zip(nuisances.NUISANCES, nuisances.nuisances(columns).T, strict=True))
    assert found["length"].tolist() == [-1, 2, -1]
    assert found["capitalisation"].tolist() == [1, -1, 0]
    assert found["language"].tolist() == [0, 1, 0]
    np.testing.assert_allclose(found["frequency_rank"], [np.log(2), 0, np.nan])
    assert np.isnan(found["token_count"]).all()
    assert np.isnan(found["last_token_length"]).all()
    del columns["source_frequency_rank"]
    columns |= {"source_last_token_id": np.array([0, 9, 5]), "target_last_token_id": np.array([1, 9, 2])}
    columns["last_token_length_difference"] = np.array([2, 0, -1])
    found = dict(zip(nuisances.NUISANCES, nuisances.nuisances(columns).T, strict=True))
    np.testing.assert_allclose(found["frequency_rank"], [np.log(2), 0, -np.log(2)])
    assert found["last_token_length"].tolist() == [2, 0, -1]


def test_correlations_are_those_of_other_libraries():
    pairs = with_columns(simulate.simulate_relations(distractor_strength=0.4, noise=0.3))
    offset = (pairs.target_activation - pairs.source_activation).values
    _, axes = discriminant.principal_axes(offset - offset.mean(axis=0))
    component = offset @ axes[:, 0]
    columns = {name: pairs[name].values for name in pairs.data_vars}
    values = nuisances.nuisances(columns)
    result = parallelogram_quality(pairs, n_permutations=19).sel(direction="principal_component_1")
    sign = np.sign(spearmanr(component, values[:, 0])[0])
    ranks = np.stack([rankdata(column) for column in values.T], axis=1)
    rank = rankdata(component)
    for i, name in enumerate(nuisances.NUISANCES):
        at = result.sel(ALL | {"nuisance": name})
        assert float(at.nuisance_spearman) == pytest.approx(sign * spearmanr(component, values[:, i])[0], abs=1e-9)
        assert float(at.nuisance_pearson) == pytest.approx(sign * pearsonr(component, values[:, i])[0], abs=1e-9)
        assert float(at.nuisance_spearman_low) < float(at.nuisance_spearman) < float(at.nuisance_spearman_high)
        others = np.delete(ranks, i, axis=1)
        left = [y - LinearRegression().fit(others, y).predict(others) for y in (rank, ranks[:, i])]
        assert float(at.nuisance_partial_r2) == pytest.approx(pearsonr(*left)[0] ** 2, abs=1e-9)
    whole = LinearRegression().fit(ranks, rank).score(ranks, rank)
    assert float(result.nuisances_r2.sel(ALL)) == pytest.approx(whole, abs=1e-9)
    assert float(result.n_described) == 120
    within = result.sel(scope="within_relations", nuisance="length")
    dummies = np.eye(4)[np.repeat(np.arange(4), 30)]
    left = [y - LinearRegression().fit(dummies, y).predict(dummies) for y in (rank, ranks[:, 0])]
    assert float(within.nuisance_spearman) == pytest.approx(sign * pearsonr(*left)[0], abs=1e-9)


def test_what_discriminants_drop_is_the_rest_of_space():
    pairs = simulate.simulate_relations(noise=0.5, distractor_strength=1.0)
    offset = (pairs.target_activation - pairs.source_activation).values
    centred = offset - offset.mean(axis=0)
    result = parallelogram_quality(pairs, n_permutations=2, headline_directions=2, shrinkage=0.3)
    label = np.repeat(np.arange(4), 30)
    basis = discriminant.fit_basis(offset, 0.3)
    means, weights = discriminant.discriminants(basis.whiten(offset), label[None], 4, 0.3, 2)
    rest = centred @ null_space((basis.whitening @ means[0].T @ weights[0]).T)
    variance = np.linalg.eigvalsh(np.cov(rest.T, ddof=0))[::-1] / centred.var(axis=0).sum()
    names = [f"dropped_by_lda_{i}" for i in (1, 2, 3)]
    np.testing.assert_allclose(result.direction_share.sel(direction=names), variance[:3], rtol=1e-6)
    assert float(result.lda_kept_share) == pytest.approx(1 - variance.sum(), abs=1e-9)
    loud = parallelogram_quality(
        simulate.simulate_relations(noise=0.1, distractor_strength=3.0), n_permutations=99
    ).sel(direction="dropped_by_lda_1")
    assert str(loud.direction_description.values).startswith("word length (rank correlation 1.00, partial R2 0.9")


@pytest.mark.statistical
def test_p_is_uniform_where_directions_follow_nothing():
    found = []
    for seed in range(times(20, 80)):
        rng = np.random.default_rng(seed)
        label = np.repeat(np.arange(3), 14)
        # Variables that go together, and the other of which explains the component, leave nothing to the first.
        nuisance = np.full((42, 5), np.nan)
        nuisance[:, 1] = rng.standard_normal(42)
        nuisance[:, 0] = nuisance[:, 1] + rng.standard_normal(42)
        component = np.stack([rng.standard_normal(42), nuisance[:, 1] + 0.5 * rng.standard_normal(42)])
        directions = _distractors.Directions(component, np.ones(2), 0.0)
        found.append(_distractors.describe(directions, nuisance, label, 79, rng))
    for name, at in {
        "nuisance_spearman_p": (0, 0),
        "nuisance_partial_r2_p": (1, 0),
        "nuisances_r2_p": (0,),
    }.items():
        for scope in (0, 1):
            p = [table[name][(*at, scope)] for table in found]
            assert kstest(p, "uniform").pvalue > 1e-3, (name, scope)
    assert max(table["nuisance_spearman_p"][1, 0, 0] for table in found) < 0.2
    words = [table["direction_description"][0] for table in found]
    assert np.mean([text == "none of word length, number of tokens" for text in words]) > lowest(0.85, len(words))


@pytest.mark.statistical
@pytest.mark.parametrize("n_relations", [5, 12])
def test_what_relations_share_by_chance_is_no_finding(n_relations):
    spearman, partial, described, inside = [], [], [], []
    for seed in range(times(20, 200)):
        rng = np.random.default_rng([n_relations, seed])
        label = np.repeat(np.arange(n_relations), rng.integers(8, 30, n_relations))
        # Both differ between relations, and have nothing to do with each other.
        shared = 2 * rng.standard_normal((3, n_relations))
        component, *columns = shared[:, label] + rng.standard_normal((3, len(label)))
        nuisance = np.full((len(label), 5), np.nan)
        nuisance[:, :2] = np.stack(columns, axis=1)
        directions = _distractors.Directions(component[None], np.ones(1), 0.0)
        table = _distractors.describe(directions, nuisance, label, 79, rng)
        spearman.append(table["nuisance_spearman_p"][0, 0, 0])
        partial.append(table["nuisance_partial_r2_p"][0, 0, 0])
        described.append(table["nuisances_r2_p"][0, 0])
        low, high = (table[f"nuisance_spearman_{end}"][0, 0, 0] for end in ("low", "high"))
        inside.append(low <= 0 <= high)
    sizes = [np.mean(np.array(p) <= 0.05) for p in (spearman, partial, described)]
    # Shuffled as if they had nothing in common, pairs would give 0.6 and more.
    assert max(sizes) <= highest(0.09, len(inside))
    assert np.mean(inside) >= lowest(0.91, len(inside))


def test_columns_that_are_missing_or_constant_are_left_out():
    pairs = simulate.simulate_relations()
    result = parallelogram_quality(pairs.assign(length_difference=pairs.length_difference * 0), n_permutations=9)
    for name in ("nuisance_spearman", "nuisance_spearman_p", "nuisance_partial_r2", "nuisances_r2"):
        assert np.isnan(result[name]).all(), name
    assert set(result.direction_description.values.tolist()) == {"nothing that is known"}
    some = with_columns(pairs)[["source_frequency_rank", "target_frequency_rank"]]
    some["source_frequency_rank"].values[:40] = 0
    result = parallelogram_quality(pairs.assign(some), n_permutations=9)
    assert int(result.n_described) == 80
    at = {"direction": "principal_component_1", **ALL}
    assert np.isfinite(result.nuisance_spearman.sel(at)).values.tolist() == [True, False, True, False, False, False]


def test_optional_columns_come_from_the_store(tmp_path):
    pairs = with_columns(simulate.simulate_relations())
    activations = ["source_activation", "target_activation"]
    words = pairs.drop_vars([*activations, "site", "layer"]).drop_attrs()
    groups = {
        "/": xr.Dataset(attrs={"format_version": 1, "title": "Pairs", "license": "CC0-1.0"}),
        "/relations": words,
        "/relations/one": pairs[activations].assign_attrs(model="simulated"),
    }
    write.write_tree(xr.DataTree.from_dict(groups), tmp_path / "pairs.zarr")
    # A site of a store has draws of its own, which follow from its path.
    expected = parallelogram_quality(pairs.assign_attrs(path="/relations/one"), n_permutations=9)
    with store.open(tmp_path / "pairs.zarr") as tree:
        lazy = parallelogram_quality(selection.select_relations(tree, "one"), n_permutations=9)
        checks.assert_equal(lazy.compute(), expected)
    at = {"direction": "principal_component_1", **ALL}
    assert np.isfinite(expected.nuisance_spearman.sel(at)).all()


def test_optional_columns_that_are_wrong_are_named():
    pairs = with_columns(simulate.simulate_relations())
    wrong = pairs.assign(source_token_count=("others", [1, 2]))
    with pytest.raises(ValidationError, match=r"/source_token_count: got dims \(others"):
        parallelogram_quality(wrong)
    with pytest.raises(ValidationError, match="/target_language"):
        parallelogram_quality(pairs.assign(target_language=("pairs", np.arange(120))))
    with pytest.raises(ParameterError, match=r"erased: got 'token_count', which these pairs do not tell.*\['length'\]"):
        parallelogram_quality(simulate.simulate_relations(), removals=["erased"], erased=["token_count"])
