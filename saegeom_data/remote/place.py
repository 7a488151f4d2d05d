"""From an address to its files: a folder or file on this machine, on S3, on a web server, on the Hugging Face Hub."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from saegeom_data.errors import ParameterError, StoreError, require, suggest
from saegeom_data.remote import systems
from saegeom_data.remote.address import KNOWN, without_query
from saegeom_data.remote.files import SourceFile
from saegeom_data.remote.retries import cause, tried
from saegeom_data.shown import HIDDEN, without_secrets

# The Hub puts these into every repository.
HUBS_OWN = frozenset({".gitattributes"})


@dataclass(frozen=True)
class Place:
    """Where an address leads.

    Parameters
    ----------
    address
        As the user gave it, without credentials: for messages and records.
    protocol
        Name of the fsspec file system that reads it.
    base
        Path of the file or folder itself; names of files are relative to it.
    find
        Looks up a file by its path; None where there is none.
    listed
        Every file in it; None for web servers, which cannot list a folder.
    pinned
        Address with the commit that it was pinned to, by which it is opened again.
    revision
        That commit.
    license
        As the place states it.
    """

    address: str
    protocol: str
    base: str = field(repr=False)
    find: Callable[[str], SourceFile | None] = field(repr=False)
    listed: Callable[[], list[SourceFile]] | None = field(repr=False)
    pinned: str = field(repr=False)
    revision: str | None = None
    license: str | None = None

    @property
    def recorded(self) -> str:
        """The pinned address without credentials."""
        return without_secrets(self.pinned)

    def path(self, name: str) -> str:
        """Path of a file by its name in this place."""
        return f"{self.base}/{quote(name) if self.protocol.startswith('http') else name}"

    def name(self, file: SourceFile) -> str:
        """Name in this place of one of its files."""
        name = file.path.removeprefix(self.base).lstrip("/")
        return unquote(name) if self.protocol.startswith("http") else name

    def file(self, name: str, size: int) -> SourceFile:
        """Return a file whose size is known, without asking for it."""
        # Of several stores that are read together, a message must say which one.
        given = posixpath.join(self.address, name)
        return SourceFile(self.protocol, self.path(name), name, size, on_hub=self.revision is not None, given=given)

    def lookup(self, name: str = "") -> SourceFile | None:
        """Ask for a file by its name in this place, or for the place itself; None where there is no such file.

        Raises
        ------
        StoreError
            If the place cannot be reached or refuses.
        """
        path = self.path(name) if name else self.base
        with _named_errors(self.pinned):
            return tried(lambda: self.find(path), is_remote=self.protocol != "file", absent=True)

    def files(self) -> dict[str, SourceFile | None] | None:
        """List every file by its name; None for a place that cannot list.

        Raises
        ------
        StoreError
            If the place cannot be reached or refuses.
        """
        if self.listed is None:
            return None
        with _named_errors(self.pinned):
            return {self.name(file): file for file in tried(self.listed, is_remote=self.protocol != "file")}

    def is_named_like(self, suffix: str) -> bool:
        """Whether the name that the address ends in has a suffix."""
        base = without_query(self.base) if self.protocol.startswith("http") else self.base
        return base.lower().endswith(f".{suffix}")


def place_at(address: str | os.PathLike[str]) -> Place:
    """Find what an address leads to.

    Parameters
    ----------
    address
        Path of a file or folder, ``s3://bucket/key``, ``https://...`` or ``hf://owner/repository@revision/path``
        (``hf://datasets/...`` for a dataset).

    Raises
    ------
    StoreError
        If it cannot be reached, or no file or folder of this machine is there.
    ParameterError
        If the kind of address is not known, or it was recorded without the credentials that it needs.
    MissingDependencyError
        If the extra ``hub`` is needed and not installed.
    """
    address = os.fspath(address)
    protocol, separator, _ = address.partition("://")
    if "::" in protocol or (separator and protocol not in KNOWN):
        raise ParameterError(
            f"{address}: cannot be read from {protocol!r}{suggest(protocol, KNOWN)}; known: a local path,"
            f" {', '.join(f'{known}://' for known in KNOWN)}"
        )
    if not separator:
        return _local(address)
    if HIDDEN in address:
        raise ParameterError(
            f"{address}: its credentials were left out where it was recorded; give the address with yours in place of"
            f" {HIDDEN}"
        )
    with _named_errors(address):
        return tried(lambda: {"hf": _hub, "s3": _bucket}.get(protocol, _web)(address), absent=True)


@contextmanager
def _named_errors(address: str) -> Iterator[None]:
    try:
        yield
    except (StoreError, ParameterError, ImportError):
        raise
    # Client libraries raise errors that have roots of their own.
    except Exception as error:
        raise StoreError(f"{address}: cannot be reached: {cause(error, address)}; check the address") from error


def _local(address: str) -> Place:
    """A file or folder of this machine."""
    path = Path(address)
    if not path.exists():
        raise StoreError(f"{address}: no such file or folder; check the path")
    # Links are not resolved: what a name says of layer and width would be lost in the cache of the Hub.
    base = os.path.abspath(path)
    folder = os.path.dirname(os.path.dirname(base) if path.is_file() else base)

    def made(path: str) -> SourceFile:
        given = os.path.normpath(os.path.join(address, os.path.relpath(path, base)))
        return SourceFile("file", path, os.path.relpath(path, folder), os.stat(path).st_size, given=given)

    def find(path: str) -> SourceFile | None:
        return made(os.path.abspath(path)) if os.path.isfile(path) else None

    def listed() -> list[SourceFile]:
        if os.path.isfile(base):
            return [made(base)]
        paths = (os.path.join(folder, name) for folder, _, names in os.walk(base) for name in names)
        return [made(path) for path in paths if os.path.isfile(path)]

    return Place(address, "file", base, find, listed, base)


def _bucket(address: str) -> Place:
    """A key or prefix on S3."""
    require("s3fs", "hub")
    system = systems.reading("s3")
    base = address.removeprefix("s3://").rstrip("/")

    def made(path: str, info: Mapping[str, Any]) -> SourceFile:
        etag = str(info["ETag"]).strip('"') if info.get("ETag") else None
        return SourceFile("s3", path, shown(path, base), int(info["size"]), etag=etag)

    def find(path: str) -> SourceFile | None:
        try:
            info = system.info(path)
        except FileNotFoundError:
            return None
        return made(path, info) if info["type"] == "file" else None

    def listed() -> list[SourceFile]:
        return [made(str(path), info) for path, info in system.find(base, detail=True).items()]

    return Place(without_secrets(address), "s3", base, find, listed, address)


def _web(address: str) -> Place:
    """A file or folder on a web server, which cannot be listed."""
    require("aiohttp", "hub")
    base = address.rstrip("/")
    protocol = address.partition("://")[0]
    system = systems.reading(protocol)

    def find(path: str) -> SourceFile | None:
        try:
            info = system.info(path, headers={"Accept-Encoding": "identity"})
        except FileNotFoundError as error:
            # fsspec says so of every failure, and gives the reason as the cause.
            if error.__cause__ is None or getattr(error.__cause__, "status", None) == HTTPStatus.NOT_FOUND:
                return None
            raise error.__cause__ from None
        if info.get("size") is None or info.get("partial") is False:
            raise StoreError(f"{path}: its server states no size or serves no ranges; download it first")
        etag = str(info["ETag"]).strip('"') if info.get("ETag") else None
        return SourceFile(path.partition("://")[0], path, shown(path, base), int(info["size"]), etag=etag)

    return Place(without_secrets(address), protocol, base, find, None, address)


def _hub(address: str) -> Place:
    """A path in a repository on the Hugging Face Hub, pinned to the commit that its revision leads to now."""
    require("huggingface_hub", "hub")
    require("aiohttp", "hub")
    from huggingface_hub import HfApi, HfFileSystem, hf_hub_url

    # A new one: the last remembers repositories that did not exist.
    place = HfFileSystem(skip_instance_cache=True).resolve_path(address)
    if not hasattr(place, "repo_id"):
        raise ParameterError(
            f"{address}: not the address of a repository; expected hf://owner/repository@revision/path"
        )
    info = HfApi().repo_info(place.repo_id, revision=place.revision, repo_type=place.repo_type, files_metadata=True)

    def url(path: str) -> str:
        return str(hf_hub_url(place.repo_id, path, repo_type=place.repo_type, revision=info.sha))

    def made(sibling: Any) -> SourceFile:
        path = url(sibling.rfilename)
        sha256 = sibling.lfs.sha256 if sibling.lfs is not None else None
        name = f"{place.repo_id.rpartition('/')[2]}/{sibling.rfilename}"
        return SourceFile(path.partition("://")[0], path, name, int(sibling.size or 0), sha256=sha256, on_hub=True)

    siblings = [sibling for sibling in info.siblings or () if sibling.rfilename not in HUBS_OWN]
    files = {url(sibling.rfilename): made(sibling) for sibling in siblings}
    # The root has no address of a file of its own.
    base = url(place.path_in_repo) if place.path_in_repo else url("x").removesuffix("/x")
    found = [file for path, file in files.items() if path == base or path.startswith(f"{base}/")]
    if not found:
        raise StoreError(f"{address}: nothing at that path in revision {info.sha}; check the path")
    stated = getattr(info.card_data, "license", None)
    license = " and ".join(map(str, stated)) if isinstance(stated, list) else stated
    kind = "" if place.repo_type == "model" else f"{place.repo_type}s/"
    pinned = posixpath.join(f"hf://{kind}{place.repo_id}@{info.sha}", place.path_in_repo).rstrip("/")
    protocol = base.partition("://")[0]
    return Place(
        without_secrets(address), protocol, base, files.get, lambda: found, pinned, revision=info.sha, license=license
    )


def shown(path: str, base: str) -> str:
    """The part of a path that messages show: from the last two names of the base on."""
    tail = without_query(without_secrets(path))
    keep = "/".join(without_query(without_secrets(base)).split("/")[:-2])
    return tail.removeprefix(keep).lstrip("/") if keep else tail
