"""Processes that train or encode sites, so that sites run side by side with one thread each.

One thread makes a training repeat bit by bit, and two such processes are faster than one with two threads. A process
does one job after another: loading sae-lens takes longer than a small training.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import IO, Any, Protocol, Self, cast

import numpy as np

from saegeom_data.errors import SaegeomError
from saegeom_data.harvest.stages import Stage, finish
from saegeom_data.remote.files import reason

# A stage, and what makes it.
Job = tuple[Stage, dict[str, Any]]

_LOG = "worker.log"
_FACTS = "facts.json"
_ERROR = "error.json"
_POLL_SECONDS = 0.1


class Processes:
    """Processes that do jobs, one after the other, started where none of them is idle."""

    def __init__(self) -> None:
        self._idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        self._all: list[subprocess.Popen[str]] = []
        self._ended = False

    def do(self, stage: Stage, job: dict[str, Any]) -> None:
        """Do what makes a stage, and mark it as finished.

        Raises
        ------
        SaegeomError
            If the job fails; says why.
        """
        folder = stage.folder
        (folder / "job.json").write_text(json.dumps(job))
        # What an earlier attempt left must not be taken for this one's.
        (folder / _ERROR).unlink(missing_ok=True)
        try:
            process = self._idle.get_nowait()
        except Empty:
            process = self._started(folder)
        # Where the process has ended already, nothing is read, and its status says why.
        with suppress(BrokenPipeError):
            print(json.dumps(str(folder)), file=cast("IO[str]", process.stdin), flush=True)
        if not cast("IO[str]", process.stdout).readline():
            raise SaegeomError(f"{folder.name}: {_why(folder, process.wait())}; see {folder / _LOG}")
        self._idle.put(process)
        finish(stage)

    def end(self) -> None:
        """End all processes, in the middle of a job or not."""
        self._ended = True
        for process in self._all:
            process.kill()

    def join(self) -> None:
        """Wait for processes that were ended."""
        for process in self._all:
            process.communicate()

    def _started(self, folder: Path) -> subprocess.Popen[str]:
        places = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
        path = os.pathsep.join(filter(None, places))
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
        command = [sys.executable, "-c", f"from {__name__} import main; main()"]
        with (folder / _LOG).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603
                command,
                env=os.environ | {"PYTHONPATH": path} | threads,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._all.append(process)
        if self._ended:  # While it was started.
            process.kill()
        return process


class Workers(Protocol):
    """What does jobs side by side, each with one thread."""

    def run(self, jobs: Sequence[Job], done: Callable[[int], None]) -> None:
        """Do jobs, and mark the stage of each as finished.

        Parameters
        ----------
        jobs
            Stages, whose folders receive results and log, and what makes each of them.
        done
            Called with the number of jobs that are finished.

        Raises
        ------
        SaegeomError
            If a job fails; says why.
        """


class LocalWorkers:
    """Processes of this machine, started when there is a job for them, and ended with the ``with`` block.

    Parameters
    ----------
    most
        How many at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._processes = Processes()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._processes.end()
        self._processes.join()

    def run(self, jobs: Sequence[Job], done: Callable[[int], None]) -> None:
        """See :meth:`Workers.run`."""
        with ThreadPoolExecutor(self._most) as threads:
            try:
                ended = as_completed([threads.submit(self._processes.do, *job) for job in jobs])
                for number, job in enumerate(ended, start=1):
                    job.result()
                    done(number)
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                # Each thread waits for a process in the middle of a job that nobody wants any more.
                self._processes.end()
                raise


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_facts(folder: Path) -> dict[str, Any]:
    """Read what a finished job found out."""
    return dict(json.loads((folder / _FACTS).read_text()))


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


def main() -> None:
    """Do the jobs in the folders that are read line by line, and answer each with a line when it is done."""
    end_with_parent()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    for line in sys.stdin:
        folder = Path(json.loads(line))
        with (folder / _LOG).open("a") as log:
            # What libraries print belongs to the job, and must not be read as an answer.
            os.dup2(log.fileno(), sys.stdout.fileno())
            os.dup2(log.fileno(), sys.stderr.fileno())
        _do(folder)
        print("done", file=answers, flush=True)


def _do(folder: Path) -> None:
    """Do the job that a folder describes, and leave there what it found out, or the error that stopped it."""
    try:
        facts = _facts(folder, json.loads((folder / "job.json").read_text()))
    except Exception as error:
        said = reason(error) if isinstance(error, SaegeomError) else f"{type(error).__name__}: {reason(error)}"
        (folder / _ERROR).write_text(json.dumps({"error": said}))
        raise
    (folder / _FACTS).write_text(json.dumps(facts))


def _facts(folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """Train or encode one site, or make its untrained SAE, and return the facts for the attrs of its features."""
    from saegeom_data.harvest.model.activations import ActivationReader
    from saegeom_data.harvest.recipe import Training
    from saegeom_data.harvest.saes.encode_trained import encode_site, load_sae
    from saegeom_data.harvest.saes.training import train_sae, untrained_sae
    from saegeom_data.harvest.text.sequences import SequenceTable

    # What is missing is found before torch is loaded, which takes seconds.
    table = SequenceTable.load(Path(job["sequences"]))
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    reader = ActivationReader(Path(job["activations"]), job["site"], table)
    made = {"train": train_sae, "untrained": untrained_sae}.get(job["task"])
    if made is not None:
        return made(reader, Training(**job["training"]), job["model"], folder / "sae")
    return encode_site(folder, reader, load_sae(Path(job["sae"])), np.asarray(job["keep"], dtype=np.int64))
