"""Read stores where they lie: on S3, web servers, the Hugging Face Hub, and in zip archives, local ones among them."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from saegeom_data.errors import StoreError
from saegeom_data.remote.archive import Archive, archive_at
from saegeom_data.remote.cache import Cache
from saegeom_data.remote.files import SourceFile
from saegeom_data.remote.manifest import MANIFEST, parse_manifest
from saegeom_data.remote.place import Place, place_at

_LARGEST_MANIFEST = 256 * 2**20


def store_place(address: str | os.PathLike[str]) -> Place | Archive:
    """Find the files of a store: those of a folder, a prefix, a repository, or inside a zip archive.

    Raises
    ------
    StoreError, ParameterError, MissingDependencyError
        As :func:`saegeom_data.remote.place.place_at`.
    """
    place = place_at(address)
    return archive_at(place) or place


def manifest_at(place: Place | Archive) -> dict[str, Any]:
    """Read the manifest of a store that is not a folder of this machine.

    Raises
    ------
    StoreError
        If there is none, it cannot be read, or it is damaged.
    """
    # The manifest is written last: without one the store was never finished.
    file = place.lookup(MANIFEST)
    if file is None:
        raise StoreError(
            f"{place.address}: no {MANIFEST}, so no store is there or it was never finished; check the address, or"
            " publish it again"
        )
    if file.size > _LARGEST_MANIFEST:
        raise StoreError(f"{place.address}: {MANIFEST} has {file.size} bytes, expected {_LARGEST_MANIFEST} at most")
    return parse_manifest(file.read(0, file.size), f"{place.address}: {MANIFEST}")


class PublishedStore(Store):
    """A published store as zarr reads it.

    What is not in the manifest is not asked for, what comes must have the length that the manifest says, and a file
    that is read whole must have its sha256. Ranges are kept in a cache.

    Parameters
    ----------
    place
        Where the files are.
    manifest
        What they must be.
    folder
        Folder of the cache; None keeps nothing.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(self, place: Place | Archive, manifest: Mapping[str, Any], folder: Path | None) -> None:
        super().__init__(read_only=True)
        self.place, self.root = place, str(manifest["root"])
        self._files: Mapping[str, Mapping[str, Any]] = manifest["files"]
        self._cache = Cache(folder, self.root)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublishedStore) and (self.place.pinned, self.root) == (other.place.pinned, other.root)

    __hash__ = None  # type: ignore[assignment] # as all stores of zarr

    def __str__(self) -> str:
        return self.place.pinned

    def __reduce__(self) -> tuple[Any, ...]:
        # A task carries the address; a worker reads the manifest once.
        return _reopened, (self.place.pinned, self.root, self._cache.folder)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Read a file or a part of it; None for one that the manifest does not list."""
        if key not in self._files:
            return None
        start, stop = _bounds(byte_range, int(self._files[key]["size"]))
        # In a thread, because reading blocks and zarr asks for many files at a time.
        return prototype.buffer.from_bytes(await asyncio.to_thread(self.read, key, start, stop))

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Read bytes of a file of the manifest.

        Raises
        ------
        StoreError
            If they cannot be read, or are not what the manifest says.
        """
        kept = self._cache.get(name, start, stop)
        if kept is not None:
            return kept
        size = int(self._files[name]["size"])
        file = self.place.file(name, size)
        data = file.read(start, stop)
        # The manifest has one digest for a whole file, so that a part of one cannot be compared with it.
        if (start, stop) == (0, size):
            _refuse_other(file, data, str(self._files[name]["sha256"]))
        self._cache.put(name, start, data)
        return data

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Read several parts at a time."""
        return list(await asyncio.gather(*(self.get(key, prototype, byte_range) for key, byte_range in key_ranges)))

    async def exists(self, key: str) -> bool:
        """Whether the manifest lists a file."""
        return key in self._files

    async def list(self) -> AsyncIterator[str]:
        """List the files of the manifest."""
        for name in self._files:
            yield name

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """List the files whose names begin so."""
        for name in self._files:
            if name.startswith(prefix):
                yield name

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List the files and folders of a folder."""
        head = f"{prefix.rstrip('/')}/" if prefix else ""
        for name in dict.fromkeys(
            file.removeprefix(head).partition("/")[0] for file in self._files if file.startswith(head)
        ):
            yield name

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse: what is published is not changed."""
        self._check_writable()

    async def delete(self, key: str) -> None:
        """Refuse: what is published is not changed."""
        self._check_writable()


def published_store(address: str | os.PathLike[str], folder: Path | None) -> PublishedStore:
    """Open what is published at an address; reads its manifest alone.

    Raises
    ------
    StoreError, ParameterError, MissingDependencyError
        As :func:`store_place` and :func:`manifest_at`.
    """
    place = store_place(address)
    return PublishedStore(place, manifest_at(place), folder)


@functools.lru_cache(maxsize=16)
def _reopened(address: str, root: str, folder: Path | None) -> PublishedStore:
    # A worker may open the address later than the user did, and must not read another version.
    opened = published_store(address, folder)
    if opened.root != root:
        raise StoreError(f"{address}: its root is {opened.root}, expected {root}; it changed meanwhile, open it again")
    return opened


def _bounds(byte_range: ByteRequest | None, size: int) -> tuple[int, int]:
    """First byte and one past the last of a request for a part of a file of ``size`` bytes."""
    if isinstance(byte_range, RangeByteRequest):
        return min(byte_range.start, size), min(byte_range.end, size)
    if isinstance(byte_range, OffsetByteRequest):
        return min(byte_range.offset, size), size
    if isinstance(byte_range, SuffixByteRequest):
        return max(0, size - byte_range.suffix), size
    return 0, size


def _refuse_other(file: SourceFile, data: bytes, sha256: str) -> None:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StoreError(f"{file.name}: sha256 differs from the manifest; fetch the store again")
