import numpy as np
import pytest
import xarray as xr
from scipy import stats
from sklearn.metrics import adjusted_mutual_info_score
from soak import times

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics.brain._shared.document_halves import document_halves
from saegeom_data.metrics.brain.lobe_function import lobe_function
from saegeom_data.metrics.brain.lobe_function._association import cramers_v
from saegeom_data.metrics.brain.lobe_function._word_pieces import word_pieces
from saegeom_data.testing.simulate import simulate_sae

FAST = {"n_lobes": (2,), "n_permutations": 99, "n_shuffles": 0, "n_seeds": 2}
TYPES, LOBES = "label_permutation", "frequency_stratified"


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
    np.testing.assert_allclose(result.cramers_v_p.sel(null=TYPES), 0.01)
    assert np.isnan(result.cramers_v_p.sel(null=LOBES)).all()
    assert float(result.cramers_v_low.sel(n_lobes=3)) > float(result.cramers_v_null_mean.sel(n_lobes=3, null=TYPES))
    assert (result.winner_share_low <= result.winner_share).sum() == result.winner_share.notnull().sum()
    assert result.n_blocks_text == 0
    assert np.isnan(result.cramers_v_gain).all()


@pytest.mark.statistical
def test_p_is_uniform_without_function():
    # Many documents and types of unequal size: few tables have the same V, and ties would push p up.
    def p(seed):
        sae = simulate_sae(n_features=80, n_blocks=540, seed=seed)
        kinds = np.random.default_rng([seed, 9]).choice(3, 180, p=[0.5, 0.3, 0.2])
        types = np.array([f"type {kind}" for kind in kinds], dtype=object)[sae.document.values]
        sae = sae.assign(document_type=("blocks", types)).assign_attrs(document_types=["type 0", "type 1", "type 2"])
        return lobe_function(sae, **FAST).cramers_v_p.sel(null=TYPES).item()

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


def test_intervals_are_jackknives_over_documents():
    result = lobe_function(simulate(function_strength=0.15), **FAST)
    wide = result.winner_share_high - result.winner_share_low
    # About 45 blocks of each type; shares are near 0.7 and 0.3.
    share = result.winner_share
    assert float((wide / (2 * 2.09 * np.sqrt(share * (1 - share) / 45))).mean()) == pytest.approx(1, abs=0.35)
    inside = (result.enrichment_low < result.enrichment) & (result.enrichment < result.enrichment_high)
    assert inside.sum() == result.enrichment.notnull().sum()


def test_shuffled_lobes_tell_less_than_those_that_are_planted():
    result = lobe_function(simulate(function_strength=0.5), **(FAST | {"n_shuffles": 19}))
    assert result.cramers_v_p.sel(null=LOBES).item() == 0.05
    assert result.cramers_v_null_mean.sel(null=LOBES).item() < result.cramers_v.item() - 0.2
    more = lobe_function(simulate(function_strength=0.5), **(FAST | {"n_shuffles": 20, "n_lobes": (2, 3)}))
    assert more.cramers_v_p.sel(null=LOBES, n_lobes=2).item() == pytest.approx(1 / 21)


def with_text(sae, strength, seed=0, known=1.0, n_pieces=80):
    """The same with text: each block has 20 of 80 word pieces, of which half stand more often in each type."""
    rng = np.random.default_rng([seed, 5])
    kind = np.array([int(str(name).split()[-1]) for name in sae.document_type.values])
    weight = 1 + strength * np.where((np.arange(n_pieces) % 2)[None] == kind[:, None], 1, -1)
    score = rng.exponential(size=weight.shape) / np.maximum(weight, 1e-9)
    token_id = np.argsort(score, axis=1)[:, :20].astype("int32") + 7
    token_id[rng.random(len(kind)) >= known] = -1
    return sae.assign(block_token_id=(("blocks", "places"), token_id))


def test_word_pieces_are_compared_on_the_blocks_whose_text_is_known():
    sae = simulate_sae(n_features=80, n_blocks=360, n_lobes=2, function_strength=0.6)
    plain = lobe_function(with_text(sae, 0.0), **FAST)
    assert plain.cramers_v_text.item() == plain.cramers_v_cross_fitted.item() > 0.9
    assert plain.cramers_v_word_pieces.item() < 0.4
    np.testing.assert_allclose(plain.cramers_v_gain, plain.cramers_v_text - plain.cramers_v_word_pieces)
    assert plain.cramers_v_gain_low.item() > 0.3
    assert plain.cramers_v_gain_p.item() < 1e-4
    told = lobe_function(with_text(simulate_sae(n_features=80, n_blocks=360, n_lobes=2), 0.9), **FAST)
    assert told.cramers_v_word_pieces.item() > 0.9
    assert told.cramers_v_gain_p.item() > 0.999
    part = lobe_function(with_text(sae, 0.9, known=0.5), **FAST)
    assert 120 < part.n_blocks_text.item() < 240
    assert part.n_blocks_measured.sum().item() == 180
    assert lobe_function(with_text(sae, 0.9, known=0.0), **FAST).n_blocks_text.item() == 0


