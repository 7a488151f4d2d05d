from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from saegeom_data import errors, lazy
from saegeom_data.testing.checks import assert_equal, assert_lazy, raise_if_dask_computes

N_ROWS, N_COLUMNS = 23, 7
# Whole numbers, so that sums are exact in any order.
VALUES = np.random.default_rng(0).integers(-50, 50, (N_ROWS, N_COLUMNS)).astype("float64")
WEIGHTS = np.random.default_rng(1).integers(0, 9, N_ROWS)


# A reduction that shows every mistake: weighted Gram matrix, row order, and where each block says that it starts.
def chunk(power: int, start: int, block: np.ndarray, weights: np.ndarray) -> tuple[Any, ...]:
    rows = np.arange(start, start + len(block))
    return (block**power).T @ (weights[:, None] * block), [*block[:, 0]], int(rows @ weights)


def combine(parts: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    return (
        sum(part[0] for part in parts),
        [value for part in parts for value in part[1]],
        sum(part[2] for part in parts),
    )


def finalize(part: tuple[Any, ...]) -> dict[str, Any]:
    return {"gram": part[0], "column": part[1], "position": part[2]}


NONE = lazy.Memory()
OUTPUTS = {
    "gram": lazy.Result(("hidden", "hidden_other"), (N_COLUMNS, N_COLUMNS)),
    "column": lazy.Result(("features",), (N_ROWS,)),
    "position": lazy.Result(dtype="int64"),
}


def arrays() -> tuple[xr.DataArray, xr.DataArray]:
    return xr.DataArray(VALUES, dims=("features", "hidden"), name="decoder"), xr.DataArray(WEIGHTS, dims=("features",))


def reduced(values: xr.DataArray, weights: xr.DataArray, power: int = 1) -> xr.Dataset:
    return lazy.rows(functools.partial(chunk, power), combine, finalize, values, weights, outputs=OUTPUTS, memory=NONE)


def tasks(dataset: xr.Dataset) -> dict[Any, Any]:
    return dict(dataset.__dask_graph__())


def partition(data: st.DataObject, size: int) -> tuple[int, ...]:
    cuts = sorted(data.draw(st.sets(st.integers(1, size - 1))))
    return tuple(np.diff([0, *cuts, size]).tolist())


def test_rows_of_numpy_are_computed_at_once() -> None:
    result = reduced(*arrays())
    assert all(variable.chunks is None for variable in result.variables.values())
    np.testing.assert_array_equal(result.gram, VALUES.T @ (WEIGHTS[:, None] * VALUES))
    np.testing.assert_array_equal(result.column, VALUES[:, 0])
    assert int(result.position) == np.arange(N_ROWS) @ WEIGHTS


@given(data=st.data())
def test_rows_do_not_depend_on_chunking(data: st.DataObject) -> None:
    values, weights = arrays()
    values = values.chunk(features=partition(data, N_ROWS), hidden=partition(data, N_COLUMNS))
    if data.draw(st.booleans()):
        weights = weights.chunk(features=partition(data, N_ROWS))
    with raise_if_dask_computes():
        uncomputed = reduced(values, weights)
    assert_lazy(uncomputed)
    assert_equal(uncomputed.compute(scheduler="synchronous"), reduced(*arrays()), relative=0)


def test_rows_skip_blocks_without_rows() -> None:
    values, weights = arrays()
    gaps = values.copy(data=da.from_array(VALUES, chunks=((0, 10, 0, 13, 0), N_COLUMNS)))

    def fails_without_rows(power: int, start: int, *arrays: np.ndarray) -> tuple[Any, ...]:
        assert len(arrays[0])
        return chunk(power, start, *arrays)

    uncomputed = lazy.rows(
        functools.partial(fails_without_rows, 1),
        combine,
        finalize,
        gaps,
        weights,
        outputs=OUTPUTS,
        memory=NONE,
    )
    assert_equal(uncomputed.compute(), reduced(*arrays()), relative=0)


def test_rows_hold_a_few_blocks_not_a_task_for_each_pair() -> None:
    n_blocks = 200
    values = xr.DataArray(da.zeros((n_blocks * 10, 4), chunks=(10, 4)), dims=("features", "hidden"))
    uncomputed = lazy.rows(
        lambda start, block: block.sum(),
        sum,
        lambda part: {"total": part},
        values,
        outputs={"total": lazy.Result()},
        memory=NONE,
    )
    assert len(tasks(uncomputed)) <= 4 * n_blocks


def test_combine_never_gets_more_than_two_parts() -> None:
    sizes = []

    def counted(parts: Sequence[float]) -> float:
        sizes.append(len(parts))
        return sum(parts)

    values = xr.DataArray(da.ones((100, 2), chunks=(1, 2)), dims=("features", "hidden"))
    uncomputed = lazy.rows(
        lambda start, block: block.sum(),
        counted,
        lambda part: {"t": part},
        values,
        outputs={"t": lazy.Result()},
        memory=NONE,
    )
    assert float(uncomputed.t.compute(scheduler="synchronous")) == 200
    assert max(sizes) == 2


def test_two_reductions_of_one_array_read_it_once() -> None:
    reads = []

    def read(block: np.ndarray) -> np.ndarray:
        reads.append(len(block))
        return block

    source = da.from_array(VALUES, chunks=(5, 3)).map_blocks(read, meta=np.empty((0, 0)))
    values, weights = arrays()
    values = lazy.guard_finite(values.copy(data=source), "decoder")
    whole = lazy.whole(lambda array: {"sum": array.sum()}, values, outputs={"sum": lazy.Result()}, memory=NONE)
    dask.compute(reduced(values, weights), reduced(values, weights, power=2), whole, scheduler="synchronous")
    assert sum(reads) == 3 * N_ROWS  # each of three blocks of columns once


def key_names(power: int) -> set[str]:
    values, weights = arrays()
    return {str(key) for key in tasks(reduced(values.chunk(features=5), weights, power))}


def test_keys_follow_from_inputs_and_parameters() -> None:
    assert key_names(1) == key_names(1)
    chunks = {key for key in key_names(1) if "rows-" in key}
    assert not chunks & key_names(2)
    values, weights = arrays()
    other = {str(key) for key in tasks(reduced((values + 1).chunk(features=5), weights))}
    assert not chunks & other


def test_keys_are_the_same_in_another_process() -> None:
    code = (
        "import numpy as np, xarray as xr, functools, operator\n"
        "from saegeom_data import lazy\n"
        "x = xr.DataArray(np.arange(12.0).reshape(6, 2), dims=('features', 'hidden')).chunk(features=2)\n"
        "r = lazy.rows(operator.mul, sum, functools.partial(dict, a=1), x, outputs={'a': lazy.Result()},\n"
        "    memory=lazy.Memory())\n"
        "print(sorted(map(str, dict(r.__dask_graph__()))))"
    )
    # Hashes of text differ with this seed, as they do between any two processes.
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, stdout=subprocess.PIPE, text=True
        )
        for seed in ("1", "2")
    ]
    first, second = (process.communicate()[0] for process in processes)
    assert first == second
    assert "rows-chunk" in first


