"""What a metric takes on SAEs of three widths, as its plan states it; nothing is computed and no data is there."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from saegeom_data.data.schema import Variable, code_indptr
from saegeom_data.declare.metric import Metric
from saegeom_data.declare.registry import get_metric
from saegeom_data.engine import planner
from saegeom_data.engine.rates import READ, REFERENCE
from saegeom_data.engine.sizes import size_text
from saegeom_data.engine.times import duration, estimate
from saegeom_data.engine.units import Unit
from saegeom_data.errors import SaegeomError
from saegeom_data.guide.pages import docstrings
from saegeom_data.guide.pages.markdown import cell, table
from saegeom_data.lazy import Work

WIDTHS = (16_384, 131_072, 1_000_000)
# What else the data has: that of a model of 2 billion parameters, and two million tokens in blocks of 256.
SIZES: Mapping[str, int] = {
    "hidden": 2304,
    "blocks": 8192,
    "documents": 1024,
    "tokens": 2**21,
    # An L0 of 64.
    "nonzeros": 64 * 2**21,
    "row_bounds": 2**21 + 1,
    "vocabulary_tokens": 256_000,
    "unembedded_tokens": 256_000,
    "pairs": 2000,
}
_KINDS: Mapping[str, Any] = {"float": np.float32, "integer": np.int32, "boolean": np.bool_}
_BLOCK = 2**26
_FEW = 4
_NAMES = re.compile(r" of [\w./]+( on \w+)?(?=;|$)")


def cost_table(metric: Metric) -> str:
    """Write the table of what a metric takes: one line for each width, or one for word pairs, which have none."""
    heads = ("features", "time", "reads", "peak memory", "of it the largest task", "tasks")
    widths: tuple[int, ...] = WIDTHS if metric.over == "sae" else (0,)
    return table(heads, [(f"{width:,}" if width else "any", *_cost(metric, width)) for width in widths])


def assumptions(metric: Metric) -> str:
    """Say in one sentence what data the table is of."""
    dims = dict.fromkeys(dim for variable in metric.inputs for dim in variable.dims if dim in SIZES)
    said = ", ".join(f"{SIZES[dim]:,} {dim.replace('_', ' ')}" for dim in dims if dim != "row_bounds")
    what = "SAE" if metric.over == "sae" else "site"
    return f"""\
One {what} with {said}, default parameters, one task at a time, as `saegeom run --plan` states it. Times are of
one core of the [reference machine](metrics.md#the-reference-machine)."""


def reference_machine() -> str:
    """Write the table of what each kind of work takes on the machine that times are of."""
    meanings = {**docstrings.of(Work).parameters, READ: "Bytes of a store, as they are in memory."}
    return table(
        ("kind of work", "one unit of it, in ns", "what is counted"),
        [(f"`{kind}`", f"{1e9 * seconds:.2g}", cell(meanings[kind])) for kind, seconds in REFERENCE.items()],
    )


def peak(name: str, width: int) -> str:
    """Peak memory of a metric on an SAE of a width, or that it is refused."""
    plan = _plan(name, width)
    return size_text(plan.peak_bytes) if isinstance(plan, planner.Plan) else "refused"


def fits(name: str, width: int) -> bool:
    """Whether a metric takes less memory than its data has bytes."""
    plan = _plan(name, width)
    return isinstance(plan, planner.Plan) and plan.peak_bytes < max(plan.read_bytes, 2 * planner.BASE_BYTES)


def _cost(metric: Metric, width: int) -> tuple[str, str, str, str, str]:
    plan = _plan(metric.name, width)
    if isinstance(plan, SaegeomError):
        return "", "", f"refused: {cell(plan.reason)}", "", ""
    # Names of functions, and the one that stands for the data, say nothing to a reader.
    largest = _NAMES.sub("", plan.largest)
    return _time(plan), size_text(plan.read_bytes), size_text(plan.peak_bytes), cell(largest), f"{plan.n_tasks:,}"


def _time(plan: planner.Plan) -> str:
    """Time on the reference machine; not known where a stage does not say what it computes."""
    if plan.times is None or plan.times.all.is_least:
        return "unknown"
    return duration(plan.times.all.seconds)


# Pages of one guide ask for a plan several times, and large graphs take seconds.
@functools.cache
def _plan(name: str, width: int) -> planner.Plan | SaegeomError:
    metric = get_metric(name)
    try:
        unit = Unit(name, metric, metric.over, metric(_dataset(metric, width)), {})
        times = estimate([unit], n_workers=1, at_once=1, machine=REFERENCE)
        # Of a process that holds nothing else, so that a page is the same wherever it is made.
        return replace(planner.plan([unit], n_workers=1, at_once=1, written=True, resident=0), times=times)
    except SaegeomError as error:
        return error


def _dataset(metric: Metric, width: int) -> Any:
    """Lazy inputs of a metric, of sizes alone: their values are never made."""
    import xarray as xr

    sizes = {**SIZES, "features": width}
    # Codes say how many features they are of, and text which types of document it has.
    shape = {code_indptr.name: {"shape": [sizes["tokens"], width]}}
    variables = {
        variable.name: (variable.dims, _array(variable, sizes), shape.get(variable.name, {}))
        for variable in metric.inputs
    }
    return xr.Dataset(variables, attrs={"text_types": list(_labels(_FEW))})


def _array(variable: Variable, sizes: Mapping[str, int]) -> Any:
    import dask.array as da

    shape = tuple(sizes[dim] for dim in variable.dims)
    if variable.kind == "string":
        return np.resize(_labels(_FEW), shape)
    dtype = np.dtype(_KINDS[variable.kind])
    # Whole rows, as stores have them: blocks of 64 MiB.
    row = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
    rows = max(1, min(shape[0], _BLOCK // row))
    return da.zeros(shape, dtype=dtype, chunks=(rows, *shape[1:]))


def _labels(n: int) -> np.ndarray[Any, Any]:
    return np.array([f"label {number}" for number in range(n)], dtype=object)
