"""The manifest of a store: size and sha256 of every file, one root hash, and how files are held against it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from saegeom_data.errors import Problem, StoreError

if TYPE_CHECKING:
    from saegeom_data.remote.files import SourceFile
    from saegeom_data.typing import Progress

MANIFEST = "MANIFEST.json"
# A disk is kept busy by few readers; elsewhere most of the time is spent waiting for answers.
_READERS = {True: 4, False: 16}


# What desktops put into folders that somebody looks at; such files are no part of a store.
SYSTEM_FILES = r"\.DS_Store|\._.*|(?:eh)?[Tt]humbs\.db|[Dd]esktop\.ini|\.directory"


class DamagedManifestError(StoreError):
    """A manifest that is not what was written."""


def is_of_system(name: str) -> bool:
    """Whether a file was put there by a system for itself.

    Examples
    --------
    >>> is_of_system("saes/.DS_Store"), is_of_system("saes/._zarr.json"), is_of_system("saes/zarr.json")
    (True, True, False)
    """
    return re.fullmatch(SYSTEM_FILES, name.rpartition("/")[2]) is not None or name.startswith("__MACOSX/")


def root_of(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Root hash of files: the sha256 of their sorted digests, sizes and names."""
    # Sorted by name: the hash must not depend on the order in which files were written.
    lines = "".join(f"{files[name]['sha256']} {files[name]['size']} {name}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def parse_manifest(text: str | bytes, where: str) -> dict[str, Any]:
    """Read the text of a manifest: ``format_version``, ``root`` and ``files`` with size and sha256.

    Parameters
    ----------
    text
        As it stands in the file.
    where
        Name of the file, for messages.

    Raises
    ------
    StoreError
        If it is no manifest, its root hash does not match its files, or a name in it leads out of the store.
    """
    try:
        manifest = json.loads(text)
        files = manifest["files"]
        valid = manifest["root"] == root_of(files) and all(
            # Not isinstance, which takes true and false for whole numbers.
            type(file["size"]) is int and file["size"] >= 0 and isinstance(file["sha256"], str)
            for file in files.values()
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        valid = False
    if not valid:
        raise DamagedManifestError(
            f"{where}: damaged manifest, its root hash does not match its files; fetch the store again"
        )
    for name in files:
        if not is_inside(name):
            raise StoreError(
                f"{where}: names the file {name[:80]!r}, which is not a relative path inside the store; nothing was"
                " read, get the store from its source"
            )
    return dict(manifest)


def problems(
    expected: Mapping[str, Mapping[str, Any]],
    found: Mapping[str, SourceFile | None],
    *,
    listed: bool = True,
    checksums: bool = False,
    progress: Progress | None = None,
) -> list[Problem]:
    """Hold files against a manifest, several at a time.

    Parameters
    ----------
    expected
        The ``files`` of the manifest.
    found
        What is there, by name.
    listed
        Whether ``found`` names everything that is there. A web server cannot say what else it has.
    checksums
        Read every byte.
    progress
        Called with the bytes read so far and those of all files.

    Returns
    -------
    list of Problem
        One for each file that is missing, damaged or, where that can be known, too many.
    """
    missing = [name for name in expected if found.get(name) is None]
    here = {name: file for name, file in found.items() if file and (name in expected or not is_of_system(name))}
    total = sum(file.size for name, file in here.items() if name in expected)
    done = 0
    wrong = dict.fromkeys(missing, "missing file, listed in the manifest; fetch it again")
    is_local = all(file.is_local for file in here.values())

    def check(name: str) -> str | None:
        return _wrong(here[name], expected.get(name), checksums)

    # map() keeps the order of files, so that problems come in one order however threads finish.
    with ThreadPoolExecutor(_READERS[is_local]) as readers:
        for name, message in zip(here, readers.map(check, here), strict=True):
            done += here[name].size if name in expected else 0
            if progress is not None:
                progress(done, total)
            if message is not None and (listed or name in expected):
                wrong[name] = message
    return [Problem(name, message) for name, message in wrong.items()]


def _wrong(file: SourceFile, expected: Mapping[str, Any] | None, checksums: bool) -> str | None:
    """Say what is wrong with a file against its entry in the manifest; None if nothing is."""
    # A link could lead out of the store, and what it leads to may change without its manifest.
    if file.is_link:
        return "link, expected a file; replace it with the file itself"
    if expected is None:
        return "file not listed in the manifest; remove it"
    if file.size != expected["size"]:
        return f"got {file.size} bytes, expected {expected['size']}; fetch it again"
    if not checksums:
        return None
    try:
        same = file.computed_sha256() == expected["sha256"]
    except StoreError as error:
        return f"cannot be read: {error}"
    return None if same else "sha256 differs from the manifest; fetch it again"


def is_inside(name: str) -> bool:
    """Whether a name stays below the folder it is joined to, on every system."""
    parts = name.split("/")
    # Backslashes and colons are folders and drives on Windows, where a store may be opened too.
    return not any(part in ("", ".", "..") or "\\" in part or ":" in part or not part.isprintable() for part in parts)


def look_up(names: Iterable[str], find: Callable[[str], SourceFile | None]) -> dict[str, SourceFile | None]:
    """Look up many files by name, several at a time."""
    asked = list(names)
    with ThreadPoolExecutor(_READERS[False]) as readers:
        return dict(zip(asked, readers.map(find, asked), strict=True))
