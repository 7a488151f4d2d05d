"""How many tasks of a computation on a cluster are finished, as its scheduler tells."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from distributed import Client
from distributed.diagnostics.progressbar import ProgressBar

from saegeom_data.engine.task_counter import TaskCounter


class TaskProgress(ProgressBar):  # type: ignore[misc] # distributed has no types
    """Asks a scheduler how many tasks of some futures are finished."""

    def __init__(self, client: Client, futures: Sequence[Any], tasks: TaskCounter) -> None:
        super().__init__(futures, scheduler=client.scheduler.address, interval="500ms")
        self._tasks = tasks
        if tasks.is_watched:
            client.loop.add_callback(self._listened)

    async def _listened(self) -> None:
        # A run goes on where its progress cannot be told.
        with suppress(Exception):
            await self.listen()

    def _draw_bar(self, remaining: int, all: int, **_: Any) -> None:
        self._tasks.report(self, all - remaining, all)

    def stop(self) -> None:
        """Ask no more."""
        with suppress(Exception):
            self.comm.abort()
