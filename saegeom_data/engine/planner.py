"""What a run will take, before it starts: peak memory, bytes to read and tasks, from what its stages state.

How long it takes is in :mod:`saegeom_data.engine.times`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from saegeom_data.engine.demands import Demand, demands_of, most_of, tasks_of
from saegeom_data.engine.sizes import plan_line, size_text
from saegeom_data.engine.times import Times
from saegeom_data.engine.units import Unit
from saegeom_data.errors import MemoryLimitError

# Modules that a run loads, kernels that numba compiles, and the report: 350 MB measured on next to no data. The rest is
# what the allocator holds back between tasks: repeated runs of one plan differ by 50 MB.
BASE_BYTES = 450 * 10**6


@dataclass(frozen=True)
class WorkerRoom:
    """What a worker of a cluster has for tasks.

    Parameters
    ----------
    name
        What messages call it.
    n_threads
        Tasks that it has in work at a time.
    limit
        Bytes of resident memory at which it stops taking tasks; None if there is no limit.
    resident
        Bytes that it has now.
    """

    name: str
    n_threads: int
    limit: int | None = None
    resident: int = 0


@dataclass(frozen=True)
class Plan:
    """What a run takes.

    Parameters
    ----------
    peak_bytes
        Peak resident memory of the process; of a worker where tasks run on several.
    read_bytes
        Bytes of data to read, as they are in memory; on disk they may be compressed.
    n_tasks
        Tasks of the graph.
    n_workers
        Tasks in work at a time.
    at_once
        SAEs or sites in work at a time.
    largest
        What takes most: the SAE or site, the stage, and the parameter to change, if there is one.
    read_already
        Paths of what had to be read to make the plan, because sizes of results depend on it; mostly nothing.
    times
        How long it takes on this machine; None if nobody asked.
    draws
        What the numbers of draws of null models cannot find, a line for each metric and parameter.
    goes_on
        Whether more is drawn where the first draws cannot tell.
    left_out
        What the data cannot serve, and why.
    on_workers
        Number of workers of a cluster; 0 for this machine.
    """

    peak_bytes: int
    read_bytes: int
    n_tasks: int
    n_workers: int
    at_once: int
    largest: str
    read_already: tuple[str, ...] = ()
    times: Times | None = None
    draws: tuple[str, ...] = ()
    goes_on: bool = False
    left_out: tuple[str, ...] = ()
    on_workers: int = 0

    def lines(self) -> Iterator[str]:
        """The same as text."""
        at_once = "SAE or site" if self.at_once == 1 else "SAEs or sites"
        each = {0: "", 1: " on the worker"}.get(self.on_workers, f" on each of {self.on_workers} workers")
        yield plan_line("memory", f"{size_text(self.peak_bytes)} at most{each}")
        yield plan_line("reads", f"{size_text(self.read_bytes)}, uncompressed")
        yield plan_line("tasks", f"{self.n_tasks:,}, {self.n_workers} at a time, of {self.at_once} {at_once} at a time")
        yield plan_line("largest", self.largest)
        if self.times is not None:
            yield from self.times.lines(goes_on=self.goes_on)
        if self.read_already:
            yield plan_line("read now", f"{', '.join(self.read_already)}: sizes of results depend on it")
        for line in self.draws:
            yield plan_line("draws", line)
        for line in self.left_out:
            yield plan_line("left out", line)


def plan(
    units: Sequence[Unit],
    *,
    n_workers: int | None = None,
    at_once: int | None = None,
    written: bool = False,
    resident: int | None = None,
) -> Plan:
    """State what computing units will take. Nothing is computed.

    Parameters
    ----------
    units
        What :func:`saegeom_data.engine.units.evaluate_units` gives.
    n_workers
        Tasks in work at a time; the cores by default.
    at_once
        SAEs or sites in work at a time; ``n_workers`` by default.
    written
        Whether matrices of tiles are written tile by tile instead of being held.
    resident
        Bytes that the process has before the run; by default what this one has now.

    Returns
    -------
    Plan
        Peak memory is that of the process: what it has, or what a run loads if that is more, and what the run takes.
        It is an upper estimate.

    Examples
    --------
    >>> from saegeom_data.data.selection import Selection
    >>> from saegeom_data.engine.units import evaluate_units
    >>> from saegeom_data.spec.models import RunSpec
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> metrics = [{"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 20}}]
    >>> run = RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "Slopes", "metrics": metrics})
    >>> plan(evaluate_units(run, Selection(simulate_store().chunk()))).read_bytes > 0
    True
    """
    from dask.system import CPU_COUNT

    workers = n_workers or CPU_COUNT
    return _planned(demands_of(units, written=written), workers, at_once or workers, resident)


def fit(units: Sequence[Unit], limit: int, *, n_workers: int | None = None, written: bool = False) -> Plan:
    """Find the most workers, and SAEs at a time, whose plan stays under a limit of memory.

    Parameters
    ----------
    units
        What :func:`saegeom_data.engine.units.evaluate_units` gives.
    limit
        Bytes of resident memory.
    n_workers
        Most tasks in work at a time; the cores by default.
    written
        Whether matrices of tiles are written tile by tile instead of being held.

    Raises
    ------
    MemoryLimitError
        If the run does not fit even one task at a time; names what takes most and what to change.
    """
    from dask.system import CPU_COUNT

    demands = demands_of(units, written=written)
    most = n_workers or CPU_COUNT
    # Downwards, so that the first plan that fits is the fastest one.
    for workers in range(most, 0, -1):
        # One SAE at a time before fewer workers: what SAEs hold shrinks, and all workers stay busy.
        for at_once in sorted({workers, 1}, reverse=True):
            planned = _planned(demands, workers, at_once)
            if planned.peak_bytes <= limit:
                return planned
    taken = f"the run takes {size_text(planned.peak_bytes)}, the memory limit is {size_text(limit)}"
    if limit <= base_bytes():
        # No parameter lowers what is there before the first task.
        raise MemoryLimitError(f"{taken}; raise it: Python and its libraries alone take {size_text(base_bytes())}")
    raise MemoryLimitError(f"{taken}; raise --memory-limit, or reduce what takes most: {planned.largest}")


def fit_workers(
    units: Sequence[Unit],
    rooms: Sequence[WorkerRoom],
    limit: int | None = None,
    *,
    most_at_once: int,
    written: bool = False,
) -> Plan:
    """Find the most SAEs or sites at a time whose plan stays under what each worker of a cluster has.

    A worker always has as many tasks in work as it has threads. What waits may all lie on one, which the last task of a
    stage gathers it on.

    Parameters
    ----------
    units
        What :func:`saegeom_data.engine.units.evaluate_units` gives.
    rooms
        The workers.
    limit
        Bytes of resident memory that each of them may take at most, besides its own limit.
    most_at_once
        Most SAEs or sites in work at a time.
    written
        Whether matrices of tiles are written tile by tile instead of being held.

    Raises
    ------
    MemoryLimitError
        If a worker has too little memory for one SAE or site at a time; names it, what takes most and what to change.
    """
    demands = demands_of(units, written=written)
    n_threads = sum(room.n_threads for room in rooms)
    for at_once in range(max(1, min(most_at_once, len(demands))), 0, -1):
        planned = {room: _planned(demands, room.n_threads, at_once, room.resident) for room in rooms}
        over = [room for room in rooms if planned[room].peak_bytes > _least(room.limit, limit)]
        if not over:
            largest = max(planned.values(), key=lambda plan: plan.peak_bytes)
            return replace(largest, n_workers=n_threads, on_workers=len(rooms))
    room, plan = over[0], planned[over[0]]
    raise MemoryLimitError(
        f"{room.name}: takes {size_text(plan.peak_bytes)} with {room.n_threads} tasks at a time, of "
        f"{size_text(_least(room.limit, limit))} that it may fill; start workers with fewer threads or more"
        f" memory, or reduce what takes most: {plan.largest}"
    )


def _least(*limits: int | None) -> float:
    return min((limit for limit in limits if limit is not None), default=float("inf"))


def _planned(demands: Sequence[Demand], n_workers: int, at_once: int, resident: int | None = None) -> Plan:
    """Plan of some tasks of some SAEs or sites at a time in one process, chosen as badly as they may come.

    ``resident`` is what the process has now, by default this one.

    peak = base + sum of what the ``at_once`` largest demands hold + sum of the ``n_workers`` largest tasks of these.
    """
    # Which SAEs meet is up to the pool, so the worst meeting is assumed.
    in_work = sorted(demands, key=lambda demand: demand.held + most_of(demand, 1), reverse=True)[:at_once]
    tasks = sorted((task for demand in in_work for task in tasks_of(demand, n_workers)), key=lambda task: -task[0])
    peak = base_bytes(resident) + sum(demand.held for demand in in_work) + sum(size for size, _ in tasks[:n_workers])
    reads = {name: size for demand in demands for name, size in demand.reads.items()}
    largest = tasks[0][1] if tasks else "what the process holds already"
    return Plan(peak, sum(reads.values()), sum(demand.n_tasks for demand in demands), n_workers, at_once, largest)


def base_bytes(resident: int | None = None) -> int:
    """Bytes before the first task: a run loads its libraries even where a process, by default this one, has not yet."""
    return max(BASE_BYTES, _resident() if resident is None else resident)


def _resident() -> int:
    """Resident memory of this process now, or 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
