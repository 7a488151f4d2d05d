from __future__ import annotations

import dataclasses
import importlib.util
import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import xarray as xr
from pydantic import Field

from saegeom_data import errors
from saegeom_data.data import schema
from saegeom_data.declare import registry
from saegeom_data.declare.metric import metric
from saegeom_data.declare.output import Output
from saegeom_data.testing.checks import raise_if_dask_computes
from saegeom_data.testing.simulate import simulate_sae, simulate_store


@metric(
    version=3,
    scale="atom",
    inputs=(schema.decoder,),
    outputs=(Output("norm", units="1", description="sum of squares"), Output("mean", dims=("hidden",))),
    pattern="rows",
    reference="none",
)
def example(
    sae: xr.Dataset,
    *,
    rank: Annotated[int, Field(ge=1, lt=10)] = 2,
    method: Literal["exact", "fast"] = "exact",
    share: Annotated[float, Field(gt=0, le=1)] = 0.5,
    labels: tuple[str, ...] = (),
    limit: int | None = None,
    flag: bool = False,
) -> xr.Dataset:
    """Sum of squares.

    More text.
    """
    return xr.Dataset({"norm": (sae.decoder**2).sum(), "mean": sae.decoder.mean("features")})


@metric(version=1, scale="atom", inputs=(), outputs=(), pattern="whole", reference="none")
def demanding(sae: xr.Dataset, *, needed: int) -> xr.Dataset:
    """Ask for a parameter."""
    return xr.Dataset()


def test_call_returns_labelled_outputs_with_every_parameter() -> None:
    result = example(simulate_sae(), rank=5, labels=["a"])
    assert result.attrs["metric"] == "example"
    assert result.attrs["metric_version"] == 3
    assert json.loads(result.attrs["parameters"]) == {
        "flag": False, "labels": ["a"], "limit": None, "method": "exact", "rank": 5, "share": 0.5,
    }  # fmt: skip
    assert result.norm.attrs == {"units": "1", "description": "sum of squares"}
    assert float(result.norm) == pytest.approx(200)


def test_building_computes_nothing() -> None:
    with raise_if_dask_computes():
        result = example(simulate_sae().chunk(features=30))
    assert float(result.norm) == pytest.approx(200)


def test_function_and_declaration_are_one() -> None:
    assert example.name == example.__wrapped__.__name__ == "example"
    assert example.summary == "Sum of squares."
    assert list(example.parameters) == ["rank", "method", "share", "labels", "limit", "flag"]
    assert example.card()["outputs"][1]["dims"] == ("hidden",)
    json.dumps(example.card(), default=str)


@pytest.mark.parametrize("name", ["version", "inputs", "function"])
def test_declaration_is_frozen(name: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(example, name, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        example.outputs[0].units = "nats"


@pytest.mark.parametrize(
    ("parameters", "values"),
    [
        ({"rank": np.int64(3)}, {"rank": 3}),
        ({"share": 1}, {"share": 1.0}),
        ({"labels": ["a", "b"]}, {"labels": ("a", "b")}),
        ({"labels": np.array(["a"])}, {"labels": ("a",)}),
        ({"limit": None}, {"limit": None}),
        ({"method": "fast", "flag": True}, {"method": "fast", "flag": True}),
    ],
)
def test_parameters_that_fit(parameters: dict[str, Any], values: dict[str, Any]) -> None:
    assert example.check_parameters(parameters) == example.check_parameters({}) | values


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rnak": 3}, "example: rnak: unknown parameter; did you mean 'rank'?"),
        ({"rank": "3"}, "example: rank: got '3', expected an integer"),
        ({"rank": 3.5}, "example: rank: got 3.5, expected an integer"),
        # True is 1 to Python.
        ({"rank": True}, "example: rank: got True, expected an integer"),
        ({"rank": 0}, "example: rank: got 0, expected greater than or equal to 1"),
        ({"rank": 10}, "example: rank: got 10, expected less than 10"),
        ({"share": 0}, "example: share: got 0, expected greater than 0"),
        ({"share": float("nan")}, "example: share: got nan, expected a finite number"),
        ({"share": "0.5"}, "example: share: got '0.5', expected a number"),
        ({"method": "slow"}, "example: method: got 'slow', expected 'exact' or 'fast'"),
        # A text is a list of letters to Python.
        ({"labels": "a"}, "example: labels: got 'a', expected a list"),
        ({"labels": ["a", 1]}, "example: labels: got 1, expected text"),
        ({"limit": "many"}, "example: limit: got 'many', expected an integer"),
        ({"flag": 1}, "example: flag: got 1, expected true or false"),
        ({"rank": object}, "example: rank: got type, expected plain numbers, text or lists"),
        ({"rank": None}, "example: rank: got None, expected an integer"),
    ],
)
def test_parameters_that_do_not_fit_are_one_clear_line(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.ParameterError) as refused:
        example(simulate_sae(), **parameters)
    assert str(refused.value) == message


def test_all_wrong_parameters_are_named_at_once() -> None:
    with pytest.raises(errors.ParameterError) as refused:
        example.check_parameters({"rnak": 1, "rank": 0, "method": "slow"})
    assert [line.split(":")[1].strip() for line in str(refused.value).splitlines()] == ["rnak", "rank", "method"]


def test_missing_parameter_is_named() -> None:
    with pytest.raises(errors.ParameterError, match="^demanding: needed: missing parameter$"):
        demanding(xr.Dataset())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda sae: sae.rename(decoder="decoders"),
            "/saes/a/decoder: missing; "
            "example needs a float variable over (features, hidden); did you mean 'decoders'?",
        ),
        (
            lambda sae: sae.rename(hidden="neurons"),
            "/saes/a/decoder: got dims (features, neurons), expected (features, hidden); rename or transpose it",
        ),
        (
            lambda sae: sae.assign(decoder=sae.decoder.astype(int)),
            "/saes/a/decoder: got dtype int64, expected float; convert it with .astype",
        ),
    ],
)
def test_missing_or_wrong_input_is_one_clear_line(change: Callable[[xr.Dataset], xr.Dataset], message: str) -> None:
    with pytest.raises(errors.ValidationError) as refused:
        example(change(simulate_sae()).assign_attrs(path="/saes/a"))
    assert str(refused.value) == message


