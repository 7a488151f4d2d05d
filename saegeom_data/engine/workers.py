"""What workers of a cluster do beside tasks: look whether they see the data, and keep to one thread for each task."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache, partial
from typing import Any

from distributed import Worker, WorkerPlugin

from saegeom_data.data.manifest_of import read_manifest
from saegeom_data.engine.allocator import keep_little_back
from saegeom_data.errors import SaegeomError


def look(address: str, shown: str, root: str) -> str:
    """What keeps a process from reading a store at an address, of a root hash where one is given; empty if nothing.

    ``shown`` is the address without credentials.
    """
    try:
        found = str(read_manifest(address)["root"]) if root else ""
        there = bool(root) or os.path.exists(address)
    except (SaegeomError, OSError) as error:
        return str(error)
    if not there:
        return f"{shown}: no such file or folder"
    return f"{shown}: its root is {found}, expected {root}" if found != root else ""


def room(dask_worker: Worker) -> tuple[int, int | None, int]:
    """Threads of a worker, the bytes of memory at which it stops taking tasks or None, and those that it has now."""
    manager = dask_worker.memory_manager
    # A worker that does not pause is killed by its nanny later, or fills the machine.
    share = manager.memory_pause_fraction or 1.0
    limit = int(manager.memory_limit * share) if manager.memory_limit else None
    return dask_worker.state.nthreads, limit, int(dask_worker.monitor.get_process_memory())


class OneThread(WorkerPlugin):  # type: ignore[misc] # distributed has no types
    """Limits BLAS and OpenMP to one thread for each task, as in runs without a cluster, while any run needs it.

    A nanny does so by variables of the environment, but a worker may have none.
    """

    def setup(self, worker: Worker) -> None:
        """Begin with the limit."""
        keep_little_back()
        executor = worker.executors["default"]
        if not _users:
            # BLAS has one limit for all threads of a process.
            _limits.enter_context(_libraries().limit(limits=1, user_api="blas"))
        _users[executor] += 1
        # OpenMP has one for each thread, and the executor makes threads when it needs them.
        executor.submit = partial(_submitted, executor)

    def teardown(self, worker: Worker) -> None:
        """End with the limit, if no other run is left."""
        executor = worker.executors["default"]
        _users[executor] -= 1
        if _users[executor] <= 0:
            del _users[executor]
            vars(executor).pop("submit", None)
        if not _users:
            _limits.close()


# Runs that use each executor of this process: workers may share one.
_users: Counter[Any] = Counter()
_limits = ExitStack()


def _submitted(executor: Any, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    return type(executor).submit(executor, _alone, function, *arguments, **named)


def _alone(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call a function with one thread in OpenMP."""
    with _libraries().limit(limits=1, user_api="openmp"):
        return function(*arguments, **named)


@cache
def _libraries() -> Any:
    # Only libraries that are loaded are found, and to look for them takes longer than small tasks do.
    import scipy.linalg  # noqa: F401
    import sklearn.cluster  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
