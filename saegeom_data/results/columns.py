"""A column of the table of headline numbers, and the ways to show a value in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from saegeom_data.results.groups import Group
from saegeom_data.results.wording import interval, number

Value = float | str | None


@dataclass(frozen=True)
class Column:
    """A column: which values of a row it shows, and how.

    Attributes
    ----------
    label
        Its heading.
    keys
        Names of the values in a row.
    show
        From those values to a cell.
    description
        What it is, for readers.
    is_shown
        Whether it is a column of tables for readers; records hold its values either way.
    """

    label: str
    keys: tuple[str, ...]
    show: Callable[..., str]
    description: str = ""
    is_shown: bool = True


def plain(value: Value) -> str:
    """Show one value."""
    return number(value)


def with_interval(value: Value, low: Value, high: Value) -> str:
    """Show a value with its interval."""
    if value is None:
        return number(None)
    return number(value) if low is None or high is None else f"{number(value)} {interval(_float(low), _float(high))}"


def _float(value: Value) -> float | None:
    return None if value is None else float(value)


def reader(group: Group, name: str, **where: Any) -> Callable[[Mapping[str, str]], Value]:
    """Return a function from a row's names to its value of one variable."""

    whole = name in group.data.variables and group.data[name].dtype.kind in "iu"

    def read(names: Mapping[str, str]) -> Value:
        value = group.value(names[group.over], name, **where) if group.over in names else None
        return int(value) if whole and value is not None else value

    return read
