"""A process that trains or encodes one site, so that sites run side by side with one thread each.

One thread makes a training repeat bit by bit, and two such processes are faster than one with two threads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from saegeom_data.errors import SaegeomError
from saegeom_data.remote.files import reason

_LOG = "worker.log"
_FACTS = "facts.json"
_ERROR = "error.json"
_POLL_SECONDS = 0.1


def run_jobs(jobs: Sequence[tuple[Path, dict[str, Any]]], workers: int, done: Callable[[Path], None]) -> None:
    """Run jobs, each in its own process, some at a time.

    Parameters
    ----------
    jobs
        Folder of each job, which receives its results and log, and what to do.
    workers
        How many at a time.
    done
        Called with the folder of each finished job.

    Raises
    ------
    SaegeomError
        If a job fails; says why.
    """
    waiting = list(jobs)
    running: dict[Path, subprocess.Popen[bytes]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                folder, job = waiting.pop(0)
                running[folder] = _start(folder, job)
            for folder, process in list(running.items()):
                if process.poll() is not None:
                    del running[folder]
                    if process.returncode:
                        raise SaegeomError(f"{folder.name}: {_why(folder, process.returncode)}; see {folder / _LOG}")
                    done(folder)
            time.sleep(_POLL_SECONDS)
    finally:
        for process in running.values():
            process.terminate()
            process.wait()


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_facts(folder: Path) -> dict[str, Any]:
    """Read what a finished job found out."""
    return dict(json.loads((folder / _FACTS).read_text()))


def _start(folder: Path, job: dict[str, Any]) -> subprocess.Popen[bytes]:
    (folder / "job.json").write_text(json.dumps(job))
    places = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(filter(None, places))
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    command = [sys.executable, "-m", __name__, str(folder)]
    with (folder / _LOG).open("wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603


def _why(folder: Path, status: int) -> str:
    """Why a job failed: the error that it left as data, or how its process ended where it could leave none."""
    file = folder / _ERROR
    if file.is_file():
        return str(json.loads(file.read_text())["error"])
    if status < 0:
        return f"the process was stopped by signal {-status}, perhaps because memory ran out"
    return f"the process ended with status {status}"


def end_with_parent() -> None:
    """End this process as soon as the one that started it is gone: a killed build must not go on behind its user."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(folder: Path) -> None:
    """Do the job that a folder describes, and leave there what it found out, or the error that stopped it."""
    end_with_parent()
    try:
        facts = _facts(folder, json.loads((folder / "job.json").read_text()))
    except Exception as error:
        said = reason(error) if isinstance(error, SaegeomError) else f"{type(error).__name__}: {reason(error)}"
        (folder / _ERROR).write_text(json.dumps({"error": said}))
        raise
    (folder / _FACTS).write_text(json.dumps(facts))


def _facts(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Train or encode one site, and return the facts for the attrs of its features."""
    from saegeom_data.harvest.model.activations import ActivationReader
    from saegeom_data.harvest.recipe import Training
    from saegeom_data.harvest.saes.encode_trained import encode_site, load_sae
    from saegeom_data.harvest.saes.training import train_sae
    from saegeom_data.harvest.text.sequences import SequenceTable

    # What is missing is found before torch is loaded, which takes seconds.
    table = SequenceTable.load(Path(job["sequences"]))
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    reader = ActivationReader(Path(job["activations"]), job["site"], table)
    if job["task"] == "train":
        return train_sae(reader, Training(**job["training"]), job["model"], folder / "sae")
    return encode_site(folder, reader, load_sae(Path(job["sae"])), np.asarray(job["keep"], dtype=np.int64))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
