"""Where tasks run: threads, processes or a cluster, with numerical libraries limited to one thread each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from typing import Any

from saegeom_data.errors import ParameterError
from saegeom_data.lazy import BLOCK_BYTES, block_bytes
from saegeom_data.typing import Progress

# A run under a limit holds about so many blocks at a time, with what is made of them.
_BLOCKS_PER_LIMIT = 64
_LEAST_BLOCK_BYTES = 4 * 2**20


@contextmanager
def block_budget(memory_limit: int | None) -> Iterator[None]:
    """Let blocks of data be a small part of the limit, so that several fit."""
    import dask

    # Blocks keep the size that the user or dask's configuration gives them.
    if memory_limit is None:
        yield
        return
    budget = min(block_bytes(), max(_LEAST_BLOCK_BYTES, memory_limit // _BLOCKS_PER_LIMIT))
    with dask.config.set({BLOCK_BYTES: budget}):
        yield


class TaskCounter:
    """Counts finished tasks of local schedulers, over all units and passes together, and passes their keys on."""

    def __init__(self, progress: Progress | None, n_tasks: int, finished: Callable[[Any], None] | None = None) -> None:
        self._progress, self._n_tasks, self._key_finished = progress, n_tasks, finished
        # next() of a counter cannot be interrupted, so threads need no lock.
        self._finished = count(1)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count what is computed inside."""
        if self._progress is None and self._key_finished is None:
            yield
            return
        from dask.callbacks import Callback

        with Callback(posttask=lambda key, *_: self._report(key)):
            yield

    def _report(self, key: Any) -> None:
        # First what is left, so that whoever shows both with one line shows what belongs together.
        if self._key_finished is not None:
            self._key_finished(key)
        if self._progress is not None:
            self._progress(next(self._finished), self._n_tasks)


def is_address(scheduler: str) -> bool:
    """Whether a scheduler is a running one, named by its address, rather than one of this process."""
    return "://" in scheduler


@contextmanager
def scheduler_context(scheduler: str, n_workers: int) -> Iterator[None]:
    """Run what is computed inside on a scheduler: local, with so many workers, or at an address."""
    import dask

    if not is_address(scheduler):
        if scheduler not in {"threads", "processes", "synchronous"}:
            raise ParameterError(
                f"scheduler: got {scheduler!r}, expected threads, processes, synchronous or tcp://HOST:PORT"
            )
        # A limit reaches its own process only; workers of dask's processes set theirs as they start.
        limit = {"multiprocessing.initializer": _limit_threads, "num_workers": n_workers}
        with _pool(scheduler, n_workers) as pool, dask.config.set(limit, scheduler=scheduler, pool=pool):
            yield
        return
    from saegeom_data.errors import require

    require("distributed", "distributed")
    from distributed import Client

    try:
        client = Client(scheduler)
    except (OSError, ValueError) as error:
        raise ParameterError(
            f"scheduler: no dask scheduler answers at {scheduler}; start one with dask scheduler, or give its address"
        ) from error
    with client:
        yield


@contextmanager
def _pool(scheduler: str, n_workers: int) -> Iterator[ThreadPoolExecutor | None]:
    """Make a pool of threads for all units together, each with one thread in BLAS and OpenMP."""
    if scheduler != "threads":
        yield None
        return
    # BLAS has one limit for all threads, which is put back at the end; OpenMP has one for each thread of the pool.
    with _limit_threads(), ThreadPoolExecutor(n_workers, initializer=_limit_threads) as pool:
        yield pool


def _limit_threads() -> AbstractContextManager[Any]:
    """Limit the numerical libraries to one thread: as many tasks run at a time as there are cores."""
    # Imported here because limits reach only libraries that are loaded.
    import scipy.linalg  # noqa: F401
    import sklearn.cluster  # noqa: F401
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits
