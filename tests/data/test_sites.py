"""SAEs that write to several sites: their place in a store, their views, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import saegeom_data
from saegeom_data.data import group_kinds, sites
from saegeom_data.data.card import dataset_card
from saegeom_data.data.value_checks import value_problems
from saegeom_data.errors import ParameterError, UnknownNameError, ValidationError
from saegeom_data.metrics import isotropy
from saegeom_data.testing.simulate import simulate_crosscoder, simulate_store

ROWS = ["crosscoder@hidden_state_2", "crosscoder@hidden_state_5", "layer_0"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sites") / "mixed.zarr"
    tree = simulate_store(n_saes=1, crosscoder_layers=(2, 5), n_features=60, n_hidden=12, n_blocks=60)
    saegeom_data.write_tree(tree, path)
    return path


def features(**changes: Any) -> xr.Dataset:
    held = simulate_crosscoder(layers=(2, 5), n_features=8, n_hidden=4, n_blocks=6)
    return held[["decoder"]].assign_coords(held.coords).assign_coords(changes)


def problems(dataset: xr.Dataset) -> list[str]:
    kind = group_kinds.kind_of("saes/crosscoder/features")
    assert kind is not None
    return [problem.where for problem in kind.problems(dataset, "")]


def test_a_store_of_several_sites_is_valid_and_read_one_site_at_a_time(path: Path) -> None:
    tree = saegeom_data.open(path, verify="checksums")
    decoder = tree["saes/crosscoder/features/decoder"]
    assert decoder.dims == ("features", "sites", "hidden")
    assert decoder.variable.chunksizes["sites"] == (1, 1)
    assert value_problems(tree) == []
    assert list(sites.sae_rows(tree)) == ROWS
    assert "| crosscoder | hidden_state_2, hidden_state_5 | 60 | 8.0 |" in dataset_card(tree)


def test_a_view_of_one_site_is_what_any_sae_is(path: Path) -> None:
    tree = saegeom_data.open(path)
    whole = saegeom_data.select_sae(tree, "crosscoder")
    view = saegeom_data.select_sae(tree, "crosscoder", site="hidden_state_5")
    assert view.decoder.chunks is not None
    assert view.decoder.dims == ("features", "hidden")
    assert (str(view.site.item()), int(view.layer), view.attrs["path"]) == (
        "hidden_state_5", 5, "/saes/crosscoder@hidden_state_5",
    )  # fmt: skip
    np.testing.assert_array_equal(view.decoder, whole.decoder[:, 1])
    np.testing.assert_array_equal(view.occurrence, whole.occurrence)
    assert list(saegeom_data.select_saes(tree)) == ROWS


def test_a_metric_of_decoders_refuses_several_sites_and_says_how_to_select(path: Path) -> None:
    whole = saegeom_data.select_sae(saegeom_data.open(path), "crosscoder")
    with pytest.raises(ValidationError) as refused:
        isotropy(whole)
    (problem,) = refused.value.problems
    assert problem.where == "/saes/crosscoder/decoder"
    assert "site=" in problem.message


def test_unknown_sites_and_sites_of_other_saes_are_refused(path: Path) -> None:
    tree = saegeom_data.open(path)
    with pytest.raises(UnknownNameError):
        saegeom_data.select_sae(tree, "crosscoder", site="hidden_state_3")
    with pytest.raises(ParameterError):
        saegeom_data.select_sae(tree, "layer_0", site="hidden_state_0")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (features(), []),
        (features().transpose("sites", "features", "hidden"), ["/decoder"]),
        (features().drop_vars("layer"), ["/layer"]),
        (features(site="one"), ["/site"]),
        (features(site=("sites", np.array(["a", "a"], dtype=object))), ["/site"]),
        (features(layer=("sites", [0.5, 1.0])), ["/layer"]),
        (features().isel(sites=slice(0)), ["/site", "/layer"]),
        (features().assign(decoder=(("features", "hidden"), np.eye(8, 4))), ["/decoder"]),
        (features().isel(sites=0), []),
    ],
    ids=["right", "order", "no layer", "one site", "duplicate", "dtype", "no sites", "matrix", "view"],
)
def test_what_is_wrong_with_sites_is_said_in_one_line_each(changed: xr.Dataset, expected: list[str]) -> None:
    assert problems(changed) == expected


def test_dims_in_another_order_are_put_in_order() -> None:
    tree = xr.DataTree.from_dict({"/saes/a/features": features().transpose("sites", "features", "hidden")})
    laid_out = saegeom_data.laid_out(tree)["saes/a/features/decoder"]
    np.testing.assert_array_equal(laid_out, features().decoder)
    assert laid_out.dims == ("features", "sites", "hidden")


def test_values_are_checked_site_by_site() -> None:
    broken = features()
    broken.decoder[3, 1, 0] = np.nan
    broken.decoder[4, 0] *= 2
    tree = xr.DataTree.from_dict({"/saes/a/features": broken.chunk(features=4)})
    assert {problem.where for problem in value_problems(tree)} == {
        "/saes/a/features/decoder@hidden_state_5",
        "/saes/a/features/decoder@hidden_state_2",
    }


def test_published_tables_have_a_row_for_each_site(path: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    from saegeom_data.share.publish.tables import write_tables

    write_tables(saegeom_data.open(path), tmp_path)
    saes = parquet.read_table(tmp_path / "tables" / "saes.parquet").to_pylist()
    assert [(sae["sae"], sae["layer"]) for sae in saes] == list(zip(ROWS, [2, 5, 0], strict=True))
    features = parquet.read_table(tmp_path / "tables" / "features.parquet").to_pylist()
    assert len(features) == 3 * 60
    assert {feature["site"] for feature in features} == {"hidden_state_0", "hidden_state_2", "hidden_state_5"}
