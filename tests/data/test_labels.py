"""Labels and vocabulary in a store: what is written comes back, and what breaks their declaration is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import saegeom_data
from saegeom_data.data import store, validation
from saegeom_data.data.labels import Label, descriptions, labels_group, labels_of, sources_of, vocabulary
from saegeom_data.data.value_checks import value_problems
from saegeom_data.errors import ParameterError
from saegeom_data.testing.simulate import simulate_store

SOURCE = {"url": "mine.csv", "sha256": "0" * 64, "date": "2026-01-31"}
LABELS = {
    0: [Label("rivers, “wide” ones\n<script>", "gpt-4o-mini", 0.25, "detection"), Label("water", score=0.5)],
    7: [Label("\u202eevil", source=1)],
}
PATH = "/saes/layer_0/labels"


@pytest.fixture
def tree() -> xr.DataTree:
    found = simulate_store(n_saes=1, n_features=50, n_hidden=6, n_blocks=12)
    found[PATH] = xr.DataTree(labels_group(LABELS, 50, [SOURCE, SOURCE | {"license": "CC0-1.0"}]))
    found["vocabulary"] = xr.DataTree(xr.Dataset({"text": ("vocabulary_tokens", ["[CLS]", " river", "s"])}))
    return found


def test_labels_come_back_from_disk(tree: xr.DataTree, tmp_path: Path) -> None:
    saegeom_data.write_tree(tree, tmp_path / "a.zarr")
    with store.open(tmp_path / "a.zarr") as opened:
        group = opened[PATH].to_dataset(inherit=False)
        found = labels_of(group)
        assert repr({feature: labels for feature, labels in enumerate(found) if labels}) == repr(LABELS)
        assert repr(labels_of(group, slice(7, 9))) == repr(found[7:9])
        assert labels_of(group, slice(9, 7)) == []
        assert descriptions(group)[:2] + descriptions(group, slice(7, 8)) == ["water", "", "\u202eevil"]
        assert [source.get("license") for source in sources_of(group)] == [None, "CC0-1.0"]
        texts = vocabulary(opened)
        assert texts is not None
        assert "".join(texts[[1, 2]]) == " rivers"
        assert value_problems(opened) == []


def test_a_store_without_labels_has_no_vocabulary_and_metrics_are_given_no_labels(tree: xr.DataTree) -> None:
    assert vocabulary(simulate_store(n_saes=1, n_features=50, n_hidden=6, n_blocks=12)) is None
    assert "description" not in saegeom_data.select_sae(tree, "layer_0")


def test_labels_of_no_feature_and_of_no_source_are_refused() -> None:
    with pytest.raises(ParameterError, match="got feature 3, expected 0 to 2"):
        labels_group({3: [Label("rivers")]}, 3, [SOURCE])
    with pytest.raises(ParameterError, match="feature 1 has a label of no source"):
        labels_group({1: [Label("rivers", source=1)]}, 3, [SOURCE])


Break = tuple[Callable[[xr.Dataset], xr.Dataset], str]

BROKEN: dict[str, Break] = {
    "of another width": (
        lambda group: group.isel(feature_bounds=slice(11)),
        f"{PATH}/label_start: got 11 bounds, expected 51: one more than the decoder's rows",
    ),
    "sources that are no list": (
        lambda group: group.assign_attrs(sources="{}"),
        f"{PATH}@sources: not a JSON list of objects, one for each source; import the labels again",
    ),
    "a source that says nothing": (
        lambda group: group.assign_attrs(sources=json.dumps([{"url": "a"}])),
        f"{PATH}@sources: source 0 has no text for sha256, date; add it",
    ),
    "bounds that fall": (
        lambda group: group.assign(label_start=group.label_start[::-1]),
        f"{PATH}/label_start: bounds do not rise from 0 to 3, the number of labels; import the labels again",
    ),
    "a source that is not listed": (
        lambda group: group.assign(source=("labels", np.array([0, 2, -1], "int32"))),
        f"{PATH}/source: 2 outside 0 to 1, the first is that of label 1; import the labels again",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_break_is_one_clear_line(tree: xr.DataTree, name: str) -> None:
    edit, expected = BROKEN[name]
    groups = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
    broken = xr.DataTree.from_dict(groups | {PATH: edit(groups[PATH])})
    found = validation.validate(broken) or value_problems(broken)
    assert [str(problem) for problem in found] == [expected]
