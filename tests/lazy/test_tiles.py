from __future__ import annotations

import weakref
from functools import partial
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from saegeom_data import errors, lazy
from saegeom_data.declare import registry
from saegeom_data.engine import planner
from saegeom_data.engine.units import Unit
from saegeom_data.lazy import SIDE, Memory, Result
from saegeom_data.testing.checks import raise_if_dask_computes

N = 2 * SIDE + 17
ROWS = np.random.default_rng(0).integers(-9, 9, (N, 3)).astype("float64")
EXPECTED = ROWS @ ROWS.T
SMALL = {lazy.BLOCK_BYTES: SIDE * SIDE * 8}


def product(start: int, rows: np.ndarray, other_start: int, others: np.ndarray, *also: np.ndarray) -> np.ndarray:
    np.testing.assert_array_equal(rows, ROWS[start : start + len(rows)])
    np.testing.assert_array_equal(others, ROWS[other_start : other_start + len(others)])
    assert start <= other_start
    return rows @ others.T + sum(extra.sum() for extra in also)


def tiled(rows: xr.DataArray, *also: xr.DataArray, function: Any = product, **options: Any) -> xr.DataArray:
    result = options.pop("result", Result(("features", "features_other"), (rows.shape[0],) * 2))
    with dask.config.set(SMALL):
        return lazy.tiles(function, rows, *also, result=result, memory=Memory(), **options)


def array() -> xr.DataArray:
    return xr.DataArray(ROWS, dims=("features", "hidden"), name="decoder")


@given(chunks=st.integers(20, N + 3))
def test_matrix_does_not_depend_on_chunks(chunks):
    uncomputed = tiled(array().chunk(features=chunks, hidden=2))
    assert uncomputed.data.numblocks == (3, 3)
    np.testing.assert_array_equal(uncomputed.values, EXPECTED)
    np.testing.assert_array_equal(tiled(array()).values, EXPECTED)


def test_building_computes_nothing_and_the_dims_are_as_declared():
    with raise_if_dask_computes():
        uncomputed = tiled(array().chunk(features=100))
    assert uncomputed.dims == ("features", "features_other")
    assert uncomputed.chunks == ((SIDE, SIDE, 17),) * 2


def test_arrays_beside_the_rows_are_whole_in_every_tile():
    extra = xr.DataArray(np.arange(5.0), dims="bounds")
    np.testing.assert_array_equal(tiled(array().chunk(features=99), extra.chunk(bounds=2)).values, EXPECTED + 10)
    np.testing.assert_array_equal(tiled(array(), extra).values, EXPECTED + 10)


def test_leading_dims_are_whole_in_every_tile():
    def both(start, rows, other_start, others):
        return np.stack([rows @ others.T, -(rows @ others.T)])

    result = Result(("document_type", "features", "features_other"), (2, N, N))
    for rows in (array(), array().chunk(features=300)):
        got = tiled(rows, function=both, result=result)
        np.testing.assert_array_equal(got.values, np.stack([EXPECTED, -EXPECTED]))


def test_each_pair_of_blocks_is_computed_once():
    corners = []

    def noted(start, rows, other_start, others):
        corners.append((start, other_start))
        return rows @ others.T

    np.testing.assert_array_equal(tiled(array().chunk(features=64), function=noted).values, EXPECTED)
    assert sorted(corners) == [(i, j) for i in range(0, N, SIDE) for j in range(i, N, SIDE)]


def test_written_tiles_do_not_wait_for_each_other(tmp_path):
    """Of 78 tiles only those in work are alive when the matrix is written."""
    n = 12 * SIDE
    alive, most = set(), []

    def noted(start, rows, other_start, others):
        tile = np.full((len(rows), len(others)), float(start + other_start)).view(_Watched)
        alive.add(id(tile))
        weakref.finalize(tile, alive.discard, id(tile))
        most.append(len(alive))
        return tile

    rows = xr.DataArray(da.zeros((n, 1), chunks=(SIDE, 1)), dims=("features", "hidden"), name="decoder")
    uncomputed = tiled(rows, function=noted)
    with dask.config.set(scheduler="threads", num_workers=2):
        uncomputed.to_dataset(name="matrix").to_zarr(tmp_path / "matrix.zarr", consolidated=False)
    assert len(most) == 78
    assert max(most) <= 6
    read = xr.open_zarr(tmp_path / "matrix.zarr", consolidated=False).matrix
    at = np.arange(n) // SIDE * SIDE
    np.testing.assert_array_equal(read.values, at[:, None] + at[None])


class _Watched(np.ndarray):
    pass


@pytest.mark.parametrize("n", [1000, 65_536, 1_000_000, 16_000_000])
def test_tasks_stay_bounded_however_many_rows(n):
    rows = xr.DataArray(da.zeros((n, 4), chunks=(n // 10, 4)), dims=("features", "hidden"), name="decoder")
    uncomputed = tiled(rows)
    assert len(uncomputed.__dask_graph__()) <= 5000
    size = uncomputed.chunks[0][0]
    assert size == n or size % SIDE == 0


def test_no_rows_are_an_error():
    with pytest.raises(errors.DataValueError, match="decoder: got 0 features"):
        tiled(array()[:0])


def test_the_plan_counts_the_matrix_only_where_it_is_held():
    memory = Memory(task=1000)
    rows = array().chunk(features=100)
    with dask.config.set(SMALL):
        matrix = lazy.tiles(partial(product), rows, result=Result(("a", "b"), (N, N)), memory=memory)
    units = [Unit("x", registry.get_metric("affinity"), "layer_0", matrix.to_dataset(name="matrix"), {})]
    held, written = planner.plan(units), planner.plan(units, written=True)
    assert held.peak_bytes - written.peak_bytes == 8 * N**2
    assert written.read_bytes == ROWS.nbytes
    tile = 1000 + 8 * SIDE**2
    assert written.peak_bytes - planner.plan([]).peak_bytes >= written.n_workers * tile
