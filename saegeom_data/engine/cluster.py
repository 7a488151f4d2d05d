"""A dask cluster: what its workers must have, and computing on it without waiting for what never comes."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import Client

from saegeom_data.data.provenance import PACKAGES
from saegeom_data.engine import workers
from saegeom_data.engine.cluster_computation import ANSWER_SECONDS, Computation, known_workers, lost
from saegeom_data.engine.planner import WorkerRoom
from saegeom_data.engine.task_counter import TaskCounter
from saegeom_data.errors import ClusterError, ParameterError, SaegeomError

if TYPE_CHECKING:
    import xarray as xr

_NAMED = 3
_MOST_AT_ONCE = 64
# A scheduler breaks off a question when a worker dies that it asks, and misses the worker a moment later.
_QUESTIONS, _PAUSE_SECONDS = 20, 0.25


@contextmanager
def connected(scheduler: str | None, client: Client | None = None) -> Iterator[Cluster]:
    """Reach a scheduler at an address or by its file, or take a client that there is."""
    import dask

    if client is not None and client.asynchronous:
        raise ParameterError("scheduler: the active Client is asynchronous; make one with Client(address)")
    with _client(str(scheduler)) if client is None else nullcontext(client) as reached:
        cluster = Cluster(reached)
        try:
            # What is read to plan a run is needed here, and is read here.
            with dask.config.set(scheduler="threads"):
                yield cluster
        finally:
            cluster.leave()


@contextmanager
def _client(scheduler: str) -> Iterator[Client]:
    try:
        # Beside what the user computes, so that it is no default for anyone else.
        if "://" in scheduler:
            client = Client(scheduler, set_as_default=False)
        else:
            # distributed waits for a file that is not there.
            json.loads(Path(scheduler).read_text(encoding="utf-8"))["address"]
            client = Client(scheduler_file=scheduler, set_as_default=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParameterError(
            f"scheduler: no dask scheduler answers at {scheduler}; start one with dask scheduler, or give its address"
        ) from error
    logs = [logging.getLogger(name) for name in ("distributed.client", "distributed.core", "distributed.comm")]
    levels = [log.level for log in logs]
    try:
        # What a client logs of a lost scheduler, with tracebacks, is said in one line here.
        for log in logs:
            log.setLevel(logging.CRITICAL)
        yield client
    finally:
        # A scheduler that is gone does not say goodbye.
        with suppress(Exception):
            client.close(timeout=2)
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


class Cluster:
    """Workers of a running scheduler, as :class:`saegeom_data.engine.scheduler.Place`."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.address = str(client.scheduler.address)
        # SAEs are computed side by side, so that all workers are busy, and in graphs of their own, which stay small.
        self.most_workers: int | None = _MOST_AT_ONCE
        self.rooms: tuple[WorkerRoom, ...] = ()
        self._plugin = f"saegeom-data-{client.id}"

    def check(self) -> None:
        """Make sure that the same is computed there as here, by one thread for each task, and ask for memory.

        Raises
        ------
        ClusterError
            If there are no workers, or one has other software than this process or lacks an extra; names each worker.
        """
        with self._named_errors():
            self._refuse_none(known_workers(self.client))
            # First of all: what is asked next is a function of this package, which other software may not have.
            self._refuse("; install the same there", self._other_versions())
            found = self._asked(workers.room)
            self._refuse_none(found)
            self._refuse("", {name: answer for name, answer in found.items() if isinstance(answer, str)})
            self.rooms = tuple(WorkerRoom(name, *answer) for name, answer in found.items())
            self.most_workers = min(_MOST_AT_ONCE, sum(room.n_threads for room in self.rooms))
            self._answers(lambda: self.client.register_plugin(workers.OneThread(), name=self._plugin))

    def see_store(self, tree: xr.DataTree) -> None:
        """Make sure that workers read the store of a tree where this process does.

        Raises
        ------
        ClusterError
            If one does not see it, or finds another there; names each worker.
        """
        source = str(tree.encoding.get("source", ""))
        if not source:
            return
        place = getattr(tree.encoding.get("store"), "place", None)
        address = os.path.abspath(source) if place is None else str(place.pinned)
        with self._named_errors():
            problems = self._asked(workers.look, address, source, str(tree.encoding.get("root", "")))
        self._refuse("; put the store where every worker sees it under this path, or at a URL", problems)

    def leave(self) -> None:
        """Leave workers as they were."""
        if self.client.status == "running":
            with suppress(Exception):
                remove = self.client.scheduler.unregister_worker_plugin
                self.client.sync(remove, name=self._plugin, callback_timeout=ANSWER_SECONDS)

    def see(self, path: str, advice: str) -> None:
        """Make sure that workers see a file or folder that this process sees, or raise :class:`ClusterError`."""
        with self._named_errors():
            found = self._asked(os.path.exists, path)
        unseen = {name: "" if there is True else f"{path}: no such file or folder" for name, there in found.items()}
        self._refuse(f"; {advice}", unseen)

    def ask(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function on each worker, or raise :class:`ClusterError` naming those on which it raises."""
        with self._named_errors():
            found = self._asked(function, *arguments)
        self._refuse("", {name: answer or "" for name, answer in found.items()})

    @contextmanager
    def running(self, n_workers: int | None = None, tasks: TaskCounter | None = None) -> Iterator[None]:
        """Compute on the workers what is computed inside."""
        import dask

        with dask.config.set(scheduler=Computation(self.client, tasks or TaskCounter(None, 0))):
            yield

    def _asked(self, function: Any, *arguments: Any) -> Mapping[str, Any]:
        """What a function gives on each worker, or the error that it ends in there."""
        if self.client.status != "running":
            raise lost(self.address)
        answers = _workers_of(self._answers(lambda: self.client.run(function, *arguments, on_error="return")))
        return {
            name: _error(answer) if isinstance(answer, BaseException) else answer for name, answer in answers.items()
        }

    def _answers(self, question: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """What the workers answer; those that are left are asked again where one has died meanwhile."""
        for _ in range(_QUESTIONS - 1):
            with suppress(OSError):
                answers = question()
                if not any(isinstance(answer, OSError) for answer in answers.values()):
                    return answers
            if self.client.status != "running":
                raise lost(self.address)
            time.sleep(_PAUSE_SECONDS)
        return question()

    def _other_versions(self) -> dict[str, str]:
        """What workers and the scheduler have of software that is not as here; empty where all is alike."""
        found = self.client.get_versions(packages=[*PACKAGES, "distributed"])
        here = found["client"]["packages"]
        return {
            name: "; ".join(
                f"has {package} {_version(there['packages'][package])}, expected {_version(version)} as here"
                for package, version in here.items()
                # What else distributed lists moves data only.
                if package in {*PACKAGES, "distributed", "python"}
                and _version(there["packages"][package]) != _version(version)
            )
            for name, there in {**_workers_of(found["workers"]), "the scheduler": found["scheduler"]}.items()
        }

    def _refuse_none(self, found: Mapping[str, Any]) -> None:
        """Raise :class:`ClusterError` where there are no workers."""
        if not found:
            raise ClusterError(f"{self.address}: has no workers; start some with dask worker {self.address}")

    def _refuse(self, advice: str, problems: Mapping[str, str]) -> None:
        """Raise :class:`ClusterError` with a line for each of some workers that have problems."""
        found = [f"{name}: {problem}{advice}" for name, problem in problems.items() if problem]
        if found:
            more = [f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
            raise ClusterError(*found[:_NAMED], *more)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, TimeoutError) as error:
            raise lost(self.address) from error


def _workers_of(found: Mapping[str, Any]) -> dict[str, Any]:
    return {f"worker {address}": value for address, value in found.items()}


def _error(error: BaseException) -> str:
    if isinstance(error, SaegeomError):
        return str(error)
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason given'}"


def _version(version: Any) -> str:
    return str(version or "none").removesuffix(".final.0")
