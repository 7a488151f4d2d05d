"""From an address to its files: a folder or file on this machine, on S3, on a web server, on the Hugging Face Hub."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from saegeom_data import schema
from saegeom_data.errors import ParameterError, StoreError, require, suggest
from saegeom_data.sources.files import SourceFile, filesystem, reason

WEIGHTS = (".safetensors", ".npz", ".npy", ".pt", ".pth")
_KNOWN = ("hf", "http", "https", "s3")
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
    """Find the files at an address.

    Parameters
    ----------
    address
        Path of a file or folder, ``s3://bucket/key``, ``https://...`` or ``hf://owner/repository@revision/path``.

    Raises
    ------
    StoreError
        If nothing is there, or it cannot be reached.
    ParameterError
        If the kind of address is not known.
    MissingDependencyError
        If the extra ``hub`` is needed and not installed.
    """
    address = os.fspath(address)
    protocol, separator, _ = address.partition("://")
    if "::" in protocol or (separator and protocol not in _KNOWN):
        raise ParameterError(
            f"{address}: cannot be read from {protocol!r}{suggest(protocol, _KNOWN)}; known: a local path,"
            f" {', '.join(f'{one}://' for one in _KNOWN)}"
        )
    if not separator:
        return _local(address)
    try:
        return {"hf": _hub, "s3": _bucket}.get(protocol, _web)(address)
    except (StoreError, ParameterError):
        raise
    except ImportError:
        raise
    except Exception as error:
        raise StoreError(f"{address}: cannot be reached: {reason(error)}; check the address") from error


def _source(address: str, base: str, found: Iterator[SourceFile] | list[SourceFile], **facts: Any) -> Source:
    weights = sorted(
        (file for file in found if file.suffix in WEIGHTS and file.size), key=lambda one: schema.natural_order(one.name)
    )
    if not weights:
        raise StoreError(f"{address}: no weights in it; expected files that end in {', '.join(WEIGHTS)}")
    return Source(address, base, tuple(weights), **facts)


def _local(address: str) -> Source:
    path = Path(address)
    if not path.exists():
        raise StoreError(f"{address}: no such file or folder; check the path")
    base = path.parent if path.is_file() else path

    def find(path: str) -> SourceFile | None:
        return _local_file(Path(path), base) if os.path.isfile(path) else None

    names = [path] if path.is_file() else [Path(folder) / one for folder, _, ones in os.walk(path) for one in ones]
    found = [_local_file(one, base) for one in names if one.is_file()]
    return _source(address, os.path.abspath(base), found, find=find)


def _local_file(path: Path, base: Path) -> SourceFile:
    # Links are not resolved: what a name says of layer and width would be lost in the cache of the Hub.
    absolute, folder = os.path.abspath(path), os.path.dirname(os.path.abspath(base))
    return SourceFile("file", absolute, os.path.relpath(absolute, folder), path.stat().st_size)


def _bucket(address: str) -> Source:
    require("s3fs", "hub")
    system = filesystem("s3")
    base = address.removeprefix("s3://").rstrip("/")

    def made(path: str, info: Mapping[str, Any]) -> SourceFile:
        etag = str(info["ETag"]).strip('"') if info.get("ETag") else None
        return SourceFile("s3", path, _shown(path, base), int(info["size"]), etag=etag)

    def find(path: str) -> SourceFile | None:
        try:
            info = system.info(path)
        except FileNotFoundError:
            return None
        return made(path, info) if info["type"] == "file" else None

    found = [made(str(path), info) for path, info in system.find(base, detail=True).items()]
    if not found:
        raise StoreError(f"{address}: no such object or prefix; check the address")
    return _source(address, base, found, find=find)


def _web(address: str) -> Source:
    require("aiohttp", "hub")
    base = address.rstrip("/")
    system = filesystem(address.partition("://")[0])

    def find(path: str) -> SourceFile | None:
        try:
            info = system.info(path, headers={"Accept-Encoding": "identity"})
        except FileNotFoundError:
            return None
        if info.get("size") is None or info.get("partial") is False:
            raise StoreError(f"{path}: its server states no size or serves no ranges; download it first")
        etag = str(info["ETag"]).strip('"') if info.get("ETag") else None
        return SourceFile(path.partition("://")[0], path, _shown(path, base), int(info["size"]), etag=etag)

    is_file = _without_query(base).lower().endswith(WEIGHTS)
    paths = [base] if is_file else [f"{base}/{name}" for name in _WEB_NAMES]
    found = [file for path in paths if (file := find(path)) is not None]
    if not found:
        names = "" if is_file else f"; a web server cannot list a folder, so give a file, or one with {_WEB_NAMES[0]}"
        raise StoreError(f"{address}: not found{names}; check the address")
    return _source(address, base, found, find=find)


def _hub(address: str) -> Source:
    require("huggingface_hub", "hub")
    require("aiohttp", "hub")
    from huggingface_hub import HfApi, HfFileSystem, hf_hub_url

    place = HfFileSystem().resolve_path(address)
    if not hasattr(place, "repo_id"):
        raise ParameterError(
            f"{address}: not the address of a repository; expected hf://owner/repository@revision/path"
        )
    info = HfApi().repo_info(place.repo_id, revision=place.revision, repo_type=place.repo_type, files_metadata=True)

    def url(path: str) -> str:
        return str(hf_hub_url(place.repo_id, path, repo_type=place.repo_type, revision=info.sha))

    def made(one: Any) -> SourceFile:
        path, sha256 = url(one.rfilename), one.lfs.sha256 if one.lfs is not None else None
        name = f"{place.repo_id.rpartition('/')[2]}/{one.rfilename}"
        return SourceFile(path.partition("://")[0], path, name, int(one.size or 0), sha256=sha256, on_hub=True)

    files = {url(one.rfilename): made(one) for one in info.siblings or ()}
    # The root has no address of a file of its own.
    base = url(place.path_in_repo) if place.path_in_repo else url("x").removesuffix("/x")
    found = [file for path, file in files.items() if path == base or path.startswith(f"{base}/")]
    if not found:
        raise StoreError(f"{address}: nothing at that path in revision {info.sha}; check the path")
    stated = getattr(info.card_data, "license", None)
    license = " and ".join(map(str, stated)) if isinstance(stated, list) else stated
    return _source(address, base, found, find=files.get, revision=info.sha, license=license)


def _shown(path: str, base: str) -> str:
    """The part of a path that stands in messages: from the last two names of the base on."""
    tail = _without_query(path)
    keep = "/".join(_without_query(base).split("/")[:-2])
    return tail.removeprefix(keep).lstrip("/") if keep else tail


def _without_query(url: str) -> str:
    return url.partition("?")[0]


def _split_web(path: str) -> tuple[str, str, str]:
    head, separator, tail = path.partition("://")
    return (head, separator, _without_query(tail)) if separator else ("", "", path)
