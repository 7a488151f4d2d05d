"""Evaluate a run: a dataset and a spec become lazy units, computed a few SAEs at a time, and a store of results."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from saegeom_data.data import provenance, staging, store, write
from saegeom_data.data.selection import Selection
from saegeom_data.engine import planner
from saegeom_data.engine.asked import as_run
from saegeom_data.engine.compute import computed, computed_at, planned
from saegeom_data.engine.join import attributes, join
from saegeom_data.engine.left_out import LeftOut
from saegeom_data.engine.more_draws import drawn_on, draws_lines, first_units
from saegeom_data.engine.scheduler import block_budget, opened
from saegeom_data.engine.task_counter import TaskCounter
from saegeom_data.engine.time_left import Left, Pass, TimeLeft
from saegeom_data.engine.times import estimate
from saegeom_data.engine.units import apart, evaluate_units, together
from saegeom_data.errors import ReportError, TargetExistsError
from saegeom_data.remote.manifest import is_of_system
from saegeom_data.results.open import REPORT, RESULTS, open_results
from saegeom_data.results.wording import listing
from saegeom_data.spec import models
from saegeom_data.typing import Progress

if TYPE_CHECKING:
    import xarray as xr


# Said where workers cannot write.
_SEEN = "matrices of pairs are written by workers: give --output where all of them see it"


def evaluate(tree: xr.DataTree, run: models.RunSpec | str | os.PathLike[str]) -> xr.DataTree:
    """Build the results of a run lazily.

    Parameters
    ----------
    tree
        A dataset, as :func:`saegeom_data.open` gives it.
    run
        Which metrics to evaluate: a spec, its path, the name of one that comes with the package, or a metric's name.

    Returns
    -------
    xarray.DataTree
        One group for each metric of the run, over ``sae`` with coordinates site, layer, width and l0, or over ``site``
        for metrics of word pairs. Metrics of decoders have a row ``name@site`` for each site of an SAE that writes to
        several. Nothing is computed. Where all results fit
        memory at once, :func:`measure` gives them; :func:`run` leaves them in a folder.

    Raises
    ------
    SpecError
        If the run names unknown metrics or parameters.
    UnknownNameError
        If the run names SAEs or sites that the dataset does not have.
    ValidationError
        If the dataset lacks what a metric needs.

    Examples
    --------
    >>> from saegeom_data.spec.models import RunSpec
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> metrics = [{"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 20}}]
    >>> run = RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "Slopes", "metrics": metrics})
    >>> evaluate(simulate_store(), run)["eigenvalue_slope"].slope.dims
    ('sae',)
    """
    run = as_run(run)
    selection = Selection(tree, run.occurrence)
    units = evaluate_units(run, selection)
    return join(units, attributes(run, selection, units) | provenance.UNCHECKED)


def measure(
    tree: xr.DataTree,
    run: models.RunSpec | str | os.PathLike[str],
    *,
    scheduler: str | None = None,
    memory_limit: int | None = None,
    progress: Progress | None = None,
) -> xr.DataTree:
    """Compute the results of a run in memory.

    Parameters
    ----------
    tree, run
        As in :func:`evaluate`.
    scheduler, memory_limit, progress
        As in :func:`saegeom_data.engine.compute.compute`.

    Returns
    -------
    xarray.DataTree
        What :func:`evaluate` gives, computed.

    Raises
    ------
    SpecError, UnknownNameError, ValidationError, DataValueError, MemoryLimitError, ClusterError
        As :func:`run`.
    """
    run = as_run(run)
    # Before anything is read, which an active client would do on its workers.
    with opened(scheduler) as place, block_budget(memory_limit, place):
        place.see_store(tree)
        selection = Selection(tree, run.occurrence)
        units = first_units(run, selection)
        found = computed_at(place, units, memory_limit, progress)
        if run.draws == "until_decided":
            found = drawn_on(run, selection, found, lambda again: computed_at(place, again, memory_limit, progress))
    return join(found, attributes(run, selection, units) | provenance.UNCHECKED)


def run(
    run_spec: models.RunSpec | str | os.PathLike[str],
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    scheduler: str | None = None,
    memory_limit: int | None = None,
    progress: Progress | None = None,
    left: Left | None = None,
    notify: Callable[[str], None] | None = None,
    strict: bool = False,
    overwrite: bool = False,
) -> xr.DataTree:
    """Evaluate a run on a store and leave ``results.zarr`` and ``report.html`` in a new folder.

    Parameters
    ----------
    run_spec
        Which metrics to evaluate.
    data
        Store of the dataset: a folder, a zip archive or a URL.
    output
        Folder to make; it appears only when everything in it is finished.
    scheduler, memory_limit, progress, left
        As in :func:`saegeom_data.engine.compute.compute`. Under a limit, and on workers of little memory, data is read
        in smaller blocks.
    notify
        Called before anything is computed with each line on what the numbers of draws cannot find.
    strict
        Whether it is an error if the data cannot serve some of the run. By default the rest is measured, and the
        results' attribute ``left_out`` and the report say what was left out and why.
    overwrite
        Whether ``output`` is replaced if it holds results of a run; only when the new ones are whole.

    Returns
    -------
    xarray.DataTree
        The results, reopened from disk.

    Raises
    ------
    TargetExistsError
        If ``output`` exists; with ``overwrite``, if it holds anything else than a run.
    StoreError, SpecError, ValidationError, DataValueError, MemoryLimitError
        If the dataset is damaged, it or the spec is not fit for the run, or the run for the limit; nothing is left
        behind.
    ClusterError
        If a cluster cannot compute the run, as in :func:`saegeom_data.engine.compute.compute`; nothing is left behind.
    ReportError
        If no report could be made of the results, which stay.
    """
    run_spec = as_run(run_spec)
    _refuse_folder(Path(output), overwrite)
    # The folder is renamed into place at the end: whoever finds it finds whole results.
    with staging.staged_folder(output, _is_run if overwrite else None) as folder:
        with opened(scheduler) as place, block_budget(memory_limit, place), store.open_whole(data) as tree:
            place.see_store(tree)
            selection = Selection(tree, run_spec.occurrence)
            left_out = None if strict else LeftOut()
            units = first_units(run_spec, selection, left_out)
            attrs = attributes(run_spec, selection, units) | provenance.describe_place(tree)
            # Matrices of pairs may exceed memory, and are written tile by tile after everything else is computed.
            held, tiled = apart(units)
            if tiled:
                place.see(str(folder.absolute()), _SEEN)
            computing = planned(held, place, memory_limit)
            writing = planned(tiled, place, memory_limit, written=True)
            passes: list[Pass] = [
                (held, computing.n_workers, computing.at_once),
                (tiled, writing.n_workers, writing.at_once),
            ]
            follow = None if left is None else TimeLeft(passes, left)
            tasks = TaskCounter(progress, computing.n_tasks + writing.n_tasks, follow)
            if notify is not None:
                for line in draws_lines(run_spec, units):
                    notify(line)
            found = computed(held, computing, place, tasks, left_out)
            if run_spec.draws == "until_decided":
                found = drawn_on(
                    run_spec, selection, found, lambda again: computed_at(place, again, memory_limit, progress, left)
                )
            if left_out is not None and left_out.entries:
                attrs["left_out"] = left_out.sentences()
                if not found:
                    left_out.refuse_nothing_left()
            finished = together(found, tiled)
            with place.running(writing.n_workers, tasks):
                write.write_tree(join(finished, attrs), (folder / RESULTS).absolute())
        failure = _report(folder)
    # After the folder is in place, so that results survive a report that cannot be drawn.
    if failure is not None:
        reason = f"{type(failure).__name__}: {failure}"
        raise ReportError(
            f"{Path(output) / RESULTS}: is whole, but no report could be made of it: {reason}; read the results with "
            "xarray, and tell the developers of saegeom-data"
        ) from failure
    return open_results(output)


def _is_run(folder: Path) -> bool:
    """Whether a folder holds what a run has left there, and nothing else."""
    return not folder.is_symlink() and (folder / RESULTS).is_dir() and not _others(folder)


def _others(folder: Path) -> list[str]:
    """What lies beside a run's results and report, but for files that systems leave."""
    names = sorted(entry.name for entry in folder.iterdir())
    return [name for name in names if name not in {RESULTS, REPORT} and not is_of_system(name)]


