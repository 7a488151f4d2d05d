"""Function vectors: each score against an independent computation, its null on noise, and planted vectors."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom, kstest
from soak import SOAK, lowest, times

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics.atom._word_pairs import prepare
from saegeom_data.metrics.atom.function_vectors import function_vectors
from saegeom_data.testing import simulate

SCORES = ("explained_share", "agreement", "target_rank", "target_found", "reciprocal_rank")


def noise(seed: int, n_hidden: int = 16) -> xr.Dataset:
    pairs = simulate.simulate_relations(n_relations=3, n_pairs=24, n_hidden=n_hidden, seed=seed)
    rng = np.random.default_rng([seed, 99])
    shape = pairs.source_activation.shape
    names = ("source_activation", "target_activation")
    return pairs.assign({name: (("pairs", "hidden"), rng.standard_normal(shape)) for name in names})


@pytest.fixture(scope="module")
def over_noise() -> list[xr.Dataset]:
    removals, n_permutations = ("lda", "principal_components_removed", "whitened"), 49 if SOAK else 19
    return [
        function_vectors(noise(seed), n_permutations=n_permutations, seed=seed, removals=removals)
        for seed in range(times(20, 80))
    ]


def by_hand(kept, n_relations):
    """Scores of the raw view from words, one pair and one candidate at a time."""
    found = np.zeros((5, n_relations, 2))
    for half in range(2):
        test = np.flatnonzero(kept.fold == half)
        words = {}
        for pair in test:
            words.setdefault(kept.target_word[pair], kept.target[pair])
        for relation in range(n_relations):
            fitted = (kept.fold != half) & (kept.label == relation)
            vector = kept.offset[fitted].mean(axis=0)
            mine = [pair for pair in test if kept.label[pair] == relation]
            own = kept.offset[mine]
            mean = own.mean(axis=0)
            share = 1 - ((own - vector) ** 2).sum() / (own**2).sum()
            agreement = vector @ mean / np.linalg.norm(vector) / np.linalg.norm(mean)
            places = []
            for pair in mine:
                moved = kept.source[pair] + vector
                near = {
                    word: moved @ point / np.linalg.norm(moved) / np.linalg.norm(point)
                    for word, point in words.items()
                    if word != kept.source_word[pair]
                }
                better = sum(value > near[kept.target_word[pair]] + 1e-12 for value in near.values())
                places.append((better / (len(near) - 1), better == 0, 1 / (1 + better)))
            found[:, relation, half] = [share, agreement, *np.mean(places, axis=0)]
    return found.mean(axis=2)


def test_scores_are_those_of_a_loop():
    pairs = simulate.simulate_relations(n_relations=3, n_pairs=14, n_hidden=6, noise=0.4, offset_strength=2.0)
    # Some words are sources and targets, and some targets belong to several pairs.
    pairs["target"].values[[3, 8]] = pairs.source.values[[20, 21]]
    pairs["target"].values[[30, 31]] = "both"
    pairs["target_activation"].values[31] = pairs.target_activation.values[30]
    pairs["target_activation"].values[[3, 8]] = pairs.source_activation.values[[20, 21]]
    columns = {name: pairs[name].values for name in pairs.data_vars}
    relations = tuple(pairs.attrs["relations"])
    kept = prepare.prepare(columns, relations=relations, max_pairs=200, n_folds=2, seed=0)
    result = function_vectors(pairs, n_permutations=5).sel(view="raw")
    for name, expected in zip(SCORES, by_hand(kept, 3), strict=True):
        np.testing.assert_allclose(result[f"{name}_by_relation"], expected, atol=1e-12, err_msg=name)
        assert float(result[name]) == pytest.approx(expected.mean(), abs=1e-12)
    offset = (pairs.target_activation - pairs.source_activation).values
    vectors = [offset[pairs.relation == name].mean(axis=0) for name in relations]
    np.testing.assert_allclose(result.function_vector, vectors, atol=1e-12)


@pytest.mark.statistical
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("view", ["raw", "lda"])
def test_p_is_uniform_on_noise(over_noise, score, view):
    null = "label_permutation" if score in ("explained_share", "agreement") else "derangement"
    p = np.array([float(result.p.sel(score=score, view=view, null=null)) for result in over_noise])
    if score == "target_found":
        # Few of the draws find any target: p is coarse, and must not be small too often.
        assert (p <= 0.1).sum() <= binom.ppf(1 - 1e-4, len(p), 0.1)
        return
    assert kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.statistical
@pytest.mark.parametrize("score", [name for name in SCORES if name != "target_found"])
@pytest.mark.parametrize("view", ["lda", "principal_components_removed", "whitened", "whitened_at_random"])
def test_improvement_on_noise_has_zero_in_its_interval(over_noise, score, view):
    at = {"score": score, "view": view, "null": "label_permutation"}
    ends = [
        [float(result[f"improvement_above_null_{end}"].sel(at)) for end in ("low", "high")] for result in over_noise
    ]
    covered = [low <= 0 <= high for low, high in ends]
    # Whitened noise is hardly changed: the few first places that differ decide, of which a jackknife knows little.
    share = 0.8 if score == "reciprocal_rank" and view.startswith("whitened") else 0.9
    assert np.mean(covered) >= lowest(share, len(covered))


@pytest.mark.statistical
def test_noise_gains_nothing(over_noise):
    for view in ("raw", "lda"):
        for vector in ("other_relations", "none"):
            at = {"view": view, "vector": vector}
            inside = [float(result.gain_low.sel(at)) <= 0 <= float(result.gain_high.sel(at)) for result in over_noise]
            assert np.mean(inside) >= lowest(0.85, len(inside)), at
        explained = np.array([float(result.explained_share.sel(view=view)) for result in over_noise])
        # Held out, a mean of noise explains less than nothing.
        assert explained.mean() < 0
    rank = np.array([float(result.target_rank.sel(view="raw")) for result in over_noise])
    assert abs(rank.mean() - 0.5) < 4 * rank.std() / np.sqrt(len(rank))


@pytest.mark.statistical
def test_intervals_cover_the_planted_share():
    covered = []
    for seed in range(times(20, 40)):
        pairs = simulate.simulate_relations(n_pairs=60, noise=24**-0.5, seed=seed)
        result = function_vectors(pairs, removals=[], n_permutations=2)
        # Half of the squared length, less what the error of 30 pairs' mean takes away.
        expected = 0.5 - 0.5 / 30
        at = {"score": "explained_share", "view": "raw"}
        covered.append(float(result.low.sel(at)) <= expected <= float(result.high.sel(at)))
    assert np.mean(covered) >= lowest(0.9, len(covered))


def test_planted_vectors_beat_no_vector_once_the_distractor_is_gone():
    pairs = simulate.simulate_relations(
        n_relations=5, n_pairs=40, noise=0.05, offset_strength=3.0, distractor_strength=4.0
    )
    result = function_vectors(pairs, n_permutations=49)
    raw, lda, removed = result.explained_share.values
    assert raw < 0.5 < 0.9 < min(lda, removed)
    assert float(result.improvement_low.sel(score="explained_share", view="principal_components_removed")) > 0
    for vector in ("other_relations", "none"):
        assert float(result.gain_low.sel(view="lda", vector=vector)) > 0, vector
    assert float(result.target_found.sel(view="principal_components_removed")) > 0.95
    explained = result.p.sel(score="explained_share")
    assert (explained.sel(null=["label_permutation", "offsets_redealt"]) == 1 / 50).all()
    # What targets a source has is nothing to the mean of offsets.
    assert explained.sel(null="derangement").isnull().all()
    cosine = result.vector_cosine.values
    np.testing.assert_allclose(np.diag(cosine), 1)
    assert np.abs(cosine - np.eye(5)).max() < 0.7


def test_every_way_to_remove_distractors_has_its_view():
    pairs = simulate.simulate_relations(distractor_strength=2.0)
    removals = ["whitened", "erased"]
    result = function_vectors(pairs, removals=removals, n_permutations=9)
    assert result.view.values.tolist() == ["raw", "whitened", "whitened_at_random", "erased"]
    erased = result.explained_share.sel(view="erased")
    assert float(erased) > float(result.explained_share.sel(view="raw")) + 0.2


def test_unfit_pairs_and_parameters_are_refused():
    pairs = simulate.simulate_relations()
    with pytest.raises(DataValueError, match="'relation 3': got 5 pairs .*4 for each of 2 folds"):
        function_vectors(pairs.isel(pairs=slice(95)))
    with pytest.raises(ParameterError, match="erased: got 'language', which these pairs do not tell"):
        function_vectors(pairs, removals=["erased"], erased=["language"])
    with pytest.raises(ParameterError, match="n_permutations: got 1, expected at least 2"):
        function_vectors(pairs, n_permutations=1)
    with pytest.raises(ParameterError, match="erased: got none"):
        function_vectors(pairs, removals=["erased"], erased=[])
