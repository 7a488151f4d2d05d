import numpy as np
import pytest
import xarray as xr
from scipy import stats
from sklearn.metrics import adjusted_mutual_info_score
from soak import times

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics.brain._shared.document_halves import document_halves
from saegeom_data.metrics.brain.lobe_function import cramers_v, lobe_function
from saegeom_data.testing.simulate import simulate_sae

FAST = {"n_lobes": (2,), "n_permutations": 99, "n_seeds": 2}


def simulate(seed=0, n_lobes=2, **planted):
    return simulate_sae(n_features=80, n_blocks=180, n_lobes=n_lobes, seed=seed, **planted)


def test_planted_lobes_win_their_own_type():
    sae = simulate_sae(n_features=80, n_blocks=540, n_lobes=3, function_strength=0.9)
    result = lobe_function(sae, **(FAST | {"n_lobes": (2, 3)}))
    assert adjusted_mutual_info_score(sae.true_lobe, result.lobe.sel(n_lobes=3)) == pytest.approx(1)
    share = result.winner_share.sel(n_lobes=3)
    assert sorted(share.argmax("lobes").values) == [0, 1, 2]
    np.testing.assert_allclose(share.sum("lobes"), 1)
    assert float(share.max("lobes").min()) > 0.95
    assert np.isnan(result.winner_share.sel(n_lobes=2)[2]).all()
    np.testing.assert_allclose(result.cramers_v_p, 0.01)
    assert float(result.cramers_v_low.sel(n_lobes=3)) > float(result.cramers_v_null_mean.sel(n_lobes=3))
    assert float(result.margin.sel(n_lobes=3).min()) > 0.9


@pytest.mark.statistical
def test_p_is_uniform_without_function():
    # Many documents and types of unequal size: few tables have the same V, and ties would push p up.
    def p(seed):
        sae = simulate_sae(n_features=80, n_blocks=540, seed=seed)
        kinds = np.random.default_rng([seed, 9]).choice(3, 180, p=[0.5, 0.3, 0.2])
        types = np.array([f"type {kind}" for kind in kinds], dtype=object)[sae.document.values]
        sae = sae.assign(document_type=("blocks", types)).assign_attrs(document_types=["type 0", "type 1", "type 2"])
        return lobe_function(sae, **FAST).cramers_v_p.item()

    assert stats.kstest([p(seed) for seed in range(times(20, 60))], "uniform").pvalue > 0.01


def test_raw_share_goes_to_the_lobe_of_frequent_features():
    sae = simulate()
    lobe, kind = sae.true_lobe.values, sae.document.values[:, None] % 2
    # Lobe 0 fires three times as often everywhere; each lobe fires a little more in its own type.
    rate = np.where(lobe == 0, 0.6, 0.2) + np.where(lobe == kind, 0.1, -0.1)
    on = np.random.default_rng(0).random((180, 80)) < rate
    result = lobe_function(sae.assign(occurrence=sae.occurrence.copy(data=on)), **FAST)
    assert float(result.winner_share_published.max("lobes").min()) > 0.95
    assert len(set(result.winner_share_published[0].argmax("lobes").values)) == 1
    assert len(set(result.winner_share[0].argmax("lobes").values)) == 2


def test_cramers_v_equals_scipy_and_ignores_empty_cells():
    table = np.array([[5, 9, 3], [8, 2, 1]])
    expected = stats.contingency.association(table, method="cramer")
    # A type without blocks and a lobe that never wins.
    padded = np.pad(table, ((0, 1), (1, 0)))
    np.testing.assert_allclose(cramers_v(np.stack([padded, padded * 2]).astype(float)), expected)
    assert float(cramers_v(np.array([[3.0, 0.0], [4.0, 0.0]]))) == 0


def test_halves_split_every_type_evenly_though_types_take_turns():
    sae = simulate()
    half = document_halves(sae.chunk(blocks=50)).compute()
    by_document = xr.Dataset({"half": half, "type": sae.document_type}).isel(blocks=slice(None, None, 3))
    for kind in ("type 0", "type 1"):
        assert np.bincount(by_document.half[by_document.type == kind]).tolist() == [15, 15]
    assert all(len(set(half.values[i : i + 3])) == 1 for i in range(0, 180, 3))


def test_types_come_from_the_parameter_the_attribute_or_memory():
    sae = simulate(function_strength=0.8)
    bare = sae.drop_attrs()
    assert lobe_function(bare, **FAST).document_type.values.tolist() == ["type 0", "type 1"]
    with pytest.raises(ParameterError, match="document_types: the dataset has no attribute"):
        lobe_function(bare.chunk(blocks=50), **FAST)
    named = lobe_function(bare.chunk(blocks=50), document_types=("type 1", "none", "type 0"), **FAST).compute()
    assert named.document_type.values.tolist() == ["type 1", "none", "type 0"]
    assert np.isnan(named.winner_share.sel(document_type="none")).all()
    assert named.n_blocks_measured.values.tolist() == [45, 0, 45]


def with_two_types_in_a_document(sae):
    types = sae.document_type.values.copy()
    types[1] = "type 1"
    return sae.assign(document_type=("blocks", types))


@pytest.mark.parametrize(
    ("change", "parameters", "error", "message"),
    [
        (lambda sae: sae, {"document_types": ("type 0",)}, ParameterError, "at least 2 different types"),
        (lambda sae: sae, {"document_types": ("type 0", "poem")}, DataValueError, "got 'type 1', expected one of"),
        (lambda sae: sae, {"n_lobes": (11,)}, ParameterError, "n_lobes: got 11, expected 2 to 10"),
        (with_two_types_in_a_document, {}, DataValueError, "document 0 has more than one type"),
        (lambda sae: sae.isel(blocks=slice(3)), {}, DataValueError, "got 1 documents"),
        (lambda sae: sae.assign(occurrence=sae.occurrence | True), {}, DataValueError, "fire in some but not all"),
    ],
)
def test_bad_input_is_named(change, parameters, error, message):
    with pytest.raises(error, match=message):
        lobe_function(change(simulate(function_strength=0.8)), **(FAST | parameters))
