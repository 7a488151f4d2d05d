from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anndata.io
import numpy as np
import pytest
import scipy.sparse as sp
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st

import saegeom_data
from saegeom_data import errors
from saegeom_data.data import codes, store, write
from saegeom_data.testing.simulate import simulate_store

N_FEATURES = 300


def matrix(n_tokens: int = 1_000, density: float = 0.03, seed: int = 0) -> sp.csr_matrix:
    return sp.random(n_tokens, N_FEATURES, density, format="csr", dtype="float32", random_state=seed)


def stored(csr: sp.csr_matrix, target: Path) -> Path:
    with write.staged(target) as folder:
        write.write_group(folder, "/", xr.Dataset(attrs={"format_version": 1, "title": "t", "license": "l"}))
        write.write_group(folder, "saes/a/codes", codes.codes_group(csr))
    return target


def reopened(target: Path) -> xr.Dataset:
    return store.open_unchecked(target)["saes/a/codes"].to_dataset(inherit=False)


def assert_same(got: sp.csr_matrix, expected: sp.csr_matrix) -> None:
    assert got.shape == expected.shape
    assert (got != expected).nnz == 0


# An empty matrix is left to `read_elem`: anndata's lazy reader looks at its first row.
@pytest.mark.parametrize(("n_tokens", "density"), [(1_000, 0.03), (10, 0.0), (1, 1.0)])
def test_anndata_opens_what_is_written(tmp_path: Path, n_tokens: int, density: float) -> None:
    csr = matrix(n_tokens, density)
    group = zarr.open_group(stored(csr, tmp_path / "a.zarr") / "saes/a/codes", mode="r")
    # These three attributes are all that anndata needs; `shape` tells it of trailing features that never fire.
    assert group.attrs["encoding-type"] == "csr_matrix"
    assert group.attrs["encoding-version"] == "0.1.0"
    assert group.attrs["shape"] == [n_tokens, N_FEATURES]
    assert_same(anndata.io.read_elem(group), csr)
    assert_same(anndata.io.sparse_dataset(group)[0 : n_tokens // 2 + 1], csr[0 : n_tokens // 2 + 1])


def test_binsparse_descriptor_tells_format_shape_and_types(tmp_path: Path) -> None:
    csr = matrix()
    path = stored(csr, tmp_path / "a.zarr") / "saes/a/codes"
    descriptor = json.loads((path / "zarr.json").read_text())["attributes"]["binsparse"]
    assert descriptor == {
        "version": "0.1",
        "format": "CSR",
        "shape": [1_000, N_FEATURES],
        "number_of_stored_values": csr.nnz,
        "data_types": {"pointers_to_1": "int64", "indices_1": "int32", "values": "float32"},
    }
    found = {name: str(zarr.open_array(path / name, mode="r").dtype) for name in ("indptr", "indices", "data")}
    assert list(found.values()) == list(descriptor["data_types"].values())


def test_scipy_reads_the_arrays_as_they_stand(tmp_path: Path) -> None:
    csr = matrix()
    group = reopened(stored(csr, tmp_path / "a.zarr"))
    assert group["data"].dims == group["indices"].dims == ("nonzeros",)
    assert group["indptr"].dims == ("row_bounds",)
    assert_same(sp.csr_matrix((group.data.values, group.indices.values, group.indptr.values), shape=csr.shape), csr)


@given(start=st.integers(-60, 60), stop=st.integers(-60, 60), seed=st.integers(0, 5))
def test_any_range_of_rows_is_that_of_scipy(start: int, stop: int, seed: int) -> None:
    csr = matrix(50, seed=seed)
    assert_same(codes.codes_matrix(codes.codes_group(csr).chunk(nonzeros=37), slice(start, stop)), csr[start:stop])


def test_blocks_are_the_whole_matrix(tmp_path: Path) -> None:
    csr = matrix()
    found = list(codes.codes_blocks(reopened(stored(csr, tmp_path / "a.zarr")), n_rows=333))
    assert [start for start, _ in found] == [0, 333, 666, 999]
    assert_same(sp.vstack([block for _, block in found], format="csr"), csr)


def test_only_the_rows_asked_for_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "_CHUNK_BYTES", 2_000)
    monkeypatch.setattr(write, "_SHARD_BYTES", 8_000)
    csr = matrix()
    path = stored(csr, tmp_path / "a.zarr")
    group = reopened(path)
    shards = sorted((path / "saes/a/codes/data").glob("c.*"), key=lambda file: int(file.suffix[1:]))
    assert len(shards) > 3
    for file in shards[1:]:
        file.write_bytes(b"damaged")
    assert_same(codes.codes_matrix(group, slice(0, 30)), csr[:30])
    with pytest.raises(Exception, match=r".+"):
        codes.codes_matrix(group, slice(900, 1_000))


def test_float16_is_stored_exactly_as_float32(tmp_path: Path) -> None:
    source = matrix()
    half = sp.csr_matrix((source.data.astype("float16"), source.indices, source.indptr), shape=source.shape)
    group = reopened(stored(half, tmp_path / "a.zarr"))
    assert (group["data"].dtype, group.attrs["source_dtype"]) == (np.dtype("float32"), "float16")
    np.testing.assert_array_equal(group["data"].values, half.data.astype("float32"))


def test_rows_are_sorted_duplicates_summed_and_zeros_left_out() -> None:
    csr = sp.csr_matrix((np.array([1, 2, 3, 0], "float32"), np.array([2, 0, 2, 1]), np.array([0, 3, 4])), shape=(2, 3))
    group = codes.codes_group(csr)
    assert group["indices"].values.tolist() == [0, 2]
    assert group["data"].values.tolist() == [2, 4]
    assert group["indptr"].values.tolist() == [0, 2, 2]
    assert csr.nnz == 4


@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_values_that_are_no_floats_are_refused(dtype: str) -> None:
    with pytest.raises(errors.ParameterError, match=f"codes: got dtype {dtype}, expected a float dtype"):
        codes.codes_group(matrix().astype(dtype))


def test_steps_and_empty_blocks_are_refused() -> None:
    group = codes.codes_group(matrix(10))
    with pytest.raises(errors.ParameterError, match="got step 2"):
        codes.codes_matrix(group, slice(0, 10, 2))
    with pytest.raises(errors.ParameterError, match="n_rows: got 0"):
        next(codes.codes_blocks(group, n_rows=0))


@pytest.mark.parametrize(
    ("name", "position", "value"), [("indptr", 3, 10**6), ("indptr", 3, -1), ("indices", 4, 300), ("indices", 4, -1)]
)
def test_damaged_codes_are_refused_before_scipy_sees_them(name: str, position: int, value: int) -> None:
    group = codes.codes_group(matrix(10)).copy(deep=True)
    group[name].values[position] = value
    with pytest.raises(errors.DataValueError, match=f"codes/{name}: "):
        codes.codes_matrix(group)


@given(rows=st.tuples(st.integers(0, 50), st.integers(0, 50)), n_values=st.integers(1, 200), seed=st.integers(0, 5))
def test_pieces_are_the_rows_and_no_larger_than_asked(rows: tuple[int, int], n_values: int, seed: int) -> None:
    csr = matrix(50, seed=seed)
    (start, stop), row = sorted(rows), min(rows)
    for piece in codes.codes_pieces(codes.codes_group(csr).chunk(nonzeros=37), start, stop, n_values):
        assert piece.start == row
        n_rows = len(piece.bounds) - 1
        assert n_rows == 1 or len(piece.data) <= n_values
        found = sp.csr_matrix((piece.data, piece.indices, piece.bounds), shape=(n_rows, N_FEATURES))
        assert_same(found, csr[row : row + n_rows])
        row += n_rows
    assert row == stop


def test_pieces_name_the_codes_whose_bounds_fall() -> None:
    group = codes.codes_group(matrix(10)).copy(deep=True)
    group["indptr"].values[3] = -1
    with pytest.raises(errors.DataValueError, match="^/saes/a/codes/indptr: bounds of tokens 2 to 5 do not rise"):
        next(codes.codes_pieces(group, 2, 5, 100, "/saes/a/codes"))


def test_store_with_codes_is_valid(tmp_path: Path) -> None:
    tree = simulate_store(n_saes=1, n_features=N_FEATURES)
    tree["saes/layer_0/codes"] = xr.DataTree(codes.codes_group(matrix()))
    write.write_tree(tree, tmp_path / "a.zarr")
    with saegeom_data.open(tmp_path / "a.zarr") as opened:
        sae = saegeom_data.select_sae(opened, "layer_0")
        assert sae.attrs["architecture"] == "topk"  # of the features, not of the codes that come before them
        assert_same(codes.codes_matrix(opened["saes/layer_0/codes"].to_dataset(inherit=False)), matrix())


def test_a_tensor_without_values_is_refused() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(errors.ParameterError, match="got a tensor on the device meta, which has a shape and no values"):
        codes.codes_group(torch.zeros(4, 3, device="meta"))


@pytest.mark.parametrize("rows", [5, None, np.arange(3)])
def test_rows_are_a_range(rows: Any) -> None:
    with pytest.raises(
        errors.ParameterError, match=r"rows: got .*, expected a range of tokens; give slice\(start, stop\)"
    ):
        codes.codes_matrix(codes.codes_group(np.eye(3)), rows)
    with pytest.raises(errors.ParameterError, match="n_rows: got 2.5, expected at least 1, in whole numbers"):
        next(codes.codes_blocks(codes.codes_group(np.eye(3)), 2.5))
