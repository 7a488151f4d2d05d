"""The battery for metrics of others: a correct one passes, and each kind of fault is found by the check of its name."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from pydantic import Field

import saegeom_data
from saegeom_data.data import schema
from saegeom_data.data.schema import Variable
from saegeom_data.declare.metric import Anchor, Metric
from saegeom_data.declare.output import Output
from saegeom_data.declare.presentation import Presentation, headline
from saegeom_data.testing import Check, check_metric, metric_checks, simulate_sae
from saegeom_data.testing._case import Case, simulated_example
from saegeom_data.testing._odd_inputs import odd_inputs


def equal_rows() -> xr.Dataset:
    return xr.Dataset({"decoder": (("features", "hidden"), np.ones((6, 4)))})


def spread(sae: xr.Dataset, *, power: Annotated[int, Field(ge=1)] = 1) -> xr.Dataset:
    """Squared length of the mean direction.

    Parameters
    ----------
    sae
        Dataset with ``decoder`` (features, hidden).
    power
        Power of the squared length.

    Returns
    -------
    xarray.Dataset
        ``spread``, a scalar.

    Examples
    --------
    >>> spread(simulate_sae()).spread.dims
    ()
    """
    return xr.Dataset({"spread": square_of_mean(sae) ** power})


def declared(body: Callable[..., xr.Dataset] | None = None, **changes: Any) -> Metric:
    """The metric above, with another function body or declaration."""
    function = spread
    if body is not None:

        def spread_of(sae: xr.Dataset, *, power: int = 2) -> xr.Dataset:
            return body(sae)

        spread_of.__doc__, function = spread.__doc__, spread_of
    declaration: dict[str, Any] = {
        "version": 1,
        "scale": "galaxy",
        "inputs": (schema.decoder,),
        "outputs": (Output("spread", (), "1", "squared length of the mean direction, at least 0"),),
        "invariances": {"rotation": ("spread",), "permutation": ("spread",)},
        "pattern": "rows",
        "reference": "this test",
        "anchors": (Anchor("equal rows", equal_rows, {"spread": (4.0, 1e-12)}),),
    }
    return saegeom_data.metric(**declaration | changes)(function)


def result(value: Any, dims: tuple[str, ...] = ()) -> xr.Dataset:
    return xr.Dataset({"spread": (dims, value)})


def no_figures(groups: Any) -> list[Any]:
    raise RuntimeError("no ink")


NAMES_ANOTHER_OUTPUT = Presentation(headlines=(headline("spraed", "spread"),))
FAILS = Presentation(figures=no_figures)


def square_of_mean(sae: xr.Dataset) -> xr.DataArray:
    return (sae.decoder.mean("features") ** 2).sum()


def computes(sae: xr.Dataset) -> xr.Dataset:
    return result(float(square_of_mean(sae)))


def is_eager(sae: xr.Dataset) -> xr.Dataset:
    # Computes nothing, and yet is not lazy.
    return result(np.float64(0.25)) if sae.decoder.chunks else result(square_of_mean(sae).data)


def depends_on_chunks(sae: xr.Dataset) -> xr.Dataset:
    array = sae.decoder.data
    # Right as long as there is one chunk.
    first = array.blocks[0] if isinstance(array, da.Array) else array
    return result((first.mean(axis=0) ** 2).sum())


def announces_another_dtype(sae: xr.Dataset) -> xr.Dataset:
    mean = square_of_mean(sae).data
    return result(mean.map_blocks(np.float32, dtype="float64") if isinstance(mean, da.Array) else np.float32(mean))


def is_not_deterministic(sae: xr.Dataset) -> xr.Dataset:
    return result((square_of_mean(sae) + np.random.default_rng().random()).data)


def changes_its_input(sae: xr.Dataset) -> xr.Dataset:
    if sae.decoder.chunks is None:
        sae.decoder.values[0] *= 2
    return result(square_of_mean(sae).data)


def changes_its_blocks(sae: xr.Dataset) -> xr.Dataset:
    def square(block: np.ndarray) -> np.ndarray:
        # A block may be a view of the caller's array.
        block[...] = block**2
        return block

    array = sae.decoder.data
    squares = array.map_blocks(square, dtype=float) if isinstance(array, da.Array) else array**2
    return result(squares.mean())


def ignores_its_input(sae: xr.Dataset) -> xr.Dataset:
    # It reads the data, so that it is lazy and has their chunks.
    return result((0 * square_of_mean(sae) + 1).data)


def looks_at_ten_rows(sae: xr.Dataset) -> xr.Dataset:
    # The value that must be refused lies in row 17, which is never read.
    return result(square_of_mean(sae.isel(features=slice(10))).data)


def divides_by_the_rows_but_one(sae: xr.Dataset) -> xr.Dataset:
    return result((square_of_mean(sae) + 0 // (sae.sizes["features"] - 1)).data)


def divides_by_the_norm(sae: xr.Dataset) -> xr.Dataset:
    squares = (sae.decoder**2).sum().data
    return result(square_of_mean(sae).data * (squares / squares))


def is_large_in_one_dimension(sae: xr.Dataset) -> xr.Dataset:
    return result((square_of_mean(sae) * (sae.sizes["hidden"] > 1) + 2 * (sae.sizes["hidden"] == 1)).data)


def walks_over_pairs_of_chunks(sae: xr.Dataset) -> xr.Dataset:
    if sae.decoder.chunks is None:
        return result(square_of_mean(sae).data)
    # The numbers are right, but the graph grows with the square of the chunks.
    rows = [sae.decoder.data.blocks[index].sum(axis=0) for index in range(sae.decoder.data.numblocks[0])]
    return result(sum((row * other).sum() for row in rows for other in rows) / len(sae.decoder) ** 2)


def test_a_correct_metric_passes() -> None:
    metric = declared()
    check_metric(metric)
    names = [check.name for check in metric_checks(metric)]
    assert len(names) == len(set(names))
    assert {"rotation invariance", "permutation invariance", "anchor, equal rows", "store gives the same"} <= set(names)
    assert "scale invariance" not in names


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (declared(computes), "builds lazily: a lazy array was computed while the result was being built"),
        (declared(is_eager), "builds lazily: computed already, expected lazy: spread"),
        (declared(depends_on_chunks), r"equals eager in smallest chunks: spread: got \S+, expected \S+; 1 of 1 values"),
        (
            declared(lambda sae: result(sae.decoder.mean("features").data, ("hidden",))),
            r"outputs are as declared: spread_of: got outputs \{'spread': \('hidden',\)\}, declared \{'spread': \(\)\}",
        ),
        (
            declared(lambda sae: result(square_of_mean(sae).data).assign(other=square_of_mean(sae))),
            r"outputs are as declared: spread_of: got outputs .*'other'",
        ),
        (
            declared(announces_another_dtype, outputs=(Output("spread", (), "1", "squared length", dtype="float32"),)),
            "dtypes are as announced: dtype announced of spread: got float64, expected float32",
        ),
        (
            declared(announces_another_dtype),
            "dtypes are as declared: dtype of spread: got float32, expected float64",
        ),
        (
            declared(outputs=(Output("spread", (), "1", "squared length", bounds=(0, 1e-9)),)),
            "values are within bounds: spread: got",
        ),
        (
            declared(presentation=f"{__name__}:NAMES_ANOTHER_OUTPUT"),
            "presentation names declared outputs: presentation: got 'spraed', expected one of the outputs",
        ),
        (
            declared(presentation=f"{__name__}:FAILS"),
            "presentation shows results: raised RuntimeError: no ink",
        ),
        (
            declared(invariances={"scale": ("spread",)}),
            r"scale invariance: spread: got \S+, expected \S+; 1 of 1 values differ",
        ),
        (declared(is_not_deterministic), "same input, same result: a second evaluation of the same input: spread: got"),
        (declared(changes_its_input), "input is left alone: the input in memory, after an evaluation: decoder: got"),
        (declared(changes_its_blocks), "input is left alone: the (input in|arrays under the) chunks, after an evalu"),
        (declared(ignores_its_input), "other input, other result: got the same result for the inputs of seed 0 and"),
        (declared(looks_at_ten_rows), "nan is refused in chunks: got a result, expected DataValueError"),
        (
            declared(anchors=(Anchor("equal rows", equal_rows, {"spread": (2.0, 1e-12)}),)),
            "anchor, equal rows: spread: got 4.0, expected 2.0 within 1e-12",
        ),
        (declared(anchors=()), "has an anchor: got no anchors"),
        (declared(reference=""), "documentation is complete: got no reference"),
        (declared(outputs=(Output("spread"),)), "outputs are as declared: spread: got no description"),
        (declared(walks_over_pairs_of_chunks), r"tasks grow with chunks: got \d+ tasks more for 12 chunks than for 4"),
        (
            declared(divides_by_the_rows_but_one),
            "odd input, one features: raised ZeroDivisionError: integer division or modulo by zero",
        ),
        (declared(divides_by_the_norm), "odd input, all rows zero: raised RuntimeWarning: invalid value"),
        (
            declared(is_large_in_one_dimension, outputs=(Output("spread", (), "1", "squared length", bounds=(0, 1)),)),
            r"odd input, one hidden: spread: got 2, expected values within \(0, 1\)",
        ),
        (
            declared(quick={"power": 0}),
            "default and quick parameters are accepted: raised ParameterError: spread: power: got 0, expected greater",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else value.name,
)
def test_a_fault_is_found_by_the_check_of_its_name(metric: Metric, message: str) -> None:
    with pytest.raises(AssertionError, match=message) as failed:
        check_metric(metric)
    assert str(failed.value).startswith(f"{metric.name}: ")
    assert "\n" not in str(failed.value)


def test_default_that_its_annotation_refuses_is_named() -> None:
    def wrong(sae: xr.Dataset, *, power: Annotated[int, Field(ge=1)] = 0) -> xr.Dataset:
        return spread(sae)

    wrong.__doc__ = spread.__doc__
    (check,) = [
        check
        for check in metric_checks(saegeom_data.metric(
            version=1, scale="galaxy", inputs=(schema.decoder,), outputs=(), pattern="rows", reference=""
        )(wrong))
        if check.name == "default and quick parameters are accepted"
    ]  # fmt: skip
    with pytest.raises(
        AssertionError, match="^wrong: default and quick parameters are accepted: raised ParameterError: wrong: p"
    ):
        check()


gain = Variable("gain", ("features",), "float", "factor of each feature")


def amplified(sae: xr.Dataset) -> xr.Dataset:
    return result(square_of_mean(sae.assign(decoder=sae.decoder * sae.gain)).data)


def with_gain(seed: int) -> xr.Dataset:
    sae = simulate_sae(n_features=60, n_hidden=9, n_blocks=30, seed=seed)
    return sae.assign(gain=("features", np.random.default_rng(seed).uniform(1, 2, 60)))


def test_inputs_that_no_simulator_makes_are_given_by_an_example() -> None:
    metric = declared(
        amplified,
        inputs=(schema.decoder, gain),
        anchors=(
            Anchor(
                "equal rows", lambda: equal_rows().assign(gain=("features", np.full(6, 2.0))), {"spread": (16.0, 1e-12)}
            ),
        ),
    )
    check_metric(metric, example=with_gain)
    with pytest.raises(ValueError, match="spread_of: the simulators make no gain; give example=, a function of seed"):
        check_metric(metric)


def test_checks_of_a_metric_share_the_result_in_memory() -> None:
    calls = []

    def counted(sae: xr.Dataset) -> xr.Dataset:
        calls.append(sae.decoder.chunks)
        return result(square_of_mean(sae).data)

    by_name = {check.name: check for check in metric_checks(declared(counted))}
    for name in ("outputs are as declared", "equals eager in random chunks 0", "equals eager in random chunks 1"):
        by_name[name]()
    # Once in memory for all three, and once for each chunking.
    assert len(calls) == 3
    assert calls.count(None) == 1


def test_random_chunks_divide_the_core_dimension() -> None:
    chunks = []

    def seen(sae: xr.Dataset) -> xr.Dataset:
        chunks.append(sae.decoder.chunks)
        return result(square_of_mean(sae).data)

    for check in metric_checks(declared(seen)):
        if check.name.startswith("equals eager in random"):
            check()
    lazy = [sizes for sizes in chunks if sizes is not None]
    assert len(set(lazy)) == 3
    assert any(len(hidden) > 1 for _, hidden in lazy)


def test_error_of_another_kind_is_one_line_too() -> None:
    def fail() -> None:
        raise KeyError("two\nlines")

    with pytest.raises(AssertionError, match=r"^a: b: raised KeyError: 'two\\nlines'$"):
        Check("a", "b", fail)()


def test_neither_pytest_nor_hypothesis_is_needed() -> None:
    # In a process of its own, since this one has loaded pytest.
    code = (
        "import sys, saegeom_data, saegeom_data.testing as testing;"
        "testing.check_metric(saegeom_data.get_metric('cooccurrence'));"
        "print(sorted({'pytest', 'hypothesis', '_pytest'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_odd_inputs_say_the_width_that_they_have() -> None:
    metric = saegeom_data.get_metric("isotropy")
    case = Case(metric, simulated_example(metric))
    for name, make in odd_inputs(metric):
        found = make(case)
        assert found.width == found.sizes["features"], f"{name}: would be refused for its width alone"


def test_rows_that_fall_on_the_origin_leave_no_warning() -> None:
    rows = simulate_sae()[["decoder"]].isel(features=slice(12), hidden=slice(1)).drop_vars("width")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        # On a line there are two directions, and all further rows copy one of them.
        assert saegeom_data.get_metric("neighbour_angle")(rows).n_features_used == 2
