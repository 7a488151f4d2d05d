"""Codes in every form that a library gives a matrix: the same matrix comes back, or it is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import xarray as xr

from saegeom_data.data import csr
from saegeom_data.data.codes import codes_blocks, codes_group, codes_matrix, codes_shape
from saegeom_data.errors import DataValueError, ParameterError, SaegeomError

FORMATS = ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")


def dense(n_tokens: int = 12, n_features: int = 12, dtype: str = "float32") -> np.ndarray[Any, Any]:
    """Not symmetric, some of it negative, with an empty row and an empty column."""
    draw = np.random.default_rng(0)
    values = draw.standard_normal((n_tokens, n_features)) * (draw.random((n_tokens, n_features)) < 0.3)
    values[3], values[:, 5] = 0, 0
    return values.astype(dtype)


def assert_group_is(group: xr.Dataset, values: np.ndarray[Any, Any]) -> None:
    found = codes_matrix(group)
    assert (found.format, found.has_canonical_format, found.nnz) == ("csr", True, np.count_nonzero(values))
    np.testing.assert_array_equal(found.toarray(), values.astype(found.dtype))
    assert group["indices"].dtype == np.int32


@pytest.mark.parametrize("shape", [(12, 12), (8, 12), (12, 6)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", [*(f"{name}_{kind}" for name in FORMATS for kind in ("matrix", "array")), "dense"])
def test_every_form_of_scipy_is_the_same_matrix(form: str, dtype: str, shape: tuple[int, int]) -> None:
    values = dense(*shape, dtype)
    group = codes_group(values if form == "dense" else getattr(sp, form)(values))
    assert_group_is(group, values)
    assert group.attrs["source_dtype"] == dtype
    assert group.attrs["shape"] == list(shape)


@pytest.mark.parametrize("form", ["csr_matrix", "csr_array", "csc_matrix", "csc_array", "dense"])
def test_half_precision_that_scipy_holds_but_does_not_compute_in(form: str) -> None:
    values = dense(8, 12, "float16")
    given: Any = values
    if form != "dense":
        whole = getattr(sp, form)(values.astype("float32"))
        given = getattr(sp, form)((whole.data.astype("float16"), whole.indices, whole.indptr), shape=(8, 12))
        assert given.dtype == np.float16
    group = codes_group(given)
    assert_group_is(group, values)
    assert (group["data"].dtype, group.attrs["source_dtype"]) == (np.dtype("float32"), "float16")


@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")  # torch says that these layouts are in beta
@pytest.mark.parametrize("layout", ["coo", "csr", "csc", "bsr", "strided"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_tensors_are_the_same_matrix(layout: str, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(dense()).to(getattr(torch, dtype)).requires_grad_()
    made = {"csr": tensor.to_sparse_csr, "csc": tensor.to_sparse_csc, "coo": tensor.to_sparse}
    given = made[layout]() if layout in made else tensor.to_sparse_bsr((2, 3)) if layout == "bsr" else tensor
    group = codes_group(given)
    assert_group_is(group, tensor.detach().float().numpy() if dtype != "float64" else tensor.detach().numpy())
    assert group.attrs["source_dtype"] == dtype


def test_a_tensor_with_duplicates_is_their_sum() -> None:
    torch = pytest.importorskip("torch")
    given = torch.sparse_coo_tensor([[0, 0, 1], [2, 2, 0]], [1.0, 2.0, 4.0], (2, 3), check_invariants=True)
    assert codes_matrix(codes_group(given)).toarray().tolist() == [[0, 0, 3], [4, 0, 0]]


def test_a_data_array_says_which_dim_is_which() -> None:
    values = dense(8, 12)
    named = xr.DataArray(values, dims=("tokens", "features"))
    assert_group_is(codes_group(named.T), values)
    assert_group_is(codes_group(named.chunk()), values)
    with pytest.raises(ParameterError, match=r"codes: got dims \(tokens, latents\), expected \(tokens, features\)"):
        codes_group(named.rename(features="latents"))


def test_an_object_that_can_become_scipys_is_asked() -> None:
    class Other:
        dtype = np.dtype("float32")

        def to_scipy_sparse(self) -> sp.csc_array:
            return sp.csc_array(dense(8, 12))

    assert_group_is(codes_group(Other()), dense(8, 12))


@pytest.mark.parametrize("form", ["csr", "csc"])
def test_unsorted_rows_duplicates_zeros_and_long_indices(form: str) -> None:
    indices, bounds = np.array([2, 0, 2, 1], "int64"), np.array([0, 3, 3, 4], "int64")
    parts = (np.array([1, 2, 3, 0], "float32"), indices, bounds)
    given = getattr(sp, f"{form}_array")(parts, shape=(3, 3))
    before = given.copy()
    assert_group_is(codes_group(given), given.toarray())
    np.testing.assert_array_equal(given.data, before.data)
    np.testing.assert_array_equal(given.indices, before.indices)


def changed(form: str, name: str, place: int, value: float) -> Any:
    given = sp.csr_matrix(dense()).asformat(form)
    getattr(given, name)[place] = value
    return given


REFUSED: dict[str, tuple[Callable[[], Any], type[SaegeomError], str]] = {
    "list": (lambda: [[1.0]], ParameterError, "got builtins.list, expected a sparse matrix"),
    "none": (lambda: None, ParameterError, "got builtins.NoneType"),
    "frame": (lambda: pd.DataFrame(dense()), ParameterError, r"got pandas\S*DataFrame"),
    "dask": (lambda: da.from_array(dense()), ParameterError, r"got dask\S*Array"),
    "masked": (lambda: np.ma.masked_array(dense()), ParameterError, "MaskedArray"),
    "group": (lambda: codes_group(dense()), ParameterError, "Dataset.*codes_matrix"),
    "one dim": (lambda: sp.coo_array(dense()[0]), ParameterError, "got 1 dims, expected 2"),
    "three dims": (lambda: dense().reshape(3, 4, 12), ParameterError, "got 3 dims, expected 2"),
    "integers": (lambda: sp.csc_matrix(dense().astype("int64")), ParameterError, "got dtype int64, expected a float"),
    "truths": (lambda: dense() > 0, ParameterError, "got dtype bool"),
    "complex": (lambda: dense() * 1j, ParameterError, "got dtype complex64"),
    "long": (lambda: dense().astype("longdouble"), ParameterError, "got dtype float128"),
    "objects": (lambda: dense().astype(object), ParameterError, "got dtype object"),
    "NaN": (lambda: changed("csc", "data", 0, np.nan), DataValueError, r"codes: token \d+, feature 0: got nan"),
    "infinite": (lambda: np.full((2, 2), -np.inf, "f4"), DataValueError, "token 0, feature 0: got -inf"),
    "CSR index": (lambda: changed("csr", "indices", 4, 99), DataValueError, "codes: not a CSR matrix: .*indices"),
    "CSC index": (lambda: changed("csc", "indices", 4, -1), DataValueError, "codes: not a CSC matrix: .*indices"),
    "CSR bounds": (lambda: changed("csr", "indptr", 2, 99), DataValueError, "codes: not a CSR matrix"),
    "COO index": (
        lambda: changed("coo", "col", 0, 99),
        DataValueError,
        "column indices from 0 to 99, expected 0 to 11",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_anything_else_is_refused_by_name(kind: str) -> None:
    make, error, message = REFUSED[kind]
    with pytest.raises(error, match=f"^codes: .*{message.removeprefix('codes: ')}") as caught:
        codes_group(make())
    assert "\n" not in str(caught.value)


def test_a_group_of_another_format_is_refused_wherever_it_is_read() -> None:
    group = codes_group(dense(8, 12))
    readers: list[Callable[[Any], Any]] = [codes_matrix, codes_shape, lambda given: next(codes_blocks(given))]
    for read in readers:
        with pytest.raises(DataValueError, match="codes@encoding-type: got 'csc_matrix', expected 'csr_matrix'"):
            read(group.assign_attrs({"encoding-type": "csc_matrix"}))
        with pytest.raises(DataValueError, match="codes/indptr: got 9 bounds, expected 13"):
            read(group.assign_attrs(shape=[12, 8]))
        with pytest.raises(DataValueError, match="codes@shape: got None"):
            read(xr.Dataset(group.data_vars))
        with pytest.raises(ParameterError, match="codes: got csr_matrix, expected a group"):
            read(sp.csr_matrix(dense()))


def test_a_lazy_matrix_is_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csr, "_DENSE_BYTES", 100)
    dense = np.random.default_rng(0).standard_normal((4, 5, 6)).astype("float16")
    stacked = xr.DataArray(dense, dims=("sequences", "positions", "features"))
    for given in (stacked, stacked.chunk({"sequences": 1, "positions": 2}), stacked.transpose().chunk(2)):
        found, dtype = csr.csr_of(given)
        np.testing.assert_array_equal(found.toarray(), dense.reshape(20, 6))
        assert (dtype, found.dtype) == ("float16", np.float32)
    empty, _ = csr.csr_of(stacked[:0].chunk(2))
    assert empty.shape == (0, 6)


def test_a_lazy_matrix_of_another_dtype_is_not_read() -> None:
    def read() -> None:
        raise AssertionError("read")

    lazy = da.from_delayed(dask.delayed(read)(), (4, 3), dtype="int64")
    with pytest.raises(ParameterError, match="codes: got dtype int64, expected a float dtype"):
        csr.csr_of(xr.DataArray(lazy, dims=("tokens", "features")))


@pytest.mark.parametrize(
    ("codes", "hint"),
    [(np.ma.masked_array(np.eye(2)), r"\.filled\(0\)"), (da.ones((2, 2)), "name its dims: xarray.DataArray"),
     (pd.DataFrame(np.eye(2)), r"\.to_numpy\(\)"), ([[1.0]], r"numpy\.asarray")],
)  # fmt: skip
def test_a_refusal_says_how_to_go_on(codes: object, hint: str) -> None:
    with pytest.raises((ParameterError), match=f"codes: got .*, expected a sparse matrix of scipy.*; .*{hint}"):
        csr.csr_of(codes)


def test_a_tensor_with_dense_rows_is_taken() -> None:
    torch = pytest.importorskip("torch")
    found, _ = csr.csr_of(torch.eye(3).to_sparse(1))
    np.testing.assert_array_equal(found.toarray(), np.eye(3))
