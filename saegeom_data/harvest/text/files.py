"""Documents from the files of an archive or a folder, loaded through ``datasets``."""

from __future__ import annotations

import codecs
import fnmatch
import os
import zipfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from saegeom_data.errors import DataValueError, StoreError
from saegeom_data.harvest.recipe_text import Source
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.remote.files import reason
from saegeom_data.remote.manifest import is_of_system
from saegeom_data.remote.patterns import literal

_PIECE_BYTES = 2**20
_TABLES = (".jsonl", ".ndjson")
# Of a file in an archive, whose text is in memory when it is read; and of all files, as multiples of the archive.
_LARGEST_MEMBER = 2**30
_LARGEST_RATIO = 200


def draw(available: int, wanted: int | None, seed: int | Sequence[int]) -> list[int]:
    """Draw ``wanted`` of ``available`` indices without replacement, in ascending order."""
    if wanted is None or wanted >= available:
        return list(range(available))
    drawn = np.random.default_rng(seed).choice(available, size=wanted, replace=False)
    return sorted(int(index) for index in drawn)


def file_rows(source: Source, roots: Roots, work: Path, seed: int) -> Iterator[dict[str, Any]]:
    """Yield ``document_id`` and ``text`` of each file that a source takes, in the order of their names.

    Parameters
    ----------
    source, roots
        Where the files are, and which of them are taken.
    work
        Folder for copies of the files.
    seed
        Seed of the draw of files, where the source takes some of them whole.

    Raises
    ------
    DataValueError
        If a file is not in the stated encoding or not well-formed, or is a table of records.
    StoreError
        If no file matches, or one cannot be read.
    """
    import datasets

    path = roots.resolve(str(source.location))
    names = members(source, path)
    for name in names:
        if Path(name).suffix.lower() in _TABLES:
            raise DataValueError(
                f"{path}: {name}: a table of records and no text; read it as dataset: {{path: json, files: [...]}}, or"
                f" exclude it from source {source.name!r}"
            )
    # Where files are cut into documents all are read, and the draw is of what they are cut into.
    if source.lines_per_document is None:
        names = [names[index] for index in draw(len(names), source.documents, seed)]
    # datasets opens members of a zip without their encoding (5.2), hence plain files.
    copies = _unpack(source, path, names, work / "files")
    loaded = datasets.load_dataset(
        "text",
        data_files=[literal(copy) for copy in copies],
        split="train",
        streaming=True,
        sample_by="document",
        encoding=source.encoding,
    )
    for name, row in zip(names, loaded, strict=True):
        text = _strip_markup(row["text"], f"{path}: {name}") if source.markup == "xml" else row["text"]
        yield {"document_id": name, "text": text}


def members(source: Source, path: Path) -> list[str]:
    """Return the names of the files of an archive or folder that a source takes, sorted.

    Raises
    ------
    StoreError
        If there is none.
    """
    if source.archive is not None:
        with _opened(path) as archive:
            found = [name for name in archive.namelist() if not name.endswith("/")]
    else:
        found = [
            (Path(folder) / name).relative_to(path).as_posix()
            for folder, _, filenames in os.walk(path)
            for name in filenames
        ]
    found = [name for name in found if not is_of_system(name)]
    names = sorted(_fitting(found, source.members) - _fitting(found, source.exclude))
    if not names:
        raise StoreError(
            f"{path}: no file matches {', '.join(source.members)} of source {source.name!r}; check its members"
        )
    return names


def _fitting(names: Sequence[str], patterns: Iterable[str]) -> set[str]:
    """Names that are among some patterns, whatever signs are in them, and those that the other patterns match."""
    known = set(names)
    return {
        name
        for pattern in patterns
        for name in ([pattern] if pattern in known else [name for name in names if fnmatch.fnmatchcase(name, pattern)])
    }


def _unpack(source: Source, path: Path, names: Sequence[str], target: Path) -> list[Path]:
    """Copy members under plain numbered names: `datasets` reads data files as patterns."""
    target.mkdir(parents=True, exist_ok=True)
    copies = [target / f"{index:06d}.txt" for index in range(len(names))]
    with _opened(path) if source.archive is not None else nullcontext() as archive:
        if archive is not None:
            _refuse_inflating(path, [archive.getinfo(name) for name in names])
        for name, copy in zip(names, copies, strict=True):
            # Closed at once, also where the text is refused halfway: an open member keeps its archive open.
            with closing(_pieces(path, archive, name)) as pieces:
                _copy(source, f"{path}: {name}", pieces, copy)
    return copies


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # zipfile lets struct.error, NotImplementedError and others through
        raise StoreError(f"{path}: cannot be read as a zip archive: {reason(error)}; fetch it again") from error


def _refuse_inflating(path: Path, taken: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse an archive that would fill memory or disk: no text is as repetitive."""
    for member in taken:
        if member.file_size > _LARGEST_MEMBER:
            raise StoreError(
                f"{path}: {member.filename}: {member.file_size} bytes unpacked, expected at most {_LARGEST_MEMBER};"
                " split the file or exclude it"
            )
    total, size = sum(member.file_size for member in taken), path.stat().st_size
    # Counted from a piece at least: what a small archive unpacks to is harmless, whatever the ratio.
    if total > _LARGEST_RATIO * max(size, _PIECE_BYTES):
        raise StoreError(
            f"{path}: {total} bytes unpacked of {size}, expected at most {_LARGEST_RATIO} times as many; check where it"
            " comes from, or unpack it and give the folder"
        )


def _pieces(path: Path, archive: zipfile.ZipFile | None, name: str) -> Generator[bytes, None, None]:
    try:
        with archive.open(name) if archive is not None else (path / name).open("rb") as stream:
            while piece := stream.read(_PIECE_BYTES):
                yield piece
    except Exception as error:  # zipfile lets zlib.error, RuntimeError and others through
        raise StoreError(f"{path}: {name}: cannot be read: {reason(error)}; fetch it again or exclude it") from error


def _copy(source: Source, where: str, pieces: Iterable[bytes], target: Path) -> None:
    """Write pieces of a file whose encoding must be the stated one."""
    decoder = codecs.getincrementaldecoder(source.encoding)()
    with target.open("wb") as stream:
        # Decoded only to be checked, while bytes are copied as they are. The empty piece is the end, where
        # half a character is none.
        for piece in chain(pieces, [b""]):
            # The decoder keeps back a character that a piece cuts in two, and counts the place of an error from there.
            start = stream.tell() - len(decoder.getstate()[0])
            try:
                text = decoder.decode(piece, final=not piece)
            except UnicodeError as error:
                raise DataValueError(
                    f"{where}: not {source.encoding} text (byte {start + getattr(error, 'start', 0)}); set encoding of"
                    f" source {source.name!r} or exclude the file"
                ) from error
            if "\0" in text:
                raise DataValueError(
                    f"{where}: no {source.encoding} text: it holds NUL characters, as binary files and UTF-16 do; set"
                    f" encoding of source {source.name!r} or exclude the file"
                )
            stream.write(piece)


def _strip_markup(text: str, where: str) -> str:
    try:
        root = ET.fromstring(text)  # noqa: S314 - the file's checksum is part of the recipe
    except ET.ParseError as error:
        raise DataValueError(f"{where}: not well-formed XML: {error}; set markup: none or exclude the file") from error
    return "\n".join(part.strip() for part in root.itertext() if part.strip())
