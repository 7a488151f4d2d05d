"""The manifest of a store, and what in its files disagrees with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saegeom_data.data.other_formats import other_format
from saegeom_data.errors import Problem, StoreError
from saegeom_data.remote.address import is_elsewhere
from saegeom_data.remote.manifest import MANIFEST, is_of_system, parse_manifest, problems

if TYPE_CHECKING:
    from saegeom_data.remote.files import SourceFile
    from saegeom_data.typing import Progress


def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the manifest of a store: ``format_version``, ``root`` and ``files`` with size and sha256.

    Raises
    ------
    StoreError
        If the manifest is missing or not readable.
    """
    if is_elsewhere(path):
        from saegeom_data.remote.reading import manifest_at, store_place

        return manifest_at(store_place(path))
    file = Path(path) / MANIFEST
    if not file.is_file():
        # A store of another package is whole, and was never to have a manifest.
        if foreign := other_format(Path(path)):
            raise StoreError(f"{path}: not a store of this format{foreign}")
        raise StoreError(
            f"{file}: no manifest, so the store was never finished or has lost it; build or fetch it again"
        )
    return parse_manifest(file.read_bytes(), str(file))


def manifest_problems(
    path: str | os.PathLike[str], *, checksums: bool = False, progress: Progress | None = None
) -> list[Problem]:
    """Compare the files of a store with its manifest, several at a time.

    Parameters
    ----------
    path
        Folder, archive or URL of the store. A web server cannot say which files it has that nobody asks for.
    checksums
        Read every byte.
    progress
        Called with the bytes read so far and those of all files.

    Raises
    ------
    StoreError
        If there is no readable manifest to compare with.
    """
    from saegeom_data.remote.manifest import look_up
    from saegeom_data.remote.reading import manifest_at, store_place

    if not is_elsewhere(path):
        expected = read_manifest(path)["files"]
        return problems(expected, _local_files(Path(path)), checksums=checksums, progress=progress)
    place = store_place(path)
    expected = manifest_at(place)["files"]
    listed = place.files()
    # A web server lists nothing: then only what the manifest names can be looked for.
    found = look_up(expected, place.lookup) if listed is None else listed
    found = {name: file for name, file in found.items() if name != MANIFEST}
    return problems(expected, found, checksums=checksums, progress=progress)


def root_hash(path: str | os.PathLike[str]) -> str:
    """Return the root hash of a store: one sha256 that stands for every byte of it."""
    return str(read_manifest(path)["root"])


def _local_files(folder: Path) -> dict[str, SourceFile | None]:
    from saegeom_data.remote.files import SourceFile

    links = ((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_symlink())
    # Links to folders and broken links too, which are no files: a store has none.
    found = {**dict(files_in(folder)), **dict(links)}
    # Not stat: a broken link, which is to be named as a problem, leads to no file whose size could be asked.
    return {name: SourceFile("file", str(file), name, file.lstat().st_size) for name, file in found.items()}


def refuse_other_than_store(path: Path) -> None:
    """Say what is at a path that holds no store."""
    if not path.exists():
        raise StoreError(f"{path}: no such store; check the path")
    if not (path / "zarr.json").is_file():
        message = other_format(path) or " (no zarr.json in it); give the folder that holds zarr.json"
        raise StoreError(f"{path}: not a zarr v3 store{message}")


def files_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files of a folder by their names in it, in order, without a manifest and what systems leave."""
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and name != MANIFEST and not is_of_system(name):
            yield name, file
