"""Documents that ``datasets`` reads, in every form of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
datasets = pytest.importorskip("datasets")


from tiny_models import text

from saegeom_data.errors import DataValueError, StoreError
from saegeom_data.harvest.recipe_text import Source
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.harvest.text.sources import quiet, stream_source


@pytest.mark.parametrize("form", ["parquet", "text", "arrow", "saved"])
def test_any_form_of_datasets_gives_the_same_documents(tmp_path: Path, form: str) -> None:
    texts = ["one river", "two stones", "three lamps"]
    table = datasets.Dataset.from_dict({"text": texts})
    file = tmp_path / f"file.{form}"
    match form:
        case "parquet":
            table.to_parquet(file)
        case "text":
            file.write_text("\n".join(texts))
        case "arrow":
            table.save_to_disk(tmp_path / "saved")
            next((tmp_path / "saved").glob("*.arrow")).rename(file)
        case "saved":
            table.save_to_disk(file)
    hub = {"path": file.name} if form == "saved" else {"path": form, "files": [f"file.{form}"]}
    value = text() | {"dataset": hub, "document_type": "note", "documents": 2}
    source = Source.model_validate(value)
    rows = list(stream_source(source, Roots(tmp_path), tmp_path / "work", seed=0))
    assert [row["text"] for row in rows] == texts[:2]
    assert list(stream_source(source, Roots(tmp_path), tmp_path / "work", seed=0, start=1)) == rows[1:]


@pytest.mark.parametrize("files", [["a*?.jsonl"], ["*.jsonl"], ["{root}/a*?.jsonl"], ["run [[]*/*.jsonl"]])
def test_names_that_look_like_patterns_are_read_as_they_are(files: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "run [seed 1]"
    folder.mkdir()
    (folder / "a*?.jsonl").write_text(json.dumps({"text": "one river"}))
    hub = {"path": "json", "files": files, "streaming": True}
    source = Source.model_validate(text() | {"dataset": hub, "document_type": "note"})
    roots = Roots(tmp_path if "[[]" in files[0] else folder, {"root": folder})
    assert [row["text"] for row in stream_source(source, roots, folder / "work", seed=0)] == ["one river"]
    named = Source.model_validate(text() | {"dataset": {"path": folder.name}, "document_type": "note"})
    with pytest.raises(StoreError, match=r"run \[seed 1\]: a folder with \*, \? or \[ in its name.*list what is in it"):
        list(stream_source(named, Roots(tmp_path), folder / "work", seed=0))


def test_a_dataset_of_the_hub_kind_is_read_from_its_columns(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    pytest.importorskip("transformers")
    folder = tmp_path / "corpus"
    folder.mkdir()
    rows = [{"key": f"k{index}", "body": f"text number {index}", "other": 0} for index in range(5)]
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    hub = {"path": str(folder), "text": "body", "document_id": "key"}
    source = Source.model_validate(
        {"name": "own", "document_type": "note", "title": "Own", "license": "CC0-1.0", "dataset": hub, "documents": 3}
    )
    rows = list(stream_source(source, Roots(), tmp_path / "work", seed=0))
    assert [row["document_id"] for row in rows] == ["own/k0", "own/k1", "own/k2"]
    assert rows[2]["text"] == "text number 2"


def table(content: str, folder: Path, **dataset: object) -> Source:
    """A source of one CSV file."""
    (folder / "a.csv").write_text(content)
    return Source.model_validate(
        text() | {"document_type": "note", "dataset": {"path": "csv", "files": ["a.csv"]} | dataset}
    )


def test_words_that_pandas_takes_for_nothing_are_words(tmp_path: Path) -> None:
    source = table("id,text\n1,NA\n2,null\n3,\n4,None\n", tmp_path)
    rows = stream_source(source, Roots(tmp_path), tmp_path / "work", seed=0)
    assert [row["text"] for row in rows] == ["NA", "null", "", "None"]


@pytest.mark.parametrize("content", ["text\na,b\nc,d\n", "id,text\n1,hello, world\n2,bye, all\n"])
def test_a_table_with_more_cells_than_names_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    source = table(content, tmp_path, streaming=False)
    with quiet(), pytest.raises(DataValueError, match="source .*: a row has more cells than the header"):
        list(stream_source(source, Roots(tmp_path), tmp_path / "work", seed=0))


def test_a_file_that_is_fetched_whole_says_why_it_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    source = table('text\n"a\nb\n', tmp_path, streaming=False)
    with quiet(), pytest.raises(StoreError, match="cannot be read: .*EOF inside string"):
        list(stream_source(source, Roots(tmp_path), tmp_path / "work", seed=0))
    assert capfd.readouterr().err == ""
