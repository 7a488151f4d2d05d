"""SAEs that are trained, and encode, on the workers of a cluster, which must see the folders of a build."""

from __future__ import annotations

import threading
import uuid
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
        # Other builds may run on the same workers.
        self._build = uuid.uuid4().hex

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        # Workers that are lost have ended their processes.
        with suppress(ClusterError):
            self._place.ask(_end, self._build)

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
        tasks = [dask.delayed(partial(_do, self._build, *job), pure=False)() for job in jobs]
        with self._place.running(tasks=TaskCounter(report, len(jobs))):
            dask.compute(*tasks)


# Of this worker of a cluster, by build; and builds that are over.
_processes: dict[str, Processes] = {}
_over: set[str] = set()
_starting = threading.Lock()


def _do(build: str, stage: Stage, job: dict[str, Any]) -> None:
    """Do a job beside this worker."""
    with _starting:
        # A task that was waiting here when the build failed may begin after its end, and nobody would end its process.
        if build in _over:
            raise ClusterError(f"{stage.folder.name}: its build is over")
        processes = _processes.setdefault(build, Processes())
    processes.do(stage, job)


def _end(build: str) -> None:
    """End the processes of a build beside this worker."""
    with _starting:
        _over.add(build)
        processes = _processes.pop(build, None)
    if processes is not None:
        processes.end()
        processes.join()
