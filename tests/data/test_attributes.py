"""Attributes: numpy's numbers are taken at any depth, and what JSON does not hold is refused by group and name."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import saegeom_data
from saegeom_data.data.attributes import plain_attributes
from saegeom_data.errors import ValidationError


class Colour(str, enum.Enum):  # noqa: UP042 - StrEnum prints as its value
    """Text that prints as its name."""

    RED = "red"


LOOP: list[Any] = []
LOOP.append(LOOP)

TAKEN: dict[str, tuple[Any, Any]] = {
    "number in a list": ([np.int64(1), np.float16(0.5)], [1, 0.5]),
    "number in a table": ({"a": np.float32(1.5)}, {"a": 1.5}),
    "number far down": ({"a": [{"b": (np.uint8(1), {"c": np.bool_(True)})}]}, {"a": [{"b": [1, {"c": True}]}]}),
    "array": (np.eye(2, dtype="int8"), [[1, 0], [0, 1]]),
    "array in a table": ({"a": np.array(["x", "y"])}, {"a": ["x", "y"]}),
    "array without dims": (np.array(3), 3),
    "array of objects": (np.array(["a", np.int8(1)], dtype=object), ["a", 1]),
    "long double": ([np.longdouble(0.5)], [0.5]),
    "text of numpy": (np.str_("a"), "a"),
    "member of an enumeration": (Colour.RED, "red"),
    "bool": (True, True),
    "None": ([None], [None]),
    "tuple": ((1, 2), [1, 2]),
    "empty": ({"a": [], "b": {}}, {"a": [], "b": {}}),
    "largest integers": ([2**64 - 1, -(2**63)], [2**64 - 1, -(2**63)]),
}

REFUSED: dict[str, tuple[Any, str]] = {
    "date": (dt.date(2026, 1, 1), "got date"),
    "datetime": ([dt.datetime(2026, 1, 1)], "got datetime"),
    "duration": (dt.timedelta(1), "got timedelta"),
    "date of numpy": (np.datetime64("2026-01-01"), r"got datetime64\[D\]"),
    "duration of numpy": (np.timedelta64(3, "ns"), r"got timedelta64\[ns\]"),
    "path": ({"a": Path("x")}, "got PosixPath" if Path("x").as_posix() == str(Path("x")) else "got WindowsPath"),
    "set": ([{1}], "got set"),
    "bytes": (b"a", "got bytes"),
    "complex": (1j, "got complex"),
    "decimal": (decimal.Decimal(1), "got Decimal"),
    "dataset": (xr.DataArray([1]), "got DataArray"),
    "NaN": ({"a": float("nan")}, "got nan, which JSON does not hold"),
    "infinity of numpy": (np.array([np.inf]), "got inf"),
    "huge integer": (10**5000, "got an integer of 16610 bits, expected at most 64"),
    "key of a table": ([{1: 2}], "got the key 1, expected text"),
    "half a character": ("\ud83d", "UTF-8"),
    "loop": (LOOP, "nested too deeply"),
}


def tree_with(place: str, value: Any, name: Any = "extra") -> xr.DataTree:
    """A small store with one more attribute of the root, the group or the variable."""
    root = xr.Dataset(attrs={"format_version": 1, "title": "t", "license": "MIT"})
    decoder = xr.Variable(("features", "hidden"), np.eye(4, 2))
    attrs = {"model": "m", "architecture": "topk", "decoder_norm": "raw"}
    features = xr.Dataset({"decoder": decoder}, {"site": "s", "layer": 1, "width": 4, "l0": 2.0}, attrs)
    {"root": root, "group": features, "variable": features.decoder}[place].attrs[name] = value
    return xr.DataTree.from_dict({"/": root, "/saes/a/features": features})


@pytest.mark.parametrize("case", TAKEN)
def test_numbers_of_numpy_are_taken_at_any_depth(case: str) -> None:
    value, expected = TAKEN[case]
    given = xr.Dataset({"a": xr.Variable((), 1, {"extra": value})}, attrs={"extra": value})
    plain, problems = plain_attributes(given, "/g")
    assert problems == []
    for attrs in (plain.attrs, plain["a"].attrs):
        assert json.dumps(attrs) == json.dumps({"extra": expected})
    assert given.attrs["extra"] is value, "the input is left alone"
    assert given["a"].attrs["extra"] is value


@pytest.mark.parametrize("place", ["root", "group", "variable"])
def test_they_come_back_from_a_store(tmp_path: Path, place: str) -> None:
    saegeom_data.write_tree(tree_with(place, {"a": [np.float32(0.5), np.arange(2)]}), tmp_path / "one.zarr")
    opened = saegeom_data.open(tmp_path / "one.zarr", verify="checksums")
    features = opened["saes/a/features"]
    found = {"root": opened, "group": features, "variable": features["decoder"]}[place]
    assert found.attrs["extra"] == {"a": [0.5, [0, 1]]}


@pytest.mark.parametrize("case", REFUSED)
def test_what_json_does_not_hold_is_refused(case: str) -> None:
    value, message = REFUSED[case]
    given = xr.Dataset({"b": xr.Variable((), 1, {"extra": value})}, attrs={"extra": value})
    _, problems = plain_attributes(given, "/saes/a/features")
    assert [problem.where for problem in problems] == ["/saes/a/features@extra", "/saes/a/features/b@extra"]
    for problem in problems:
        assert re.search(message, problem.message)
        assert "\n" not in problem.message


PLACES = {"root": "/@extra", "group": "/saes/a/features@extra", "variable": "/saes/a/features/decoder@extra"}


@pytest.mark.parametrize("place", PLACES)
def test_a_refusal_names_group_and_attribute_and_writes_nothing(tmp_path: Path, place: str) -> None:
    with pytest.raises(ValidationError, match=f"^{PLACES[place]}: got date, which JSON does not hold"):
        saegeom_data.write_tree(tree_with(place, dt.date(2026, 1, 1)), tmp_path / "one.zarr")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="^/saes/a/features@3: got the key 3, expected text"):
        saegeom_data.write_tree(tree_with("group", 1, name=3), tmp_path / "one.zarr")


@pytest.mark.parametrize(
    ("name", "value"),
    [("scale_factor", 2.0), ("add_offset", 1.0), ("_FillValue", 0.0), ("missing_value", 1.0), ("coordinates", "x"),
     ("dtype", "bool"), ("_Unsigned", "true"), ("units", "days since 2026-01-01"),
     ("units", "tokens_since_start")],
)  # fmt: skip
def test_a_name_by_which_xarray_changes_values_is_refused(tmp_path: Path, name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=f"^/saes/a/features/decoder@{name}: xarray takes"):
        saegeom_data.write_tree(tree_with("variable", value, name=name), tmp_path / "one.zarr")


@pytest.mark.parametrize(("name", "value"), [("dtype", "float32"), ("scale_factor", 2.0), ("units", "days since 2000")])
def test_xarray_takes_such_names_from_variables_alone(tmp_path: Path, name: str, value: Any) -> None:
    saegeom_data.write_tree(tree_with("group", value, name=name), tmp_path / "one.zarr")
    assert saegeom_data.open(tmp_path / "one.zarr")["saes/a/features"].attrs[name] == value
