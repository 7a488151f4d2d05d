"""Compute units: those of one SAE or site in one pass over its data, a few SAEs or sites at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from saegeom_data.engine import planner
from saegeom_data.engine.left_out import LeftOut, reason_of
from saegeom_data.engine.scheduler import Place, opened
from saegeom_data.engine.task_counter import TaskCounter
from saegeom_data.engine.time_left import Left, TimeLeft
from saegeom_data.engine.units import Unit, by_source
from saegeom_data.errors import DataValueError, NotFiniteError, ParameterError
from saegeom_data.typing import Progress

if TYPE_CHECKING:
    import xarray as xr


def compute(
    units: Sequence[Unit],
    *,
    tree: xr.DataTree | None = None,
    scheduler: str | None = None,
    memory_limit: int | None = None,
    progress: Progress | None = None,
    left: Left | None = None,
) -> list[Unit]:
    """Compute units, each block of data read once for all metrics of one pass.

    Parameters
    ----------
    units
        What :func:`saegeom_data.engine.units.evaluate_units` gives.
    tree
        The store that they are of, so that workers of a cluster are asked whether they see it before they read.
    scheduler
        ``"threads"``, ``"processes"``, ``"synchronous"``, the address of a running dask scheduler (``tcp://...``), or
        the path of its scheduler file (``.json``). By default the active ``distributed.Client`` of this process, and
        threads where there is none.
    memory_limit
        Bytes of resident memory: as many tasks and SAEs are in work at a time as fit, by the plan. No limit by default.
        On a cluster that of each worker, beside the limit that it has itself.
    progress
        Called with the number of tasks that have been finished and of all, from any thread.
    left
        Called before it with the seconds that are likely left; never where a stage states no work.

    Returns
    -------
    list of Unit
        The same units in the same order, held in memory.

    Raises
    ------
    DataValueError
        If the data holds values that a metric cannot be computed on.
    MemoryLimitError
        If the run does not fit the limit one task at a time, or one SAE or site at a time the memory of a worker;
        nothing is computed.
    ClusterError
        If a cluster cannot compute them: a worker has other software or lacks the store, all workers are gone or out of
        memory, or the scheduler is.
    """
    with opened(scheduler) as place:
        if tree is not None:
            place.see_store(tree)
        return computed_at(place, units, memory_limit, progress, left)


def computed_at(
    place: Place, units: Sequence[Unit], memory_limit: int | None, progress: Progress | None, left: Left | None = None
) -> list[Unit]:
    """Plan and compute units."""
    plan = planned(units, place, memory_limit)
    follow = None if left is None else TimeLeft([(units, plan.n_workers, plan.at_once)], left)
    return computed(units, plan, place, TaskCounter(progress, plan.n_tasks, follow))


def planned(
    units: Sequence[Unit], place: Place | None, memory_limit: int | None, *, written: bool = False
) -> planner.Plan:
    """Plan of units where they are to be computed, by default on threads, under a limit and the memory of workers."""
    n_workers = None if place is None else place.most_workers
    if place is not None and place.rooms:
        most = n_workers or len(place.rooms)
        return planner.fit_workers(units, place.rooms, memory_limit, most_at_once=most, written=written)
    if memory_limit is None:
        return planner.plan(units, n_workers=n_workers, written=written)
    return planner.fit(units, memory_limit, n_workers=n_workers, written=written)


def computed(
    units: Sequence[Unit],
    plan: planner.Plan,
    place: Place,
    tasks: TaskCounter,
    left_out: LeftOut | None = None,
) -> list[Unit]:
    """Compute units as they are planned, and count their tasks.

    ``left_out`` receives those that the values of the data cannot serve; without it they are an error.
    """
    with place.running(plan.n_workers, tasks):
        return _a_few_at_a_time(units, plan.at_once, left_out)


def _in_one_pass(units: Sequence[Unit], left_out: LeftOut | None = None) -> list[Unit]:
    """Compute units in one call of dask: blocks that several read are one task of its graph."""
    try:
        return _with_values(units)
    # How many rows are left once those that are masked are taken away is seen only here.
    except (DataValueError, ParameterError) as error:
        if left_out is None or isinstance(error, NotFiniteError):
            raise
        if len(units) == 1:
            left_out.add(units[0].group, units[0].name, reason_of(error, units[0].metric))
            return []
        # One by one, to find those that can be had.
        return [found for unit in units for found in _in_one_pass([unit], left_out)]


def _with_values(units: Sequence[Unit]) -> list[Unit]:
    import dask
    import xarray as xr

    found = [replace(unit, dataset=unit.dataset.copy()) for unit in units]
    # Without what a dataset holds in memory, which would go to workers and come back; but one collection for each unit,
    # because dask adds a task to each.
    chunked = [
        xr.Dataset({name: variable for name, variable in unit.dataset.variables.items() if variable.chunks is not None})
        for unit in found
    ]
    for unit, values in zip(found, dask.compute(*chunked), strict=True):
        for name, variable in values.variables.items():
            unit.dataset.variables[name].data = variable.data
    return found


def _in_turns(sources: Sequence[list[Unit]]) -> list[list[Unit]]:
    """SAEs and sites in turns, each in their order: a site has few and long tasks, which would be left for the end."""
    by_kind: dict[str, list[list[Unit]]] = {}
    for members in sources:
        by_kind.setdefault(members[0].metric.over, []).append(members)
    return [members for turn in zip_longest(*by_kind.values()) for members in turn if members]


def _a_few_at_a_time(units: Sequence[Unit], at_once: int, left_out: LeftOut | None) -> list[Unit]:
    """Compute the units of a few SAEs or sites at a time, so that what they hold is bounded however many there are."""
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(_in_one_pass, members, left_out) for members in _in_turns(by_source(units))]
        try:
            found = [unit for future in futures for unit in future.result()]
        # Also on Ctrl-C: SAEs that wait must not start while the pool is closed.
        except BaseException:
            for future in futures:
                future.cancel()
            raise
    by_name = {(unit.group, unit.name): unit for unit in found}
    # SAEs are computed together, but results keep the order of the run.
    return [by_name[unit.group, unit.name] for unit in units if (unit.group, unit.name) in by_name]
