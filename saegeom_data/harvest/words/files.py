"""Files of word pairs, one relation each: CSV, or JSON as Todd et al. publish theirs, in a folder or at a URL."""

from __future__ import annotations

import glob
import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from saegeom_data.errors import DataValueError, ParameterError, StoreError, suggest
from saegeom_data.harvest.recipe import Relations
from saegeom_data.harvest.text.roots import Roots, is_url
from saegeom_data.harvest.words.formats import Pair, parse_pairs
from saegeom_data.remote.patterns import matching_paths

# Bytes of a file, which is in memory whole: a wrong path or address may lead to anything.
_LARGEST = 2**26
_SECONDS = 60


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
        # Whole in memory, as the checksum is of the bytes that are parsed: a file could change between two readings.
        content = _fetch(path) if is_url(path) else _read(Path(path))
        place = PurePosixPath(urlsplit(path).path if is_url(path) else path)
        own = list(parse_pairs(path, content, suffix=place.suffix))
        if not own:
            raise DataValueError(f"{path}: no word pairs; add some or leave the file out")
        name = place.stem
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
    # No one folder to offer names from.
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
        # urlopen refuses spaces and accents as they stand; what is quoted already, with its
        # percent signs, stays as it is.
        with urlopen(quote(url, safe=":/?&=%@#"), timeout=_SECONDS) as stream:  # noqa: S310 - is_url: http or https
            return _limited(url, stream)
    except (OSError, HTTPException, ValueError) as error:
        raise StoreError(f"{url}: cannot be fetched: {error}; check the address") from error


def _limited(path: str, stream: Any) -> bytes:
    # One byte more than is allowed tells of a larger one, however large it is.
    content: bytes = stream.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise DataValueError(f"{path}: larger than {_LARGEST} bytes, which is too large for word pairs; check the path")
    return content
