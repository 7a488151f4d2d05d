"""How many of the tasks of a run are finished."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from itertools import count

from saegeom_data.typing import Progress


class TaskCounter:
    """Counts finished tasks, over all units and passes together."""

    def __init__(self, progress: Progress | None, n_tasks: int) -> None:
        self._progress, self._n_tasks = progress, n_tasks
        # next() of a counter cannot be interrupted, so threads need no lock.
        self._finished = count(1)
        self._passes: dict[Hashable, tuple[int, int]] = {}

    @property
    def is_watched(self) -> bool:
        """Whether anyone is told."""
        return self._progress is not None

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count what local schedulers compute inside."""
        if self._progress is None:
            yield
            return
        from dask.callbacks import Callback

        report, n_tasks = self._progress, self._n_tasks
        with Callback(posttask=lambda *_: report(next(self._finished), n_tasks)):
            yield

    def report(self, which: Hashable, finished: int, n_tasks: int) -> None:
        """Say how far one pass on a cluster is; it joins tasks, and so has fewer than were planned."""
        self._passes[which] = (finished, n_tasks)
        if self._progress is not None:
            passes = list(self._passes.values())
            self._progress(sum(done for done, _ in passes), max(self._n_tasks, sum(size for _, size in passes)))
