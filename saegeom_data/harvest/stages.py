"""Stages of a build: each leaves a finished folder, and a finished folder is never made twice."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saegeom_data.errors import StoreError

_MARKER = "stage.json"
_LOCK = "lock"


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
        Holds one folder a stage.
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
            If another build works in the folder.
        """
        if os.name == "nt":
            yield
            return
        import fcntl

        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StoreError(f"{self.folder}: another build works here; wait for it or choose another") from error
            yield

    def stage(self, name: str, key: Any, inputs: tuple[Stage, ...] = ()) -> tuple[Stage, bool]:
        """Return a stage and whether it is finished; an unfinished one gets an empty folder.

        ``key`` is what the stage is made from besides its ``inputs``: when either changes, the stage is made anew.
        """
        stage = Stage(self.folder / name, fingerprint([key, [one.fingerprint for one in inputs]]))
        marker = stage.folder / _MARKER
        if marker.is_file() and json.loads(marker.read_text())["fingerprint"] == stage.fingerprint:
            return stage, True
        shutil.rmtree(stage.folder, ignore_errors=True)
        stage.folder.mkdir(parents=True)
        return stage, False

    def run(self, name: str, key: Any, inputs: tuple[Stage, ...], action: Callable[[Path], None]) -> Stage:
        """Run ``action`` on the stage's folder unless the stage is finished."""
        stage, finished = self.stage(name, key, inputs)
        if not finished:
            action(stage.folder)
            finish(stage)
        return stage


def finish(stage: Stage) -> None:
    """Mark a stage as finished."""
    marker = stage.folder / _MARKER
    partial = marker.with_suffix(".partial")
    partial.write_text(json.dumps({"fingerprint": stage.fingerprint}))
    partial.replace(marker)


def fingerprint(key: Any) -> str:
    """Return a sha256 of a JSON-like value."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def save_arrays(file: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write named arrays to an ``npz`` file."""
    np.savez(file, allow_pickle=False, **arrays)
