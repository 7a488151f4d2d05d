"""Write a benchmark from results: the values that were found become those that others should find."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saegeom_data.data.manifest_of import root_hash
from saegeom_data.declare.group import Group
from saegeom_data.errors import ParameterError, UnknownNameError
from saegeom_data.results.groups import read_groups
from saegeom_data.results.scalars import scalar_names
from saegeom_data.sample import sample_path
from saegeom_data.share.benchmark.models import Benchmark, check_benchmark
from saegeom_data.spec import strict_yaml
from saegeom_data.spec.models import parse_spec

if TYPE_CHECKING:
    import xarray as xr


def write_benchmark(
    results: xr.DataTree,
    *,
    values: Sequence[str] = (),
    tolerance: float = 1e-6,
    url: str = "",
    title: str = "",
) -> str:
    """Write the YAML of a benchmark that expects what was found.

    Parameters
    ----------
    results
        Results of :func:`saegeom_data.engine.runner.run`, which say the root hash of their dataset.
    values
        Outputs to expect, as ``GROUP/OUTPUT``; by default all that are one number for each SAE or site. Outputs with
        further dimensions are expected at each of their labels.
    tolerance
        Largest relative difference that passes, written as an absolute one. Counts have to agree exactly.
    url
        Where the dataset is published; by default where the results read it from.
    title
        Title; by default that of the run.

    Returns
    -------
    str
        YAML with every parameter written out, so that it means the same when defaults change.

    Raises
    ------
    ParameterError
        If the results do not say which dataset they are of, or hold nothing to expect.
    UnknownNameError
        If they have no such output.
    """
    root, spec = results.attrs.get("dataset_root"), json.loads(results.attrs.get("spec", "{}"))
    if root is None or not spec:
        raise ParameterError("results: do not say which data and run they are of; make them with saegeom run")
    groups = {group.name: group for group in read_groups(results)}
    outputs = values or [f"{name}/{output}" for name, group in groups.items() for output in scalar_names(group)]
    expected = [entry for output in outputs for entry in _entries(output, groups, tolerance, must=bool(values))]
    if not expected:
        raise ParameterError("results: hold no number for an SAE by itself; name outputs with --value GROUP/OUTPUT")
    used = {entry["group"] for entry in expected}
    run: dict[str, Any] = {"metrics": [_metric(entry, groups) for entry in spec["metrics"] if _name(entry) in used]}
    if spec.get("occurrence"):
        run["occurrence"] = spec["occurrence"]
    text = strict_yaml.write(
        {
            "spec_version": 1,
            "kind": "benchmark",
            "title": title or str(results.attrs.get("title", "Benchmark")),
            "dataset": _dataset(str(root), url or str(results.attrs.get("dataset_source", ""))),
            "run": run,
            "versions": {groups[name].metric: int(groups[name].data.attrs["metric_version"]) for name in sorted(used)},
            "expected": expected,
        }
    )
    # What is written must be readable by the same rules that others read it by.
    parse_spec(text, Benchmark, check=check_benchmark)
    return text


def _dataset(root: str, url: str) -> dict[str, str]:
    if url:
        return {"url": url, "root": root}
    name = {"name": sample_path().stem} if root == root_hash(sample_path()) else {}
    return {**name, "root": root}


def _name(entry: Mapping[str, Any]) -> str:
    """Name of the group that an entry of a run spec gives."""
    return str(entry.get("name") or entry["metric"])


def _metric(entry: Mapping[str, Any], groups: Mapping[str, Group]) -> dict[str, Any]:
    """An entry of a run spec with every parameter that it was computed with."""
    group = groups[_name(entry)]
    named = {"name": entry["name"]} if entry.get("name") else {}
    chosen = {"features": entry["features"]} if entry.get("features", "all") != "all" else {}
    taken = {"metric": group.metric, "parameters": dict(group.parameters), "saes": entry.get("saes", "all")}
    return {**named, **taken, **chosen}


def _entries(address: str, groups: Mapping[str, Group], tolerance: float, *, must: bool) -> Iterator[dict[str, Any]]:
    """Yield an expectation for each finite number of an output ``GROUP/OUTPUT``.

    Text has none: it is left out, or an error if the output was asked for by name (``must``).
    """
    name, _, output = address.partition("/")
    if name not in groups:
        raise UnknownNameError("group of the results", name, groups)
    group = groups[name]
    if output not in group.data.data_vars:
        raise UnknownNameError(f"output of {name}", output, map(str, group.data.data_vars))
    variable = group.data[output]
    if variable.dtype.kind not in "fiu":
        if must:
            raise ParameterError(f"{address}: holds {variable.dtype}, expected an output of numbers")
        return
    for place, row in enumerate(group.rows):
        for where, value in _cells(variable.isel({group.over: place})):
            if math.isfinite(value):
                yield {
                    "group": name,
                    "output": output,
                    "sae": row,
                    **({"where": where} if where else {}),
                    "expected": value,
                    "tolerance": _allowed(value, tolerance),
                }


def _cells(variable: xr.DataArray) -> Iterator[tuple[dict[str, Any], int | float]]:
    """Yield each number of an output of one SAE, with its label in every dimension."""
    labels = [
        variable[dim].values.tolist() if dim in variable.coords else range(size) for dim, size in variable.sizes.items()
    ]
    dims = [str(dim) for dim in variable.dims]
    for places in itertools.product(*map(range, variable.shape)):
        where = {dim: along[place] for dim, along, place in zip(dims, labels, places, strict=True)}
        yield where, variable.values[places].item()


def _allowed(value: int | float, tolerance: float) -> float:
    r"""Largest difference that passes: 0 for a count, else :math:`\tau |v|` in three digits, and :math:`\tau` at 0."""
    # Counts agree exactly on any machine; sums of floats differ in the last digits between builds of BLAS.
    return float(f"{0.0 if isinstance(value, int) else tolerance * (abs(value) or 1.0):.3g}")
