"""Labels from a table into a sealed store: added whole or not at all, once for each source, never overwritten."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from saegeom_data.data import manifest_of, store, write
from saegeom_data.data.labels import descriptions, labels_of, sources_of
from saegeom_data.data.staging import staged_folder
from saegeom_data.errors import SaegeomError
from saegeom_data.labels import label_store
from saegeom_data.testing.simulate import simulate_store

GROUP = "saes/layer_0/labels"


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small store of two SAEs; not to be changed."""
    target = tmp_path_factory.mktemp("sealed") / "sealed.zarr"
    write.write_tree(simulate_store(n_saes=2, n_features=50, n_hidden=6, n_blocks=12), target)
    return target


def table(folder: Path, text: str | bytes, name: str = "labels.csv") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_labels_of_a_table_are_added_and_nothing_else_changes(mine: Path, tmp_path: Path) -> None:
    before = manifest_of.read_manifest(mine)
    decoder = next(mine.glob("saes/layer_0/features/decoder/c.*"))
    inode = decoder.stat().st_ino
    rows = 'feature,description,score,scorer\n7,"rivers, wide ones",0.5,detection\n3,water,,\n7,rivers,0.75,fuzzing\n'
    (done,) = label_store(mine, table(tmp_path, rows), sae="layer_0", license="CC0-1.0")
    after = manifest_of.read_manifest(mine)
    assert (done.n_labels, done.n_features, done.root) == (3, 2, after["root"])
    changed = {name for name, entry in after["files"].items() if before["files"].get(name) != entry}
    assert {name for name in changed if not name.startswith(f"{GROUP}/")} == {"zarr.json", "README.md"}
    assert decoder.stat().st_ino == inode
    with store.open(mine, verify="checksums") as tree:
        assert json.loads(tree.attrs["earlier_roots"]) == [before["root"]]
        group = tree[GROUP].to_dataset(inherit=False)
        assert [label.description for label in labels_of(group)[7]] == ["rivers, wide ones", "rivers"]
        assert descriptions(group)[3:8] == ["water", "", "", "", "rivers"]
        (source,) = sources_of(group)
        assert (source["url"], source["license"]) == (str(tmp_path / "labels.csv"), "CC0-1.0")
        assert "labels" not in tree["saes/layer_1"].children


def test_a_second_source_is_added_and_the_same_one_is_not(mine: Path, tmp_path: Path) -> None:
    first = table(tmp_path, "feature,description\n7,rivers\n")
    label_store(mine, first, sae="layer_0")
    label_store(mine, table(tmp_path, "feature,description\n7,water\n9,fire\n", "other.csv"), sae="layer_0")
    root = manifest_of.root_hash(mine)
    (again,) = label_store(mine, shutil.copy(first, tmp_path / "copy.csv"), sae="layer_0")
    assert (again.n_labels, again.root) == (0, root)
    with store.open(mine) as tree:
        found = labels_of(tree[GROUP].to_dataset(inherit=False))
        assert [(label.description, label.source) for label in found[7]] == [("rivers", 0), ("water", 1)]


BAD: dict[str, tuple[str | bytes, str]] = {
    "no heading": ("1,rivers\n", "no column 'feature', got 1, rivers"),
    "a misspelt column": ("feature,descripton\n", "no column 'description', got feature, descripton; did you mean"),
    "no rows": ("feature,description\n", "no labels in it; expected at least one"),
    "an unknown index": (
        "feature,description\n50,rivers\n",
        "has a label of feature 50, expected 0 to 49, those of lay",
    ),
    "no index": ("feature,description\n1.5,rivers\n", "line 2: got feature '1.5', expected its index"),
    "a negative index": ("feature,description\n-1,rivers\n", "line 2: got feature '-1', expected its index"),
    "a duplicate": ("feature,description\n1,rivers\n1,rivers\n", "line 3: feature 1 has the same label twice"),
    "no number": ("feature,description,score\n1,rivers,good\n", "line 2: got score 'good', expected a number"),
    "a comma too many": ("feature,description\n1,rivers, wide\n", "line 2: got another number of cells than columns"),
    "an open quote": ('feature,description\n1,"rivers\n', "not CSV: unexpected end of data"),
    "not UTF-8": (b"feature,description\n1,\xff\n", "labels.csv: not UTF-8 at byte 22; convert it"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_is_one_line_and_leaves_the_store_as_it_was(mine: Path, tmp_path: Path, case: str) -> None:
    text, expected = BAD[case]
    before = manifest_of.root_hash(mine)
    with pytest.raises(SaegeomError) as refused:
        label_store(mine, table(tmp_path, text), sae="layer_0")
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)
    assert manifest_of.root_hash(mine) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "mine.zarr"]


def test_which_sae_and_which_layout_must_be_clear(mine: Path, tmp_path: Path) -> None:
    file = table(tmp_path, "feature,description\n7,rivers\n")
    with pytest.raises(SaegeomError, match="does not say which SAE it is of; give --sae, one of layer_0, layer_1"):
        label_store(mine, file)
    with pytest.raises(SaegeomError, match="did you mean 'layer_1' or 'layer_0'"):
        label_store(mine, file, sae="layer_2")
    with pytest.raises(SaegeomError, match="holds no labels of a known layout; expected csv: a .csv"):
        label_store(mine, table(tmp_path, "rivers", "labels.txt"), sae="layer_0")


def test_a_write_that_fails_leaves_the_store_as_it_was(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("no space")

    before = manifest_of.root_hash(mine)
    monkeypatch.setattr("saegeom_data.labels.label.write_group", fail)
    with pytest.raises(RuntimeError, match="no space"):
        label_store(mine, table(tmp_path, "feature,description\n7,rivers\n"), sae="layer_0")
    assert manifest_of.manifest_problems(mine, checksums=True) == []
    assert manifest_of.root_hash(mine) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "mine.zarr"]


def test_a_writer_that_was_killed_between_its_two_renames_loses_nothing(mine: Path, tmp_path: Path) -> None:
    left = tmp_path / "mine.zarr.staging-0123abcd"
    left.mkdir()
    os.rename(mine, left / "replaced")
    with pytest.raises(SaegeomError, match="exists already"), staged_folder(mine):
        pass
    assert manifest_of.manifest_problems(mine, checksums=True) == []
    assert not left.exists()