@pytest.mark.parametrize("chunks", [{"blocks": 7}, {"blocks": 50, "features": 9, "places": 4}])
def test_word_pieces_do_not_depend_on_chunks(chunks):
    sae = with_text(simulate_sae(n_features=80, n_blocks=240, n_lobes=2, function_strength=0.4), 0.4, known=0.8)
    lazy = lobe_function(sae.chunk(chunks), **(FAST | {"n_shuffles": 3})).compute()
    xr.testing.assert_allclose(lazy, lobe_function(sae, **(FAST | {"n_shuffles": 3})), rtol=1e-10)


def test_word_pieces_are_the_most_frequent_that_are_not_everywhere():
    token_id = np.array([[5, 5, 9, 2], [5, 9, 9, -1], [5, 3, 9, 2], [5, 3, 9, 1], [5, 9, -1, -1], [5, 4, 9, 9]])
    half = np.array([0, 0, 0, 0, 0, 1])
    arrays = (xr.DataArray(token_id, dims=("blocks", "places")), xr.DataArray(half, dims="blocks"))
    held = word_pieces(*arrays, 4, 1)
    # 5 and 9 are in all five blocks of half 0, and 4 in none.
    assert held.piece.values.tolist() == [2, 3, 1, -1]
    on = np.unpackbits(held.bits.values.view("uint8"), axis=1, bitorder="little")[:, :5]
    assert on.tolist() == [[1, 0, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]


@pytest.mark.statistical
def test_gain_over_word_pieces_is_on_no_side_where_both_tell_as_much():
    # Features that are the word pieces of other texts of the same kind.
    def p(seed):
        sae = simulate_sae(n_features=80, n_blocks=360, n_lobes=2, seed=seed)
        other = with_text(sae, 0.5, seed=seed + 10**6).block_token_id.values - 7
        on = np.zeros((360, 80), bool)
        np.put_along_axis(on, other, True, axis=1)
        sae = with_text(sae.assign(occurrence=sae.occurrence.copy(data=on)), 0.5, seed=seed)
        return lobe_function(sae, **(FAST | {"n_permutations": 1})).cramers_v_gain_p.item()

    n = times(10, 200)
    found = np.array([p(seed) for seed in range(n)])
    # V of few blocks takes few values, and of equal ones p is one half: either tail is rarer than t says.
    for side in (found <= 0.25, found >= 0.75):
        assert side.sum() <= stats.binom.ppf(1 - 1e-4, n, 0.25)


def with_untrained(sae, strength, seed=0):
    """The same with an untrained SAE that tells types apart so far."""
    other = simulate_sae(
        n_features=70, n_blocks=sae.sizes["blocks"], n_lobes=2, function_strength=strength, seed=seed + 10**6
    )
    return sae.assign(untrained_occurrence=(("blocks", "untrained_features"), other.occurrence.values))


def test_an_untrained_sae_is_compared_on_the_same_blocks():
    sae = simulate_sae(n_features=80, n_blocks=360, n_lobes=2, function_strength=0.6)
    better = lobe_function(with_untrained(sae, 0.0), **FAST)
    gain = better.cramers_v_cross_fitted - better.cramers_v_untrained
    np.testing.assert_allclose(better.cramers_v_gain_untrained, gain, rtol=1e-12)
    assert better.cramers_v_untrained.item() < 0.5
    assert better.cramers_v_gain_untrained_low.item() > 0.3
    assert better.cramers_v_gain_untrained_p.item() < 1e-4
    assert better.n_blocks_untrained.item() == 360
    worse = lobe_function(with_untrained(simulate_sae(n_features=80, n_blocks=360, n_lobes=2), 0.9), **FAST)
    assert worse.cramers_v_gain_untrained_p.item() > 0.999
    # What it is alone is what it is beside another.
    alone = lobe_function(sae.assign(occurrence=(("blocks", "features"), sae.occurrence.values)), **FAST)
    np.testing.assert_array_equal(alone.cramers_v, better.cramers_v)
    assert alone.n_blocks_untrained.item() == 0


@pytest.mark.statistical
def test_gain_over_an_untrained_sae_is_on_no_side_where_both_tell_as_much():
    def p(seed):
        sae = simulate_sae(n_features=70, n_blocks=360, n_lobes=2, function_strength=0.08, seed=seed)
        return lobe_function(with_untrained(sae, 0.08, seed), **FAST).cramers_v_gain_untrained_p.item()

    n = times(10, 200)
    found = np.array([p(seed) for seed in range(n)])
    for side in (found <= 0.25, found >= 0.75):
        assert side.sum() <= stats.binom.ppf(1 - 1e-4, n, 0.25)


def with_short_blocks(sae, n_documents=30, per_document=9, seed=0):
    """The same with short blocks, of documents of one sequence each, and with their text."""
    rng = np.random.default_rng([seed, 8])
    n, n_short = sae.sizes["features"], n_documents * per_document
    document = np.repeat(np.arange(n_documents), per_document)
    kind = document % 2
    rate = rng.uniform(0.05, 0.3, n) * np.where(np.arange(n) % 2 == kind[:, None], 1.5, 0.5)
    pieces = np.where(rng.random((n_short, 64)) < 0.2, np.arange(64), 64 + 30 * kind[:, None] + np.arange(64) % 30)
    return sae.assign(
        short_occurrence=(("short_blocks", "features"), rng.random((n_short, n)) < rate),
        short_document=("short_blocks", document),
        short_document_type=("short_blocks", np.array(["type 0", "type 1"], dtype=object)[kind]),
        short_place=("short_blocks", np.tile(np.arange(per_document), n_documents)),
        short_token_id=(("short_blocks", "short_places"), rng.permuted(pieces, axis=1)[:, ::-1]),
    )


def with_short_untrained(sae, n=70, seed=0):
    """The same with an untrained SAE that fires in short blocks, more in one type than in the other."""
    rng = np.random.default_rng([seed, 10])
    kind = np.array([int(str(name).split()[-1]) for name in sae.short_document_type.values])
    rate = rng.uniform(0.05, 0.3, n) * np.where(np.arange(n) % 2 == kind[:, None], 1.2, 0.8)
    return sae.assign(
        short_untrained_occurrence=(("short_blocks", "untrained_features"), rng.random((len(kind), n)) < rate)
    )


def joined(sae, m, per_document=9):
    """Blocks of m short ones each as an SAE of its own: what the metric of one block length takes."""
    first = np.flatnonzero(sae.short_place.values % m == 0)
    members = np.array([i + np.arange(m) for i in first if sae.short_place.values[i] + m <= per_document])
    tokens = sae.short_token_id.values[members].reshape(len(members), -1)
    return xr.Dataset(
        {
            "occurrence": (("blocks", "features"), sae.short_occurrence.values[members].any(axis=1)),
            "untrained_occurrence": (
                ("blocks", "untrained_features"),
                sae.short_untrained_occurrence.values[members].any(axis=1),
            ),
            "document": ("blocks", sae.short_document.values[members[:, 0]]),
            "document_type": ("blocks", sae.short_document_type.values[members[:, 0]]),
            "block_token_id": (("blocks", "places"), tokens),
        }
    )


def test_each_block_length_gives_what_the_metric_gives_of_blocks_of_that_length():
    sae = with_short_untrained(with_short_blocks(simulate(function_strength=0.5)))
    lengths = (64, 256, 192, 576, 640)
    parameters = FAST | {"n_lobes": (2, 3), "block_lengths": lengths}
    found = lobe_function(sae, **parameters)
    # Four short blocks make two blocks of a document of nine, and the ninth is left out.
    assert found.n_blocks_by_length.values.tolist() == [270, 60, 90, 30, 0]
    for length in lengths[:-1]:
        alone, at = lobe_function(joined(sae, length // 64), **parameters), found.sel(block_length=length)
        np.testing.assert_allclose(at.cramers_v_by_length, alone.cramers_v_cross_fitted, rtol=1e-12)
        assert (at.cramers_v_by_length_low < at.cramers_v_by_length).all()
        assert (at.cramers_v_by_length <= at.cramers_v_by_length_high).all()
        np.testing.assert_allclose(at.cramers_v_by_length_word_pieces, alone.cramers_v_word_pieces, rtol=1e-12)
        np.testing.assert_allclose(at.cramers_v_by_length_untrained, alone.cramers_v_untrained, rtol=1e-12)
        for name in ("", "_low", "_high", "_p"):
            for gain in ("", "_untrained"):
                np.testing.assert_allclose(
                    at[f"cramers_v_by_length_gain{gain}{name}"], alone[f"cramers_v_gain{gain}{name}"], rtol=1e-9
                )
        on = joined(sae, length // 64).occurrence.mean("blocks")
        assert at.median_share_on.item() == pytest.approx(on.where(on > 0).median().item())
        chance = alone.cramers_v_null_mean.sel(null=TYPES)
        np.testing.assert_allclose(at.cramers_v_by_length_null_mean, chance, atol=0.1)
    longest = found.sel(block_length=640)
    for name in ("", "_untrained", "_gain_untrained", "_gain_untrained_p"):
        assert np.isnan(longest[f"cramers_v_by_length{name}"]).all()
    assert np.isnan(longest.median_share_on)


def test_without_codes_of_an_untrained_sae_all_else_at_a_block_length_stays():
    sae = with_short_blocks(with_untrained(simulate(function_strength=0.5), 0.2))
    alone, beside = lobe_function(sae, **FAST), lobe_function(with_short_untrained(sae), **FAST)
    # One that has occurrence in blocks alone says nothing of other blocks.
    names = [name for name in alone if name.startswith("cramers_v_by_length") and "untrained" in name]
    assert len(names) == 5
    for name in names:
        assert np.isnan(alone[name]).all()
        assert beside[name].sel(block_length=[64, 128]).notnull().all()
    xr.testing.assert_equal(alone.drop_vars(names), beside.drop_vars(names))


def test_what_training_adds_is_found_at_each_block_length():
    def told(trained, untrained):
        sae = with_short_untrained(with_short_blocks(simulate(function_strength=0.5), n_documents=80))
        shared = {"short_occurrence": trained, "short_untrained_occurrence": untrained}
        kind = (sae.short_document_type.values == "type 1").astype(int)
        fires = {
            name: np.random.default_rng([11, place]).random(sae[name].shape)
            < 0.15 * np.where(np.arange(sae[name].shape[1]) % 2 == kind[:, None], 1 + strength, 1 - strength)
            for place, (name, strength) in enumerate(shared.items())
        }
        sae = sae.assign({name: (sae[name].dims, values) for name, values in fires.items()})
        return lobe_function(sae, **(FAST | {"block_lengths": (64, 128)}))

    better, worse, neither = told(0.8, 0.0), told(0.0, 0.8), told(0.0, 0.0)
    assert (better.cramers_v_by_length_gain_untrained_low > 0.3).all()
    assert (better.cramers_v_by_length_gain_untrained_p < 1e-3).all()
    assert (worse.cramers_v_by_length_gain_untrained_high < -0.3).all()
    assert (worse.cramers_v_by_length_gain_untrained_p > 0.999).all()
    assert (abs(neither.cramers_v_by_length_gain_untrained_p - 0.5) < 0.49).all()


@pytest.mark.parametrize("chunks", [{"short_blocks": 7, "blocks": 11}, {"short_blocks": 100, "features": 9}])
def test_other_lobes_do_not_depend_on_chunks(chunks):
    sae = with_short_untrained(with_short_blocks(with_untrained(simulate(function_strength=0.4), 0.2)))
    eager = lobe_function(sae, **FAST)
    xr.testing.assert_allclose(lobe_function(sae.chunk(chunks), **FAST).compute(), eager, rtol=1e-10)


def test_short_blocks_of_one_document_tell_nothing():
    sae = with_short_blocks(simulate(function_strength=0.4), n_documents=1)
    found = lobe_function(sae, **FAST)
    assert found.n_blocks_by_length.sum() == 0
    assert np.isnan(found.cramers_v_by_length).all()
    assert found.cramers_v.item() > 0


def test_cramers_v_equals_scipy_and_ignores_empty_cells():
    table = np.array([[5, 9, 3], [8, 2, 1]])
    expected = stats.contingency.association(table, method="cramer")
    # A type without blocks and a lobe that never wins.
    padded = np.pad(table, ((0, 1), (1, 0)))
    np.testing.assert_allclose(cramers_v(np.stack([padded, padded * 2]).astype(float)), expected)
    assert float(cramers_v(np.array([[3.0, 0.0], [4.0, 0.0]]))) == 0


@pytest.mark.parametrize("n_documents", [2, 3])
def test_of_few_documents_gains_have_no_interval(n_documents):
    sae = with_text(simulate(function_strength=0.6), 0.5).isel(blocks=slice(3 * n_documents))
    found = lobe_function(sae, **(FAST | {"n_halvings": 3}))
    assert found.cramers_v.notnull().all()
    assert np.isnan([found.cramers_v_gain_low, found.cramers_v_gain_p]).all()


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
        (lambda sae: sae, {"block_lengths": (64, 100)}, ParameterError, "got 100, expected multiples of 64"),
        (lambda sae: sae, {"block_lengths": (64, 64)}, ParameterError, "expected different numbers"),
        (lambda sae: sae, {"n_lobes": (11,)}, ParameterError, "n_lobes: got 11, expected 2 to 10"),
        (with_two_types_in_a_document, {}, DataValueError, "document 0 has more than one type"),
        (lambda sae: sae.isel(blocks=slice(3)), {}, DataValueError, "got 1 documents"),
        (lambda sae: sae.assign(occurrence=sae.occurrence | True), {}, DataValueError, "fire in some but not all"),
    ],
)
def test_bad_input_is_named(change, parameters, error, message):
    with pytest.raises(error, match=message):
        lobe_function(change(simulate(function_strength=0.8)), **(FAST | parameters))
