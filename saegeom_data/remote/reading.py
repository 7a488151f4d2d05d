"""Read stores where they lie: in folders and zip archives, on S3, web servers and the Hugging Face Hub."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from saegeom_data.errors import StoreError
from saegeom_data.remote.archive import Archive, archive_at
from saegeom_data.remote.cache import Cache
from saegeom_data.remote.checked import CheckedFiles
from saegeom_data.remote.manifest import MANIFEST, DamagedManifestError, parse_manifest
from saegeom_data.remote.place import Place, place_at
from saegeom_data.remote.retries import TRIES, wait

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
    """Read the manifest of a store.

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
    where = f"{place.address}: {MANIFEST}"
    for number in range(0 if file.is_local else TRIES - 1):
        try:
            return parse_manifest(file.read(0, file.size), where)
        # Nothing vouches for a manifest but its own root hash, and an answer may come damaged.
        except DamagedManifestError:
            wait(number)
    return parse_manifest(file.read(0, file.size), where)


class CheckedStore(Store):
    """A store as zarr reads it, of which no byte is given that the manifest does not speak for.

    What is not in the manifest is not asked for, and what it lists must be there.

    Parameters
    ----------
    place
        Where the files are.
    manifest
        What they must be.
    folder
        Folder of the cache for what is read from afar; None keeps nothing.
    whole
        Whether each file is read whole before a part of it is given. Without it, a part of a file that lies elsewhere
        is held against nothing but its length, so that a few rows move few bytes.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(
        self, place: Place | Archive, manifest: Mapping[str, Any], folder: Path | None, *, whole: bool = False
    ) -> None:
        super().__init__(read_only=True)
        self.place, self.root, self.whole = place, str(manifest["root"]), whole
        self._folder = folder
        self._sizes: Mapping[str, Mapping[str, Any]] = manifest["files"]
        self._files = CheckedFiles(place, manifest["files"], Cache(folder, self.root), whole=whole)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CheckedStore) and self._identity == other._identity

    __hash__ = None  # type: ignore[assignment] # as all stores of zarr

    @property
    def _identity(self) -> tuple[str, str, bool]:
        return self.place.pinned, self.root, self.whole

    def __str__(self) -> str:
        return self.place.recorded

    __repr__ = __str__  # of the base class it would show the password in an address

    def __reduce__(self) -> tuple[Any, ...]:
        # A task carries the address; a worker reads the manifest once.
        return _reopened, (self.place.pinned, self.root, self._folder, self.whole)

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each file that the manifest lists."""
        return {name: int(file["size"]) for name, file in self._sizes.items()}

    def read(self, name: str) -> bytes:
        """Read a whole file, as bytes."""
        return self._files.read(name, 0, int(self._sizes[name]["size"]))

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Read a file or a part of it; None for one that the manifest does not list."""
        if key not in self._sizes:
            return None
        start, stop = _bounds(byte_range, int(self._sizes[key]["size"]))
        # In a thread, because reading blocks and zarr asks for many files at a time.
        return prototype.buffer.from_bytes(await asyncio.to_thread(self._files.read, key, start, stop))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Read several parts at a time."""
        return list(await asyncio.gather(*(self.get(key, prototype, byte_range) for key, byte_range in key_ranges)))

    async def exists(self, key: str) -> bool:
        """Whether the manifest lists a file."""
        return key in self._sizes

    async def list(self) -> AsyncIterator[str]:
        """List the files of the manifest."""
        for name in self._sizes:
            yield name

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """List the files whose names begin so."""
        for name in self._sizes:
            if name.startswith(prefix):
                yield name

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List the files and folders of a folder."""
        head = f"{prefix.rstrip('/')}/" if prefix else ""
        for name in dict.fromkeys(
            file.removeprefix(head).partition("/")[0] for file in self._sizes if file.startswith(head)
        ):
            yield name

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse: what is published is not changed."""
        self._check_writable()

    async def delete(self, key: str) -> None:
        """Refuse: what is published is not changed."""
        self._check_writable()


def checked_store(address: str | os.PathLike[str], folder: Path | None, *, whole: bool = False) -> CheckedStore:
    """Open the store at an address, on this machine or elsewhere; reads its manifest alone.

    Raises
    ------
    StoreError, ParameterError, MissingDependencyError
        As :func:`store_place` and :func:`manifest_at`.
    """
    place = store_place(address)
    return CheckedStore(place, manifest_at(place), folder, whole=whole)


@functools.lru_cache(maxsize=16)
def _reopened(address: str, root: str, folder: Path | None, whole: bool) -> CheckedStore:
    # A worker may open the address later than the user did, and must not read another version.
    opened = checked_store(address, folder, whole=whole)
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