@pytest.mark.parametrize("is_lazy", [False, True])
def test_inputs_have_the_names_of_arguments_whatever_their_order(is_lazy: bool) -> None:
    def function(
        first: np.ndarray, *, parts: list[np.ndarray], scale: np.ndarray, none: list[np.ndarray]
    ) -> lazy.Arrays:
        assert none == []
        return {"x": scale * (first.sum() + 10 * parts[0].sum() + 100 * parts[1].sum())}

    one, two, three, four = (xr.DataArray([float(value)], dims="a", name=f"v{value}") for value in range(1, 5))
    if is_lazy:
        one, two, three, four = (array.chunk() for array in (one, two, three, four))
    given = {"scale": four, "none": [], "parts": [two, three]}
    found = lazy.whole(function, one, **given, outputs={"x": lazy.Result(("a",), (1,))}, memory=NONE)
    assert (found.x.chunks is not None) == is_lazy
    assert found.x.values.tolist() == [4 * (1 + 10 * 2 + 100 * 3)]
    if is_lazy:
        (stage,) = lazy.find_stages(found.__dask_graph__()).values()
        assert stage.function.endswith("function")
        assert set(stage.reads.values()) == {8}


@pytest.mark.parametrize("scheduler", ["synchronous", "threads", "processes"])
def test_schedulers_agree(scheduler: str) -> None:
    values, weights = arrays()
    uncomputed = reduced(values.chunk(features=6), weights.chunk(features=11))
    # Spawned, because a fork of a process that runs threads may hang.
    with dask.config.set({"multiprocessing.context": "spawn", "num_workers": 2}):
        assert_equal(uncomputed.compute(scheduler=scheduler), reduced(*arrays()), relative=0)


def test_no_rows_are_a_clear_error() -> None:
    for empty in (VALUES[:0], da.from_array(VALUES[:0])):
        values = xr.DataArray(empty, dims=("features", "hidden"), name="decoder")
        with pytest.raises(errors.DataValueError, match=r"^decoder: got 0 features, expected at least 1$"):
            reduced(values, xr.DataArray(WEIGHTS[:0], dims=("features",)))


