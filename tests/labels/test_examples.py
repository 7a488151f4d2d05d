"""Activations of an export of Neuronpedia, and of SAEDashboard, become examples: joined, checked, all or none."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exports import MODEL, N_FEATURES, SOURCE, folder_of, lines
from servers import s3_server, serving
from typer.testing import CliRunner

from saegeom_data.cli.main import app
from saegeom_data.data import manifest_of, store
from saegeom_data.data.examples import Example, examples_of
from saegeom_data.data.labels import sources_of
from saegeom_data.data.value_checks import value_problems
from saegeom_data.errors import SaegeomError
from saegeom_data.labels import label_store

GROUP = "saes/layer_0/examples"
FIRST, SECOND = "activations/batch-0.jsonl.gz", "activations/batch-1.jsonl.gz"


def activation(index: int, number: int = 0, **changed: Any) -> dict[str, Any]:
    """A row as the export has it: the feature fires on the second of three tokens, the more the higher its number."""
    values = [0, 1.5 + number, 0.25]
    row = {"id": f"a{index}-{number}", "modelId": MODEL, "layer": SOURCE, "index": str(index), "creatorId": "c"}
    row |= {"dataSource": "the-pile", "tokens": ["the", f" word{index}", "."], "values": values, "maxValue": values[1]}
    row |= {"minValue": 0, "maxValueTokenIndex": 1, "dfaValues": [], "dfaMaxValue": None, "dfaTargetIndex": None}
    return row | {"binContains": 0.001, "binMin": 1.5, "binMax": 4.0} | changed


def export(**changed: Any) -> dict[str, bytes]:
    """Two rows of each even feature, ordered by the index as text, the weaker first."""
    indices = sorted(range(0, N_FEATURES, 2), key=str)
    rows = [activation(index, number) for index in indices for number in (0, 1)]
    rows[7] |= changed
    return {
        FIRST: lines(rows[:1024]),
        SECOND: lines(rows[1024:]),
        "features/batch-0.jsonl.gz": lines([]),
        "features/batch-1.jsonl.gz": lines([]),
    }


def examples_in(path: Path, name: str = "layer_0") -> list[list[Example]]:
    with store.open(path) as tree:
        assert value_problems(tree) == []
        return examples_of(tree[f"saes/{name}/examples"].to_dataset(inherit=False))


def test_activations_are_examples_of_their_features_the_strongest_first(mine: Path, tmp_path: Path) -> None:
    (done,) = label_store(mine, folder_of(export(), tmp_path / SOURCE), license="MIT")
    assert (done.sae, done.n_labels, done.n_examples, done.n_features_with_examples) == ("layer_0", None, 1200, 600)
    found = examples_in(mine)
    assert [len(listed) for listed in found] == [2, 0] * 600
    for feature in range(0, N_FEATURES, 2):
        strong, weak = found[feature]
        assert (list(strong.tokens), strong.strongest) == (["the", f" word{feature}", "."], 1)
        np.testing.assert_array_equal(strong.activation, np.float32([0, 2.5, 0.25]))
        np.testing.assert_array_equal(weak.activation, np.float32([0, 1.5, 0.25]))
        assert (strong.bin_low, strong.bin_high, strong.bin_share) == (1.5, 4.0, np.float32(0.001))
        assert (strong.attribution, strong.attributed) == (None, -1)
    with store.open(mine, verify="checksums") as tree:
        assert "examples" not in tree["saes/layer_1"].children
        (source,) = sources_of(tree[GROUP].to_dataset(inherit=False))
    assert (source["model"], source["source_id"], source["license"]) == (MODEL, SOURCE, "MIT")
    assert source["datasets"] == ["the-pile"]


def test_attributions_are_kept_where_they_are_given(mine: Path, tmp_path: Path) -> None:
    rows = [activation(3, dfaValues=[0.5, -0.25, 0], dfaTargetIndex=1), activation(4), activation(5, binMin=None)]
    label_store(mine, folder_of({FIRST: lines(rows)}, tmp_path / SOURCE))
    found = examples_in(mine)
    assert found[3][0].attribution is not None
    np.testing.assert_array_equal(found[3][0].attribution, np.float32([0.5, -0.25, 0]))
    assert (found[3][0].attributed, found[4][0].attributed, found[4][0].attribution) == (1, -1, None)
    assert np.isnan(found[5][0].bin_low)


def test_labels_and_examples_of_an_export_come_together_or_labels_alone(mine: Path, tmp_path: Path) -> None:
    explained = {"id": "e", "modelId": MODEL, "layer": SOURCE, "index": "2", "description": "rivers"}
    files = export() | {"explanations/batch-0.jsonl.gz": lines([explained])}
    folder = folder_of(files, tmp_path / SOURCE)
    before = manifest_of.root_hash(mine)
    (labels,) = label_store(mine, folder, with_examples=False)
    assert (labels.n_labels, labels.n_examples) == (1, None)
    (both,) = label_store(mine, folder)
    assert (both.n_labels, both.n_examples) == (0, 1200)
    (none,) = label_store(mine, folder)
    assert (none.n_labels, none.n_examples, none.root) == (0, 0, both.root)
    with store.open(mine) as tree:
        assert json.loads(tree.attrs["earlier_roots"]) == [before, labels.root]


def test_a_second_source_is_added_behind_the_first(mine: Path, tmp_path: Path) -> None:
    label_store(mine, folder_of(export(), tmp_path / SOURCE))
    first = examples_in(mine)
    # Pieces of a tokenizer, which are stored as the running text that they stand for.
    rows = [activation(2, 9, id="b", tokens=["▁a", "▁sea", "s"]), activation(1, 9, tokens=["▁a", "▁sea", "s"])]
    (done,) = label_store(mine, folder_of({FIRST: lines(rows)}, tmp_path / "other" / SOURCE))
    assert (done.n_examples, done.n_features_with_examples) == (2, 2)
    second = examples_in(mine)
    assert repr(second[2][:2]) == repr(first[2])
    assert ("".join(second[2][2].tokens), second[2][2].source) == (" a seas", 1)
    assert ["".join(example.tokens) for example in second[1]] == [" a seas"]
    assert repr(second[3:]) == repr(first[3:])


def test_an_export_is_read_from_a_bucket_and_from_a_web_server(mine: Path) -> None:
    files = export()
    with s3_server() as system:
        system.mkdir("neuronpedia-datasets")
        for name, data in files.items():
            system.pipe(f"neuronpedia-datasets/v1/{MODEL}/{SOURCE}/{name}", data)
        (done,) = label_store(mine, f"s3://neuronpedia-datasets/v1/{MODEL}/{SOURCE}")
    assert done.n_examples == 1200
    with serving() as served:
        served.files |= {f"/v1/{MODEL}/{SOURCE}/{name}": data for name, data in files.items() if "features" not in name}
        (again,) = label_store(mine, f"{served.url}/v1/{MODEL}/{SOURCE}")
    # The same files, whichever way they come.
    assert again.n_examples == 0


Edit = Callable[[dict[str, bytes]], object]
BAD: dict[str, tuple[Edit, str]] = {
    "a batch that is missing": (lambda files: files.pop(FIRST), "activations: batches 0 are missing; fetch them"),
    "gzip cut short": (lambda files: files.update({SECOND: files[SECOND][:-20]}), f"{SECOND}: cannot be unpacked"),
    "a line that is no object": (
        lambda files: files.update({SECOND: gzip.compress(b"[1]\n")}),
        f"{SECOND}, line 1: got a JSON list, expected an object",
    ),
    "not UTF-8": (
        lambda files: files.update({SECOND: gzip.compress(b'{"a": "\xff"}\n')}),
        f"{SECOND}, line 1: not UTF-8 at byte 7",
    ),
    "lists of different length": (
        lambda files: files.update(export(tokens=["a", "b"])),
        f"{FIRST}, line 8: got 2 tokens and 3 values, expected as many of both",
    ),
    "no tokens": (lambda files: files.update(export(tokens=[], values=[])), "line 8: got 0 tokens and 0 values"),
    "tokens that are no text": (lambda files: files.update(export(tokens=[1, 2, 3])), "tokens is no list of texts"),
    "values that are no numbers": (
        lambda files: files.update(export(values=["1", None, True])),
        "line 8: values is no list of numbers",
    ),
    "a value that is not finite": (
        lambda files: files.update(export(values=[0, float("inf"), 1])),
        "line 8: values has a number that is not finite",
    ),
    "a value beyond all dtypes": (
        lambda files: files.update(export(values=[0, 10**400, 1])),
        "line 8: values has a number that is not finite",
    ),
    "attributions of another length": (
        lambda files: files.update(export(dfaValues=[1.0])),
        "line 8: got 3 tokens and 1 dfaValues, expected as many of both",
    ),
    "an attribution to no token": (
        lambda files: files.update(export(dfaValues=[1.0, 2, 3], dfaTargetIndex=3)),
        "line 8: got dfaTargetIndex 3, expected 0 to 2",
    ),
    "a bound that is no number": (lambda files: files.update(export(binMin="a")), "line 8: got binMin 'a', expected a"),
    "a bound that float32 does not hold": (
        lambda files: files.update(export(binMax=10**400)),
        "line 8: binMax has a number that is not finite",
    ),
    "an unknown index": (
        lambda files: files.update(export(index="1200")),
        "line 8: has an example of feature 1200, expected 0 to 1199, those of layer_0; give its own examples",
    ),
    "an index that is none": (lambda files: files.update(export(index=None)), "line 8: got feature None, expected its"),
    "an example twice": (
        lambda files: files.update({SECOND: lines([activation(0)])}),
        f"{SECOND}, line 1: is there twice, first in ",
    ),
    "rows of two SAEs": (
        lambda files: files.update(export(layer="1-res-jb")),
        "line 8: of gpt2-small/1-res-jb, expected gpt2-small/0-res-jb before",
    ),
    "another model": (
        lambda files: files.update({FIRST: lines([activation(0, modelId="gemma-2-2b")]), SECOND: lines([])}),
        "of the model 'gemma-2-2b', expected 'openai-community/gpt2', that of layer_0",
    ),
    "another width by its name": (
        lambda files: files.update({FIRST: lines([activation(0, layer="0-res-16k")]), SECOND: lines([])}),
        "of an SAE of 16k features, expected 1200, those of layer_0",
    ),
    "another width by its batches": (
        lambda files: files.update({f"features/batch-{number}.jsonl.gz": lines([]) for number in range(2, 9)}),
        "has room for 9216 features, expected 1200",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_export_is_one_line_and_leaves_the_store_as_it_was(mine: Path, tmp_path: Path, case: str) -> None:
    edit, expected = BAD[case]
    files = export()
    edit(files)
    before = manifest_of.root_hash(mine)
    with pytest.raises(SaegeomError) as refused:
        label_store(mine, folder_of(files, tmp_path / SOURCE), sae="layer_0")
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)
    assert manifest_of.root_hash(mine) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [SOURCE, "mine.zarr"]


def test_a_write_that_fails_leaves_the_store_as_it_was(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("no space")

    before = manifest_of.root_hash(mine)
    monkeypatch.setattr("saegeom_data.labels.label.write_group", fail)
    with pytest.raises(RuntimeError, match="no space"):
        label_store(mine, folder_of(export(), tmp_path / SOURCE))
    assert manifest_of.manifest_problems(mine, checksums=True) == []
    assert manifest_of.root_hash(mine) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [SOURCE, "mine.zarr"]


def test_what_a_killed_writer_left_is_removed_by_the_next_one(mine: Path, tmp_path: Path) -> None:
    left = tmp_path / "mine.zarr.examples.staging-0123abcd"
    (left / "layer_0").mkdir(parents=True)
    label_store(mine, folder_of(export(), tmp_path / SOURCE))
    assert sorted(path.name for path in tmp_path.iterdir()) == [SOURCE, "mine.zarr"]


def test_a_store_that_cannot_be_written_to_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    for place in ("s3://bucket/store.zarr", str(tmp_path / "none" / "store.zarr")):
        with pytest.raises(SaegeomError):
            label_store(place, tmp_path / "there is no such source")
    assert list(tmp_path.iterdir()) == []


def dashboard(*indices: int, **changed: Any) -> bytes:
    example = {"tokens": [" the", " river"], "values": [0.1, 2.0], "bin_min": 1.0, "bin_max": 2.0, "bin_contains": 0.5}
    features = [{"feature_index": index, "activations": [example | changed]} for index in indices]
    return json.dumps({"model_id": MODEL, "layer": 0, "sae_set": "res-jb", "features": features}).encode()


def test_activations_of_saedashboard_are_examples_too(mine: Path, tmp_path: Path) -> None:
    files = {"batch-0.json": dashboard(0, 1), "batch-1.json": dashboard(2)}
    (done,) = label_store(mine, folder_of(files, tmp_path / "0-res-jb"), sae="layer_0")
    assert (done.n_labels, done.n_examples) == (3, 3)
    (example,) = examples_in(mine)[2]
    assert (list(example.tokens), example.bin_low) == ([" the", " river"], 1.0)
    bad = folder_of({"batch-0.json": dashboard(5, values=[1.0])}, tmp_path / "bad")
    with pytest.raises(SaegeomError, match=r"batch-0.json: feature 5, activation 0: got 2 tokens and 1 values"):
        label_store(mine, bad, sae="layer_0")


def test_what_was_added_is_said_on_the_command_line(mine: Path, tmp_path: Path) -> None:
    def said(*more: str) -> list[str]:
        done = CliRunner().invoke(app, ["label", str(mine), str(folder), *more], catch_exceptions=False)
        assert done.exit_code == 0
        # Where reading takes long, lines say how far it is.
        return [line for line in done.output.splitlines() if ": reading " not in line]

    explained = {"id": "e", "modelId": MODEL, "layer": SOURCE, "index": "2", "description": "rivers"}
    files = {FIRST: lines([activation(2), activation(2, 1)]), "explanations/batch-0.jsonl.gz": lines([explained])}
    folder = folder_of(files, tmp_path / SOURCE)
    assert said("--no-examples")[0] == "layer_0: 1 labels of 1 features added"
    root = f"root {manifest_of.root_hash(mine)}"
    again, added, new_root = said()
    assert again == "layer_0: has the labels of this source already, nothing added"
    assert added == "layer_0: 2 examples of 1 features added"
    assert new_root != root
    told = json.loads("\n".join(said("--json")))["saes"]
    assert told == [{"sae": "layer_0", "labels": 0, "features": 0, "examples": 0, "features_with_examples": 0}]
