"""Files of word pairs, one relation each: CSV, or JSON as Todd et al. publish theirs, in a folder or at a URL."""

from __future__ import annotations

import csv
import glob
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from saegeom_data.errors import DataValueError, ParameterError, StoreError, suggest
from saegeom_data.harvest.recipe import Relations
from saegeom_data.harvest.text.roots import Roots, is_url
from saegeom_data.remote.patterns import matching_paths

_LARGEST = 2**26
_SECONDS = 60
_KEYS = ("input", "output")

Pair = tuple[str, str]


@dataclass(frozen=True)
class RelationFile:
    """One relation as its file holds it.

    Parameters
    ----------
    name
        Name of the file without its ending.
    pairs
        Sources and targets.
    sha256
        Checksum of the file.
    """

    name: str
    pairs: list[Pair]
    sha256: str


def read_relations(relations: Relations, roots: Roots) -> list[RelationFile]:
    """Read all files of word pairs.

    Parameters
    ----------
    relations
        Names the files, and how many pairs of each are taken.
    roots
        Where paths start.

    Raises
    ------
    ParameterError
        If a root is not given, a pattern is at a URL, or ``languages`` names a relation that no file holds.
    StoreError
        If a file is not there or cannot be read; near names are offered.
    DataValueError
        If a file is neither CSV nor JSON of word pairs, has an empty word or no pair, or two files have the same name.
    """
    found: dict[str, RelationFile] = {}
    for path in (path for pattern in relations.files for path in _expand(pattern, roots)):
        content = _fetch(path) if is_url(path) else _read(Path(path))
        own = list(_parse(path, content))
        if not own:
            raise DataValueError(f"{path}: no word pairs; add some or leave the file out")
        name = PurePosixPath(urlsplit(path).path if is_url(path) else path).stem
        if name in found:
            raise DataValueError(
                f"{path}: duplicate relation {name!r}, which another file gives too; rename one of them"
            )
        found[name] = RelationFile(name, own[: relations.pairs], hashlib.sha256(content).hexdigest())
    for name in relations.languages:
        if name not in found:
            raise ParameterError(f"relations.languages: no relation is named {name!r}{suggest(name, found)}")
    return list(found.values())


def _expand(pattern: str, roots: Roots) -> list[str]:
    """Paths of the files that a pattern of the recipe matches."""
    path = roots.fill(pattern)
    if is_url(path):
        if "*" in urlsplit(path).path:
            raise ParameterError(f"{path}: a pattern does not work with a URL; name each file")
        return [path]
    path = str(roots.spec_folder / path)
    if matches := matching_paths(path):
        return [str(match) for match in matches]
    folder = Path(path).parent
    if glob.has_magic(str(folder)):
        raise StoreError(f"{path}: no such file; check relations.files")
    if not folder.is_dir():
        raise StoreError(f"{folder}: no such folder; check the root or relations.files")
    near = suggest(Path(path).name, [file.name for file in folder.iterdir()])
    raise StoreError(f"{path}: no such file{near or '; check relations.files'}")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return _limited(str(path), stream)
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}; check the path") from error


def _fetch(url: str) -> bytes:
    from http.client import HTTPException
    from urllib.request import urlopen

    try:
        with urlopen(quote(url, safe=":/?&=%@#"), timeout=_SECONDS) as stream:  # noqa: S310 - is_url: http or https
            return _limited(url, stream)
    except (OSError, HTTPException, ValueError) as error:
        raise StoreError(f"{url}: cannot be fetched: {error}; check the address") from error


def _limited(path: str, stream: Any) -> bytes:
    content: bytes = stream.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise DataValueError(f"{path}: larger than {_LARGEST} bytes, which is too large for word pairs; check the path")
    return content


def _parse(path: str, content: bytes) -> Iterator[Pair]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataValueError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    return _parse_json(path, text) if path.endswith(".json") else _parse_csv(path, text)


def _parse_csv(path: str, text: str) -> Iterator[Pair]:
    reader = csv.reader(io.StringIO(text, newline=""))
    header = next(reader, [])
    if header != ["source", "target"]:
        raise DataValueError(
            f"{path}: got header {','.join(header)[:60]!r}, expected 'source,target'; fix the first line"
        )
    for row in reader:
        if len(row) != 2 or not all(word.strip() for word in row):
            raise DataValueError(f"{path}:{reader.line_num}: got {row!r}, expected two words; fix the line")
        yield row[0].strip(), row[1].strip()


def _parse_json(path: str, text: str) -> Iterator[Pair]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataValueError(f"{path}: not JSON: {reason}; check the file") from error
    if not isinstance(value, list):
        raise DataValueError(
            f"{path}: got {type(value).__name__}, expected a list of objects with input and output; fix the file"
        )
    for index, item in enumerate(value):
        if not isinstance(item, dict) or not all(key in item for key in _KEYS):
            keys = sorted(map(str, item)) if isinstance(item, dict) else type(item).__name__
            raise DataValueError(
                f"{path}: item {index}: got {str(keys)[:60]}, expected the keys input and output; fix the item"
            )
        words = [item[key] for key in _KEYS]
        if not all(isinstance(word, str) and word.strip() for word in words):
            raise DataValueError(f"{path}: item {index}: got {str(words)[:60]}, expected two words; fix the item")
        yield words[0].strip(), words[1].strip()
