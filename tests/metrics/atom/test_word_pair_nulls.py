"""Nulls of word pairs: p is uniform where no parallelogram is planted, and small where one is."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom, kstest
from soak import SOAK, times

from saegeom_data.metrics.atom.function_vectors import function_vectors
from saegeom_data.metrics.atom.parallelogram_quality import parallelogram_quality
from saegeom_data.testing import simulate

# Sources and targets that lie next to each other, where a wrong null rejects, and about as far apart as words are.
NOISES = (0.1, 0.5, 1.0, 3.0) if SOAK else (0.1, 1.0)
NO_COMMON_OFFSET = ("label_permutation", "offsets_redealt")
VIEWS = ("raw", "lda", "principal_components_removed")
SCORES = (
    "offset_consistency",
    "pairing_consistency",
    "parallelogram_residual",
    "trapezoid_cosine",
    "analogy_accuracy",
    "analogy_accuracy_with_inputs",
    "silhouette",
    "analogy_gain",
)
OF_VECTORS = ("explained_share", "agreement", "target_rank", "target_found", "reciprocal_rank")
# Where targets lie so near their sources that every draw finds all of them, or so far that most find none, draws tie:
# p is then 1 more often than a uniform p is.
TIED = (
    "analogy_accuracy",
    "analogy_accuracy_with_inputs",
    "analogy_gain",
    "target_rank",
    "target_found",
    "reciprocal_rank",
)
N_DRAWS = 19


def p_values(metric, noise: float, **parameters) -> xr.DataArray:
    """p over seeds where targets lie near their own sources, and relations have no offset."""
    found = []
    for seed in range(times(20, 60)):
        pairs = simulate.simulate_relations(
            n_relations=3, n_pairs=10, n_hidden=8, offset_strength=0, noise=noise, seed=seed
        )
        found.append(metric(pairs, n_permutations=N_DRAWS, seed=seed, **parameters).p)
    return xr.concat(found, "seed")


@pytest.fixture(scope="module", params=NOISES)
def without_offsets(request) -> xr.DataArray:
    given = {"n_folds": 2, "n_dropped_directions": 0}
    return p_values(parallelogram_quality, request.param, **given).sel(hold_out="pairs")


# Each seed ranks all targets with every vector: on each push only where a wrong null rejects.
@pytest.fixture(scope="module", params=NOISES if SOAK else NOISES[:1])
def vectors_without_offsets(request) -> xr.DataArray:
    return p_values(function_vectors, request.param)


def check(p: np.ndarray, score: str) -> None:
    """Uniform on the steps of p, or at least never too often small."""
    for level in (0.05, 0.25, 0.5):
        low, high = binom.ppf([1e-4, 1 - 1e-4], len(p), level)
        assert (p <= level + 1e-9).sum() <= high, level
        assert score in TIED or (p <= level + 1e-9).sum() >= low, level
    if score not in TIED:
        # Between two steps p may be anything: spread evenly, it is continuous.
        even = p - np.random.default_rng(0).uniform(0, 1 / (N_DRAWS + 1), len(p))
        assert kstest(even, "uniform").pvalue > 1e-4


@pytest.mark.statistical
@pytest.mark.parametrize("score", SCORES)
def test_p_is_uniform_where_targets_lie_near_their_sources_and_nothing_else(without_offsets, score):
    for null in NO_COMMON_OFFSET:
        for view in VIEWS:
            check(without_offsets.sel(score=score, view=view, null=null).values, score)


@pytest.mark.statistical
@pytest.mark.parametrize("score", OF_VECTORS)
def test_p_of_vectors_is_uniform_there_too(vectors_without_offsets, score):
    for null in NO_COMMON_OFFSET:
        for view in VIEWS:
            check(vectors_without_offsets.sel(score=score, view=view, null=null).values, score)


@pytest.mark.statistical
def test_derangements_reject_there_because_pairing_matters():
    pairs = simulate.simulate_relations(offset_strength=0, noise=0.5)
    p = parallelogram_quality(pairs, n_permutations=19).p.sel(hold_out="pairs", view="raw")
    for score in ("offset_consistency", "pairing_consistency", "parallelogram_residual", "analogy_accuracy"):
        assert float(p.sel(score=score, null="derangement")) == 0.05, score


@pytest.mark.statistical
@pytest.mark.parametrize("distractor_strength", [0.0, 1.0])
def test_planted_offsets_are_found_against_every_null_without_them(distractor_strength):
    for seed in range(times(3, 20)):
        pairs = simulate.simulate_relations(
            n_pairs=24, noise=0.2, distractor_strength=distractor_strength, offset_strength=1.0, seed=seed
        )
        result = parallelogram_quality(pairs, n_permutations=19, seed=seed).sel(hold_out="pairs", view="lda")
        for score in ("offset_consistency", "parallelogram_residual", "trapezoid_cosine", "silhouette"):
            assert (result.p.sel(score=score, null=list(NO_COMMON_OFFSET)) == 0.05).all(), score
        explained = function_vectors(pairs, n_permutations=19, seed=seed).p.sel(view="lda", score="explained_share")
        assert (explained.sel(null=list(NO_COMMON_OFFSET)) == 0.05).all()


@pytest.mark.statistical
def test_an_offset_that_all_relations_share_is_found_by_turning_offsets_alone():
    pairs = simulate.simulate_relations(offset_strength=0, noise=0.2)
    shift = np.random.default_rng(0).standard_normal(24)
    pairs = pairs.assign(target_activation=pairs.target_activation + shift / np.linalg.norm(shift))
    p = parallelogram_quality(pairs, n_permutations=19).p.sel(hold_out="pairs", view="raw", score="offset_consistency")
    assert float(p.sel(null="offsets_redealt")) == 0.05
    assert float(p.sel(null="label_permutation")) > 0.05


def test_the_gain_of_analogies_is_over_the_better_baseline():
    near = simulate.simulate_relations(offset_strength=0, noise=0.05)
    result = parallelogram_quality(near, n_permutations=5).sel(hold_out="pairs", view="raw")
    # The nearest word to c is always its own target: an offset adds nothing.
    assert float(result.analogy_accuracy) == float(result.analogy_accuracy_without_offset) == 1.0
    assert float(result.analogy_gain) == 0.0
    far = simulate.simulate_relations(n_relations=4, noise=0.1, offset_strength=8.0)
    result = parallelogram_quality(far, n_permutations=5).sel(hold_out="pairs", view="raw")
    better = max(float(result.analogy_accuracy_without_offset), float(result.analogy_accuracy_other_relation))
    assert float(result.analogy_gain) == pytest.approx(float(result.analogy_accuracy) - better, abs=1e-12)
    assert float(result.analogy_accuracy) > better + 0.2
    # By the t law of ten groups of pairs, which has long tails.
    assert float(result.analogy_gain_p) < 0.001
    assert float(result.low.sel(score="analogy_gain")) > 0
    by_relation = float(result.analogy_gain_by_relation.mean())
    assert by_relation == pytest.approx(float(result.analogy_gain), abs=1e-12)


def test_gains_add_up():
    pairs = simulate.simulate_relations(n_relations=5, noise=0.5, distractor_strength=1.0)
    result = parallelogram_quality(pairs, n_permutations=9).sel(hold_out="pairs")
    for score in SCORES:
        sign = -1 if score == "parallelogram_residual" else 1
        change = sign * (result[score] - result[score].sel(view="raw"))
        np.testing.assert_allclose(result.improvement.sel(score=score), change, atol=1e-12)
        null = sign * (result.null_mean - result.null_mean.sel(view="raw")).sel(score=score)
        above = result.improvement_above_null.sel(score=score)
        np.testing.assert_allclose(above, (change - null).transpose(*above.dims), atol=1e-12)


@pytest.mark.statistical
def test_the_p_of_the_gain_is_small_no_more_often_than_it_says():
    """Offsets of noise: where the gain is truly below 0, its p is hardly ever small."""
    p = []
    for seed in range(times(20, 100)):
        pairs = simulate.simulate_relations(n_pairs=20, noise=1.0, offset_strength=0, seed=seed)
        result = parallelogram_quality(pairs, n_permutations=2, seed=seed, removals=())
        p.append(float(result.analogy_gain_p.sel(hold_out="pairs", view="raw")))
    assert (np.array(p) <= 0.05).sum() <= binom.ppf(0.999, len(p), 0.05)
    assert SOAK or len(p) == 20