@pytest.mark.parametrize("chunked", [False, True])
def test_values_that_are_not_finite_are_refused(chunked: bool) -> None:
    sae = simulate_sae()
    sae.decoder.values[150, 3] = np.inf
    with pytest.raises(errors.DataValueError, match="^example/decoder features 150: got inf"):
        example(sae.chunk(features=40) if chunked else sae).compute()


@pytest.mark.parametrize("dim", ["features", "hidden"])
@pytest.mark.parametrize("chunked", [False, True])
def test_an_input_without_rows_or_columns_is_refused(dim: str, chunked: bool) -> None:
    sae = simulate_sae().isel({dim: slice(0)}).assign_attrs(path="/saes/a")
    with pytest.raises(errors.DataValueError, match=rf"^/saes/a/decoder: got 0 {dim}, expected at least 1$"):
        example(sae.chunk() if chunked else sae)


def test_outputs_that_differ_from_the_declaration_are_caught() -> None:
    def undeclared(sae: xr.Dataset) -> xr.Dataset:
        return xr.Dataset({"norm": ("hidden", np.zeros(3)), "other": 1.0})

    declared = metric(
        version=1, scale="atom", inputs=(), outputs=(Output("norm"),), pattern="whole", reference=""
    )(undeclared)  # fmt: skip
    with pytest.raises(AssertionError, match=r"undeclared: got outputs .*other.*, declared \{'norm': \(\)\}"):
        declared(xr.Dataset())


def test_input_is_left_as_it_was() -> None:
    sae = simulate_sae()
    before = sae.copy(deep=True)
    example(sae)
    xr.testing.assert_identical(sae, before)


# The registry


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry as another package would fill it."""
    points = {
        name: metadata.EntryPoint(name, value, registry.ENTRY_POINT_GROUP)
        for name, value in {"example": f"{__name__}:example", "broken": "json:dumps"}.items()
    }
    for point in points.values():
        monkeypatch.setattr(type(point), "load", lambda self: json.dumps if self.name == "broken" else example)
    monkeypatch.setattr(registry, "_entry_points", lambda: points)


@pytest.mark.usefixtures("installed")
def test_metrics_are_found_by_name() -> None:
    assert registry.list_metrics() == ["broken", "example"]
    assert registry.get_metric("example") is example
    with pytest.raises(errors.UnknownNameError, match="no metric is named 'exampel'; did you mean 'example'"):
        registry.get_metric("exampel")
    with pytest.raises(TypeError, match="entry point 'broken' gives function, expected a Metric"):
        registry.get_metric("broken")


@pytest.mark.usefixtures("installed")
def test_results_are_compared_with_the_declaration() -> None:
    group = example(simulate_sae()).expand_dims(sae=["a"])
    tree = xr.DataTree.from_dict({"/one": group})
    assert registry.result_problems(tree) == []
    wrong = group.rename(norm="norms").assign(mean=group["mean"].transpose())
    assert [str(problem) for problem in registry.result_problems(xr.DataTree.from_dict({"/one": wrong}))] == [
        "/one/norm: missing; example declares it; did you mean 'norms'?",
        "/one/mean: got dims (hidden, sae), expected (sae, hidden); run the metric again",
        "/one/norms: example declares no such output; remove it",
    ]
    for other in (wrong.assign_attrs(metric_version=2), wrong.assign_attrs(metric="of another package")):
        assert registry.result_problems(xr.DataTree.from_dict({"/one": other})) == []


def test_every_registered_metric_loads_and_is_named_as_registered() -> None:
    for name in registry.list_metrics():
        assert registry.get_metric(name).name == name


def test_simulated_store_serves_a_metric() -> None:
    assert simulate_store()["saes/layer_0/features/decoder"].dims == schema.decoder.dims


def test_annotations_of_other_arguments_may_be_names_for_type_checkers_only(tmp_path: Path) -> None:
    file = tmp_path / "foreign_metric.py"
    file.write_text(
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING, Annotated, Literal\n"
        "from pydantic import Field\n"
        "from saegeom_data.declare.metric import metric\n"
        "if TYPE_CHECKING:\n"
        "    import xarray as xr\n"
        "@metric(version=1, scale='atom', inputs=(), outputs=(), pattern='whole', reference='none')\n"
        "def foreign(sae: xr.Dataset, *, rank: Annotated[int, Field(ge=1)] = 2, kind: Literal['a', 'b'] | None = None"
        ") -> xr.Dataset:\n"
        "    '''Do nothing.'''\n"
        "    return sae\n"
    )
    loaded = importlib.util.spec_from_file_location("foreign_metric", file)
    assert loaded is not None
    assert loaded.loader is not None
    module = importlib.util.module_from_spec(loaded)
    loaded.loader.exec_module(module)
    assert "xr" not in vars(module)
    assert module.foreign.check_parameters({"rank": 3, "kind": "a"}) == {"rank": 3, "kind": "a"}
    assert module.foreign.check_parameters({}) == {"rank": 2, "kind": None}
    with pytest.raises(errors.ParameterError, match="foreign: rank: got 0"):
        module.foreign.check_parameters({"rank": 0})
    with pytest.raises(errors.ParameterError, match="foreign: kind: got 'c'"):
        module.foreign.check_parameters({"kind": "c"})
