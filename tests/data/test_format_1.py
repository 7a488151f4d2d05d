"""A store of format 1, written once and kept, opens as it was written, whatever has changed since."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from whole_store import whole_store

import saegeom_data
from saegeom_data.data import store, validation
from saegeom_data.data.group_kinds import KINDS, kind_of
from saegeom_data.data.manifest_of import read_manifest

STORED = Path(__file__).parent / "format_1.zarr.zip"
ROOT = "563cb1da3f96162c9077c244e78a54221fd49c1b538688a8c9b2fce5beafb4e2"


@pytest.fixture(scope="module")
def tree() -> xr.DataTree:
    with store.open(STORED) as opened:
        return opened.load()


def test_its_bytes_are_those_that_were_written() -> None:
    manifest = read_manifest(STORED)
    assert manifest["format_version"] == 1
    assert manifest["root"] == ROOT


def test_nothing_is_wrong_with_it(tree: xr.DataTree) -> None:
    assert validation.validate(tree) == []


def test_it_has_every_group_and_variable_that_is_declared(tree: xr.DataTree) -> None:
    for kind in KINDS:
        groups = [node for node in tree.subtree if kind_of(node.path) == kind]
        assert groups, kind.path
        held = {str(name) for group in groups for name in group.to_dataset(inherit=False).variables}
        attrs = {name for group in groups for name in group.attrs}
        assert {variable.name for variable in (*kind.required, *kind.optional)} | set(kind.coords) <= held
        assert {*kind.attrs, *(attribute.name for attribute in kind.optional_attrs)} <= attrs


def test_every_value_is_what_was_written(tree: xr.DataTree) -> None:
    written = whole_store()
    assert {node.path for node in tree.subtree} == {node.path for node in written.subtree}
    for node in written.subtree:
        found, expected = tree[node.path], node.to_dataset(inherit=False)
        assert expected.attrs.items() <= found.attrs.items()
        for name, variable in expected.variables.items():
            assert found[name].dims == variable.dims, (node.path, name)
            # Text has several dtypes in numpy, and one in a store.
            if variable.dtype.kind not in "TU":
                assert found[name].dtype == variable.dtype, (node.path, name)
            np.testing.assert_array_equal(found[name].values, variable.values)


def test_metrics_measure_it(tree: xr.DataTree) -> None:
    sae = saegeom_data.select_sae(tree, "layer_3")
    assert saegeom_data.get_metric("isotropy")(sae).n_features_used == 6
    counts = saegeom_data.get_metric("cooccurrence")(sae)
    np.testing.assert_array_equal(counts.n_blocks_both, tree["saes/layer_3/cooccurrence/n_blocks_both"])
    site = saegeom_data.select_sae(tree, "crosscoder", site="blocks.4.hook_resid_post")
    np.testing.assert_array_equal(site.decoder, -sae.decoder)


def test_a_later_format_is_a_problem() -> None:
    later = whole_store()
    later.attrs["format_version"] = 2
    assert [problem.where for problem in validation.validate(later)] == ["/@format_version"]
