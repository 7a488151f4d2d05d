"""Text: generated mathematics that is right, draws that repeat, sources that `datasets` loads."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from saegeom_data.errors import DataValueError, ParameterError, StoreError
from saegeom_data.harvest.recipe_text import Source
from saegeom_data.harvest.stages import Workspace
from saegeom_data.harvest.text import files
from saegeom_data.harvest.text.files import draw, stream_source
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.sample.mathematics import TOPICS, worksheets

SUM_OR_PRODUCT = re.compile(r"(?<![-+*/^] )(?<![\w./(-])(\d+) ([+*]) (\d+) = (\d+)(?![\w/(]| [-+*/(])")


def test_sums_and_products_of_the_mathematics_are_right() -> None:
    checked = 0
    for worksheet in worksheets(60, seed=3):
        for left, sign, right, result in SUM_OR_PRODUCT.findall(worksheet["text"]):
            expected = int(left) + int(right) if sign == "+" else int(left) * int(right)
            assert int(result) == expected, f"{left} {sign} {right} = {result}"
            checked += 1
    assert checked > 150


def test_derivatives_of_the_mathematics_are_right() -> None:
    pattern = re.compile(r"Differentiate ([fgh])\(x\) = (.+?)\.\n.*?\1'\(x\) = ([^.]+)\.")
    checked = 0
    for worksheet in worksheets(60, seed=4):
        for _, function, derivative in pattern.findall(worksheet["text"]):
            for x in (-1.5, 0.25, 2.0):
                step = 1e-5
                slope = (value_at(function, x + step) - value_at(function, x - step)) / (2 * step)
                assert value_at(derivative, x) == pytest.approx(slope, rel=1e-5, abs=1e-4)
            checked += 1
    assert checked > 20


def value_at(polynomial: str, x: float) -> float:
    total = 0.0
    for sign, factor, variable, power in re.findall(r"([+-]?) ?(\d*)(x?)(?:\^(\d+))?", polynomial):
        if not factor and not variable:
            continue
        value = float(factor or 1) * (x ** int(power or 1) if variable else 1)
        total += -value if sign == "-" else value
    return total


def test_mathematics_repeats_and_varies() -> None:
    first, again = list(worksheets(20, seed=0)), list(worksheets(20, seed=0))
    assert first == again
    assert first != list(worksheets(20, seed=1))
    assert [one["document_id"] for one in first] == [f"mathematics/{index:04d}" for index in range(20)]
    problems = [line for one in worksheets(40, seed=0) for line in one["text"].split("\n\n")[1:]]
    assert len(set(problems)) > 0.95 * len(problems)


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_every_topic_appears(topic: str) -> None:
    assert any(topic in one["text"].split("\n\n")[0] for one in worksheets(60, seed=0))


def test_draws_repeat_and_keep_their_order() -> None:
    assert draw(5, None, 0) == draw(5, 9, 0) == [0, 1, 2, 3, 4]
    drawn = draw(1000, 10, 7)
    assert drawn == draw(1000, 10, 7) == sorted(set(drawn))
    assert drawn != draw(1000, 10, 8)


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


def archived(folder: Path, **keys: Any) -> list[dict[str, Any]]:
    """Documents of ``notes.zip`` in a folder."""
    pytest.importorskip("datasets")
    value = {"name": "own", "document_type": "note", "title": "Own", "license": "CC0-1.0", "archive": "notes.zip"}
    source = Source.model_validate(value | keys)
    return list(stream_source(source, Roots(folder), folder / "work", seed=0))


def test_an_archive_that_inflates_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "notes.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b" " * 2**20)
    monkeypatch.setattr(files, "_PIECE_BYTES", 2**10)
    with pytest.raises(StoreError, match=r"notes\.zip: 1048576 bytes unpacked of \d+, expected at most 200 times"):
        archived(tmp_path)
    monkeypatch.setattr(files, "_LARGEST_MEMBER", 2**20 - 1)
    with pytest.raises(StoreError, match=r"a\.txt: 1048576 bytes unpacked, expected at most 1048575"):
        archived(tmp_path)
    assert not list((tmp_path / "work").rglob("*.txt"))


def test_a_text_longer_than_a_piece_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = "déjà vu, " * 100
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("a.txt", written)
    monkeypatch.setattr(files, "_PIECE_BYTES", 7)
    assert [row["text"] for row in archived(tmp_path)] == [written]
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("a.txt", written.encode() + b"\xe9 t")
    with pytest.raises(DataValueError, match=rf"a\.txt: not utf-8 text \(byte {len(written.encode())}\)"):
        archived(tmp_path)


def damaged_zip(file: Path, kind: str) -> None:
    if kind == "folder":
        file.mkdir()
        return
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "a river of silver")
    content = file.read_bytes()
    match kind:
        case "no zip":
            file.write_text("a river")
        case "checksum":
            file.write_bytes(content.replace(b"silver", b"golden"))
        case "encrypted":
            flags = content.replace(b"PK\x03\x04\x14\0\0", b"PK\x03\x04\x14\0\1")
            file.write_bytes(flags.replace(b"PK\x01\x02\x14\x03\x14\0\0", b"PK\x01\x02\x14\x03\x14\0\1"))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no zip", "cannot be read as a zip archive: File is not a zip file"),
        ("folder", "cannot be read as a zip archive: .*Is a directory"),
        ("checksum", "a.txt: cannot be read: Bad CRC-32"),
        ("encrypted", "a.txt: cannot be read: .*is encrypted"),
    ],
)
def test_a_damaged_archive_is_one_line(tmp_path: Path, kind: str, message: str) -> None:
    damaged_zip(tmp_path / "notes.zip", kind)
    with pytest.raises(StoreError, match=message) as caught:
        archived(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["{corpora", "corpora}", "{corpora!z}/a", "{corpora:d}/a", "{}/a"])
def test_a_path_with_odd_braces_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ParameterError, match="expected such as {corpora}/x|is not given") as caught:
        Roots(folders={"corpora": tmp_path}).resolve(path)
    assert path in str(caught.value)


def test_a_stage_is_made_again_only_when_something_it_was_made_from_changes(tmp_path: Path) -> None:
    made = []
    space = Workspace(tmp_path)

    def run(key: int) -> None:
        text = space.run("text", {"key": key}, (), lambda folder: made.append("text"))
        space.run("tokens", {}, (text,), lambda folder: made.append("tokens"))

    run(1)
    run(1)
    assert made == ["text", "tokens"]
    run(2)
    assert made == ["text", "tokens"] * 2


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[]"])
def test_a_stage_whose_marker_is_damaged_is_made_again(tmp_path: Path, content: bytes) -> None:
    made = []
    for _ in range(2):
        Workspace(tmp_path).run("text", {}, (), lambda folder: made.append(folder))
        (tmp_path / "text" / "stage.json").write_bytes(content)
    assert len(made) == 2


def test_a_stage_that_failed_starts_over_in_an_empty_folder(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    space = Workspace(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        space.run("text", {}, (), fail)
    found = space.run("text", {}, (), lambda folder: None)
    assert [file.name for file in found.folder.iterdir()] == ["stage.json"]
