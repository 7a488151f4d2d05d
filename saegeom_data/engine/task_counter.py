"""How many of the tasks of a run are finished."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import count
from typing import Any

from saegeom_data.typing import Progress


class TaskCounter:
    """Counts finished tasks, over all units and passes together, and passes keys of those of local schedulers on."""

    def __init__(self, progress: Progress | None, n_tasks: int, finished: Callable[[Any], None] | None = None) -> None:
        self._progress, self._n_tasks, self._key_finished = progress, n_tasks, finished
        # next() of a counter cannot be interrupted, so threads need no lock.
        self._finished = count(1)
        self._passes: dict[Hashable, tuple[int, int]] = {}

    @property
    def is_watched(self) -> bool:
        """Whether anyone is told."""
        return self._progress is not None

    @property
    def callbacks(self) -> list[tuple[Any, ...]] | None:
        """What local schedulers of dask call for each task; None if nobody is told.

        They are handed to each call. Those of dask's own context are seen by one of several calls at a time.
        """
        if self._progress is None and self._key_finished is None:
            return None
        return [(None, None, None, lambda key, *_: self._count(key), None)]

    def _count(self, key: Any) -> None:
        # First what is left, so that whoever shows both with one line shows what belongs together.
        if self._key_finished is not None:
            self._key_finished(key)
        if self._progress is not None:
            self._progress(next(self._finished), self._n_tasks)

    def report(self, which: Hashable, finished: int, n_tasks: int) -> None:
        """Say how far one pass on a cluster is; it joins tasks, and so has fewer than were planned."""
        self._passes[which] = (finished, n_tasks)
        if self._progress is not None:
            passes = list(self._passes.values())
            self._progress(sum(done for done, _ in passes), max(self._n_tasks, sum(size for _, size in passes)))
