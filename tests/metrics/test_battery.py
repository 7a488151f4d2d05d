"""What every registered metric must do, generated from its declaration: a new metric gets these tests for free."""

import inspect

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saegeom_data.data import selection, store, write
from saegeom_data.declare import registry
from saegeom_data.declare.metric import Metric
from saegeom_data.errors import DataValueError, ParameterError, ValidationError
from saegeom_data.testing import checks, simulate

METRICS = [registry.get_metric(name) for name in registry.list_metrics()]
ANCHORS = [(metric, anchor) for metric in METRICS for anchor in metric.anchors]

every_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def example(metric: Metric, seed: int = 0) -> xr.Dataset:
    if metric.over == "site":
        return simulate.simulate_relations(seed=seed)
    sizes = {"n_features": 120, "n_hidden": 24, "n_blocks": 90}
    return simulate.simulate_sae(**sizes, spectrum_exponent=0.5, n_lobes=2, function_strength=0.8, seed=seed)


def rows_of(metric: Metric) -> str:
    return "features" if metric.over == "sae" else "pairs"


def inputs_of(metric: Metric, kind: str) -> list[str]:
    return [variable.name for variable in metric.inputs if variable.kind == kind]


@pytest.fixture(scope="module")
def eager():
    computed = {}

    def evaluate(metric: Metric) -> xr.Dataset:
        if metric.name not in computed:
            computed[metric.name] = metric(example(metric), **metric.quick)
        return computed[metric.name]

    return evaluate


@every_metric
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_lazy_equals_eager_for_any_chunking(metric, eager, data):
    dataset = example(metric)
    chunks = {
        dim: data.draw(st.integers(max(1, size // 7), size), label=str(dim)) for dim, size in dataset.sizes.items()
    }
    with checks.raise_if_dask_computes():
        lazy = metric(checks.rechunk(dataset, chunks), **metric.quick)
    checks.assert_lazy(lazy)
    checks.assert_equal(lazy.compute(), eager(metric))


@every_metric
def test_building_computes_nothing_and_leaves_the_input_alone(metric):
    dataset = checks.rechunk(example(metric), {"features": 50, "pairs": 50, "blocks": 40})
    before = dataset.copy()
    with checks.raise_if_dask_computes():
        checks.assert_lazy(metric(dataset, **metric.quick))
    xr.testing.assert_identical(dataset.compute(), before.compute())


@every_metric
def test_result_is_as_declared(metric, eager):
    result = eager(metric)
    for output in metric.outputs:
        assert output.description, output.name
        assert result[output.name].dims == output.dims
        assert result[output.name].attrs["units"] == output.units
    assert result.attrs["metric"] == metric.name
    assert result.attrs["metric_version"] == metric.version


def rotated(metric, dataset):
    rotation = np.linalg.qr(np.random.default_rng(5).standard_normal((24, 24)))[0]
    return dataset.assign(
        {one: (dataset[one].dims, dataset[one].values @ rotation) for one in inputs_of(metric, "float")}
    )


def permuted(metric, dataset):
    order = np.random.default_rng(6).permutation(dataset.sizes[rows_of(metric)])
    return dataset.isel({rows_of(metric): order})


def scaled(metric, dataset):
    return dataset.assign({one: dataset[one] * 3.7 for one in inputs_of(metric, "float")})


CHANGES = {"rotation": rotated, "permutation": permuted, "scale": scaled}
INVARIANCES = [(metric, name) for metric in METRICS for name in metric.invariances]


@pytest.mark.parametrize(
    ("metric", "name"), INVARIANCES, ids=[f"{metric.name}: {name}" for metric, name in INVARIANCES]
)
def test_change_leaves_declared_outputs_as_they_are(metric, name, eager):
    outputs = list(metric.invariances[name])
    result = metric(CHANGES[name](metric, example(metric)), **metric.quick)
    checks.assert_equal(result[outputs], eager(metric)[outputs], relative=1e-8)


@every_metric
def test_same_seed_same_answer(metric, eager):
    xr.testing.assert_identical(metric(example(metric), **metric.quick), eager(metric))


@every_metric
def test_other_data_other_answer(metric, eager):
    assert not metric(example(metric, seed=1), **metric.quick).equals(eager(metric))


@every_metric
def test_a_store_gives_the_same_answer_as_memory(metric, eager, tmp_path):
    dataset = example(metric)
    groups = {"/": xr.Dataset(attrs={"format_version": 1, "title": "One input", "license": "CC0-1.0"})}
    if metric.over == "sae":
        groups["/saes/one/features"] = dataset[["decoder"]]
        variables = dataset[["occurrence", "document", "document_type"]].reset_coords(drop=True).drop_attrs()
        groups["/saes/one/occurrence"] = variables.assign_attrs(threshold=0.0, block_length=256)
    else:
        words = ["relation", "source", "target", "length_difference"]
        groups["/relations"] = dataset[words].reset_coords(drop=True).drop_attrs()
        groups["/relations/one"] = dataset[["source_activation", "target_activation"]].assign_attrs(model="simulated")
    write.write_tree(xr.DataTree.from_dict(groups), tmp_path / "input.zarr")
    select = selection.select_sae if metric.over == "sae" else selection.select_relations
    with store.open(tmp_path / "input.zarr") as tree:
        result = metric(select(tree, "one"), **metric.quick).compute()
    checks.assert_equal(result, eager(metric))


@every_metric
def test_result_survives_the_disk(metric, eager, tmp_path):
    attrs = {"format_version": 1, "kind": "results", "title": "One metric", "license": "CC0-1.0"}
    result = eager(metric).expand_dims({metric.over: ["one"]})
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), f"/{metric.name}": result})
    write.write_tree(tree, tmp_path / "results.zarr")
    reopened = store.open(tmp_path / "results.zarr")[metric.name].to_dataset().load()
    for name in result.data_vars:
        assert reopened[name].dtype.kind == result[name].dtype.kind or result[name].dtype.kind in "OUT"
        np.testing.assert_array_equal(reopened[name].values, result[name].values)
    assert reopened.attrs == result.attrs


