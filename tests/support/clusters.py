"""Clusters for tests: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class RunningCluster:
    """A scheduler and its workers.

    Attributes
    ----------
    file
        Scheduler file.
    scheduler, workers
        Their processes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "scheduler.json"
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0"
        )
        self._await(self.file.exists)

    def add_worker(self, *options: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a worker of one thread, in a working directory of its own."""
        worker = self._start("dask_worker", "--nthreads", "1", "--no-dashboard", *options, **variables)
        self.workers.append(worker)
        return worker

    def stop(self, worker: subprocess.Popen[bytes]) -> None:
        """End a worker, and wait until the scheduler knows."""
        from distributed import Client

        self.workers.remove(worker)
        worker.terminate()
        worker.wait()
        with Client(scheduler_file=str(self.file), set_as_default=False) as client:
            self._await(lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == len(self.workers))

    def kill(self, worker: subprocess.Popen[bytes]) -> bool:
        """Kill the process that computes, and have another in its place: a nanny sees to that itself.

        False where there was none, since a nanny has not started another yet.
        """
        if "--no-nanny" in worker.args:  # type: ignore[operator] # a list, as it was started
            self.workers.remove(worker)
            worker.kill()
            worker.wait()
            self.add_worker("--no-nanny")
            return True
        import psutil

        # A nanny has the worker for a child, beside one that keeps track of what processes share.
        children = psutil.Process(worker.pid).children()
        computing = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        for child in computing:
            child.kill()
        return bool(computing)

    def await_workers(self, n_workers: int) -> None:
        """Wait until so many workers are there."""
        from distributed import Client

        with Client(scheduler_file=str(self.file), set_as_default=False) as client:
            client.wait_for_workers(n_workers, timeout=120)

    def close(self) -> None:
        """End all of its processes."""
        processes = [*self.workers, self.scheduler]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
        for process in processes:
            process.wait()

    def _start(self, command: str, *options: str, **variables: str) -> subprocess.Popen[bytes]:
        # Threads of numerical libraries are left as a user's worker has them.
        inherited = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
        arguments = [sys.executable, "-m", f"distributed.cli.{command}", "--scheduler-file", str(self.file), *options]
        with (self.folder / f"{command}.log").open("ab") as log:
            return subprocess.Popen(
                arguments,
                cwd=self.folder,
                env=inherited | variables,
                stdout=log,
                stderr=log,
                # A group of its own, because a nanny has a worker.
                start_new_session=True,
            )

    def _await(self, condition: object) -> None:
        deadline = time.monotonic() + 120
        while not condition():  # type: ignore[operator]
            assert time.monotonic() < deadline, (self.folder / "dask_scheduler.log").read_text()
            time.sleep(0.05)


@contextmanager
def running_cluster(folder: Path) -> Iterator[RunningCluster]:
    """Start a scheduler, and end it with its workers."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = RunningCluster(folder)
    try:
        yield cluster
    finally:
        cluster.close()