def check_output(output: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Refuse an output folder that :func:`run` would not make or replace, before anything is computed.

    Raises
    ------
    TargetExistsError, StoreError
        As :func:`run`.
    """
    _refuse_folder(Path(output), overwrite)
    staging.refuse_target(output, _is_run if overwrite else None)


def _refuse_folder(output: Path, overwrite: bool) -> None:
    """Raise :class:`TargetExistsError` for a folder that is taken, and say how to replace a run, or why it is not."""
    if not output.is_dir() or output.is_symlink():
        return
    if overwrite and not _is_run(output):
        there = _others(output)
        found = f"holds {listing(there[:3])} beside a run" if (output / RESULTS).is_dir() else "holds no run"
        raise TargetExistsError(f"{output}: {found}, so it is not replaced; move it away or give another path")
    if not overwrite and _is_run(output):
        raise TargetExistsError(f"{output}: holds a finished run; replace it with --overwrite, or give another path")


def _report(folder: Path) -> Exception | None:
    """Write the report of finished results; what fails there must not cost them."""
    from saegeom_data.report.page import write_report

    with store.open_unchecked(folder / RESULTS) as written:
        try:
            write_report(written, folder / REPORT)
        # A full disk is no fault of the report, and fails the run as any other write does.
        except OSError:
            raise
        except Exception as error:
            return error
    return None


def plan(
    run_spec: models.RunSpec | str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    scheduler: str | None = None,
    memory_limit: int | None = None,
    strict: bool = False,
) -> planner.Plan:
    """State what :func:`run` would take, from metadata.

    On a cluster its workers are asked as for a run; how long it takes is estimated as if they were as fast as this
    machine.

    Where the metadata does not tell how large a result is, the arrays that do are read, and the plan names them: the
    relation of each word pair, types of documents of a store without sources, and the text from which occurrence is to
    be derived.

    Raises
    ------
    StoreError, SpecError, ValidationError, MemoryLimitError, ClusterError
        As :func:`run`.
    """
    run_spec = as_run(run_spec)
    with opened(scheduler) as place, block_budget(memory_limit, place), store.open(data) as tree:
        place.see_store(tree)
        selection = Selection(tree, run_spec.occurrence, planned=True)
        left_out = None if strict else LeftOut()
        units = evaluate_units(run_spec, selection, left_out)
        held, tiled = apart(units)
        plans = [planned(held, place, memory_limit)]
        times = estimate(held, plans[0].n_workers, plans[0].at_once)
        if tiled:
            plans.append(planned(tiled, place, memory_limit, written=True))
            times += estimate(tiled, plans[1].n_workers, plans[1].at_once)
        return replace(
            # What is held and what is written in tiles come one after the other: the larger peak counts.
            max(plans, key=lambda plan: plan.peak_bytes),
            read_bytes=sum(plan.read_bytes for plan in plans),
            n_tasks=sum(plan.n_tasks for plan in plans),
            read_already=tuple(selection.read),
            times=times,
            goes_on=run_spec.draws == "until_decided",
            draws=tuple(draws_lines(run_spec, units)),
            left_out=() if left_out is None else tuple(left_out.sentences()),
        )
