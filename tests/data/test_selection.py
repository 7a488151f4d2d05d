from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import xarray as xr

import saegeom_data
from saegeom_data import errors
from saegeom_data.data import schema, store
from saegeom_data.data.codes import codes_group
from saegeom_data.data.selection import select_relations, select_sae, select_saes
from saegeom_data.data.text import text_blocks
from saegeom_data.spec.models import OccurrenceSettings
from saegeom_data.testing.checks import assert_lazy
from saegeom_data.testing.simulate import simulate_store


def test_groups_of_an_sae_become_one_lazy_dataset(simulated_store: Path) -> None:
    with saegeom_data.open(simulated_store) as tree:
        sae = select_sae(tree, "layer_1")
        assert_lazy(sae)
        assert {"decoder", "occurrence", "document", "document_type"} <= set(sae.data_vars)
        assert {"site", "layer", "width", "l0"} <= set(sae.coords)
        assert int(sae.layer) == 1
        assert sae.attrs["path"] == "/saes/layer_1"
        assert sae.attrs["document_types"] == ["type 0", "type 1"]
        assert sae.attrs["architecture"] == "topk"
        expected = simulate_store(n_saes=2)["saes/layer_1/features/decoder"]
        xr.testing.assert_equal(sae.decoder.drop_vars("site"), expected.drop_vars("site"))


def test_attributes_are_those_of_the_features_whatever_comes_first() -> None:
    tree = simulate_store(n_saes=1)
    tree["saes/layer_0"] = xr.DataTree.from_dict(
        {f"/{name}": tree[f"saes/layer_0/{name}"].to_dataset(inherit=False) for name in ("occurrence", "features")}
    )
    assert select_sae(tree, "layer_0").attrs["decoder_norm"] == "unit"


def test_word_pairs_become_one_dataset_at_a_site(simulated_store: Path) -> None:
    with saegeom_data.open(simulated_store) as tree:
        pairs = select_relations(tree, "hidden_state_1")
        assert_lazy(pairs)
        assert pairs.source_activation.dims == ("pairs", "hidden")
        assert pairs.attrs["relations"] == [f"relation {number}" for number in range(4)]
        assert (pairs.site.item(), int(pairs.layer)) == ("hidden_state_1", 1)


def test_unknown_names_offer_the_nearest() -> None:
    tree = simulate_store(n_saes=2)
    with pytest.raises(errors.UnknownNameError, match="no SAE is named 'layer_2'; did you mean 'layer_1' or 'layer_0'"):
        select_sae(tree, "layer_2")
    with pytest.raises(errors.UnknownNameError, match="no site with word pairs is named 'state'"):
        select_relations(tree, "state")
    with pytest.raises(errors.UnknownNameError, match="known: none"):
        select_sae(xr.DataTree(), "layer_0")


def test_groups_of_unequal_length_are_one_clear_line() -> None:
    tree = simulate_store(n_saes=1)
    short = tree["saes/layer_0/occurrence"].to_dataset(inherit=False).isel(features=slice(9))
    tree["saes/layer_0/occurrence"] = xr.DataTree(short)
    with pytest.raises(errors.ValidationError, match="^/saes/layer_0: its groups disagree: .*'features'.*") as refused:
        select_sae(tree, "layer_0")
    assert len(str(refused.value).splitlines()) == 1


def test_sample_serves_every_sae_and_site(sample: xr.DataTree) -> None:
    for name in schema.sae_names(sample):
        assert select_sae(sample, name).decoder.dims == ("features", "hidden")
    for site in schema.relation_sites(sample):
        assert select_relations(sample, site).sizes["pairs"] >= 8 * 40


def test_two_opens_of_one_store_give_the_same_keys(simulated_store: Path) -> None:
    keys = []
    for _ in range(2):
        with store.open(simulated_store) as tree:
            keys.append(set(map(str, select_sae(tree, "layer_0").__dask_keys__())))
    assert keys[0] == keys[1]


