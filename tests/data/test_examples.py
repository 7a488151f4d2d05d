"""Stored examples: what is written comes back, and what breaks their declaration is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import saegeom_data
from saegeom_data.data import store, validation
from saegeom_data.data.examples import Example, examples_group, examples_of
from saegeom_data.data.labels import sources_of
from saegeom_data.data.value_checks import value_problems
from saegeom_data.errors import ParameterError
from saegeom_data.testing.simulate import simulate_store

SOURCE = {"url": "mine.json", "sha256": "0" * 64, "date": "2026-01-31"}
RIVER = Example(["the", " river", "\u202e<b>\n"], np.array([0, 2.5, 0.5], np.float32), bin_low=1.0, bin_high=3.0)
SEA = Example([" sea", "the"], np.array([1, 0.5], np.float32), 1, attribution=np.ones(2, np.float32), attributed=1)
EXAMPLES = {0: [RIVER, SEA], 7: [SEA]}
PATH = "/saes/layer_0/examples"


@pytest.fixture
def tree() -> xr.DataTree:
    found = simulate_store(n_saes=1, n_features=50, n_hidden=6, n_blocks=12)
    found[PATH] = xr.DataTree(examples_group(EXAMPLES, 50, [SOURCE, SOURCE | {"license": "CC0-1.0"}]))
    return found


def test_examples_come_back_from_disk(tree: xr.DataTree, tmp_path: Path) -> None:
    saegeom_data.write_tree(tree, tmp_path / "a.zarr")
    with store.open(tmp_path / "a.zarr") as opened:
        group = opened[PATH].to_dataset(inherit=False)
        found = examples_of(group)
        assert repr({feature: listed for feature, listed in enumerate(found) if listed}) == repr(EXAMPLES)
        assert repr(examples_of(group, slice(7, 9))) == repr(found[7:9])
        # Of each source.
        assert repr(examples_of(group, slice(0, 1), most=1)) == repr([[RIVER, SEA]])
        assert examples_of(group, slice(9, 7)) == []
        assert found[0][0].strongest == 1
        assert [source.get("license") for source in sources_of(group)] == [None, "CC0-1.0"]
        assert value_problems(opened) == []


def test_the_strongest_of_each_source_are_read_alone() -> None:
    weak = Example(["the"], np.array([0.1], np.float32))
    group = examples_group({1: [RIVER, weak, weak, SEA, SEA]}, 2, [SOURCE, SOURCE])
    assert repr(examples_of(group, most=1)) == repr([[], [RIVER, SEA]])
    assert repr(examples_of(group, most=2)) == repr([[], [RIVER, weak, SEA, SEA]])


def test_metrics_are_given_no_examples(tree: xr.DataTree) -> None:
    assert "token_text" not in saegeom_data.select_sae(tree, "layer_0")


def test_columns_that_no_example_has_are_left_out() -> None:
    group = examples_group({1: [Example(["a"], np.ones(1))]}, 2, [SOURCE])
    assert not {"bin_low", "attribution", "attributed"} & set(group.variables)
    assert examples_of(group)[1][0].attribution is None


BAD: dict[str, tuple[dict[int, list[Example]], str]] = {
    "of no feature": ({3: [SEA]}, "got feature 3, expected 0 to 2"),
    "of no source": ({1: [SEA]}, "feature 1 has an example of no source; give one of 1"),
    "without tokens": ({1: [Example([], np.zeros(0))]}, "feature 1 has one of 0 tokens, 0 activations"),
    "of another length": ({1: [Example(["a"], np.zeros(2))]}, "feature 1 has one of 1 tokens, 2 activations"),
}


@pytest.mark.parametrize("name", BAD)
def test_examples_that_cannot_be_are_refused(name: str) -> None:
    examples, expected = BAD[name]
    with pytest.raises(ParameterError, match=expected):
        examples_group(examples, 3, [SOURCE])


def test_a_range_with_a_step_is_refused() -> None:
    with pytest.raises(ParameterError, match="got step 2, expected a range without a step"):
        examples_of(examples_group({1: [RIVER]}, 3, [SOURCE]), slice(0, 3, 2))


BROKEN: dict[str, tuple[Callable[[xr.Dataset], xr.Dataset], str]] = {
    "of another width": (
        lambda group: group.isel(feature_bounds=slice(11)),
        f"{PATH}/example_start: got 11 bounds, expected 51: one more than the decoder's rows",
    ),
    "bounds of other examples": (
        lambda group: group.isel(example_bounds=slice(2)),
        f"{PATH}/token_start: got 2 bounds, expected 4: one more than examples",
    ),
    "a source that says nothing": (
        lambda group: group.assign_attrs(sources=json.dumps([{"url": "a"}])),
        f"{PATH}@sources: source 0 has no text for sha256, date; add it",
    ),
    "sources that are no list": (
        lambda group: group.assign_attrs(sources="{}"),
        f"{PATH}@sources: not a JSON list of objects, one for each source; import the examples again",
    ),
    "bounds that fall": (
        lambda group: group.assign(token_start=group.token_start[::-1]),
        f"{PATH}/token_start: bounds do not rise from 0 to 7, the number of their tokens; import the examples again",
    ),
    "a token without text": (
        lambda group: group.assign(token=group.token + 1),
        f"{PATH}/token: 2 outside 0 to 3, the first is that of token 3; import the examples again",
    ),
    "a source that is not listed": (
        lambda group: group.assign(source=group.source - 1),
        f"{PATH}/source: 1 outside 0 to 1, the first is that of example 0; import the examples again",
    ),
    "an attribution to no token": (
        lambda group: group.assign(attributed=group.attributed + 1),
        f"{PATH}/attributed: 2 outside the tokens of their example, the first is that of example 1; import the examples"
        " again",
    ),
    "an activation that is not finite": (
        lambda group: group.assign(activation=group.activation.where(group.activation < 2)),
        f"{PATH}/activation: 1 rows with NaN or infinite values, the first is example_tokens 1 (got nan); repair them",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_break_is_one_clear_line(tree: xr.DataTree, name: str) -> None:
    edit, expected = BROKEN[name]
    groups = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
    broken = xr.DataTree.from_dict(groups | {PATH: edit(groups[PATH])})
    found = validation.validate(broken) or value_problems(broken)
    assert [str(problem) for problem in found] == [expected]
