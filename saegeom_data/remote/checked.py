"""Files of a store, held against its manifest as they are read: from this machine, from afar, or from the cache."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

from saegeom_data.errors import StoreError
from saegeom_data.remote import retries
from saegeom_data.remote.archive import Archive
from saegeom_data.remote.cache import Cache
from saegeom_data.remote.files import SourceFile
from saegeom_data.remote.place import Place

# A part of a file is read in whole pieces of this size, each of which has a digest of its own.
_PIECE = 2**18
# A file from afar is fetched in ranges of this size, a whole number of pieces.
_FETCH = 64 * _PIECE
_DIGEST = hashlib.sha256().digest_size


class CheckedFiles:
    """Reads files of a manifest, and gives no byte that is not of the file with the listed sha256.

    A file that is read whole is compared as it is. For a part of one, the file is read once in this process: its pieces
    are digested while its sha256 is compared, and each piece that is read later is held against its own digest. So a
    file that changes at any time is found out.

    Parameters
    ----------
    place
        Where the files are.
    files
        Size and sha256 of each, by its name.
    cache
        Keeps what is read from afar, whole files alone.
    whole
        Whether a part of a file that lies elsewhere is checked too, for which the file is fetched.
    """

    def __init__(
        self, place: Place | Archive, files: Mapping[str, Mapping[str, Any]], cache: Cache, *, whole: bool
    ) -> None:
        self._place, self._files, self._cache, self._whole = place, files, cache, whole
        self._digests: dict[str, bytes] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def read(self, name: str, start: int, stop: int) -> bytes:
        """Read bytes ``start`` to ``stop`` of a file.

        Raises
        ------
        StoreError
            If they cannot be read, or are not what the manifest says.
        """
        if (start, stop) == (0, self._size(name)):
            return self._read_whole(name)
        file = self._file(name)
        digests = self._digested(name, file)
        return file.read(start, stop) if digests is None else self._part(name, file, start, stop, digests)

    def _size(self, name: str) -> int:
        return int(self._files[name]["size"])

    def _file(self, name: str) -> SourceFile:
        return self._place.file(name, self._size(name))

    def _read_whole(self, name: str) -> bytes:
        size, expected = self._size(name), str(self._files[name]["sha256"])
        kept = self._cache.read(name, 0, size)
        if kept is not None:
            if hashlib.sha256(kept).hexdigest() == expected:
                return kept
            self._cache.drop(name)
        file = self._file(name)

        def fetched() -> bytes | None:
            data = file.read(0, size)
            return data if hashlib.sha256(data).hexdigest() == expected else None

        data = _until_right(file, fetched)
        if not file.is_local:
            with self._cache.keeping(name) as keeping:
                keeping.write(data)
                keeping.finish()
        return data

    def _part(self, name: str, file: SourceFile, start: int, stop: int, digests: bytes) -> bytes:
        """Read the pieces in which a part lies, and cut it out."""
        low, high = start - start % _PIECE, min(-(-stop // _PIECE) * _PIECE, self._size(name))
        expected = digests[low // _PIECE * _DIGEST : -(-high // _PIECE) * _DIGEST]

        def fetched() -> bytes | None:
            data = file.read(low, high)
            return data if _pieces(data) == expected else None

        kept = self._cache.read(name, low, high)
        # What is in the cache is checked anew each time: it was right when it was written, and may have been changed
        # since.
        data = kept if kept is not None and _pieces(kept) == expected else _until_right(file, fetched)
        return data[start - low : stop - low]

    def _digested(self, name: str, file: SourceFile) -> bytes | None:
        """Digests of the pieces of a file that was compared with the manifest; None where it shall not be fetched."""
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        # Other threads that want a part of the same file wait, rather than read all of it too.
        with lock:
            if name not in self._digests:
                found = None if file.is_local else self._digests_kept(name)
                if found is None and (file.is_local or self._whole):
                    found = _until_right(file, lambda: self._digests_fetched(name, file))
                if found is None:
                    return None
                self._digests[name] = found
            return self._digests[name]

    def _digests_kept(self, name: str) -> bytes | None:
        """Digests of the pieces of what the cache has; None where it has nothing, or something else."""
        size = self._size(name)
        whole, pieces = hashlib.sha256(), []
        for low in range(0, size, _FETCH):
            data = self._cache.read(name, low, min(low + _FETCH, size))
            if data is None:
                return None
            whole.update(data)
            pieces.append(_pieces(data))
        if whole.hexdigest() == self._files[name]["sha256"]:
            return b"".join(pieces)
        self._cache.drop(name)
        return None

    def _digests_fetched(self, name: str, file: SourceFile) -> bytes | None:
        """Read a file once, into the cache if it is from afar; None if it is not the listed one."""
        size = self._size(name)
        whole, pieces = hashlib.sha256(), []
        # Of a file of this machine there is nothing to wait for, and less to hold.
        step = _PIECE if file.is_local else _FETCH
        with self._cache.keeping(name) as keeping:
            for low in range(0, size, step):
                data = file.read(low, min(low + step, size))
                whole.update(data)
                pieces.append(_pieces(data))
                keeping.write(data)
            if whole.hexdigest() != self._files[name]["sha256"]:
                return None
            keeping.finish()
        return b"".join(pieces)


def _pieces(data: bytes) -> bytes:
    """Digests of the pieces of bytes that begin with one, behind each other."""
    view = memoryview(data)
    return b"".join(hashlib.sha256(view[low : low + _PIECE]).digest() for low in range(0, len(data), _PIECE))


def _until_right(file: SourceFile, read: Callable[[], bytes | None]) -> bytes:
    """Return what is read, once it is right; from afar bytes may come damaged now and then."""
    for number in range(1 if file.is_local else retries.TRIES):
        if number:
            retries.wait(number - 1)
        data = read()
        if data is not None:
            return data
    raise StoreError(f"{file.shown}: sha256 differs from the manifest; fetch the store again")
