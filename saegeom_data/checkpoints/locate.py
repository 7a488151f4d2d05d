"""From an address to the files there that may hold the weights of SAEs."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from saegeom_data.data import schema
from saegeom_data.data.other_formats import other_format
from saegeom_data.errors import StoreError
from saegeom_data.remote.address import without_query
from saegeom_data.remote.files import SourceFile
from saegeom_data.remote.place import Place, place_at

WEIGHTS = (".safetensors", ".npz", ".npy", ".pt", ".pth")
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
        As the user gave it.
    base
        Path that the names of files are relative to.
    weights
        Files that may hold weights, in natural order.
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

    def beside(self, file: SourceFile, relative: str) -> SourceFile | None:
        """Look up a file by its path relative to the folder of another."""
        head, separator, tail = _split_web(file.path)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(tail), relative))
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
    listed = place.files()
    found = _looked_up(place) if listed is None else [file for file in listed.values() if file is not None]
    if not found and place.protocol == "s3":
        raise StoreError(f"{place.address}: no such object or prefix; check the address")
    return _source(place, found)


def _source(place: Place, found: Iterable[SourceFile]) -> Source:
    weights = [file for file in found if file.suffix in WEIGHTS and file.size]
    weights.sort(key=lambda file: schema.natural_order(file.name))
    if not weights:
        here = Path(place.address)
        foreign = other_format(here) if here.exists() else ""
        how = foreign or f"; expected files that end in {', '.join(WEIGHTS)}"
        raise StoreError(f"{place.address}: no weights in it{how}")
    return Source(place.address, place.base, tuple(weights), place.find, place.revision, place.license)


def _looked_up(place: Place) -> list[SourceFile]:
    """Files of a web server, which cannot list them."""
    is_file = without_query(place.base).lower().endswith(WEIGHTS)
    found = [file for name in ([""] if is_file else _WEB_NAMES) if (file := place.lookup(name)) is not None]
    if not found:
        names = "" if is_file else f"; a web server cannot list a folder, so give a file, or one with {_WEB_NAMES[0]}"
        raise StoreError(f"{place.address}: not found{names}; check the address")
    return found


def _split_web(path: str) -> tuple[str, str, str]:
    """Protocol, ``://`` and the rest of a URL without its query; two empty parts before a local path."""
    head, separator, tail = path.partition("://")
    return (head, separator, without_query(tail)) if separator else ("", "", path)
