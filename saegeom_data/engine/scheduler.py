"""Where tasks run: threads or processes of this machine, or a cluster; numerical libraries have one thread each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from saegeom_data.engine.allocator import keep_little_back
from saegeom_data.engine.planner import WorkerRoom
from saegeom_data.engine.task_counter import TaskCounter
from saegeom_data.errors import ParameterError, require
from saegeom_data.lazy import BLOCK_BYTES, block_bytes

if TYPE_CHECKING:
    import xarray as xr

# A run under a limit holds about so many blocks at a time, with what is made of them.
_BLOCKS_PER_LIMIT = 64
_LEAST_BLOCK_BYTES = 4 * 2**20
_LOCAL = ("threads", "processes", "synchronous")


@contextmanager
def block_budget(memory_limit: int | None, place: Place | None = None) -> Iterator[None]:
    """Let blocks of data be a small part of the limit, and of the memory of each worker of a place: several fit."""
    import dask

    rooms = () if place is None else place.rooms
    limits = [limit for limit in (memory_limit, *(room.limit for room in rooms)) if limit is not None]
    memory_limit = min(limits, default=None)
    # Blocks keep the size that the user or dask's configuration gives them.
    if memory_limit is None:
        yield
        return
    budget = min(block_bytes(), max(_LEAST_BLOCK_BYTES, memory_limit // _BLOCKS_PER_LIMIT))
    with dask.config.set({BLOCK_BYTES: budget}):
        yield


class Place(Protocol):
    """Where the tasks of a run are computed.

    Attributes
    ----------
    most_workers
        Most tasks in work at a time; None for as many as there are cores.
    rooms
        Workers of a cluster; none for this machine.
    """

    most_workers: int | None
    rooms: tuple[WorkerRoom, ...]

    def running(self, n_workers: int | None = None, tasks: TaskCounter | None = None) -> AbstractContextManager[None]:
        """Compute there what is computed inside, with so many workers or all, and count its tasks."""

    def see(self, path: str, advice: str) -> None:
        """Raise :class:`ClusterError`, with advice, unless tasks see a file or folder that this process sees."""

    def ask(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function in each process; raise :class:`ClusterError` naming the workers on which it raises."""

    def see_store(self, tree: xr.DataTree) -> None:
        """Raise :class:`ClusterError` unless tasks read the same store as this process."""


@contextmanager
def opened(scheduler: str | None) -> Iterator[Place]:
    """Find where tasks run, and make sure that the same is computed there as here.

    Parameters
    ----------
    scheduler
        As in :func:`saegeom_data.engine.compute.compute`.

    Raises
    ------
    ParameterError
        If it is no name of a scheduler, or none answers at the address.
    ClusterError
        If there is no worker, or one has other software than this process.
    """
    keep_little_back()
    client = _active_client() if scheduler is None else None
    if scheduler in _LOCAL or (scheduler is None and client is None):
        yield _Local(scheduler or "threads")
        return
    if scheduler is not None and not ("://" in scheduler or scheduler.endswith(".json")):
        raise ParameterError(
            f"scheduler: got {scheduler!r}, expected threads, processes, synchronous, tcp://HOST:PORT or the .json file"
            " of a dask scheduler"
        )
    require("distributed", "distributed")
    from saegeom_data.engine.cluster import connected

    with connected(scheduler, client) as cluster:
        cluster.check()
        yield cluster


def _active_client() -> Any:
    """The ``distributed.Client`` of this process that dask would compute on, or None."""
    import dask

    distributed = sys.modules.get("distributed")
    # Another scheduler that the user has set for dask goes before a client.
    if distributed is None or dask.config.get("scheduler", None) not in (None, "dask.distributed", "distributed"):
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


class _Local:
    """Threads or processes of this machine."""

    rooms: tuple[WorkerRoom, ...] = ()

    def __init__(self, kind: str) -> None:
        self.kind = kind
        # It runs tasks in the caller's thread, one after the other, whatever it is given.
        self.most_workers = 1 if kind == "synchronous" else None

    @contextmanager
    def running(self, n_workers: int | None = None, tasks: TaskCounter | None = None) -> Iterator[None]:
        import dask
        from dask.system import CPU_COUNT

        n_workers = n_workers or self.most_workers or CPU_COUNT
        callbacks = None if tasks is None else tasks.callbacks
        # A limit reaches its own process only; workers of dask's processes set theirs as they start.
        limit = {"multiprocessing.initializer": _limited_threads, "num_workers": n_workers}
        get = partial(dask.base.named_schedulers[self.kind], callbacks=callbacks)
        with _pool(self.kind, n_workers) as pool, dask.config.set(limit, scheduler=get, pool=pool):
            yield

    def see(self, path: str, advice: str) -> None:
        pass

    def ask(self, function: Callable[..., None], *arguments: Any) -> None:
        function(*arguments)

    def see_store(self, tree: xr.DataTree) -> None:
        pass


@contextmanager
def _pool(kind: str, n_workers: int) -> Iterator[ThreadPoolExecutor | None]:
    """Make a pool of threads for all units together, each with one thread in BLAS and OpenMP."""
    if kind != "threads":
        yield None
        return
    # BLAS has one limit for all threads, which is put back at the end; OpenMP has one for each thread of the pool.
    with _limited_threads(), ThreadPoolExecutor(n_workers, initializer=_limited_threads) as pool:
        yield pool


def _limited_threads() -> AbstractContextManager[Any]:
    """Limit the numerical libraries to one thread: as many tasks run at a time as there are cores."""
    # Imported here because limits reach only libraries that are loaded.
    import scipy.linalg  # noqa: F401
    import sklearn.cluster  # noqa: F401
    from threadpoolctl import threadpool_limits

    # In processes of dask's own, which begin with this function.
    keep_little_back()
    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits
