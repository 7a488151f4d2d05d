"""Documents from anything that ``datasets`` reads: the Hub, files of its formats, folders; streamed or fetched."""

from __future__ import annotations

from collections.abc import Iterator
from glob import has_magic
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saegeom_data.data.manifest_of import files_in
from saegeom_data.errors import DataValueError, StoreError, suggest
from saegeom_data.harvest.recipe_text import FORMAT_NAMES, HubSource, Source
from saegeom_data.harvest.text.columns import label_in, messages_in, text_in, token_ids_in
from saegeom_data.remote.files import reason
from saegeom_data.remote.patterns import literal, matching_paths

if TYPE_CHECKING:
    from saegeom_data.harvest.text.roots import Roots

_SAVED = "state.json"
_MASK = "attention_mask"
_TABLE = "csv"
# How pandas passes on the first cells of rows that have more than the header: the others would be in wrong columns.
_UNNAMED = "__index_level_0__"
# Some texts may be missing, but a column that begins with so many rows of nothing holds none.
_ROWS_WITHOUT_VALUE = 1000


def hub_rows(source: Source, hub: HubSource, roots: Roots, start: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the documents of a source from the one numbered ``start``: ``document_id``, ``text``, ``document_type``.

    A source of chats has ``messages`` in place of ``text``, and one of tokens ``token_ids``, less those that a column
    ``attention_mask`` beside them leaves out; both say in ``where`` which row it is. No more than the first
    ``documents`` of the source are read, one at a time where it is streamed.

    Raises
    ------
    StoreError
        If it cannot be read.
    DataValueError
        If a column is missing, or holds something else; names its type, and the row where that begins.
    """
    loaded = open_dataset(source.name, hub, roots)
    end = source.documents
    if hasattr(loaded, "skip"):
        loaded = loaded.skip(start) if start else loaded
    rows = islice(_rows(source.name, hub, loaded), None if end is None else end - start)
    column, missing = hub.token_ids or hub.text, 0
    classes = {label: _classes(loaded, label) for label in (hub.document_id, hub.document_type) if label is not None}
    for index, row in enumerate(rows, start):
        value = _field(row, column, source.name)
        # Counts rows of nothing from the very first one; it is -1 as soon as one holds something, or
        # if the start was skipped.
        missing = missing + 1 if value is None and missing == index else -1
        if missing == _ROWS_WITHOUT_VALUE:
            break
        name, kind = (
            _label(row, label, source.name, index, classes, yes)
            for label, yes in ((hub.document_id, ""), (hub.document_type, hub.document_type or ""))
        )
        yield {
            "document_id": f"{source.name}/{f'{index:06d}' if name is None else name}",
            **_content(row, value, hub, _place(source.name, column, index)),
            "document_type": str(source.document_type) if kind is None else kind,
        }
    if missing > 0:
        raise DataValueError(
            f"{_place(source.name, column, 0)}: got None, and in the {missing} rows from there nothing else, expected"
            f" {'text' if hub.is_text else 'a list'}; name a column that is not empty"
        )


def _content(row: dict[str, Any], value: Any, hub: HubSource, where: str) -> dict[str, Any]:
    """What is to become tokens, as ``document_tokens`` takes it."""
    if hub.token_ids is not None:
        mask = _beside(row, hub.token_ids, _MASK)
        return {"token_ids": token_ids_in(value, mask, where), "is_masked": mask is not None, "where": where}
    if hub.chat_template:
        return {"messages": messages_in(value, where), "where": where}
    return {"text": text_in(value, where)}


def _place(source: str, column: str, row: int) -> str:
    return f"source {source!r}: column {column!r}: row {row}"


def _label(
    row: dict[str, Any], column: str | None, source: str, index: int, classes: dict[str, list[str] | None], yes: str
) -> str | None:
    """Name or type of a document, if a column gives it."""
    if column is None:
        return None
    return label_in(_field(row, column, source), _place(source, column, index), classes[column], yes)


def _classes(loaded: Any, column: str) -> list[str] | None:
    """Names of the classes whose numbers a column holds, or a field inside one; None if it holds something else."""
    found: Any = loaded.features
    for part in [column] if column in (found or {}) else column.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return getattr(found, "names", None)


def open_dataset(name: str, hub: HubSource, roots: Roots) -> Any:
    """Open a dataset; only what is needed of it is fetched where it is streamed."""
    import datasets

    path, is_local = _local(hub, roots)
    if not is_local and path in FORMAT_NAMES:
        raise StoreError(
            f"source {name!r}: {path}: no such folder, and no format of datasets; did you mean {FORMAT_NAMES[path]!r}"
            " with files?"
        )
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
        # pandas reads words such as NA and null as nothing; here only an empty cell is.
        options = {"keep_default_na": False, "na_values": [""]} if path == _TABLE else {}
        return datasets.load_dataset(
            path, hub.name, data_files=files, split=hub.split, revision=hub.revision, streaming=hub.streaming, **options
        )
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(f"source {name!r}: {path}: cannot be read: {_cause(error)}; check its dataset") from error


def _cause(error: Exception) -> str:
    """What went wrong, where `datasets` only says that something did."""
    if isinstance(error, StopIteration):
        return "it holds no rows"
    return reason(error.__cause__ or error)


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
        for row in loaded:
            if hub.path == _TABLE and _UNNAMED in row:
                raise DataValueError(
                    f"source {name!r}: a row has more cells than the header, expected one for each column; put cells"
                    " with commas between quotation marks"
                )
            yield row
    except (OSError, DataValueError):
        raise
    except Exception as error:
        raise StoreError(
            f"source {name!r}: {hub.path}: reading stopped: {reason(error)}; start again, or fix the file"
        ) from error


def _field(row: dict[str, Any], column: str, name: str) -> Any:
    """Value of a column, or of a field inside one."""
    # First as it stands: a column may have a dot in its own name.
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


def _beside(row: dict[str, Any], column: str, name: str) -> Any:
    """Value of the column or field ``name`` that stands beside another; None if there is none."""
    fields: Any = row
    if column not in row:
        for part in column.split(".")[:-1]:
            fields = fields[part]
    return fields.get(name)
