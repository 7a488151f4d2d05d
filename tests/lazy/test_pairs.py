from __future__ import annotations

import weakref
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
from saegeom_data.lazy import Memory, Result, Stage
from saegeom_data.testing.checks import assert_equal, assert_lazy, raise_if_dask_computes

# Whole numbers, so that sums are exact in any order.
VALUES = np.random.default_rng(0).integers(-50, 50, (23, 7)).astype("float64")
ROW_BYTES = VALUES[0].nbytes


# Sums and largest products over all other rows, and how often each row was visited: shows pairs left out or met twice.
def within(start: int, block: np.ndarray) -> np.ndarray:
    product = block @ block.T
    np.fill_diagonal(product, 0)
    best = np.where(np.eye(len(block), dtype=bool), -np.inf, product)
    return np.stack([product.sum(1), best.max(1), np.full(len(block), len(block) - 1.0), start + np.arange(len(block))])


def between(
    start: int, block: np.ndarray, known: np.ndarray, other_start: int, other: np.ndarray, other_known: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    assert start < other_start
    assert known[2].min() >= len(block) - 1
    product = block @ other.T
    gains = []
    for table, first, n in ((product, start, len(other)), (product.T, other_start, len(block))):
        gains.append(np.stack([table.sum(1), table.max(1), np.full(len(table), n), first + np.arange(len(table))]))
    return gains[0], gains[1]


def merge(parts: Sequence[np.ndarray]) -> np.ndarray:
    assert all((part[3] == parts[0][3]).all() for part in parts)
    total, best, count, row = (np.stack(rows) for rows in zip(*parts, strict=True))
    return np.stack([total.sum(0), best.max(0), count.sum(0), row[0]])


def finalize(parts: Sequence[np.ndarray]) -> dict[str, Any]:
    return dict(zip(OUTPUTS, np.concatenate(parts, axis=1), strict=True))


OUTPUTS = {name: Result(("features",), (23,)) for name in ("total", "best", "count", "row")}


def paired(values: xr.DataArray, memory: Memory | None = None) -> xr.Dataset:
    return lazy.pairs(within, between, merge, finalize, values, outputs=OUTPUTS, memory=memory or Memory())


def array() -> xr.DataArray:
    return xr.DataArray(VALUES, dims=("features", "hidden"), name="decoder")


def expected() -> xr.Dataset:
    product = VALUES @ VALUES.T
    np.fill_diagonal(product, 0)
    best = np.where(np.eye(23, dtype=bool), -np.inf, product).max(1)
    values = (product.sum(1), best, np.full(23, 22.0), np.arange(23.0))
    return xr.Dataset({name: ("features", value) for name, value in zip(OUTPUTS, values, strict=True)})


@pytest.mark.parametrize("rows_per_block", [1, 2, 5, 22, 23, 100])
def test_every_pair_is_visited_once(rows_per_block: int) -> None:
    with dask.config.set({"saegeom_data.block_bytes": rows_per_block * ROW_BYTES}):
        assert_equal(paired(array()), expected())


@given(data=st.data())
def test_pairs_do_not_depend_on_chunks_or_blocks(data: st.DataObject) -> None:
    values = array().chunk(features=data.draw(st.integers(1, 23)), hidden=data.draw(st.integers(1, 7)))
    with dask.config.set({"saegeom_data.block_bytes": data.draw(st.integers(1, 25)) * ROW_BYTES}):
        with raise_if_dask_computes():
            uncomputed = paired(values)
        assert_lazy(uncomputed)
        assert_equal(uncomputed.compute(scheduler=data.draw(st.sampled_from(["synchronous", "threads"]))), expected())


def test_blocks_are_read_again_rather_than_held() -> None:
    n_held = n_read = most = 0

    def release() -> None:
        nonlocal n_held
        n_held -= 1

    def load(block_id: tuple[int, ...]) -> np.ndarray:
        nonlocal n_held, n_read, most
        block = np.full((10, 2), float(block_id[0]))
        weakref.finalize(block, release)
        n_held, n_read = n_held + 1, n_read + 1
        most = max(most, n_held)
        return block

    meta = np.empty((0, 0))
    values = xr.DataArray(da.map_blocks(load, chunks=((10,) * 12, (2,)), meta=meta), dims=("features", "hidden"))
    outputs = {name: Result(("features",), (120,)) for name in OUTPUTS}
    with dask.config.set({"saegeom_data.block_bytes": 10 * 16}):
        uncomputed = lazy.pairs(within, between, merge, finalize, values, outputs=outputs, memory=Memory())
        uncomputed.compute(scheduler="synchronous")
    # Each block by itself; then each with those after it, but for the last, which has none.
    assert n_read == 12 + 12 * 13 // 2 - 1
    assert most <= 5


@pytest.mark.parametrize(
    ("n_rows", "row_bytes"), [(10, 8), (65_536, 400), (65_536, 2304 * 4), (10**6, 2304 * 4), (10**7, 400)]
)
def test_number_of_blocks_is_bounded(n_rows: int, row_bytes: int) -> None:
    size = lazy.row_block_size(n_rows, row_bytes)
    assert 1 <= size <= n_rows
    assert -(-n_rows // size) <= 32


def test_number_of_tasks_has_a_ceiling() -> None:
    values = xr.DataArray(da.zeros((10**6, 100), chunks=(50_000, 100)), dims=("features", "hidden"))
    outputs = {name: Result(("features",), (10**6,)) for name in OUTPUTS}
    uncomputed = lazy.pairs(within, between, merge, finalize, values, outputs=outputs, memory=Memory())
    assert len(uncomputed.__dask_graph__()) <= 8000


def test_stage_says_what_is_read_and_held() -> None:
    values = lazy.guard_finite(array().chunk(features=4), "/decoder")
    memory = Memory(task=1, partial=2, finish=3)
    with dask.config.set({"saegeom_data.block_bytes": 8 * ROW_BYTES}):
        (stage,) = lazy.find_stages(paired(values, memory).__dask_graph__()).values()
    assert isinstance(stage, Stage)
    assert (stage.pattern, stage.function, stage.memory) == ("pairs", "test_pairs.within", memory)
    # Three blocks: each once by itself, then the first with both others, and the second with the third.
    assert stage.reads[values.data.name] == pytest.approx(VALUES.nbytes * 8 / 3, rel=0.05)
    assert stage.given == 3 * 8 * ROW_BYTES
    assert stage.output == 4 * 23 * 8


def test_stages_after_others_read_nothing_from_outside() -> None:
    values = lazy.guard_finite(array().chunk(features=4), "/decoder")
    first = paired(values)
    again = lazy.again(values, first.total)
    second = lazy.whole(
        lambda total, rows: {"t": total @ rows},
        first.total,
        again,
        outputs={"t": Result(("hidden",), (7,))},
        memory=Memory(),
    )
    found = sorted(lazy.find_stages(second.__dask_graph__()).values(), key=lambda stage: stage.after)
    assert [stage.after for stage in found] == [1, 2]
    assert list(found[1].reads.values()) == [VALUES.nbytes]
    np.testing.assert_allclose(second.t, expected().total.values @ VALUES)


def test_second_reading_waits_for_the_first_and_has_keys_of_its_own() -> None:
    order: list[str] = []

    def load(name: str, block_id: tuple[int, ...] = ()) -> np.ndarray:
        order.append(name)
        return np.full((2, 2), float(block_id[0]))

    data = da.map_blocks(load, "load", chunks=((2, 2), (2,)), meta=np.empty((0, 0)))
    values = xr.DataArray(data, dims=("features", "hidden"), name="decoder")
    total = lazy.whole(
        lambda rows: order.append("total") or {"t": rows.sum()}, values, outputs={"t": Result()}, memory=Memory()
    ).t
    again = lazy.again(values, total)
    assert again.data.name != values.data.name
    assert lazy.again(values, total).data.name == again.data.name
    out = lazy.whole(lambda t, rows: {"x": t + rows.sum()}, total, again, outputs={"x": Result()}, memory=Memory())
    assert float(out.x.compute(scheduler="synchronous")) == 8
    assert order == ["load", "load", "total", "load", "load"]


def test_no_rows_are_an_error() -> None:
    with pytest.raises(errors.DataValueError, match="got 0 features, expected at least 1"):
        paired(array().isel(features=slice(0)))