def with_codes(*, tokens: bool = True, stored: bool = False) -> xr.DataTree:
    """A store of 2 SAEs with codes of 600 tokens in 2 documents, of which the first has a special token."""
    tree = simulate_store(n_saes=2, n_features=9)
    for name in ("layer_0", "layer_1"):
        csr = sp.random(600, 9, 0.01, format="csr", dtype="float32", random_state=int(name[-1]))
        tree[f"saes/{name}/codes"] = xr.DataTree(codes_group(csr))
        if not stored:
            del tree[f"saes/{name}"]["occurrence"]
    if tokens:
        variables = {
            "token_id": np.zeros(600, int),
            "document": np.repeat([4, 0], 300),
            "position": np.tile(np.arange(300), 2),
            "is_special": np.arange(600) == 0,
        }
        tree["tokens"] = xr.DataTree(xr.Dataset({name: ("tokens", values) for name, values in variables.items()}))
    return tree


def test_sae_with_codes_alone_gets_occurrence_by_the_defaults() -> None:
    sae = select_sae(with_codes(), "layer_0")
    assert sae.occurrence.shape == (2, 9)
    assert sae.document.values.tolist() == [4, 0]
    assert sae.attrs["document_types"] == sorted({"type 0", "type 1"})[: len(set(sae.document_type.values))]
    assert sae.occurrence.attrs == {
        "threshold": 0.0,
        "block_length": 256,
        "partial_blocks": "drop",
        "n_documents_dropped": 0,
        "n_tokens_dropped": 43 + 44,
        "n_documents_apart": 0,
    }


def test_stored_occurrence_stands_unless_settings_are_given() -> None:
    tree = with_codes(stored=True)
    before = tree["saes/layer_0/occurrence"].to_dataset(inherit=False)
    stored = select_sae(tree, "layer_0")
    xr.testing.assert_equal(stored.occurrence.reset_coords(drop=True), before.occurrence)
    assert stored.occurrence.attrs == before.attrs
    assert before.occurrence.attrs == {}
    derived = select_sae(tree, "layer_0", OccurrenceSettings(block_length=100, max_blocks_per_document=2))
    assert derived.sizes["blocks"] == 4
    expected = select_sae(with_codes(), "layer_0", OccurrenceSettings(block_length=100, max_blocks_per_document=2))
    xr.testing.assert_identical(derived.occurrence, expected.occurrence)


def test_settings_pass_over_counts_of_another_occurrence() -> None:
    tree = with_codes(stored=True)
    counts = {"n_blocks_both": (("features", "features_other"), np.zeros((9, 9), int))}
    tree["saes/layer_0/cooccurrence"] = xr.DataTree(xr.Dataset(counts))
    assert "n_blocks_both" in select_sae(tree, "layer_0")
    assert "n_blocks_both" not in select_sae(tree, "layer_0", OccurrenceSettings(block_length=100))


def test_sae_that_cannot_have_occurrence_by_the_defaults_says_why() -> None:
    sae = select_sae(with_codes(tokens=False), "layer_0")
    assert "occurrence" not in sae
    assert sae.attrs["no_occurrence"] == "cannot be derived without /tokens; add what is missing"
    short = with_codes()
    short["tokens/document"].values[::2] = 1
    sae = select_sae(short, "layer_0")
    assert sae.decoder.shape[0] == 9
    assert sae.attrs["no_occurrence"].startswith("cannot be derived by default: block_length: got 256, but the longest")
    assert "no_occurrence" not in select_sae(simulate_store(), "layer_0").attrs


def test_an_untrained_sae_is_beside_its_own_in_the_same_blocks() -> None:
    tree = simulate_store(n_features=9, untrained=True)
    selected, groups = select_sae(tree, "layer_1"), tree["untrained/layer_1/occurrence"]
    np.testing.assert_array_equal(selected.untrained_occurrence.values, groups["occurrence"].values)
    assert "untrained_occurrence" not in select_sae(simulate_store(), "layer_1")
    assert list(select_saes(tree)) == ["layer_0", "layer_1"]
    with pytest.raises(errors.UnknownNameError):
        select_sae(tree, "untrained/layer_1")
    # Without codes of its own it cannot be in other blocks.
    derived, settings = with_codes(), OccurrenceSettings(block_length=100)
    derived["untrained"] = tree["untrained"]
    assert "untrained_occurrence" not in select_sae(derived, "layer_0", settings)
    derived["untrained/layer_0/codes"] = derived["saes/layer_1/codes"]
    of_other = select_sae(derived, "layer_1", settings)
    found = select_sae(derived, "layer_0", settings).untrained_occurrence
    np.testing.assert_array_equal(found.values, of_other.occurrence.values)


