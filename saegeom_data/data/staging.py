"""Folders that appear whole or not at all: staged beside their target, and renamed when finished."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from saegeom_data.errors import StoreError, TargetExistsError
from saegeom_data.remote.manifest import MANIFEST

if TYPE_CHECKING:
    from filelock import FileLock

_LOCK = ".lock"
_REPLACED = "replaced"
# Threads that write chunks are not told of a failure: the folder is gone for good once it stays away this long.
_QUIET_SECONDS = 0.2
_LATEST_CHUNK_SECONDS = 30.0
# No room on the disk, in the quota of the user, or for a file of that size.
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def staged_folder(target: str | os.PathLike[str], replaceable: Callable[[Path], bool] | None = None) -> Iterator[Path]:
    """Write a folder whole or not at all: yields a new one beside ``target``, renamed to it when the block ends well.

    What killed writers of the same target left is removed. What stands at ``target`` is replaced if ``replaceable``
    says so of it, and only once the new folder is whole.

    Raises
    ------
    TargetExistsError
        If ``target`` exists, before or when it is to be renamed; ``target`` is left as it is.
    StoreError
        If ``target`` lies inside a store, the folder cannot be made there, or the disk is full.
    """
    target = Path(target)
    refuse_target(target, replaceable)
    try:
        staging = Staging.beside(target)
        staging.content.mkdir()
    except OSError as error:
        raise StoreError(f"{target}: cannot be made: {error.strerror}; give another path") from error
    try:
        yield staging.content
        # Anew: the target may have come into being while the block ran.
        refuse_target(target, replaceable)
        replaced = staging.folder / _REPLACED
        if os.path.lexists(target):
            # Out of the way first, as no system renames onto a folder that holds files.
            os.rename(target, replaced)
        try:
            os.rename(staging.content, target)
        except OSError:
            if replaced.exists():
                os.rename(replaced, target)
            refuse_existing(target)
            raise
    # Of every kind: a writer that is interrupted leaves nothing either.
    except BaseException as error:
        staging.discard()
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise StoreError(f"{target}: {error.strerror}; nothing was kept, make room and start again") from error
        raise
    staging.close()


@dataclass(frozen=True)
class Staging:
    """A folder beside a target, locked by its writer, in which the content of the target is written.

    Parameters
    ----------
    folder
        The folder, named ``<target>.staging-<8 hexadecimal digits>``. It holds the lock and the content.
    content
        Place of the content, a file or a folder of the target's name; apart from the lock, because Windows renames no
        folder in which a file is open.
    lock
        Held while the writer lives: the system releases it when the process ends, however it ends. None where the file
        system has no locks; nothing is taken for left by a killed writer there.
    """

    folder: Path
    content: Path
    lock: FileLock | None

    @classmethod
    def beside(cls, target: Path) -> Staging:
        """Make a staging folder, and remove those of the same target whose writers were killed."""
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(target)
        while True:
            folder = target.with_name(f"{target.name}.staging-{uuid.uuid4().hex[:8]}")
            folder.mkdir()
            # Until it is locked, another writer may take it for one that was left, and remove it.
            with suppress(BlockingIOError):
                lock = lock_folder(folder)
                if folder.exists():
                    return cls(folder, folder / target.name, lock)

    def close(self) -> None:
        """Release the lock and remove what is left, once the content has its place."""
        self._release()
        shutil.rmtree(self.folder, ignore_errors=True)

    def discard(self) -> None:
        """Release the lock and remove the content for good."""
        self._release()
        _discard(self.folder)

    def _release(self) -> None:
        # Before the folder goes: Windows removes no file that is open.
        if self.lock is not None:
            self.lock.release()


def _remove_left(target: Path) -> None:
    """Remove the staging folders of a target that nobody locks."""
    for folder in target.parent.iterdir():
        if re.fullmatch(rf"{re.escape(target.name)}\.staging-[0-9a-f]{{8}}", folder.name):
            # Its writer is still at work.
            with suppress(BlockingIOError):
                lock = lock_folder(folder)
                if lock is not None:
                    _put_back(folder / _REPLACED, target)
                    Staging(folder, folder / target.name, lock).close()


def _put_back(replaced: Path, target: Path) -> None:
    """Put what was to be replaced back in its place, if its writer was killed just before the new one had it."""
    if replaced.exists() and not os.path.lexists(target):
        os.rename(replaced, target)


def lock_folder(folder: Path) -> FileLock | None:
    """Lock a folder by a file in it until the lock is released or the process ends; None where that cannot be done.

    Raises
    ------
    BlockingIOError
        If it is locked already.
    """
    from filelock import FileLock, Timeout

    # Not bound to a thread: a writer may finish in another one than it began in.
    lock = FileLock(folder / _LOCK, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise BlockingIOError(f"{folder}: locked") from error
    except OSError:
        return None
    return lock


def _discard(folder: Path) -> None:
    """Remove a folder for good: chunks that were under way when a write failed may still come in, and bring it back."""
    absent_since = None
    deadline = time.monotonic() + _LATEST_CHUNK_SECONDS
    while (now := time.monotonic()) < deadline:
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
            absent_since = None
        elif absent_since is None:
            absent_since = now
        elif now - absent_since > _QUIET_SECONDS:
            return
        time.sleep(0.02)


def write_file(target: str | os.PathLike[str], text: str) -> None:
    """Write a text file whole or not at all: beside ``target``, and renamed when its bytes are on the disk.

    Raises
    ------
    StoreError
        If it cannot be written; what was there before is left as it is.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "a.txt"
    >>> write_file(target, "river")
    >>> target.read_text(), len(list(target.parent.iterdir()))
    ('river', 1)
    """
    target = Path(target)
    # A link stays one, and what it leads to is replaced.
    place = Path(os.path.realpath(target))
    partial = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        if place.exists() and not place.is_file():
            # A device or a pipe is written to, not replaced.
            place.write_text(text, encoding="utf-8")
            return
        with partial.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            # Renamed before its bytes are on the disk, a file may be empty after the machine fails.
            os.fsync(stream.fileno())
        partial.replace(place)
    except OSError as error:
        remedy = "make room" if error.errno in DISK_FULL else "give another path"
        if not place.parent.exists():
            remedy = f"make the folder {target.parent} first, or {remedy}"
        raise StoreError(f"{target}: cannot be written: {error.strerror}; {remedy}") from error
    finally:
        # An error of the removal must not stand in the place of the one that is told.
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def refuse_target(target: str | os.PathLike[str], replaceable: Callable[[Path], bool] | None = None) -> None:
    """Refuse a target that :func:`staged_folder` would neither make nor replace.

    Raises
    ------
    TargetExistsError, StoreError
        As :func:`staged_folder`.
    """
    if replaceable is not None and os.path.lexists(target) and replaceable(Path(target)):
        refuse_inside_store(target)
    else:
        refuse_existing(target)


def refuse_existing(target: str | os.PathLike[str]) -> None:
    """Refuse a ``target`` to be made where something is, be it a link that leads nowhere, or inside a sealed store.

    Raises
    ------
    TargetExistsError
        If something is there.
    StoreError
        If it lies inside a sealed store, whose manifest would no longer list all of its files, or below a file.
    """
    if os.path.lexists(target):
        raise TargetExistsError(f"{target}: exists already; give another path or remove it first")
    place = next((parent for parent in Path(target).parents if os.path.lexists(parent)), None)
    if place is not None and not place.is_dir():
        raise StoreError(f"{target}: {place} is a file, in which no other can be made; give another path")
    refuse_inside_store(target)


def refuse_inside_store(target: str | os.PathLike[str]) -> None:
    """Raise :class:`StoreError` if ``target`` lies inside a sealed store."""
    for parent in (Path(target).absolute().parent.resolve() / Path(target).name).parents:
        if (parent / MANIFEST).is_file() and (parent / "zarr.json").is_file():
            raise StoreError(f"{target}: lies inside the store {parent}; give a path outside it")
