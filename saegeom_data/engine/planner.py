"""What a run will take, before it starts: peak memory, bytes to read and tasks, from what its stages state."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saegeom_data.errors import MemoryLimitError, ParameterError

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.lazy import Stage

# Modules that a run loads, kernels that numba compiles, and the report: 444 MB measured on next to no data. The rest is
# what the allocator holds back between tasks: repeated runs of one plan differ by 45 MB on a busy machine.
_BASE_BYTES = 540 * 10**6
# Reading a block takes its compressed bytes, which may be as many, and the decoded chunks inside it as well.
_READING = 2.3
_UNITS = {"": 1, "b": 1, **{f"{one}b": 1000**i for i, one in enumerate("kmgt", 1)}}
_UNITS |= {f"{one}ib": 1024**i for i, one in enumerate("kmgt", 1)}


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
    """

    peak_bytes: int
    read_bytes: int
    n_tasks: int
    n_workers: int
    at_once: int
    largest: str


@dataclass(frozen=True)
class Unit:
    """The results of one SAE or site, which are computed together; a run computes a few units at a time."""

    name: str
    datasets: Mapping[str, xr.Dataset]


def units(results: xr.DataTree) -> list[Unit]:
    """Cut a lazy tree of results into its SAEs and sites.

    Parameters
    ----------
    results
        What :func:`saegeom_data.evaluate` gives.

    Returns
    -------
    list of Unit
        In the order of the results. Nothing is computed.
    """
    found: dict[tuple[str, str], dict[str, xr.Dataset]] = {}
    for node in results.subtree:
        dataset = node.to_dataset(inherit=False)
        for over in ("sae", "site"):
            for index, label in enumerate(dataset[over].values.tolist() if over in dataset.dims else ()):
                found.setdefault((over, str(label)), {})[node.path] = dataset.isel({over: slice(index, index + 1)})
    return [Unit(label, datasets) for (_, label), datasets in found.items()]


def plan(
    results: xr.DataTree, *, n_workers: int | None = None, at_once: int | None = None, written: bool = False
) -> Plan:
    """State what computing a lazy tree of results will take. Nothing is computed.

    Parameters
    ----------
    results
        What :func:`saegeom_data.evaluate` gives.
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
    >>> from saegeom_data.spec.models import models as spec
    >>> from saegeom_data.engine.runner import evaluate
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> metrics = [{"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 20}}]
    >>> run = spec.RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "Slopes", "metrics": metrics})
    >>> plan(evaluate(simulate_store().chunk(), run)).read_bytes > 0
    True
    """
    from dask.system import CPU_COUNT

    workers = n_workers or CPU_COUNT
    return _planned(_demands(results, written), workers, at_once or workers)


def fit(results: xr.DataTree, limit: int, *, n_workers: int | None = None, written: bool = False) -> Plan:
    """Find the most workers, and SAEs at a time, whose plan stays under a limit of memory.

    Parameters
    ----------
    results
        What :func:`saegeom_data.evaluate` gives.
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

    demands = _demands(results, written)
    most = n_workers or CPU_COUNT
    for workers in range(most, 0, -1):
        for at_once in sorted({workers, 1}, reverse=True):
            planned = _planned(demands, workers, at_once)
            if planned.peak_bytes <= limit:
                return planned
    raise MemoryLimitError(
        f"the run takes {_size(planned.peak_bytes)}, the memory limit is {_size(limit)}: most of it is "
        f"{planned.largest}; or raise --memory-limit"
    )


def parse_bytes(text: str) -> int:
    """Read a size such as ``2GB``, ``1.5 GiB`` or ``500000000``.

    Raises
    ------
    ParameterError
        If it is no size above 0.

    Examples
    --------
    >>> parse_bytes("2GB"), parse_bytes("1.5 GiB")
    (2000000000, 1610612736)
    """
    number = text.strip().rstrip("bBiIkKmMgGtT").strip()
    unit = text.strip()[len(number) :].strip().lower()
    unit = unit if unit.endswith("b") or not unit else f"{unit}b"
    try:
        size = int(float(number) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        size = 0
    if size <= 0:
        raise ParameterError(f"memory limit: got {text!r}, expected a size such as 2GB, 1.5GiB or 500MB")
    return size


@dataclass(frozen=True)
class _Demand:
    """What one unit takes, in bytes: what is held beside the tasks in work, and each stage's tasks."""

    name: str
    held: int
    stages: tuple[Stage, ...]
    reads: Mapping[str, int]
    n_tasks: int


def _demands(results: xr.DataTree, written: bool) -> list[_Demand]:
    return [_demand(unit, written) for unit in units(results)]


def _demand(unit: Unit, written: bool) -> _Demand:
    from saegeom_data.data.write import is_tiled
    from saegeom_data.lazy import find_stages

    graph = _graph(unit.datasets.values())
    found = tuple(find_stages(graph).values())
    reads = {name: size for stage in found for name, size in stage.reads.items()}
    held = max((_held(found, level) for level in {stage.after for stage in found}), default=0)
    tiled = sum(one.nbytes for dataset in unit.datasets.values() for one in dataset.values() if is_tiled(one))
    return _Demand(unit.name, held if written else held + tiled, found, reads, len(graph))


def _held(stages: Sequence[Stage], level: int) -> int:
    """Bytes beside the tasks in work while stages of one level run: what waits in them, and all results so far."""
    waiting = sum(stage.waiting * stage.memory.partial for stage in stages if stage.after == level)
    return waiting + sum(stage.output for stage in stages if stage.after <= level)


def _graph(datasets: Any) -> dict[Any, Any]:
    """Tasks that the datasets need, and no others."""
    from dask.core import flatten
    from dask.optimization import cull

    tasks: dict[Any, Any] = {}
    for dataset in datasets:
        graph = dataset.__dask_graph__()
        if graph is not None:
            keys = set(flatten(dataset.__dask_keys__()))
            # Not the method of the same name, which keeps layers that nothing needs.
            tasks |= cull(graph.to_dict(), keys)[0]
    return tasks


def _planned(demands: Sequence[_Demand], n_workers: int, at_once: int) -> Plan:
    in_work = sorted(demands, key=lambda one: one.held + _most(one, 1), reverse=True)[:at_once]
    tasks = sorted((task for one in in_work for task in _tasks(one, n_workers)), key=lambda task: -task[0])
    peak = _base() + sum(one.held for one in in_work) + sum(size for size, _ in tasks[:n_workers])
    reads = {name: size for one in demands for name, size in one.reads.items()}
    largest = tasks[0][1] if tasks else "what the process holds already"
    return Plan(peak, sum(reads.values()), sum(one.n_tasks for one in demands), n_workers, at_once, largest)


def _most(demand: _Demand, n_workers: int) -> int:
    return sum(sorted((size for size, _ in _tasks(demand, n_workers)), reverse=True)[:n_workers])


def _tasks(demand: _Demand, n_workers: int) -> Iterator[tuple[int, str]]:
    """Bytes of each task that may be in work at the same time as others, and what to say of it."""
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
    return f"{_size(size)} of {stage.function} on {demand.name}" + (f"; lower {change}" if change else "")


def _base() -> int:
    return max(_BASE_BYTES, _resident())


def _resident() -> int:
    """Resident memory of this process now, or 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.2f} GB" if n_bytes >= 10**8 else f"{n_bytes / 1e6:.1f} MB"
