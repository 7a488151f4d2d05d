"""Documents from archives and folders: read whole, drawn repeatably, refused where they are damaged."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from saegeom_data.errors import DataValueError, StoreError
from saegeom_data.harvest.recipe_text import Source
from saegeom_data.harvest.text import files
from saegeom_data.harvest.text.files import draw
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.harvest.text.sources import stream_source


def test_draws_repeat_and_keep_their_order() -> None:
    assert draw(5, None, 0) == draw(5, 9, 0) == [0, 1, 2, 3, 4]
    drawn = draw(1000, 10, 7)
    assert drawn == draw(1000, 10, 7) == sorted(set(drawn))
    assert drawn != draw(1000, 10, 8)


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


@pytest.mark.parametrize(("encoding", "written"), [("utf-8", "river".encode("utf-16-le")), ("latin-1", b"PK\x03\0")])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, encoding: str, written: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("a.txt", written)
    with pytest.raises(DataValueError, match=rf"a\.txt: no {encoding} text: it holds NUL characters.*set encoding"):
        archived(tmp_path, encoding=encoding)


def test_a_table_of_records_is_no_text(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("a.jsonl", '{"text": "river"}')
        archive.writestr("b.txt", "river")
    with pytest.raises(DataValueError, match=r"notes\.zip: a\.jsonl: a table of records and no text; .*path: json"):
        archived(tmp_path)
    assert [row["text"] for row in archived(tmp_path, exclude=["*.jsonl"])] == ["river"]