def test_short_blocks_are_what_longer_ones_are_made_of() -> None:
    sae = select_sae(with_codes(stored=True), "layer_0")
    # 299 and 300 tokens that are not special, in blocks of 64.
    assert sae.short_occurrence.shape == (8, 9)
    assert sae.short_place.values.tolist() == [0, 1, 2, 3] * 2
    assert sae.short_document.values.tolist() == [4] * 4 + [0] * 4
    assert sae.short_token_id.shape == (8, 64)
    expected = select_sae(with_codes(), "layer_0", OccurrenceSettings(block_length=128))
    pairs = sae.short_occurrence.values.reshape(4, 2, 9).any(axis=1)
    np.testing.assert_array_equal(pairs, expected.occurrence.values)
    assert "short_occurrence" not in select_sae(with_codes(stored=True, tokens=False), "layer_0")
    assert "short_occurrence" not in select_sae(simulate_store(), "layer_0")
    # The untrained SAE beside it in the same short blocks, where it has codes of its own.
    tree = with_codes(stored=True)
    assert "short_untrained_occurrence" not in select_sae(tree, "layer_0")
    tree["untrained/layer_0/codes"] = tree["saes/layer_1/codes"]
    found = select_sae(tree, "layer_0").short_untrained_occurrence
    assert found.dims == ("short_blocks", "untrained_features")
    np.testing.assert_array_equal(found.values, select_sae(tree, "layer_1").short_occurrence.values)


def test_settings_that_cannot_be_met_are_one_clear_line() -> None:
    tree, settings = with_codes(), OccurrenceSettings(block_length=400)
    with pytest.raises(errors.ParameterError, match="^block_length: got 400, but the longest document has 300 tokens"):
        select_sae(tree, "layer_0", settings)
    with pytest.raises(errors.ParameterError, match="^block_length: got 400"):
        select_saes(tree, settings)
    with pytest.raises(errors.DataValueError, match="^/saes/layer_1/occurrence: cannot be derived without /saes/layer"):
        select_sae(simulate_store(), "layer_1", OccurrenceSettings())
    tree["saes/layer_0/codes"] = xr.DataTree(codes_group(sp.csr_matrix((599, 9), dtype="float32")))
    with pytest.raises(errors.DataValueError, match="^/saes/layer_0/codes: got rows for 599 tokens, expected 600"):
        select_sae(tree, "layer_0")


def test_saes_of_a_store_are_selected_with_one_cut_of_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    cut, calls = text_blocks.cut_blocks, []
    monkeypatch.setattr(text_blocks, "cut_blocks", lambda *a, **k: calls.append(k) or cut(*a, **k))
    tree, settings = with_codes(), OccurrenceSettings(block_length=50)
    found = select_saes(tree, settings)
    assert len(calls) == 1
    assert list(found) == ["layer_0", "layer_1"]
    for name, sae in found.items():
        xr.testing.assert_identical(sae, select_sae(tree, name, settings))
    assert not found["layer_0"].occurrence.equals(found["layer_1"].occurrence)


def test_saes_without_codes_have_no_occurrence_in_a_run_that_derives_it() -> None:
    tree = with_codes(stored=True)
    del tree["saes/layer_1"]["codes"]
    found = select_saes(tree, OccurrenceSettings(block_length=50))
    assert "occurrence" in found["layer_0"]
    assert "occurrence" not in found["layer_1"]
    assert found["layer_1"].attrs["no_occurrence"].startswith("cannot be derived without /saes/layer_1/codes; add")


def test_a_metric_that_misses_occurrence_says_why_there_is_none(sample) -> None:
    sae = select_sae(sample, "layer_3").drop_vars(["occurrence", "document", "document_type"])
    with pytest.raises(errors.ValidationError, match="lobes needs .*; its codes give none: no tokens"):
        saegeom_data.get_metric("lobes")(sae.assign_attrs(no_occurrence="no tokens"))
