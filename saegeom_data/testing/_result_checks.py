"""Checks of what a metric gives: the declared outputs, whatever the chunks, and the same for the same input."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import xarray as xr

from saegeom_data.data import group_kinds, selection, store, write
from saegeom_data.declare.metric import Anchor, Metric
from saegeom_data.testing import checks
from saegeom_data.testing._case import CHANGES, Case, smallest_chunks

_COORDINATES = {"site": "hidden_state_0", "layer": 0, "width": 0, "l0": 0.0}
_GROUP_ATTRS = {"model": "simulated", "architecture": "topk", "decoder_norm": "unit"}
_ATTRS = {"format_version": 1, "title": "One input", "license": "CC0-1.0"}
# A chunk may be read, checked, cut and reduced, in more than one pass; nothing may be done for pairs of chunks.
_TASKS_A_CHUNK = 16
_ROUNDING = 1e-9


def outputs_are_as_declared(case: Case) -> None:
    """Names, dims, units, descriptions; name, version and parameters of the metric in the attributes."""
    result, metric = case.result, case.metric
    _expect("outputs", set(result.data_vars), {output.name for output in metric.outputs})
    for output in metric.outputs:
        if not output.description:
            raise AssertionError(f"{output.name}: got no description, expected one")
        _expect(f"dims of {output.name}", result[output.name].dims, output.dims)
        _expect(f"units of {output.name}", result[output.name].attrs.get("units"), output.units)
    _expect("attribute metric", result.attrs["metric"], metric.name)
    _expect("attribute metric_version", result.attrs["metric_version"], metric.version)
    values = json.loads(json.dumps(metric.check_parameters(metric.quick), default=str))
    _expect("attribute parameters", json.loads(result.attrs["parameters"]), values)


def dtypes_are_as_announced(case: Case) -> None:
    """The dtype that a lazy output says it has is the one that is computed."""
    # Files are laid out by the announced dtype, before any value is known.
    lazy = case.evaluate_lazily(case.dataset.chunk())
    for name, computed in case.result.data_vars.items():
        _expect(f"dtype announced of {name}", lazy[name].dtype, computed.dtype)


def dtypes_are_as_declared(case: Case) -> None:
    """The dtype of each output is the declared one; text may have any length."""
    for output in case.metric.outputs:
        got = case.result[output.name].dtype
        is_text = output.dtype == "str" and got.kind in "OUT"
        if not is_text:
            _expect(f"dtype of {output.name}", got, np.dtype(output.dtype))


def values_are_within_bounds(case: Case) -> None:
    """No value lies outside the bounds of its output, but for rounding and the fill."""
    assert_within_bounds(case.metric, case.result)


def assert_within_bounds(metric: Metric, result: xr.Dataset) -> None:
    """Assert that values of a result are within the bounds of their outputs, but for rounding and the fill."""
    for output in metric.outputs:
        values = result[output.name].values
        # Truth values and text have no order.
        if values.dtype.kind not in "fiu":
            continue
        # The fill stands for no value, such as -1 for no neighbour, and may lie outside.
        known = values[np.isfinite(values) & (values != output.fill)]
        low, high = (np.nan if bound is None else bound for bound in output.bounds)
        outside = known[(known < low - _ROUNDING) | (known > high + _ROUNDING)]
        if outside.size:
            raise AssertionError(f"{output.name}: got {outside[0]:g}, expected values within {output.bounds}")


def builds_lazily(case: Case) -> None:
    """No array is computed while the result is built."""
    case.evaluate_lazily(checks.rechunk(case.dataset, {"features": 50, "pairs": 50, "blocks": 40}))


def equals_eager_in_smallest_chunks(case: Case) -> None:
    """Equal within 1e-10 to the result in memory, in chunks of a seventh of each dimension."""
    checks.assert_equal(case.in_smallest_chunks[0], case.result)


def equals_eager_in_random_chunks(case: Case, seed: int) -> None:
    """Equal within 1e-10 to the result in memory, in random chunks along all dimensions."""
    chunks = random_chunks(case.dataset, seed)
    result = case.evaluate_lazily(checks.rechunk(case.dataset, chunks)).compute()
    try:
        checks.assert_equal(result, case.result)
    except AssertionError as error:
        raise AssertionError(f"in chunks of {chunks}: {error}") from error


def random_chunks(dataset: xr.Dataset, seed: int) -> dict[str, int]:
    """Sizes of chunks, uniform between a seventh of each dimension and all of it."""
    rng = np.random.default_rng(seed)
    return {dim: int(rng.integers(least, dataset.sizes[dim] + 1)) for dim, least in smallest_chunks(dataset).items()}


def same_input_same_result(case: Case) -> None:
    """A second evaluation gives the same bits and attributes."""
    _assert_identical(case.second[0], case.result, "a second evaluation of the same input")


def input_is_left_alone(case: Case) -> None:
    """The input is the same after an evaluation, in memory and in chunks."""
    _assert_identical(case.second[1], case.dataset, "the input in memory, after an evaluation")
    _, chunked, arrays = case.in_smallest_chunks
    _assert_identical(chunked, case.dataset, "the input in chunks, after an evaluation")
    _assert_identical(arrays, case.dataset, "the arrays under the chunks, after an evaluation")


def other_input_other_result(case: Case) -> None:
    """The input of seed 1 gives another result than that of seed 0."""
    if case.evaluate(case.example(1)).equals(case.result):
        raise AssertionError("got the same result for the inputs of seed 0 and of seed 1, expected different ones")


def declared_invariance(case: Case, change: str) -> None:
    """The change leaves the outputs that are declared for it as they are, within 1e-8."""
    names = list(case.metric.invariances[change])  # type: ignore[index]
    result = case.evaluate(CHANGES[change](case))
    checks.assert_equal(result[names], case.result[names], relative=1e-8)


def store_gives_the_same(case: Case) -> None:
    """The input written as a store and selected from it gives the result of the input in memory."""
    select = selection.select_sae if case.metric.over == "sae" else selection.select_relations
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input.zarr"
        write.write_tree(_store_of(case), path)
        with store.open(path) as tree:
            selected = select(tree, "one")
            # Draws follow the path in a store, which the input in memory has none of.
            del selected.attrs["path"]
            result = case.evaluate(selected).compute()
    checks.assert_equal(result, case.result)


def _store_of(case: Case) -> xr.DataTree:
    """The inputs in the groups in which a store keeps them, and no group that the metric does not read."""
    main, beside = (
        ("saes/one/features", "saes/one/occurrence") if case.metric.over == "sae" else ("relations/one", "relations")
    )
    read = {variable.name for variable in case.inputs}
    own, others = _held(case.dataset, main), _held(case.dataset, beside)
    # A variable that the format does not know goes beside those that it does.
    group = case.dataset[sorted({*own, *read.difference(others)})]
    group = group.assign_coords({name: value for name, value in _COORDINATES.items() if name not in group.coords})
    groups = {"/": xr.Dataset(attrs=_ATTRS), main: group.assign_attrs(_GROUP_ATTRS | case.dataset.attrs)}
    if case.metric.over == "site" or read.intersection(others):
        attrs = {"threshold": 0.0, "block_length": 256} if case.metric.over == "sae" else {}
        groups[beside] = case.dataset[others].reset_coords(drop=True).drop_attrs().assign_attrs(attrs)
    return xr.DataTree.from_dict(groups)


def _held(dataset: xr.Dataset, path: str) -> list[str]:
    """Variables of ``dataset`` that the format keeps in the group at ``path``."""
    kind = group_kinds.kind_of(path)
    known = (*kind.required, *kind.optional) if kind else ()
    return [variable.name for variable in known if variable.name in dataset]


def result_survives_the_disk(case: Case) -> None:
    """Written and opened again, the result has the same values and attributes."""
    result = case.result.expand_dims({case.metric.over: ["one"]})
    # On disk whole numbers, truth values and text may come back as something else.
    root = xr.Dataset(attrs=_ATTRS | {"kind": "results"})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.zarr"
        write.write_tree(xr.DataTree.from_dict({"/": root, f"/{case.metric.name}": result}), path)
        with store.open(path) as tree:
            reopened = tree[case.metric.name].to_dataset().load()
    for name, variable in result.data_vars.items():
        if variable.dtype.kind not in "OUT":
            _expect(f"kind of dtype of {name}", reopened[name].dtype.kind, variable.dtype.kind)
        _expect(f"dims of {name}", reopened[name].sizes, variable.sizes)
        checks.assert_same_values(str(name), reopened[name].values, variable.values, relative=0)
    _expect("attributes", reopened.attrs, result.attrs)


def tasks_grow_with_chunks(case: Case) -> None:
    """At most 16 tasks more for each chunk more."""
    # The difference of two sizes, as what a graph holds besides does not grow.
    (few_chunks, few_tasks), (many_chunks, many_tasks) = _count(case, 4), _count(case, 12)
    most = _TASKS_A_CHUNK * (many_chunks - few_chunks)
    if many_tasks - few_tasks > most:
        raise AssertionError(
            f"got {many_tasks - few_tasks} tasks more for {many_chunks} chunks than for {few_chunks}, "
            f"expected at most {most}: {_TASKS_A_CHUNK} a chunk"
        )


def _count(case: Case, n_pieces: int) -> tuple[int, int]:
    """Chunks of the inputs and tasks of the result, with all dims but ``hidden`` in ``n_pieces``."""
    cut = {dim: -(-case.dataset.sizes[dim] // n_pieces) for dim in case.dims if dim != "hidden"}
    lazy = checks.rechunk(case.dataset, cut)
    n_chunks = sum(lazy[variable.name].data.npartitions for variable in case.metric.inputs)
    return n_chunks, len(case.evaluate(lazy).__dask_graph__())  # type: ignore[no-untyped-call]


def anchor_is_met(case: Case, anchor: Anchor) -> None:
    """Known answers, within their absolute tolerances."""
    result = case.metric(anchor.simulate(), **anchor.parameters)
    for name, (expected, tolerance) in anchor.expected.items():
        values = result[name].values
        # Written so that NaN fails.
        if not np.max(np.abs(values - expected)) <= tolerance:
            raise AssertionError(f"{name}: got {values}, expected {expected} within {tolerance}")


def _expect(what: str, got: object, expected: object) -> None:
    if got != expected:
        raise AssertionError(f"{what}: got {got}, expected {expected}")


def _assert_identical(got: xr.Dataset, expected: xr.Dataset, what: str) -> None:
    if got.identical(expected):
        return
    try:
        checks.assert_equal(got, expected, relative=0)
    except AssertionError as error:
        raise AssertionError(f"{what}: {error}") from error
    names = [str(name) for name in expected.variables if not got[name].identical(expected[name])]
    raise AssertionError(f"{what}: got other {', '.join(names) or 'attributes'}, expected them as before")
