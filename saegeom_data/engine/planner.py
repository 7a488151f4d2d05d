"""What a run will take, before it starts: peak memory, bytes to read and tasks, from what its stages state.

How long it takes is in :mod:`saegeom_data.engine.times`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from saegeom_data.engine.sizes import plan_line, size_text
from saegeom_data.engine.times import Times
from saegeom_data.engine.units import Unit, by_source, graph_of
from saegeom_data.errors import MemoryLimitError

if TYPE_CHECKING:
    from saegeom_data.lazy import Stage

# Modules that a run loads, kernels that numba compiles, and the report: 444 MB measured on next to no data. The rest is
# what the allocator holds back between tasks: repeated runs of one plan differ by 45 MB on a busy machine.
BASE_BYTES = 500 * 10**6
# Reading a block takes its compressed bytes, which may be as many, and the decoded chunks inside it as well.
_READING = 2.3


@dataclass(frozen=True)
class Plan:
    """What a run takes.

    Parameters
    ----------
    peak_bytes
        Peak resident memory of the process.
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

    def lines(self) -> Iterator[str]:
        """The same as text."""
        at_once = "SAE or site" if self.at_once == 1 else "SAEs or sites"
        yield plan_line("memory", f"{size_text(self.peak_bytes)} at most")
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
    units: Sequence[Unit], *, n_workers: int | None = None, at_once: int | None = None, written: bool = False
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

    Returns
    -------
    Plan
        Peak memory is that of this process: what it has now, or what a run loads if that is more, and what the run
        takes. It is an upper estimate.

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
    return _planned(_demands(units, written), workers, at_once or workers)


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

    demands = _demands(units, written)
    most = n_workers or CPU_COUNT
    # Downwards, so that the first plan that fits is the fastest one.
    for workers in range(most, 0, -1):
        # One SAE at a time before fewer workers: what SAEs hold shrinks, and all workers stay busy.
        for at_once in sorted({workers, 1}, reverse=True):
            planned = _planned(demands, workers, at_once)
            if planned.peak_bytes <= limit:
                return planned
    raise MemoryLimitError(
        f"the run takes {size_text(planned.peak_bytes)}, the memory limit is {size_text(limit)}: most of it is "
        f"{planned.largest}; or raise --memory-limit"
    )


@dataclass(frozen=True)
class _Demand:
    """What the units of one SAE or site take, in bytes: what is held beside the tasks in work, and what these take."""

    name: str
    held: int
    stages: tuple[Stage, ...]
    reads: Mapping[str, int]
    n_tasks: int


def _demands(units: Sequence[Unit], written: bool) -> list[_Demand]:
    return [_demand(members, written) for members in by_source(units)]


def _demand(units: Sequence[Unit], written: bool) -> _Demand:
    """What the units of one SAE or site take."""
    from saegeom_data.data.write import is_tiled
    from saegeom_data.lazy import find_stages

    # All units at once, so that stages and blocks that metrics share count once.
    graph = graph_of([unit.dataset for unit in units])
    found = tuple(find_stages(graph).values())
    reads = {name: size for stage in found for name, size in stage.reads.items()}
    # Stages that wait for each other do not hold their partial results at the same time.
    held = max((_held(found, level) for level in {stage.after for stage in found}), default=0)
    tiled = sum(values.nbytes for unit in units for values in unit.dataset.values() if is_tiled(values))
    return _Demand(units[0].name, held if written else held + tiled, found, reads, len(graph))


def _held(stages: Sequence[Stage], level: int) -> int:
    """Bytes beside the tasks in work while stages of one level run: what waits in them, and all results so far."""
    waiting = sum(stage.waiting * stage.memory.partial for stage in stages if stage.after == level)
    return waiting + sum(stage.output for stage in stages if stage.after <= level)


def _planned(demands: Sequence[_Demand], n_workers: int, at_once: int) -> Plan:
    """Plan of some workers on some SAEs or sites at a time, chosen as badly as they may come.

    peak = base + sum of what the ``at_once`` largest demands hold + sum of the ``n_workers`` largest tasks of these.
    """
    # Which SAEs meet is up to the pool, so the worst meeting is assumed.
    in_work = sorted(demands, key=lambda demand: demand.held + _most(demand, 1), reverse=True)[:at_once]
    tasks = sorted((task for demand in in_work for task in _tasks(demand, n_workers)), key=lambda task: -task[0])
    peak = base_bytes() + sum(demand.held for demand in in_work) + sum(size for size, _ in tasks[:n_workers])
    reads = {name: size for demand in demands for name, size in demand.reads.items()}
    largest = tasks[0][1] if tasks else "what the process holds already"
    return Plan(peak, sum(reads.values()), sum(demand.n_tasks for demand in demands), n_workers, at_once, largest)


def _most(demand: _Demand, n_workers: int) -> int:
    """Bytes of the largest tasks of one demand, as many as there are workers."""
    return sum(sorted((size for size, _ in _tasks(demand, n_workers)), reverse=True)[:n_workers])


def _tasks(demand: _Demand, n_workers: int) -> Iterator[tuple[int, str]]:
    """Bytes of each task that may be in work at the same time as others, and what to say of it.

    A task of a chunk or tile takes given + task + partial, and the last one of a stage finish + partial, or given
    instead of partial where it gathers its inputs itself. Of the former as many may run as there are workers.
    """
    for stage in demand.stages:
        given = int(stage.given * (_READING if stage.reads else 1.0))
        finish = stage.memory.finish + (given if stage.pattern == "whole" else stage.memory.partial)
        yield finish, _say(demand, stage, finish)
        if stage.pattern != "whole":
            size = given + stage.memory.task + stage.memory.partial
            for _ in range(n_workers):
                yield size, _say(demand, stage, size)


def _say(demand: _Demand, stage: Stage, size: int) -> str:
    change = stage.memory.lower or ("smaller chunks of the store" if stage.pattern == "rows" else "")
    return f"{size_text(size)} of {stage.function} on {demand.name}" + (f"; lower {change}" if change else "")


def base_bytes() -> int:
    """Bytes that are there before the first task: a run loads its libraries even where this process has not yet."""
    return max(BASE_BYTES, _resident())


def _resident() -> int:
    """Resident memory of this process now, or 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
