"""Bytes that were read from afar, kept on this machine under the root hash of the store that they are of."""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

_DIGEST_BYTES = 32


def cache_folder() -> Path | None:
    """Folder of the cache: ``SAEGEOM_CACHE`` or the user's own; None where ``SAEGEOM_CACHE`` is empty: keep nothing."""
    chosen = os.environ.get("SAEGEOM_CACHE")
    if chosen is not None:
        return Path(chosen) if chosen else None
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saegeom-data"


@dataclass(frozen=True)
class Cache:
    """Ranges of the files of one store.

    A range is kept under the root hash, so that it can never be taken for one of another version, and behind its own
    digest, so that a damaged one is fetched again. What cannot be kept, because the disk is full or may not be written
    to, is left out.

    Parameters
    ----------
    folder
        Folder of the whole cache; None keeps nothing.
    root
        Root hash of the store.
    """

    folder: Path | None
    root: str

    def get(self, name: str, start: int, stop: int) -> bytes | None:
        """Return a range that was kept."""
        path = self._path(name, start, stop)
        try:
            kept = b"" if path is None else path.read_bytes()
        except OSError:
            return None
        digest, data = kept[:_DIGEST_BYTES], kept[_DIGEST_BYTES:]
        return data if len(data) == stop - start and hashlib.sha256(data).digest() == digest else None

    def put(self, name: str, start: int, data: bytes) -> None:
        """Keep a range."""
        path = self._path(name, start, start + len(data))
        if path is None:
            return
        # A name of its own, because other threads and processes may fetch the same range.
        partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(hashlib.sha256(data).digest() + data)
            # Renaming replaces in one step, so that no reader meets half a range.
            os.replace(partial, path)
        # The cache is a convenience: a full or read-only disk must not fail what only reads.
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink()

    def _path(self, name: str, start: int, stop: int) -> Path | None:
        if self.folder is None:
            return None
        # Names may be longer than a file's may be, or differ in case alone.
        file = hashlib.sha256(name.encode()).hexdigest()[:32]
        return self.folder / self.root / file / f"{start}-{stop}"