def test_unequal_numbers_of_rows_are_a_clear_error() -> None:
    values, weights = arrays()
    with pytest.raises(errors.DataValueError, match="expected as many in each"):
        reduced(values, weights[:-1])


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("pattern", ["rows", "whole"])
def test_shapes_that_differ_from_the_declaration_are_named(pattern: str, chunked: bool) -> None:
    values = arrays()[0].chunk(features=5) if chunked else arrays()[0]
    wrong = {"total": lazy.Result(("rank",), (3,))}

    def total(part: float) -> dict[str, Any]:
        return {"total": part}

    def build() -> xr.Dataset:
        if pattern == "rows":
            return lazy.rows(lambda start, block: block.sum(), sum, total, values, outputs=wrong, memory=NONE)
        return lazy.whole(lambda array: total(array.sum()), values, outputs=wrong, memory=NONE)

    with pytest.raises(AssertionError, match=r"output 'total': got shape \(\), declared \(3,\)"):
        build().compute()


@given(data=st.data())
def test_whole_does_not_depend_on_chunking(data: st.DataObject) -> None:
    values, weights = arrays()
    outputs = {"product": lazy.Result(("hidden",), (N_COLUMNS,))}

    def function(array: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
        return {"product": weights @ array}

    chunked = values.chunk(features=partition(data, N_ROWS), hidden=partition(data, N_COLUMNS))
    with raise_if_dask_computes():
        uncomputed = lazy.whole(function, chunked, weights, outputs=outputs, memory=NONE)
    assert_lazy(uncomputed)
    eager = lazy.whole(function, values, weights, outputs=outputs, memory=NONE)
    assert eager.product.chunks is None
    assert_equal(uncomputed.compute(scheduler="synchronous"), eager, relative=0)


# Values that are not finite


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("chunks", [None, {"features": 5}, {"features": 23, "hidden": 2}])
def test_guard_names_variable_row_and_value(value: float, chunks: dict[str, int] | None) -> None:
    bad = VALUES.copy()
    bad[17, 4] = value
    array = xr.DataArray(bad, dims=("features", "hidden"))
    uncomputed = array.chunk(chunks) if chunks else array
    with pytest.raises(errors.DataValueError, match=rf"^/saes/a/decoder features 17: got {value}, expected finite"):
        lazy.guard_finite(uncomputed, "/saes/a/decoder").compute(scheduler="synchronous")


@pytest.mark.parametrize("value", [1e200, -1e76])
@pytest.mark.parametrize("chunks", [None, {"features": 5}])
def test_guard_names_a_value_whose_powers_are_beyond_double_precision(value: float, chunks: Any) -> None:
    array = xr.DataArray(VALUES.copy(), dims=("features", "hidden"))
    array.values[17, 4] = value
    with pytest.raises(errors.DataValueError, match=re.escape(f"d features 17: got {value:.3g}, expected at")):
        lazy.guard_finite(array.chunk(chunks) if chunks else array, "d").compute(scheduler="synchronous")
    largest = xr.DataArray(np.full((3, 2), np.finfo("float32").max, "float32"), dims=("features", "hidden"))
    assert lazy.guard_finite(largest, "d") is largest


def test_guard_of_lazy_values_waits_and_changes_nothing() -> None:
    array = arrays()[0].chunk(features=4, hidden=3)
    with raise_if_dask_computes():
        guarded = lazy.guard_finite(array, "decoder")
    xr.testing.assert_identical(guarded.compute(), array.compute())
    assert guarded.chunks == array.chunks
    assert set(dict(guarded.__dask_graph__())) == set(dict(lazy.guard_finite(array, "decoder").__dask_graph__()))


@pytest.mark.parametrize("value", [np.float64("nan"), da.full((), np.nan)])
def test_guard_of_a_scalar(value: Any) -> None:
    with pytest.raises(errors.DataValueError, match="^threshold: got nan"):
        lazy.guard_finite(xr.DataArray(value), "threshold").compute(scheduler="synchronous")


def test_error_of_a_guard_comes_back_from_another_process() -> None:
    bad = xr.DataArray(np.full((4, 2), np.nan), dims=("features", "hidden")).chunk(features=2)
    with (
        dask.config.set({"multiprocessing.context": "spawn", "num_workers": 2}),
        pytest.raises(errors.DataValueError, match="decoder features [02]: got nan"),
    ):
        lazy.guard_finite(bad, "decoder").compute(scheduler="processes")
