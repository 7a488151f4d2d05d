"""Write a benchmark from results: the values that were found become those that others should find."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saegeom_data.data.manifest_of import root_hash
from saegeom_data.errors import ParameterError, UnknownNameError
from saegeom_data.results.groups import Group, read_groups
from saegeom_data.results.scalars import scalar_names
from saegeom_data.sample import sample_path
from saegeom_data.share.benchmark import Benchmark, check_benchmark
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
    asked = values or [f"{name}/{output}" for name, group in groups.items() for output in scalar_names(group)]
    expected = [entry for one in asked for entry in _entries(one, groups, tolerance, must=bool(values))]
    if not expected:
        raise ParameterError("results: hold no number for an SAE by itself; name outputs with --value GROUP/OUTPUT")
    used = {entry["group"] for entry in expected}
    run: dict[str, Any] = {"metrics": [_metric(one, groups) for one in spec["metrics"] if _name(one) in used]}
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
    check_benchmark(parse_spec(text, Benchmark))
    return text


def _dataset(root: str, url: str) -> dict[str, str]:
    if url:
        return {"url": url, "root": root}
    name = {"name": sample_path().stem} if root == root_hash(sample_path()) else {}
    return {**name, "root": root}


def _name(one: Mapping[str, Any]) -> str:
    return str(one.get("name") or one["metric"])


def _metric(one: Mapping[str, Any], groups: Mapping[str, Group]) -> dict[str, Any]:
    group = groups[_name(one)]
    named = {"name": one["name"]} if one.get("name") else {}
    return {**named, "metric": group.metric, "parameters": dict(group.parameters), "saes": one.get("saes", "all")}


def _entries(one: str, groups: Mapping[str, Group], tolerance: float, *, must: bool) -> Iterator[dict[str, Any]]:
    name, _, output = one.partition("/")
    if name not in groups:
        raise UnknownNameError("group of the results", name, groups)
    group = groups[name]
    if output not in group.data.data_vars:
        raise UnknownNameError(f"output of {name}", output, map(str, group.data.data_vars))
    variable = group.data[output]
    if variable.dtype.kind not in "fiu":
        if must:
            raise ParameterError(f"{one}: holds {variable.dtype}, expected an output of numbers")
        return
    dims = [str(dim) for dim in variable.dims if dim != group.over]
    labels = [variable[dim].values.tolist() if dim in variable.coords else range(variable.sizes[dim]) for dim in dims]
    for row in group.rows:
        picked = variable.isel({group.over: group.rows.index(row)})
        for places in itertools.product(*(range(len(ones)) for ones in labels)):
            value = picked.isel(dict(zip(dims, places, strict=True))).item()
            if math.isfinite(value):
                where = {dim: ones[place] for dim, ones, place in zip(dims, labels, places, strict=True)}
                allowed = 0.0 if isinstance(value, int) else tolerance * (abs(value) or 1.0)
                yield {
                    "group": name,
                    "output": output,
                    "sae": row,
                    **({"where": where} if where else {}),
                    "expected": value,
                    "tolerance": float(f"{allowed:.3g}"),
                }
