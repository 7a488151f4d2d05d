"""Evaluate a run: a dataset and a spec become one lazy graph, computed in one pass, and a store of results."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saegeom_data.data import comparability, provenance, schema, staging, store, write
from saegeom_data.data.selection import select_relations, select_saes
from saegeom_data.declare.metric import Metric
from saegeom_data.declare.registry import get_metric
from saegeom_data.engine import check_run, planner
from saegeom_data.engine.scheduler import TaskCounter, block_budget, scheduler_context
from saegeom_data.errors import DataValueError, ParameterError, ReportError, UnknownNameError
from saegeom_data.results.open import RESULTS, open_results
from saegeom_data.spec import models
from saegeom_data.typing import Progress

if TYPE_CHECKING:
    import xarray as xr

_COORDS = ("site", "layer", "width", "l0")


def evaluate(tree: xr.DataTree, run: models.RunSpec) -> xr.DataTree:
    """Build the results of a run lazily.

    Parameters
    ----------
    tree
        A dataset, as :func:`saegeom_data.open` gives it.
    run
        Which metrics to evaluate.

    Returns
    -------
    xarray.DataTree
        One group for each metric of the run, over ``sae`` with coordinates site, layer, width and l0, or over ``site``
        for metrics of word pairs. Nothing is computed; :func:`compute` computes everything in one pass.

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
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> metrics = [{"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 20}}]
    >>> run = spec.RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "Slopes", "metrics": metrics})
    >>> evaluate(simulate_store(), run)["eigenvalue_slope"].slope.dims
    ('sae',)
    """
    import xarray as xr

    check_run.check_run(run)
    groups: dict[str, xr.Dataset] = {}
    compared: set[str] = set()
    saes = select_saes(tree, run.occurrence)
    for one in run.metrics:
        metric = get_metric(one.metric)
        known = list(saes) if metric.over == "sae" else schema.relation_sites(tree)
        names = _chosen(one, known)
        inputs = {name: saes[name] if metric.over == "sae" else select_relations(tree, name) for name in names}
        compared.update(names if metric.over == "sae" else ())
        results = {name: metric(dataset, **one.parameters) for name, dataset in inputs.items()}
        groups[f"/{one.group}"] = _side_by_side(metric, results, inputs)
    attrs = {
        "format_version": schema.FORMAT_VERSION,
        "kind": "results",
        "title": run.title,
        "license": tree.attrs.get("license", "unknown"),
        "spec": run.model_dump_json(),
        "versions": json.dumps(provenance.versions()),
        "unmatched": comparability.unmatched([sae for name, sae in saes.items() if name in compared]),
        **provenance.describe_source(tree),
    }
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), **groups})


def compute(
    results: xr.DataTree,
    *,
    scheduler: str = "threads",
    memory_limit: int | None = None,
    progress: Progress | None = None,
) -> xr.DataTree:
    """Compute a lazy tree, each block of data read once for all metrics of one pass.

    Parameters
    ----------
    results
        What :func:`evaluate` gives.
    scheduler
        ``"threads"``, ``"processes"``, ``"synchronous"``, or the address of a running dask scheduler (``tcp://...``).
    memory_limit
        Bytes of resident memory: as many tasks and SAEs are in work at a time as fit, by the plan. No limit by default.
    progress
        Called with the number of tasks that have been finished and of all, from any thread.

    Raises
    ------
    DataValueError
        If the data holds values that a metric cannot be computed on.
    MemoryLimitError
        If the run does not fit the limit one task at a time; nothing is computed.
    """
    plan = _planned(results, scheduler, memory_limit)
    return _computed(results, plan, scheduler, TaskCounter(progress, plan.n_tasks))


def _computed(results: xr.DataTree, plan: planner.Plan, scheduler: str, tasks: TaskCounter) -> xr.DataTree:
    import dask
    import xarray as xr

    with scheduler_context(scheduler, plan.n_workers), tasks.counted():
        if "://" in scheduler:
            lazy = {node.path: node.to_dataset(inherit=False) for node in results.subtree}
            return xr.DataTree.from_dict(dask.compute(lazy)[0])
        return _join(results, _compute_units(planner.units(results), plan.at_once))


def _planned(results: xr.DataTree, scheduler: str, limit: int | None, written: bool = False) -> planner.Plan:
    most = 1 if scheduler == "synchronous" else None
    if limit is None:
        return planner.plan(results, n_workers=most, written=written)
    return planner.fit(results, limit, n_workers=most, written=written)


def _compute_units(units: list[planner.Unit], at_once: int) -> list[dict[str, xr.Dataset]]:
    """Compute a few units at a time, so that what they hold is bounded however many there are."""
    import dask

    def computed(unit: planner.Unit) -> dict[str, xr.Dataset]:
        (datasets,) = dask.compute(dict(unit.datasets))
        return dict(datasets)

    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(computed, unit) for unit in units]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise


def _join(results: xr.DataTree, parts: list[dict[str, xr.Dataset]]) -> xr.DataTree:
    """Put the computed units of each group side by side again."""
    import xarray as xr

    joined = {}
    for node in results.subtree:
        lazy = node.to_dataset(inherit=False)
        own = [part[node.path] for part in parts if node.path in part]
        if own:
            over = "sae" if "sae" in lazy.dims else "site"
            lazy = xr.concat(own, dim=over, data_vars="minimal", coords="minimal", compat="override", join="override")
        joined[node.path] = lazy
    return xr.DataTree.from_dict(joined)


def run(
    run_spec: models.RunSpec,
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    scheduler: str = "threads",
    memory_limit: int | None = None,
    progress: Progress | None = None,
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
    scheduler, memory_limit, progress
        As in :func:`compute`. Under a limit, data is read in smaller blocks.

    Returns
    -------
    xarray.DataTree
        The results, reopened from disk.

    Raises
    ------
    TargetExistsError
        If ``output`` exists.
    StoreError, SpecError, ValidationError, DataValueError, MemoryLimitError
        If the dataset is damaged, it or the spec is not fit for the run, or the run for the limit; nothing is left
        behind.
    ReportError
        If no report could be made of the results, which stay.
    """
    with staging.staged_folder(output) as folder:
        with block_budget(memory_limit), store.open_whole(data) as tree:
            results = evaluate(tree, run_spec)
            results.attrs |= provenance.describe_place(tree)
            held, tiled = _apart(results)
            computing = _planned(held, scheduler, memory_limit)
            writing = _planned(tiled, scheduler, memory_limit, written=True)
            tasks = TaskCounter(progress, computing.n_tasks + writing.n_tasks)
            computed = _computed(held, computing, scheduler, tasks)
            with scheduler_context(scheduler, writing.n_workers), tasks.counted():
                write.write_tree(_together(computed, tiled), folder / RESULTS)
        failure = _report(folder)
    if failure is not None:
        reason = f"{type(failure).__name__}: {failure}"
        raise ReportError(
            f"{Path(output) / RESULTS}: is whole, but no report could be made of it: {reason}; read the results with "
            "xarray, and tell the developers of saegeom-data"
        ) from failure
    return open_results(output)


def _report(folder: Path) -> Exception | None:
    """Write the report of finished results; what fails there must not cost them."""
    from saegeom_data.report.page import write_report

    with store.open_unchecked(folder / RESULTS) as written:
        try:
            write_report(written, folder / "report.html")
        except OSError:
            raise
        except Exception as error:
            return error
    return None


def plan_run(
    run_spec: models.RunSpec, data: str | os.PathLike[str], *, memory_limit: int | None = None
) -> planner.Plan:
    """State what :func:`run` would take, without reading data.

    Raises
    ------
    StoreError, SpecError, ValidationError, MemoryLimitError
        As :func:`run`.
    """
    with block_budget(memory_limit), store.open(data) as tree:
        held, tiled = _apart(evaluate(tree, run_spec))
        computing = _planned(held, "threads", memory_limit)
        if not tiled.children:
            return computing
        writing = _planned(tiled, "threads", memory_limit, written=True)
        return replace(
            max(computing, writing, key=lambda one: one.peak_bytes),
            read_bytes=computing.read_bytes + writing.read_bytes,
            n_tasks=computing.n_tasks + writing.n_tasks,
        )


def _apart(results: xr.DataTree) -> tuple[xr.DataTree, xr.DataTree]:
    """Results to be held, and matrices of tiles to be written tile by tile."""
    import xarray as xr

    held, tiled = {}, {}
    for node in results.subtree:
        dataset = node.to_dataset(inherit=False)
        names = [name for name, variable in dataset.data_vars.items() if write.is_tiled(variable)]
        held[node.path] = dataset.drop_vars(names)
        if names:
            tiled[node.path] = dataset[names]
    return xr.DataTree.from_dict(held), xr.DataTree.from_dict(tiled)


def _together(held: xr.DataTree, tiled: xr.DataTree) -> xr.DataTree:
    import xarray as xr

    groups = {node.path: node.to_dataset(inherit=False) for node in held.subtree}
    for node in tiled.subtree:
        if node.data_vars:
            groups[node.path] = groups[node.path].assign(node.to_dataset(inherit=False).data_vars)
    return xr.DataTree.from_dict(groups)


def _chosen(one: models.MetricRun, known: list[str]) -> list[str]:
    if not known:
        what = "SAEs" if get_metric(one.metric).over == "sae" else "word pairs under /relations"
        raise DataValueError(f"{one.group}: the dataset has no {what}; remove the metric from the run or add them")
    if one.saes == "all":
        return known
    if one.saes == "middle":
        return [known[len(known) // 2]]
    for name in one.saes:
        if name not in known:
            raise UnknownNameError("SAE or site", name, known)
    if not one.saes:
        raise ParameterError(f"{one.group}: saes is empty; name at least one, or give 'all'")
    return list(one.saes)


def _side_by_side(metric: Metric, results: Mapping[str, xr.Dataset], inputs: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Put the results of several SAEs or sites along a new dimension, padded where their sizes differ."""
    import xarray as xr

    fills = {output.name: output.fill for output in metric.outputs}
    first = next(iter(results.values()))
    sizes = {dim: max(result.sizes[dim] for result in results.values()) for dim in first.sizes}
    padded = [_pad(result, sizes, fills) for result in results.values()]
    along = xr.concat(
        padded, dim=metric.over, join="outer", fill_value=fills, data_vars="all", coords="minimal", compat="override",
        combine_attrs="override",
    )  # fmt: skip
    coords: dict[str, Any] = {metric.over: list(results)}
    for name in _COORDS:
        values = [inputs[one].coords[name].values.item() for one in results if name in inputs[one].coords]
        if name != metric.over and len(values) == len(results):
            coords[name] = (metric.over, values)
    return along.assign_coords(coords)


def _pad(result: xr.Dataset, sizes: Mapping[Any, int], fills: Mapping[str, Any]) -> xr.Dataset:
    """Pad the dimensions without labels; labelled ones are aligned by their labels."""
    short = {
        dim: (0, sizes[dim] - size)
        for dim, size in result.sizes.items()
        if size < sizes[dim] and dim not in result.indexes
    }
    return result.pad(short, constant_values=dict(fills)) if short else result
