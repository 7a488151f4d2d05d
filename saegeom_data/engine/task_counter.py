"""How many of the tasks of a run are finished."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import count
from typing import Any, Protocol

from saegeom_data.typing import Progress


class Follower(Protocol):
    """Who is told of what is finished, such as :class:`saegeom_data.engine.time_left.TimeLeft`."""

    def finish(self, key: Any) -> None:
        """Note that a task is finished."""

    def reach(self, shares: Mapping[str, float]) -> None:
        """Note the share, from 0 to 1, of tasks that are finished, by the token that their names end in."""


class TaskCounter:
    """Counts finished tasks, over all units and passes together.

    Parameters
    ----------
    progress
        Called with the number of tasks that are finished and of all.
    n_tasks
        Tasks of all, as planned.
    follower
        Told before ``progress``.
    """

    def __init__(self, progress: Progress | None, n_tasks: int, follower: Follower | None = None) -> None:
        self._progress, self._n_tasks, self._follower = progress, n_tasks, follower
        # next() of a counter cannot be interrupted, so threads need no lock.
        self._finished = count(1)
        self._passes: dict[Hashable, tuple[int, int]] = {}

    @property
    def is_watched(self) -> bool:
        """Whether anyone is told."""
        return self._progress is not None or self._follower is not None

    @property
    def callbacks(self) -> list[tuple[Any, ...]] | None:
        """What local schedulers of dask call for each task; None if nobody is told.

        They are handed to each call. Those of dask's own context are seen by one of several calls at a time.
        """
        if not self.is_watched:
            return None
        return [(None, None, None, lambda key, *_: self._count(key), None)]

    def _count(self, key: Any) -> None:
        # First what is left, so that whoever shows both with one line shows what belongs together.
        if self._follower is not None:
            self._follower.finish(key)
        if self._progress is not None:
            self._progress(next(self._finished), self._n_tasks)

    def report(self, which: Hashable, finished: int, n_tasks: int, shares: Mapping[str, float]) -> None:
        """Say how far one pass on a cluster is.

        Parameters
        ----------
        which
            The pass. What was said of it before no longer counts.
        finished, n_tasks
            Its tasks that are finished, and all.
        shares
            Shares that are finished, by :func:`token_of` the keys of tasks.
        """
        self._passes[which] = (finished, n_tasks)
        if self._follower is not None:
            self._follower.reach(shares)
        if self._progress is not None:
            passes = list(self._passes.values())
            self._progress(sum(done for done, _ in passes), max(self._n_tasks, sum(size for _, size in passes)))


def token_of(key: Any) -> str:
    """Token that the name of a task ends in, which all tasks of one stage have.

    Examples
    --------
    >>> token_of(("chunk-pairs-7d1f", 3, 0))
    '7d1f'
    """
    return str(key[0] if isinstance(key, tuple) else key).rpartition("-")[2]