@every_metric
def test_number_of_tasks_is_bounded_by_the_number_of_chunks(metric):
    def count(n_pieces: int) -> tuple[int, int]:
        dataset = example(metric)
        dims = [dim for dim in (rows_of(metric), "blocks") if dim in dataset.dims]
        lazy = checks.rechunk(dataset, {dim: -(-dataset.sizes[dim] // n_pieces) for dim in dims})
        n_chunks = sum(lazy[one.name].data.npartitions for one in metric.inputs)
        return n_chunks, len(metric(lazy, **metric.quick).__dask_graph__())

    (few_chunks, few_tasks), (many_chunks, many_tasks) = count(4), count(12)
    # A chunk may be read, checked, cut and reduced, in more than one pass; nothing may be done for pairs of chunks.
    assert many_tasks - few_tasks <= 16 * (many_chunks - few_chunks)


@every_metric
def test_documentation_is_complete(metric):
    text = inspect.getdoc(metric.function)
    for section in ("Parameters", "Returns", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}" in text, section
    for name in metric.parameters:
        assert f"\n{name}" in text.replace(", ", "\n"), name
    assert metric.reference


@every_metric
def test_missing_variable_is_named(metric):
    for variable in metric.inputs:
        with pytest.raises(ValidationError, match=f"/{variable.name}: missing; {metric.name} needs"):
            metric(example(metric).drop_vars(variable.name), **metric.quick)


@every_metric
def test_wrong_dims_are_named(metric):
    for variable in metric.inputs:
        renamed = example(metric)
        renamed[variable.name] = renamed[variable.name].rename({variable.dims[0]: "others"})
        with pytest.raises(ValidationError, match=rf"/{variable.name}: got dims \(others"):
            metric(renamed, **metric.quick)


@every_metric
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("chunked", [False, True])
def test_values_that_are_not_finite_are_named_by_row(metric, value, chunked):
    for name in inputs_of(metric, "float"):
        dataset = example(metric)
        dataset[name] = dataset[name].copy(deep=True)
        dataset[name].values[17, 3] = value
        dataset = dataset.chunk({rows_of(metric): 5}) if chunked else dataset
        with pytest.raises(DataValueError, match=f"{name} {rows_of(metric)} 17: got {value}"):
            metric(dataset, **metric.quick).compute()


@every_metric
def test_unknown_parameter_is_named(metric):
    known = next(iter(metric.parameters), None)
    if known is None:
        pytest.skip("has no parameters")
    with pytest.raises(ParameterError, match=f"{metric.name}: {known}x: unknown parameter; did you mean"):
        metric(example(metric), **{f"{known}x": 1})


@pytest.mark.parametrize(("metric", "anchor"), ANCHORS, ids=[f"{m.name}: {a.name}" for m, a in ANCHORS])
def test_anchor(metric, anchor):
    result = metric(anchor.simulate(), **anchor.parameters)
    for name, (expected, tolerance) in anchor.expected.items():
        assert np.max(np.abs(result[name].values - expected)) <= tolerance, (name, result[name].values, expected)


def test_every_metric_has_an_anchor():
    assert {metric.name for metric in METRICS} - {metric.name for metric, _ in ANCHORS} == set()
