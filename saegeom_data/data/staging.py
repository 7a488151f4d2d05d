"""Folders that appear whole or not at all: staged beside their target, and renamed when finished."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from saegeom_data.errors import StoreError, TargetExistsError
from saegeom_data.remote.manifest import MANIFEST

_QUIET_SECONDS = 0.2
_LATEST_CHUNK_SECONDS = 30.0
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def staged_folder(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a folder whole or not at all: yields a new one beside ``target``, renamed to it when the block ends well.

    What killed writers of the same target left is removed.

    Raises
    ------
    TargetExistsError
        If ``target`` exists, before or when it is to be renamed; ``target`` is left as it is.
    StoreError
        If ``target`` lies inside a store, the folder cannot be made there, or the disk is full.
    """
    target = Path(target)
    refuse_existing(target)
    try:
        staging, lock = new_staging(target)
    except OSError as error:
        raise StoreError(f"{target}: cannot be made: {error.strerror}; give another path") from error
    try:
        yield staging
        refuse_existing(target)
        try:
            os.rename(staging, target)
        except OSError:
            refuse_existing(target)
            raise
    except BaseException as error:
        _discard(staging)
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise StoreError(f"{target}: {error.strerror}; nothing was kept, make room and start again") from error
        raise
    finally:
        if lock is not None:
            os.close(lock)


def new_staging(target: Path, suffix: str = "") -> tuple[Path, int | None]:
    """Make a folder to write into, or with a ``suffix`` a file, and remove those beside it that nobody locks.

    It is locked as long as the returned descriptor is open.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    stem = target.name.removesuffix(suffix)
    for left in target.parent.iterdir():
        if re.fullmatch(rf"{re.escape(stem)}\.staging-[0-9a-f]{{8}}{re.escape(suffix)}", left.name):
            with suppress(BlockingIOError):
                lock = lock_path(left)
                if lock is not None:
                    if suffix:
                        left.unlink(missing_ok=True)
                    else:
                        shutil.rmtree(left, ignore_errors=True)
                    os.close(lock)
    while True:
        staging = target.with_name(f"{stem}.staging-{uuid.uuid4().hex[:8]}{suffix}")
        if suffix:
            staging.touch(exist_ok=False)
        else:
            staging.mkdir()
        # Until it is locked, another writer may take it for one that was left, and remove it.
        with suppress(BlockingIOError):
            lock = lock_path(staging)
            if staging.exists():
                return staging, lock


def lock_path(path: Path) -> int | None:
    """Lock a folder or file until the descriptor is closed; None where that cannot be locked.

    Raises
    ------
    BlockingIOError
        If it is locked already.
    """
    if os.name == "nt":
        return None
    import fcntl

    descriptor = None
    try:
        descriptor = os.open(path, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if descriptor is not None:
            os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return descriptor


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


def refuse_existing(target: str | os.PathLike[str]) -> None:
    """Refuse a ``target`` to be made where something is, be it a link that leads nowhere, or inside a sealed store.

    Raises
    ------
    TargetExistsError
        If something is there.
    StoreError
        If it lies inside a sealed store, whose manifest would no longer list all of its files.
    """
    if os.path.lexists(target):
        raise TargetExistsError(f"{target}: exists already; give another path or remove it first")
    refuse_inside_store(target)


def refuse_inside_store(target: str | os.PathLike[str]) -> None:
    """Raise :class:`StoreError` if ``target`` lies inside a sealed store."""
    for parent in (Path(target).absolute().parent.resolve() / Path(target).name).parents:
        if (parent / MANIFEST).is_file() and (parent / "zarr.json").is_file():
            raise StoreError(f"{target}: lies inside the store {parent}; give a path outside it")
