"""A new version of a sealed store, with some groups added or replaced and all other files as they are."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from saegeom_data.data.card import dataset_card
from saegeom_data.data.manifest_of import manifest_problems, read_manifest, refuse_other_than_store
from saegeom_data.data.staging import staged_folder
from saegeom_data.data.store import open_unchecked
from saegeom_data.data.write import expected_warnings, seal
from saegeom_data.errors import StoreError
from saegeom_data.remote.address import is_elsewhere

_CARD = "README.md"
# Attribute of a store that was extended: root hashes of its earlier versions, a JSON list.
EARLIER_ROOTS = "earlier_roots"
# What zarr and this package write anew; a link to the old file would be written through.
_REWRITTEN = ("zarr.json", _CARD)


@contextmanager
def extended(store: str | os.PathLike[str], groups: Sequence[str]) -> Iterator[Path]:
    """Replace a store by a version of it with other ``groups``, whole or not at all.

    Yields a new folder beside the store, which holds all of it but ``groups``; write these into it. When the block ends
    well, the folder is sealed and takes the place of the store, whose root hash is then another. When the block raises,
    the store is as it was. Arrays that stay are linked and not copied, where the file system links files, and are not
    hashed again.

    Raises
    ------
    StoreError
        If the store lies elsewhere or in an archive, its files disagree with its manifest, or cannot be written.
    """
    place = writable(store)
    manifest = read_manifest(place)
    files: Mapping[str, Mapping[str, Any]] = manifest["files"]
    if problems := manifest_problems(place):
        raise StoreError(*(problem.inside(store) for problem in problems))
    kept = [name for name in files if not any(name.startswith(f"{group.strip('/')}/") for group in groups)]
    with expected_warnings(), staged_folder(place, replaceable=lambda _: True) as folder:
        linked = [name for name in kept if _put(place / name, folder / name)]
        # A card that is not what the store itself gives was written by hand, and stays.
        has_own_card = _CARD in files and _card_of(place) != (place / _CARD).read_text(encoding="utf-8")
        yield folder
        _note_earlier_root(folder, str(manifest["root"]))
        if not has_own_card:
            (folder / _CARD).write_text(_card_of(folder), encoding="utf-8")
        seal(folder, {name: files[name] for name in linked})


def writable(store: str | os.PathLike[str]) -> Path:
    """Folder of a store that can be written to.

    Raises
    ------
    StoreError
        If the store lies elsewhere or in an archive, or is none.
    """
    if is_elsewhere(store):
        raise StoreError(f"{store}: only a folder of this machine is written to; download or unpack the store first")
    refuse_other_than_store(Path(store))
    return Path(os.path.realpath(store))


def earlier_roots(attrs: Mapping[Any, Any]) -> list[str]:
    """Root hashes that a store says it had before it was given labels."""
    try:
        roots = json.loads(str(attrs.get(EARLIER_ROOTS, "[]")))
    except ValueError:
        return []
    return [str(root) for root in roots] if isinstance(roots, list) else []


def _note_earlier_root(folder: Path, root: str) -> None:
    """Keep the root hash of the old version among the attributes, by which results of it know that it is their data."""
    import zarr

    attrs = zarr.open_group(str(folder), mode="r+", zarr_format=3).attrs
    attrs[EARLIER_ROOTS] = json.dumps([*earlier_roots(attrs), root])


def _put(source: Path, target: Path) -> bool:
    """Put a file of the old version into the new one; whether it is the same file under two names."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.name not in _REWRITTEN:
        try:
            os.link(source, target)
        except OSError:
            # Some file systems have no links.
            pass
        else:
            return True
    shutil.copy2(source, target)
    return False


def _card_of(folder: Path) -> str:
    with open_unchecked(folder) as tree:
        return dataset_card(tree)
