"""From an address to the files there that may hold the weights of SAEs."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from saegeom_data.checkpoints.choose import INDEX
from saegeom_data.checkpoints.weights import READERS
from saegeom_data.data import schema
from saegeom_data.data.other_formats import other_format
from saegeom_data.errors import StoreError
from saegeom_data.remote.address import is_remote, without_query
from saegeom_data.remote.files import SourceFile
from saegeom_data.remote.place import Place, place_at

# A web server cannot list a folder: these are the names under which formats keep their weights.
_WEB_NAMES = (
    "params.npz",
    "params.safetensors",
    "sae_weights.safetensors",
    "sae.safetensors",
    "ae.pt",
    "checkpoints/final.safetensors",
)


@dataclass(frozen=True)
class Source:
    """What an address leads to.

    Parameters
    ----------
    address
        As the user gave it, without credentials.
    base
        Path that the names of files are relative to.
    weights
        Files that may hold weights, and indices of sharded ones, in natural order.
    find
        Looks up a file by its path; None where there is none.
    revision
        Commit that the address was pinned to.
    license
        As the source states it.
    """

    address: str
    base: str
    weights: tuple[SourceFile, ...]
    find: Callable[[str], SourceFile | None] = field(repr=False)
    revision: str | None = None
    license: str | None = None

    @property
    def is_file(self) -> bool:
        """Whether one file is asked for by its own name."""
        return len(self.weights) == 1 and self.weights[0].path == self.base

    @property
    def recorded(self) -> str:
        """The address as a store records it; of what is on this machine its name alone, which others can use."""
        return self.address if is_remote(self.address) else os.path.basename(self.base)

    def beside(self, file: SourceFile, relative: str) -> SourceFile | None:
        """Look up a file by its path relative to the folder of another."""
        head, separator, tail = _split_web(file.path)
        # The query of a signed address is for one file alone; that of another would be wrong with it.
        path = posixpath.normpath(posixpath.join(posixpath.dirname(tail), quote(relative) if separator else relative))
        found = None if path.startswith("..") else self.find(f"{head}{separator}{path}")
        return None if found is None else replace(found, name=posixpath.join(posixpath.dirname(file.name), relative))


def locate(address: str | os.PathLike[str]) -> Source:
    """Find the weights at an address; see :func:`saegeom_data.remote.place.place_at` for the kinds of it.

    Raises
    ------
    StoreError
        If nothing is there, or it cannot be reached.
    ParameterError
        If the kind of address is not known.
    MissingDependencyError
        If the extra ``hub`` is needed and not installed.
    """
    place = place_at(address)
    if place.protocol == "file":
        found = list(_on_this_machine(place))
    else:
        listed = place.files()
        found = _looked_up(place) if listed is None else [file for file in listed.values() if file is not None]
    if not found and place.protocol == "s3":
        raise StoreError(f"{place.address}: no such object or prefix; check the address")
    return _source(place, found)


def _source(place: Place, found: Iterable[SourceFile]) -> Source:
    weights = sorted(filter(_may_hold_weights, found), key=lambda file: schema.natural_order(file.name))
    if not weights:
        here = Path(place.address)
        foreign = other_format(here) if here.exists() else ""
        how = foreign or f"; expected files that end in {', '.join(READERS)}"
        raise StoreError(f"{place.address}: no weights in it{how}")
    return Source(place.address, place.base, tuple(weights), place.find, place.revision, place.license)


def _may_hold_weights(file: SourceFile) -> bool:
    return os.path.splitext(file.name.removesuffix(INDEX))[1].lower() in READERS


def _on_this_machine(place: Place) -> Iterator[SourceFile]:
    """Yield the file itself or every file of a folder, and of the folders elsewhere that links in it lead to.

    Raises
    ------
    StoreError
        If a folder cannot be listed, or weights are a link to a file that is not there.
    """

    # os.walk passes over folders that it cannot list unless it is told what to do with them.
    def refuse(error: OSError) -> None:
        raise StoreError(f"{error.filename}: cannot be listed: {error.strerror}; check its permissions") from error

    if (own := place.find(place.base)) is not None:
        yield own
        return
    # A link to a folder inside is found by its own path.
    seen = [os.path.realpath(place.base)]
    for folder, folders, names in os.walk(place.base, followlinks=True, onerror=refuse):
        for name in list(folders):
            path = os.path.join(folder, name)
            real = os.path.realpath(path)
            if os.path.islink(path) and _is_within(real, seen):
                folders.remove(name)
            elif os.path.islink(path):
                seen.append(real)
        for path in (os.path.join(folder, name) for name in names):
            if os.path.islink(path) and _is_found_elsewhere(os.path.realpath(path), seen[0]):
                continue
            found = place.find(path)
            if found is not None:
                yield found
            elif os.path.islink(path) and os.path.splitext(path)[1].lower() in READERS:
                raise StoreError(f"{path}: a link to {os.readlink(path)}, which is not there; fetch it again")


def _is_found_elsewhere(path: str, base: str) -> bool:
    """Whether what a link leads to is found by its own path: weights in the folder, where nothing hides them."""
    names = os.path.relpath(path, base).split(os.sep)
    is_shown = _is_within(path, [base]) and not any(name.startswith(".") for name in names)
    return is_shown and os.path.splitext(path)[1].lower() in READERS and os.path.exists(path)


def _is_within(path: str, folders: Iterable[str]) -> bool:
    return any(os.path.commonpath([path, folder]) == folder for folder in folders)


def _looked_up(place: Place) -> list[SourceFile]:
    """Files of a web server, which cannot list them."""
    is_file = without_query(place.base).lower().endswith((*READERS, INDEX))
    found = [file for name in ([""] if is_file else _WEB_NAMES) if (file := place.lookup(name)) is not None]
    if not found:
        names = "" if is_file else f"; a web server cannot list a folder, so give a file, or one with {_WEB_NAMES[0]}"
        raise StoreError(f"{place.address}: not found{names}; check the address")
    return found


def _split_web(path: str) -> tuple[str, str, str]:
    """Protocol, ``://`` and the rest of a URL without its query; two empty parts before a local path."""
    head, separator, tail = path.partition("://")
    return (head, separator, without_query(tail)) if separator else ("", "", path)
