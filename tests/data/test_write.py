"""Arrays of odd sizes, dtypes and orders: each comes back as it was, or is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import saegeom_data
from saegeom_data.errors import ValidationError


def tree_of(decoder: Any, **more: Any) -> xr.DataTree:
    root = xr.Dataset(attrs={"format_version": 1, "title": "t", "license": "MIT"})
    features = xr.Dataset(
        {"decoder": (("features", "hidden"), decoder)} | more,
        {"site": "s", "layer": 1, "width": len(decoder), "l0": 2.0},
        {"model": "m", "architecture": "topk", "decoder_norm": "raw"},
    )
    return xr.DataTree.from_dict({"/": root, "/saes/a/features": features})


def read_only(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    array = array.copy()
    array.setflags(write=False)
    return array


ODD: dict[str, Callable[[np.ndarray[Any, Any]], Any]] = {
    "no features": lambda array: array[:0],
    "no hidden dimensions": lambda array: array[:, :0],
    "one feature": lambda array: array[:1],
    "one hidden dimension": lambda array: array[:, :1],
    "half precision": lambda array: array.astype("float16"),
    "other end first": lambda array: array.astype(">f4"),
    "columns first": np.asfortranarray,
    "backwards": lambda array: array[::-1, ::-1],
    "read only": read_only,
    "not finite": lambda array: np.where(array > 0, np.nan, -np.inf),
    "uneven chunks": lambda array: da.from_array(array, chunks=((1, 2, 5), (3, 1))),
    "chunks of none": lambda array: da.from_array(array[:0], chunks=(1, 1)),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_array_comes_back_as_it_was(tmp_path: Path, case: str) -> None:
    array = ODD[case](np.random.default_rng(0).standard_normal((8, 4)))
    saegeom_data.write_tree(tree_of(array), tmp_path / "one.zarr")
    found = saegeom_data.open(tmp_path / "one.zarr", verify="checksums")["saes/a/features/decoder"].values
    assert (found.shape, found.dtype.itemsize) == (array.shape, array.dtype.itemsize)
    np.testing.assert_array_equal(found, np.asarray(array))


BAD: dict[str, tuple[Callable[[np.ndarray[Any, Any]], Any], str]] = {
    "integers": (lambda array: array.astype(int), "decoder: got dtype int64, expected float"),
    "booleans": (lambda array: array > 0, "decoder: got dtype bool, expected float"),
    "complex": (lambda array: array.astype(complex), "decoder: got dtype complex128, expected float"),
    "objects": (lambda array: array.astype(object), "decoder: got dtype object, expected float"),
}


@pytest.mark.parametrize("case", BAD)
def test_another_kind_is_refused(tmp_path: Path, case: str) -> None:
    change, message = BAD[case]
    with pytest.raises(ValidationError, match=f"^/saes/a/features/{message}"):
        saegeom_data.write_tree(tree_of(change(np.eye(8, 4))), tmp_path / "one.zarr")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [(np.array([b"a"]), "holds values that are not text"), (np.array([1, "a"], dtype=object), "holds values that are"),
     (np.zeros(1, "V3"), "holds values that are not text")],
)  # fmt: skip
def test_a_variable_of_its_own_is_checked_too(tmp_path: Path, values: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=f"^/saes/a/features/own: {message}"):
        saegeom_data.write_tree(tree_of(np.eye(8, 4), own=("rows", values)), tmp_path / "one.zarr")


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="long doubles are doubles here")
def test_long_doubles_are_refused(tmp_path: Path) -> None:
    wide = np.eye(8, 4, dtype=np.longdouble)
    with pytest.raises(ValidationError, match=r"^/saes/a/features/decoder: got dtype float128, expected float"):
        saegeom_data.write_tree(tree_of(wide), tmp_path / "one.zarr")
    with pytest.raises(ValidationError, match=r"^/saes/a/features/own: got dtype float128, expected 64 bits at most"):
        saegeom_data.write_tree(tree_of(np.eye(8, 4), own=("rows", wide[0])), tmp_path / "two.zarr")


@pytest.mark.parametrize("name", [3, ""])
def test_a_name_that_zarr_cannot_give_an_array_is_refused(tmp_path: Path, name: Any) -> None:
    tree = tree_of(np.eye(8, 4))
    tree["saes/a/features"].dataset = tree["saes/a/features"].to_dataset().assign({name: 1.0})
    with pytest.raises(ValidationError, match="expected text without a slash; rename it"):
        saegeom_data.write_tree(tree, tmp_path / "one.zarr")


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("value", "message"),
    [(None, r"holds values that are not text, such as None \(NoneType\)"), (["a"], "holds .*not text, such as .*list"),
     ("\ud83d", "got half a surrogate pair")],
)  # fmt: skip
def test_no_value_becomes_text_by_itself(tmp_path: Path, lazy: bool, value: Any, message: str) -> None:
    values = np.empty(2, object)
    values[:] = ["a", value]
    tree = tree_of(np.eye(8, 4), own=("rows", values))
    tree = tree.chunk({"rows": 1}) if lazy else tree
    with pytest.raises(ValidationError, match=f"^/saes/a/features/own: {message}") as caught:
        saegeom_data.write_tree(tree, tmp_path / "one.zarr")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_index_of_several_levels_is_named(tmp_path: Path) -> None:
    tree = tree_of(np.eye(8, 4), own=(("a", "b"), np.eye(2)))
    features = tree["saes/a/features"]
    features.dataset = features.to_dataset().assign_coords(a=[0, 1], b=[0, 1]).stack(rows=("a", "b"))
    with pytest.raises(ValidationError, match=r"features/rows: got an index of several levels; apply .reset_index"):
        saegeom_data.write_tree(tree, tmp_path / "one.zarr")
