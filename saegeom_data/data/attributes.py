"""Attributes as JSON holds them, for zarr keeps them so: numpy's numbers become plain ones, the rest is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.errors import Problem
from saegeom_data.shown import without_secrets

if TYPE_CHECKING:
    import xarray as xr

# What xarray takes for itself when it opens a store: values would come back changed, or the attribute not at all.
_DECODED = frozenset({"_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned", "coordinates", "dtype"})
# Of the attributes of a group xarray takes this one alone.
_DECODED_OF_GROUPS = frozenset({"coordinates"})
_NUMBERS_AND_TEXT = "biufTUO"
_MOST_BITS = 64


class AttributeTypeError(Exception):
    """A value that JSON does not hold; the message says what it is and how to convert it."""


def plain_attributes(dataset: xr.Dataset, path: str) -> tuple[xr.Dataset, list[Problem]]:
    """Return a dataset whose attributes, and those of its variables, are what JSON holds, and what is wrong with them.

    Numbers, text and arrays of numpy are converted at any depth of lists, tuples and tables. Others, such as dates,
    paths, sets, NaN and keys that are not text, are problems: each has the path of its group and the attribute's name.

    Examples
    --------
    >>> import xarray as xr
    >>> plain, problems = plain_attributes(xr.Dataset(attrs={"k": [np.int64(3)], "when": {2026}}), "/saes/a/features")
    >>> plain.attrs
    {'k': [3]}
    >>> print(problems[0])
    /saes/a/features@when: got set, which JSON does not hold; write it as text, a number or a list
    """
    plain = dataset.copy()
    plain.attrs, problems = _plain_table(dataset.attrs, path, _DECODED_OF_GROUPS)
    for name, variable in plain.variables.items():
        variable.attrs, wrong = _plain_table(variable.attrs, f"{path.rstrip('/')}/{name}", _DECODED)
        problems += wrong
    return plain, problems


def _plain_table(attrs: Mapping[Any, Any], path: str, decoded: frozenset[str]) -> tuple[dict[str, Any], list[Problem]]:
    found: dict[str, Any] = {}
    problems = []
    for name, value in attrs.items():
        if name in decoded or (name == "units" and decoded is _DECODED and "since" in str(value)):
            message = "xarray takes this attribute for a way to decode values; apply it to them and leave it out"
            problems.append(Problem(f"{path}@{name}", message))
            continue
        try:
            found[_key(name)] = _plain(value)
        except AttributeTypeError as error:
            problems.append(Problem(f"{path}@{name}", str(error)))
        except RecursionError:
            problems.append(Problem(f"{path}@{name}", "nested too deeply; write it flatter"))
    return found, problems


def _plain(value: Any) -> Any:
    """Return a value as JSON gives it back."""
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind not in _NUMBERS_AND_TEXT:
            raise AttributeTypeError(
                f"got {value.dtype} of numpy, which JSON does not hold; write it as text or numbers"
            )
        # numpy keeps long doubles as they are in tolist.
        return _plain((value.astype(np.float64) if value.dtype.kind == "f" else value).tolist())
    if isinstance(value, Mapping):
        return {_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    # Before numbers, among which Python counts true and false.
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        if value.bit_length() > _MOST_BITS:
            raise AttributeTypeError(
                f"got an integer of {value.bit_length()} bits, expected at most 64; write it as text"
            )
        return int(value)
    if isinstance(value, float):
        if not np.isfinite(value):
            raise AttributeTypeError(f"got {value}, which JSON does not hold; leave it out or write it as text")
        return float(value)
    raise AttributeTypeError(
        f"got {type(value).__name__}, which JSON does not hold; write it as text, a number or a list"
    )


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise AttributeTypeError(f"got the key {key!r}, expected text; convert it with str")
    return _text(key)


def _text(text: str) -> str:
    """Return plain text without credentials, if UTF-8 can write it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise AttributeTypeError("got half a surrogate pair, which UTF-8 does not write; repair the text") from error
    # Not str(), by which members of an enumeration are their names.
    return without_secrets(str.__str__(text))
