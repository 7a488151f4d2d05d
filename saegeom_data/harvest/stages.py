"""Stages of a build: each leaves a finished folder, and a finished folder is never made twice."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saegeom_data.data.staging import lock_folder
from saegeom_data.errors import StoreError

# A stage counts when it is finished; one that is made in pieces counts in part once it has begun from the same inputs.
_MARKER = "stage.json"
_BEGUN = "begun.json"


Progress = Callable[[str], None]


def silent(message: str) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Stage:
    """A finished stage: its folder, and a fingerprint of everything it was made from."""

    folder: Path
    fingerprint: str


@dataclass(frozen=True)
class Workspace:
    """The working folder of a build.

    Parameters
    ----------
    folder
        Holds one folder per stage.
    progress
        Called with a line about each step.
    """

    folder: Path
    progress: Progress = silent

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other builds out of the folder; the lock of a killed build goes with it.

        Raises
        ------
        StoreError
            If another build works in the folder, or it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{self.folder}: the work folder cannot be made: {error.strerror}; give another with --work"
            ) from error
        try:
            lock = lock_folder(self.folder)
        except BlockingIOError as error:
            raise StoreError(
                f"{self.folder}: another build uses this work folder; wait for it, or give another with --work"
            ) from error
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def stage(
        self, name: str, key: Any, inputs: tuple[Stage, ...] = (), *, in_pieces: bool = False
    ) -> tuple[Stage, bool]:
        """Return a stage and whether it is finished; an unfinished one gets an empty folder.

        ``key`` is what the stage is made from besides its ``inputs``: when either changes, the stage is made anew. One
        that is made ``in_pieces``, each of them whole or absent, keeps those that were finished.
        """
        stage = Stage(self.folder / name, fingerprint([key, [earlier.fingerprint for earlier in inputs]]))
        if _holds(stage, _MARKER):
            return stage, True
        if not (in_pieces and _holds(stage, _BEGUN)):
            # Made from something else, or left by a stop in the middle: nothing in it can be trusted.
            shutil.rmtree(stage.folder, ignore_errors=True)
            stage.folder.mkdir(parents=True)
            if in_pieces:
                _mark(stage, _BEGUN)
        return stage, False

    def run(
        self,
        name: str,
        key: Any,
        inputs: tuple[Stage, ...],
        action: Callable[[Path], None],
        *,
        in_pieces: bool = False,
    ) -> Stage:
        """Run ``action`` on the stage's folder unless the stage is finished."""
        stage, finished = self.stage(name, key, inputs, in_pieces=in_pieces)
        if not finished:
            action(stage.folder)
            finish(stage)
        return stage


def finish(stage: Stage) -> None:
    """Mark a stage as finished."""
    _mark(stage, _MARKER)


def _mark(stage: Stage, name: str) -> None:
    write_whole(stage.folder / name, _marker(stage))


def _marker(stage: Stage) -> bytes:
    return json.dumps({"fingerprint": stage.fingerprint}).encode()


def _holds(stage: Stage, name: str) -> bool:
    marker = stage.folder / name
    # A damaged marker says nothing of its folder, which is then made anew.
    return marker.is_file() and marker.read_bytes() == _marker(stage)


def write_whole(file: Path, content: bytes | Mapping[str, npt.NDArray[Any]]) -> None:
    """Write bytes, or named arrays as ``npz``, so that a file of that name is whole or absent, even after a crash."""
    partial = file.with_name(f"{file.name}.partial")
    with partial.open("wb") as stream:
        if isinstance(content, bytes):
            stream.write(content)
        else:
            np.savez(stream, allow_pickle=False, **content)
        stream.flush()
        os.fsync(stream.fileno())
    # After the contents are on the disk: else a crash could leave the name on an empty file.
    partial.replace(file)


class Meter:
    """Tells how far a stage is, how fast it goes, and how much time is left.

    Parameters
    ----------
    progress
        Called with each line.
    label, unit
        What is done, and what is counted.
    total
        How many there are, if it is known.
    done
        How many were finished before.
    """

    def __init__(self, progress: Progress, label: str, unit: str, total: int | None, done: int = 0) -> None:
        self._progress = progress
        self._words = label, unit
        self._total = total
        self._before = done
        self._start = time.monotonic()

    def __call__(self, done: int) -> None:
        """Report that so many are finished."""
        label, unit = self._words
        seconds = time.monotonic() - self._start
        # What an earlier run finished took none of this time.
        rate = (done - self._before) / seconds if seconds > 0 else 0.0
        parts = [f"{label}: {done:,}" + (f" of {self._total:,}" if self._total else "") + f" {unit}"]
        if rate > 0:
            parts.append(f"{rate:,.3g} per second")
            if self._total and done < self._total:
                parts.append(f"{_duration((self._total - done) / rate)} left")
        self._progress(", ".join(parts))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def fingerprint(key: Any) -> str:
    """Return a sha256 of a JSON-like value."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
