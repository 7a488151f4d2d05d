"""How many of the tasks of a computation on a cluster are finished, as its scheduler tells."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from distributed import Client
from distributed.diagnostics.progressbar import MultiProgressBar

from saegeom_data.engine.task_counter import TaskCounter, token_of


class TaskProgress(MultiProgressBar):  # type: ignore[misc] # distributed has no types
    """Asks a scheduler how many tasks of some futures are finished, and counts them as one pass.

    Parameters
    ----------
    client
        Client of the futures.
    futures
        What is computed.
    which
        The pass: one that is submitted again, after a connection was lost, counts once.
    n_tasks
        Its tasks as they are planned. A cluster joins some, and so has fewer.
    tasks
        Told what the scheduler tells.
    """

    def __init__(
        self, client: Client, futures: Sequence[Any], which: Hashable, n_tasks: int, tasks: TaskCounter
    ) -> None:
        # Tasks that are finished already count as well.
        super().__init__(
            futures, scheduler=client.scheduler.address, group_by=token_of, interval="500ms", complete=True
        )
        self._which, self._n_tasks, self._tasks = which, n_tasks, tasks
        self._tokens: tuple[str, ...] = ()
        if tasks.is_watched:
            client.loop.add_callback(self._listened)

    async def _listened(self) -> None:
        # A run goes on where its progress cannot be told.
        with suppress(Exception):
            await self.listen()

    def _draw_bar(self, remaining: Mapping[str, int], all: Mapping[str, int], **_: Any) -> None:
        self._tokens = tuple(all)
        share = 1 - sum(remaining.values()) / max(sum(all.values()), 1)
        shares = {token: 1 - remaining.get(token, 0) / size for token, size in all.items()}
        self._tasks.report(self._which, int(share * self._n_tasks), self._n_tasks, shares)

    def finish(self) -> None:
        """Count all tasks as finished: the last of them end between two answers."""
        self._tasks.report(self._which, self._n_tasks, self._n_tasks, dict.fromkeys(self._tokens, 1.0))

    def stop(self) -> None:
        """Ask no more."""
        with suppress(Exception):
            self.comm.abort()
