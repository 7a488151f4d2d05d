"""Documents from anything that ``datasets`` reads: the Hub, files of its formats, folders; streamed or fetched."""

from __future__ import annotations

from collections.abc import Iterator
from glob import has_magic
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saegeom_data.data.manifest_of import files_in
from saegeom_data.errors import DataValueError, StoreError, suggest
from saegeom_data.harvest.recipe_text import HubSource, Source
from saegeom_data.remote.files import reason
from saegeom_data.remote.patterns import literal, matching_paths

if TYPE_CHECKING:
    from saegeom_data.harvest.text.roots import Roots

_SAVED = "state.json"


def hub_rows(source: Source, hub: HubSource, roots: Roots, start: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the documents of a source from the one numbered ``start``: ``document_id``, ``text``, ``document_type``.

    No more than the first ``documents`` of the source are read, one at a time where it is streamed.

    Raises
    ------
    StoreError
        If it cannot be read.
    DataValueError
        If a column is missing.
    """
    loaded = open_dataset(source.name, hub, roots)
    end = source.documents
    if hasattr(loaded, "skip"):
        loaded = loaded.skip(start) if start else loaded
    for index, row in enumerate(islice(_rows(source.name, hub, loaded), None if end is None else end - start), start):
        name = _field(row, hub.document_id, source.name) if hub.document_id is not None else f"{index:06d}"
        text = _field(row, hub.text, source.name)
        kind = _field(row, hub.document_type, source.name) if hub.document_type is not None else source.document_type
        yield {
            "document_id": f"{source.name}/{name}",
            "text": "" if text is None else str(text),
            "document_type": str(kind),
        }


def open_dataset(name: str, hub: HubSource, roots: Roots) -> Any:
    """Open a dataset; only what is needed of it is fetched where it is streamed."""
    import datasets

    path, is_local = _local(hub, roots)
    try:
        if is_local and (Path(path) / _SAVED).is_file():
            return datasets.load_from_disk(path)
        # datasets takes every path for a pattern, that of a folder too, which it does not let escape.
        if is_local and has_magic(path):
            raise StoreError(
                f"source {name!r}: {path}: a folder with *, ? or [ in its name, which datasets takes for a pattern;"
                " list what is in it under files"
            )
        files = [
            literal(file) if isinstance(file, Path) else file
            for pattern in hub.files
            for file in _files(pattern, name, roots)
        ] or None
        return datasets.load_dataset(
            path, hub.name, data_files=files, split=hub.split, revision=hub.revision, streaming=hub.streaming
        )
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(f"source {name!r}: {path}: cannot be read: {reason(error)}; check its dataset") from error


def _local(hub: HubSource, roots: Roots) -> tuple[str, bool]:
    """What ``datasets`` is to load, and whether it is a folder of this machine."""
    filled = roots.fill(hub.path)
    folder = roots.spec_folder / filled
    return (str(folder), True) if not hub.files and folder.is_dir() else (filled, False)


def _files(pattern: str, name: str, roots: Roots) -> list[Path | str]:
    if "://" in roots.fill(pattern):
        return [roots.fill(pattern)]
    place = roots.resolve(pattern)
    found: list[Path | str] = [*matching_paths(place)]
    if not found:
        kind = "no file matches" if has_magic(str(place)) else "no such file"
        raise StoreError(f"{place}: {kind}, needed by source {name!r}; check its files")
    return found


def local_files(source: Source, hub: HubSource, roots: Roots) -> list[Path]:
    """Files of a dataset that are on this machine."""
    path, is_local = _local(hub, roots)
    if is_local:
        return [file for _, file in files_in(Path(path).resolve())]
    named = [file for pattern in hub.files for file in _files(pattern, source.name, roots)]
    return [file for file in named if isinstance(file, Path)]


def local_bytes(source: Source, hub: HubSource, roots: Roots) -> int | None:
    """Size of the files of a dataset on this machine; None for one that is elsewhere."""
    is_local = _local(hub, roots)[1] or (hub.files and not any("://" in roots.fill(pattern) for pattern in hub.files))
    return sum(file.stat().st_size for file in local_files(source, hub, roots)) if is_local else None


def _rows(name: str, hub: HubSource, loaded: Any) -> Iterator[dict[str, Any]]:
    try:
        yield from loaded
    except OSError:
        raise
    except Exception as error:
        raise StoreError(
            f"source {name!r}: {hub.path}: reading stopped: {reason(error)}; start again, or fix the file"
        ) from error


def _field(row: dict[str, Any], column: str, name: str) -> Any:
    """Value of a column, or of a field inside one."""
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        if not isinstance(value, dict) or part not in value:
            near = suggest(part, map(str, value) if isinstance(value, dict) else [])
            known = ", ".join(map(str, row))
            raise DataValueError(f"source {name!r}: no column {column!r}{near}; columns: {known}")
        value = value[part]
    return value
