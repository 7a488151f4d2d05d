"""One computation on a dask cluster: submitted, waited for as long as there is someone to compute it, and given up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from distributed import CancelledError, Client, KilledWorker, futures_of

from saegeom_data.engine.cluster_failures import DisconnectedError, StarvedError, out_of_memory, tasks_of
from saegeom_data.engine.cluster_progress import TaskProgress
from saegeom_data.engine.task_counter import TaskCounter
from saegeom_data.errors import ClusterError

PATIENCE = "saegeom_data.cluster_patience_seconds"
"""dask configuration: seconds without any worker, or with all of them out of memory, after which a run gives up."""

_PATIENCE = 60.0
_LOOK_SECONDS = 1.0
ANSWER_SECONDS = 10.0
# A task that was under way when a run failed may still write: its folder is removed only then.
_LATEST_TASK_SECONDS = 20.0
# A stalled machine or network breaks a connection; one that is gone for longer is given up.
_BACK_SECONDS = 8.0
_SUBMISSIONS = 3


def known_workers(client: Client) -> Mapping[str, Any]:
    """What the scheduler knows of its workers, by their addresses."""
    found: Mapping[str, Any] = client.sync(client.scheduler.identity, callback_timeout=ANSWER_SECONDS)["workers"]
    return found


def lost(address: str) -> ClusterError:
    """Error for a scheduler at an address that does not answer any more."""
    return ClusterError(f"{address}: the scheduler is gone; nothing was kept, start it and the run again")


class Computation:
    """Computes graphs on the workers of a client, and counts their tasks.

    Parameters
    ----------
    client
        Client of the scheduler.
    tasks
        Told of what is finished.
    """

    def __init__(self, client: Client, tasks: TaskCounter) -> None:
        self.client, self.tasks = client, tasks
        self.address = str(client.scheduler.address)

    def __call__(self, graph: Any, keys: Any, **options: Any) -> Any:
        """Compute keys of a graph on the workers, as dask's schedulers do."""
        which = object()
        for _ in range(_SUBMISSIONS):
            try:
                return self._computed(which, graph, keys)
            except DisconnectedError:
                # A scheduler forgets what a client asked for that it has lost; the same tasks give the same again.
                if not self._is_back():
                    break
        raise lost(self.address)

    def _is_back(self) -> bool:
        """Whether the connection to the scheduler comes back soon."""
        deadline = time.monotonic() + _BACK_SECONDS
        while time.monotonic() < deadline and self.client.status == "connecting":
            time.sleep(0.1)
        return bool(self.client.status == "running")

    def _computed(self, which: object, graph: Any, keys: Any) -> Any:
        """Submit a graph, wait for its keys, and count its tasks as those of one pass."""
        packed = self.client.get(graph, keys, sync=False)
        futures = futures_of(packed)
        n_tasks = len(tasks_of(graph)) if self.tasks.is_watched else 0
        progress = TaskProgress(self.client, futures, which, n_tasks, self.tasks)
        # On the loop of the client, so that nothing of it is left where it never ends.
        gathered = asyncio.run_coroutine_threadsafe(
            self.client.gather(packed, asynchronous=True), self.client.loop.asyncio_loop
        )
        try:
            found = self._waited(gathered)
            progress.finish()
            return found
        except KilledWorker as error:
            raise out_of_memory(self.address, graph, [error.task], "died, mostly for want of memory,") from error
        except MemoryError as error:
            raise out_of_memory(self.address, graph, self._causes(futures), "had too little memory") from error
        except StarvedError as error:
            raise out_of_memory(self.address, graph, error.keys, "are all paused, their memory full,") from error
        except CancelledError as error:
            raise DisconnectedError from error
        finally:
            progress.stop()
            self._end(futures, gathered)

    def _waited(self, gathered: Any) -> Any:
        """Result of a future of all results, unless there is no one left to compute them."""
        idle_since: float | None = None
        while True:
            try:
                return gathered.result(timeout=_LOOK_SECONDS)
            except TimeoutError:
                # It may have ended well since.
                if gathered.done():
                    return gathered.result()
            if self.client.status != "running":
                raise DisconnectedError
            try:
                found = known_workers(self.client)
            except (OSError, TimeoutError):
                # A busy scheduler answers late; one that is gone closes the connection of the client.
                continue
            status = {worker.get("status", "running") for worker in found.values()}
            if status & {"running", "init"}:
                idle_since = None
                continue
            idle_since = idle_since or time.monotonic()
            if time.monotonic() - idle_since > _patience():
                if found:
                    raise StarvedError([key for keys in self.client.processing().values() for key in keys])
                raise ClusterError(
                    f"{self.address}: no worker is left, for {_patience():.0f} s; nothing was kept, start workers and"
                    " the run again"
                )

    def _causes(self, futures: Sequence[Any]) -> list[Any]:
        """Keys of the task that an error comes from, as far as the scheduler tells."""
        with suppress(Exception):
            keys = [future.key for future in futures if future.status == "error"]
            return [self.client.sync(self.client.scheduler.get_error_cause, keys=keys, callback_timeout=ANSWER_SECONDS)]
        return []

    def _end(self, futures: Sequence[Any], gathered: Any) -> None:
        """Give up what is not finished, and wait for tasks that are under way."""
        is_whole = gathered.done() and not gathered.cancelled() and gathered.exception() is None
        if is_whole or self.client.status != "running":
            return
        with suppress(Exception):
            self.client.cancel(futures, force=True)
            deadline = time.monotonic() + _LATEST_TASK_SECONDS
            while time.monotonic() < deadline and any(self._executing()):
                time.sleep(0.1)

    def _executing(self) -> Iterator[bool]:
        """Whether each worker has a task in work."""
        for worker in known_workers(self.client).values():
            yield bool(worker.get("metrics", {}).get("task_counts", {}).get("executing", 0))


def _patience() -> float:
    import dask

    return float(dask.config.get(PATIENCE, _PATIENCE))
