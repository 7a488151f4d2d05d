"""The registry: metrics by name, those of other packages included, and results held against their declarations."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING

from saegeom_data.declare.metric import Metric
from saegeom_data.errors import Problem, UnknownNameError, suggest

if TYPE_CHECKING:
    import xarray as xr


ENTRY_POINT_GROUP = "saegeom_data.metrics"


# Cached: every look through the metadata reads the files of all installed packages.
@functools.cache
def _entry_points() -> Mapping[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=ENTRY_POINT_GROUP)}


def list_metrics() -> list[str]:
    """Names of all registered metrics, those of other packages included, sorted.

    Examples
    --------
    >>> "eigenvalue_slope" in list_metrics()
    True
    """
    # Names alone: to load all metrics would import every package that brings one.
    return sorted(_entry_points())


def get_metric(name: str) -> Metric:
    """Return the metric registered under ``name``.

    Raises
    ------
    UnknownNameError
        If there is none; offers the nearest names.
    """
    points = _entry_points()
    if name not in points:
        raise UnknownNameError("metric", name, points)
    loaded = points[name].load()
    if not isinstance(loaded, Metric):
        raise TypeError(f"entry point {name!r} gives {type(loaded).__name__}, expected a Metric made by @metric")
    return loaded


def result_problems(tree: xr.DataTree) -> list[Problem]:
    """Compare the groups of a results store with what their metrics declare.

    Metrics that are not installed here, or are in another version, are passed over: their results stay readable.

    Examples
    --------
    >>> import xarray as xr
    >>> result_problems(xr.DataTree())
    []
    """
    problems = []
    for name, node in tree.children.items():
        dataset = node.to_dataset(inherit=False)
        if dataset.attrs.get("metric") not in _entry_points():
            continue
        declared = get_metric(dataset.attrs["metric"])
        # Another version may have had other outputs.
        if dataset.attrs.get("metric_version") != declared.version:
            continue
        for output in declared.outputs:
            where, dims = f"/{name}/{output.name}", (declared.over, *output.dims)
            if output.name not in dataset.data_vars:
                near = suggest(output.name, map(str, dataset.data_vars))
                problems.append(Problem(where, f"missing; {declared.name} declares it{near}"))
            elif dataset[output.name].dims != dims:
                got = ", ".join(map(str, dataset[output.name].dims))
                problems.append(Problem(where, f"got dims ({got}), expected ({', '.join(dims)}); run the metric again"))
        for extra in sorted(set(map(str, dataset.data_vars)) - {output.name for output in declared.outputs}):
            problems.append(Problem(f"/{name}/{extra}", f"{declared.name} declares no such output; remove it"))
    return problems
