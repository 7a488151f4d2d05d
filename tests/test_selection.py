from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr

import saegeom_data
from saegeom_data import errors, schema, store
from saegeom_data.selection import select_relations, select_sae
from saegeom_data.testing import assert_lazy, simulate_store


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
