from __future__ import annotations

import platform

import numpy as np
import pytest
import xarray as xr

from saegeom_data.data import comparability, provenance
from saegeom_data.testing.simulate import simulate_sae


def with_l0(*values: float) -> list[xr.Dataset]:
    return [simulate_sae(n_features=10).assign_coords(l0=value) for value in values]


def test_versions_are_those_installed() -> None:
    found = provenance.versions()
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert {"saegeom-data", "xarray", "zarr", "dask", "scipy", "scikit-learn", "numba"} <= set(found)


def test_what_is_not_installed_is_left_out() -> None:
    assert set(provenance.versions(["no-such-package"])) == {"python"}


@pytest.mark.parametrize("values", [(), (8.0,), (8.0, 8.3), (100.0, 105.0, 102.0)])
def test_matched_saes_need_no_caution(values: tuple[float, ...]) -> None:
    assert comparability.unmatched(with_l0(*values)) == []


def test_saes_of_other_l0_are_named() -> None:
    (sentence,) = comparability.unmatched(with_l0(8.0, 8.5, 16.0))
    assert sentence.startswith("l0 differs between the SAEs (8 to 16)")


def test_unknown_l0_is_not_taken_for_a_match() -> None:
    expected = ["l0 is not known for every SAE: differences between layers may come from it"]
    assert comparability.unmatched(with_l0(8.0, np.nan)) == expected
    assert comparability.unmatched([with_l0(8.0)[0], with_l0(8.0)[0].drop_vars("l0")]) == expected


def test_width_has_no_tolerance() -> None:
    saes = [simulate_sae(n_features=n) for n in (100, 101)]
    expected = "width differs between the SAEs (100 to 101): differences between layers may come from it"
    assert comparability.unmatched(saes) == [expected]


def at(*sites: str, layers: tuple[int, ...] | None = None) -> list[xr.Dataset]:
    layers = layers or tuple(range(len(sites)))
    return [
        simulate_sae(n_features=10, layer=n).assign_coords(site=site) for n, site in zip(layers, sites, strict=True)
    ]


@pytest.mark.parametrize(
    "saes",
    [
        at("hidden_state_0", "hidden_state_1", "hidden_state_11", layers=(0, 1, 11)),
        at("blocks.4.hook_resid_post", "blocks.5.hook_resid_post", layers=(5, 6)),
        at("gemma-2-2b/layer_1", "gemma-2-2b/layer_2", layers=(1, 2)),
        at("hidden_state_3", "hidden_state_3", layers=(3, 3)),
        at("embedding", "embedding"),
    ],
)
def test_one_site_at_several_layers_is_matched(saes: list[xr.Dataset]) -> None:
    assert comparability.unmatched(saes) == []


@pytest.mark.parametrize(
    ("saes", "kinds"),
    [
        (at("blocks.0.hook_resid_post", "blocks.1.hook_mlp_out", "blocks.2.hook_resid_post", layers=(0, 1, 2)),
         "blocks.#.hook_resid_post, blocks.1.hook_mlp_out"),
        (at("h.0.ln_1", "h.1.ln_2", "h.2.ln_1"), "h.#.ln_1, h.#.ln_2"),
        (at("head_0", "head_1", layers=(4, 4)), "head_0, head_1"),
        (at("a", "b", "c", "d", "e", "f"), "a, b, c, d, 2 more"),
    ],
)  # fmt: skip
def test_other_sites_are_named(saes: list[xr.Dataset], kinds: str) -> None:
    (sentence,) = comparability.unmatched(saes)
    assert sentence == f"site differs between the SAEs ({kinds}): differences between layers may come from it"


@pytest.mark.parametrize("name", ["model", "architecture"])
def test_other_models_and_architectures_are_named(name: str) -> None:
    first, other = with_l0(8.0, 8.0)
    (sentence,) = comparability.unmatched([first.assign_attrs({name: "x"}), other.assign_attrs({name: "y"})])
    assert sentence.startswith(f"{name} differs between the SAEs (x, y)")
    del other.attrs[name]
    (sentence,) = comparability.unmatched([first, other])
    assert sentence.startswith(f"{name} is not known for every SAE")


def test_unknown_site_and_layer_are_not_taken_for_a_match() -> None:
    first, other = at("hidden_state_0", "hidden_state_1")
    (sentence,) = comparability.unmatched([first, other.drop_vars("site")])
    assert sentence.startswith("site is not known for every SAE")
    (sentence,) = comparability.unmatched([first, other.drop_vars("layer")])
    assert sentence.startswith("site differs between the SAEs (hidden_state_0, hidden_state_1)")


def test_every_way_has_a_sentence_of_its_own() -> None:
    first = simulate_sae(n_features=10).assign_attrs(model="x", architecture="topk")
    other = simulate_sae(n_features=20).assign_coords(l0=100.0, site="mlp").assign_attrs(model="y", architecture="relu")
    names = [sentence.split()[0] for sentence in comparability.unmatched([first, other])]
    assert names == ["width", "l0", "site", "model", "architecture"]
    assert comparability.unmatched([first]) == []


def test_source_is_described_by_what_it_says_of_itself() -> None:
    tree = xr.DataTree(xr.Dataset(attrs={"title": "T", "license": "L", "other": 1}))
    assert provenance.describe_source(tree) == {"dataset_title": "T", "dataset_license": "L"}
