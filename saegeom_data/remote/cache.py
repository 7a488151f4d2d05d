"""Files that were read from afar, kept on this machine under the root hash of the store that they are of."""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# What is kept may be private, as it was fetched with somebody's credentials.
_MODE = 0o700


def cache_folder() -> Path | None:
    """Folder of the cache: ``SAEGEOM_CACHE`` or the user's own; None where ``SAEGEOM_CACHE`` is empty: keep nothing."""
    chosen = os.environ.get("SAEGEOM_CACHE")
    if chosen is not None:
        return Path(chosen) if chosen else None
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saegeom-data"


@dataclass(frozen=True)
class Cache:
    """Files of one store, each whole.

    A file is kept under the root hash, so that it can never be taken for one of another version. Whoever reads it holds
    it against the manifest again, as anything could have been laid there. What cannot be kept, because the disk is full
    or may not be written to, is left out. The folder of a store is for its user alone, as data may be private; one of
    somebody else is not used.

    Parameters
    ----------
    folder
        Folder of the whole cache; None keeps nothing.
    root
        Root hash of the store.
    """

    folder: Path | None
    root: str

    def read(self, name: str, start: int, stop: int) -> bytes | None:
        """Read a range of a file that was kept; None if it was not, or is shorter."""
        path = self._path(name)
        try:
            if path is None or not _is_own(path.parent):
                return None
            with path.open("rb") as stream:
                stream.seek(start)
                data = stream.read(stop - start)
        except OSError:
            return None
        return data if len(data) == stop - start else None

    def drop(self, name: str) -> None:
        """Forget a file, which is not what it should be."""
        path = self._path(name)
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink()

    @contextlib.contextmanager
    def keeping(self, name: str) -> Iterator[Keeping]:
        """Keep what is written inside as a file, once it is said to be whole."""
        path = self._path(name)
        keeping = Keeping(None)
        partial = None
        if path is not None:
            # A name of its own, because other threads and processes may fetch the same file.
            partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
            with contextlib.suppress(OSError):
                for folder in (path.parent.parent, path.parent):
                    folder.mkdir(mode=_MODE, parents=True, exist_ok=True)
                if _is_own(path.parent):
                    path.parent.chmod(_MODE)
                    keeping = Keeping(partial.open("xb"))
        try:
            yield keeping
        finally:
            keeping.close()
            if partial is not None:
                with contextlib.suppress(OSError):
                    if keeping.is_whole and path is not None:
                        # Renaming replaces in one step, so that no reader meets half a file.
                        os.replace(partial, path)
                    else:
                        partial.unlink()

    def _path(self, name: str) -> Path | None:
        if self.folder is None:
            return None
        # Names may be longer than a file's may be, or differ in case alone.
        return self.folder / self.root / hashlib.sha256(name.encode()).hexdigest()[:32]


class Keeping:
    """A file on its way into the cache; the disk may fail at any time, which must not fail what only reads."""

    def __init__(self, stream: BinaryIO | None) -> None:
        self._stream = stream
        self.is_whole = False

    def write(self, data: bytes) -> None:
        """Write the next bytes."""
        try:
            if self._stream is not None:
                self._stream.write(data)
        except OSError:
            self.close()

    def finish(self) -> None:
        """Say that everything was written and is what it should be."""
        try:
            if self._stream is not None:
                self._stream.flush()
                self.is_whole = True
        except OSError:
            self.close()

    def close(self) -> None:
        """Write no more."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.close()
            self._stream = None


def _is_own(folder: Path) -> bool:
    """Whether a folder is of this user, and no link to one elsewhere."""
    return not hasattr(os, "getuid") or (not folder.is_symlink() and folder.stat().st_uid == os.getuid())
