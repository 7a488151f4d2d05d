"""SAEs that are trained, and encode, on the workers of a cluster, which must see the folders of a build."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from saegeom_data.engine.scheduler import Place
from saegeom_data.engine.task_counter import TaskCounter
from saegeom_data.errors import ClusterError, require
from saegeom_data.harvest.saes.worker import Job, Processes
from saegeom_data.harvest.stages import Stage


class ClusterWorkers:
    """Workers of a cluster, as :class:`saegeom_data.harvest.saes.worker.Workers`.

    Each task is one SAE. It has a process of its own beside the worker, which ends with the ``with`` block: two
    trainings in one process would share its random numbers. A job whose worker has died begins again on another.

    Parameters
    ----------
    place
        The cluster.
    work
        Working folder of the build.
    """

    def __init__(self, place: Place, work: Path) -> None:
        self._place, self._work = place, work

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        # Workers that are lost have ended their processes.
        with suppress(ClusterError):
            self._place.ask(_end)

    def run(self, jobs: Sequence[Job], done: Callable[[int], None]) -> None:
        """See :meth:`saegeom_data.harvest.saes.worker.Workers.run`.

        Raises
        ------
        ClusterError
            If a worker does not see the folders, or lacks a package; names it.
        """
        import dask

        if not jobs:
            return
        self._place.see(str(self._work), "put the work folder where every worker sees it")
        self._place.ask(require, "sae_lens", "harvest")

        def report(finished: int, total: int) -> None:
            # A cluster may count more tasks than jobs.
            done(finished * len(jobs) // total)

        # What is bound, dask does not look into: a task for each job.
        tasks = [dask.delayed(partial(_do, *job), pure=False)() for job in jobs]
        with self._place.running(tasks=TaskCounter(report, len(jobs))):
            dask.compute(*tasks)


# Those of a worker of a cluster.
_processes: list[Processes] = []
_starting = threading.Lock()


def _do(stage: Stage, job: dict[str, Any]) -> None:
    """Do a job beside this worker."""
    with _starting:
        if not _processes:
            _processes.append(Processes())
        processes = _processes[0]
    processes.do(stage, job)


def _end() -> None:
    """End the processes beside this worker."""
    with _starting:
        while _processes:
            processes = _processes.pop()
            processes.end()
            processes.join()
