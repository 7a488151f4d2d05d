"""Columns that hold something else than text: each kind is named, with the row where it begins."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

datasets = pytest.importorskip("datasets")
pytest.importorskip("transformers")

from saegeom_data.errors import DataValueError, StoreError
from saegeom_data.harvest.recipe_text import Source
from saegeom_data.harvest.text.columns import label_in, messages_in, text_in, token_ids_in
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.harvest.text.sources import stream_source

CHAT = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There."}]

NO_TEXT: dict[str, tuple[Any, str]] = {
    "token ids": ([1, 2, 3], r"a list of int, expected text; for token ids .* give token_ids"),
    "array": (np.arange(3), r"a list of int, expected text; for token ids"),
    "messages": (CHAT, r"a list of dict \(keys role, content\).*chat_template: true"),
    "lists of older datasets": ({"role": ["user"], "content": ["a"]}, r"dict \(keys role, content\).*chat_template"),
    "texts": (["one", "two"], r"a list of str, expected text; name the column"),
    "nothing in a list": ([], "an empty list"),
    "NUL": ("river\0", "text with NUL characters, expected none"),
    "messages of ShareGPT": ([{"from": "human", "value": "a"}], r"a list of dict \(keys from, value\).*chat_template"),
    "bytes": (b"river", "bytes, expected text; decode"),
    "number": (3, "int, expected text; name the column"),
    "fraction": (0.5, "float, expected text; name the column"),
    "not a number": (float("nan"), "NaN, expected text; name the column"),
    "truth": (True, "bool, expected text; name the column"),
    "struct": ({"body": "river"}, r"dict \(keys body\), expected text; name a field in it as column.field"),
    "time": (dt.datetime(2024, 1, 1, tzinfo=dt.UTC), "datetime, expected text; name the column"),
}


@pytest.mark.parametrize("kind", NO_TEXT)
def test_what_is_no_text_is_named(kind: str) -> None:
    value, message = NO_TEXT[kind]
    with pytest.raises(DataValueError, match=rf"^here: got .*{message}") as caught:
        text_in(value, "here")
    assert "\n" not in str(caught.value)


def own(folder: Path, **hub: Any) -> list[dict[str, Any]]:
    source = {"name": "own", "title": "Own", "license": "CC0-1.0", "document_type": "note", "dataset": hub}
    return list(stream_source(Source.model_validate(source), Roots(folder), folder / "work", seed=0))


# Streamed CSV is left out: datasets leaves its file open.
@pytest.mark.parametrize(
    ("form", "streaming"),
    [(form, streaming) for form in ("json", "parquet", "arrow", "saved", "zip") for streaming in (True, False)]
    + [("csv", False)],
)
def test_every_form_of_a_dataset_is_looked_at(tmp_path: Path, form: str, streaming: bool) -> None:
    """A number in each row, after a missing one; and lists, which CSV lacks."""
    rows = [{"text": None, "n": 0}, {"text": None if form == "csv" else [1, 2], "n": 4}]
    table = datasets.Dataset.from_list(rows)
    hub: dict[str, Any] = {"path": form, "files": [f"file.{form}"], "streaming": streaming}
    match form:
        case "json":
            table.to_json(tmp_path / "file.json")
        case "parquet":
            table.to_parquet(tmp_path / "file.parquet")
        case "csv":
            table.to_csv(tmp_path / "file.csv")
        case "arrow":
            table.save_to_disk(tmp_path / "saved")
            next((tmp_path / "saved").glob("*.arrow")).rename(tmp_path / "file.arrow")
        case "saved":
            table.with_format("numpy").save_to_disk(tmp_path / "file")
            hub = {"path": "file", "streaming": streaming}
        case "zip":
            import zipfile

            table.to_json(tmp_path / "file.json")
            with zipfile.ZipFile(tmp_path / "file.zip", "w") as archive:
                archive.write(tmp_path / "file.json", "inner.json")
            hub["path"] = "json"
    if form != "csv":
        with pytest.raises(
            DataValueError, match=r"source 'own': column 'text': row 1: got a list of int, expected text"
        ):
            own(tmp_path, **hub)
    else:
        with pytest.raises(DataValueError, match=r"column 'text': row 0: got None, and in the 2 rows from there"):
            own(tmp_path, **hub)
    with pytest.raises(DataValueError, match=r"column 'n': row 0: got int, expected text"):
        own(tmp_path, **hub, text="n")


def test_missing_texts_are_empty_documents_unless_there_is_nothing_else(tmp_path: Path) -> None:
    def written(texts: list[str | None]) -> dict[str, Any]:
        (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": text, "n": 0}) for text in texts))
        return {"path": "json", "files": ["a.jsonl"]}

    assert [row["text"] for row in own(tmp_path, **written([None, "a", None]))] == ["", "a", ""]
    with pytest.raises(DataValueError, match="row 0: got None, and in the 3 rows from there"):
        own(tmp_path, **written([None] * 3))


@pytest.mark.parametrize("column", ["document_id", "document_type"])
def test_names_and_types_are_text_too(tmp_path: Path, column: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "a", "key": [1]}))
    hub = {"path": "json", "files": ["a.jsonl"], column: "key"}
    source = {"name": "own", "title": "Own", "license": "CC0-1.0", "dataset": hub}
    source |= {"document_type": "note"} if column == "document_id" else {}
    with pytest.raises(DataValueError, match="column 'key': row 0: got a list of int, expected text or a whole number"):
        list(stream_source(Source.model_validate(source), Roots(tmp_path), tmp_path / "work", seed=0))
    assert label_in(np.int64(4), "here") == "4"
    with pytest.raises(DataValueError, match="got None"):
        label_in(None, "here")


BAD_CHATS: dict[str, tuple[Any, str]] = {
    "text": ("Where?", "got str, expected a list of messages; leave out chat_template"),
    "lists of two lengths": ({"role": ["user", "assistant"], "content": ["Where?"]}, "got 2 of role, 1 of content"),
    "ids": ([1, 2], "got a list of int, expected a list of messages; give the column"),
    "other keys": ([{"who": "human", "what": "a"}], "message 0: got keys who, what, expected role and content"),
    "NUL": ([{"role": "user", "content": "a\0"}], "message 0: got text with NUL characters"),
    "ShareGPT without text": ([{"from": "human", "value": 3}], "message 0: got int as its content"),
    "no content": ([CHAT[0], {"role": "assistant", "content": None}], "message 1: got None as its content"),
    "parts": ([{"role": "user", "content": [{"type": "image"}]}], r"message 0: got a list of dict \(keys type\)"),
}


@pytest.mark.parametrize("kind", BAD_CHATS)
def test_what_is_no_chat_is_named(kind: str) -> None:
    value, message = BAD_CHATS[kind]
    with pytest.raises(DataValueError, match=f"^here: {message}"):
        messages_in(value, "here")


def test_chats_are_given_as_templates_take_them() -> None:
    assert messages_in([CHAT[0] | {"tool_calls": None}], "here") == CHAT[:1]
    assert messages_in({"role": ["user", "assistant"], "content": ["Where?", "There."]}, "here") == CHAT
    assert messages_in(None, "here") == messages_in([], "here") == []


def test_chats_of_sharegpt_are_taken() -> None:
    own = [{"from": "human", "value": "Where?"}, {"from": "gpt", "value": "There."}]
    assert messages_in(own, "here") == CHAT
    assert messages_in([part | {"role": None, "content": None} for part in own], "here") == CHAT
    assert messages_in({"from": ["human", "gpt"], "value": ["Where?", "There."]}, "here") == CHAT
    assert messages_in([{"from": "system", "value": "a", "weight": 1}], "here") == [
        {"role": "system", "content": "a", "weight": 1}
    ]


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_classes_and_truths_get_their_names(tmp_path: Path, streaming: bool, nested: bool) -> None:
    kind = datasets.ClassLabel(names=["prose", "code"])
    value = datasets.Value("string")
    features = {"text": value, "kind": kind, "is_long": datasets.Value("bool"), "meta": {"kind": kind}}
    rows = [{"text": "a", "kind": 0, "is_long": True, "meta": {"kind": 0}}]
    rows += [{"text": "b", "kind": 1, "is_long": False, "meta": {"kind": 1}}]
    datasets.Dataset.from_list(rows, features=datasets.Features(features)).to_parquet(tmp_path / "a.parquet")
    hub = {"path": "parquet", "files": ["a.parquet"], "streaming": streaming}

    def types(column: str) -> list[str]:
        about = {"name": "own", "title": "Own", "license": "CC0-1.0", "dataset": hub | {"document_type": column}}
        found = stream_source(Source.model_validate(about), Roots(tmp_path), tmp_path / "work", seed=0)
        return [row["document_type"] for row in found]

    assert types("meta.kind" if nested else "kind") == ["prose", "code"]
    assert types("is_long") == ["is_long", "not is_long"]
    with pytest.raises(DataValueError, match="column 'is_long': row 0: got bool, expected text or a whole number"):
        own(tmp_path, **hub, document_id="is_long")
    with pytest.raises(DataValueError, match="here: got -1, expected 0 to 1, the classes of the column"):
        label_in(-1, "here", ["prose", "code"])


def test_endings_of_files_are_no_formats(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"path: got 'jsonl', expected the name of a format; did you mean 'json'\?"):
        own(tmp_path, path="jsonl", files=["a.jsonl"])
    with pytest.raises(StoreError, match="jsonl: no such folder, and no format of datasets; did you mean 'json' with"):
        own(tmp_path, path="jsonl")


BAD_IDS: dict[str, tuple[Any, Any, str]] = {
    "text": ("1 2", None, "got str, expected a flat list of token ids"),
    "fractions": ([1.0, 2.0], None, "got a list of float,"),
    "truths": ([True], None, "got a list of bool,"),
    "nested": ([[1, 2]], None, "got a list of list of int,"),
    "holes": ([1, None], None, "got a list of NoneType and int,"),
    "one": (3, None, "got int,"),
    "short mask": ([1, 2], [1], "got an attention_mask of 1 values, expected 2 zeros and ones"),
    "odd mask": ([1, 2], [1, 7], "got an attention_mask of a list of int, expected 2 zeros and ones"),
}


@pytest.mark.parametrize("kind", BAD_IDS)
def test_what_are_no_token_ids_is_named(kind: str) -> None:
    ids, mask, message = BAD_IDS[kind]
    with pytest.raises(DataValueError, match=f"^here: {message}"):
        token_ids_in(ids, mask, "here")


def test_a_mask_beside_token_ids_leaves_padding_out(tmp_path: Path) -> None:
    rows = [{"a": {"ids": [5, 6, 0], "attention_mask": [1, 1, 0]}}, {"a": {"ids": [7], "attention_mask": [1]}}]
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "a.parquet")
    found = own(tmp_path, path="parquet", files=["a.parquet"], token_ids="a.ids")
    assert [row["token_ids"] for row in found] == [[5, 6], [7]]
    assert found[1]["where"] == "source 'own': column 'a.ids': row 1"
    assert token_ids_in(np.array([3, 4], "uint16"), None, "here") == [3, 4]
