"""A plain table of any metric's numbers: what the report shows for metrics that it has no figure for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.results.wording import number

_MOST_COLUMNS = 12
_MOST_LABELS = 8


@dataclass(frozen=True)
class Values:
    """A table with a caption.

    Attributes
    ----------
    title
        Name of the group.
    caption
        Metric and parameters.
    columns
        Pairs of a variable's name and its description.
    rows
        Cells as text, the first one naming the row.
    left_out
        Names of variables that are not scalars, with their dimensions.
    """

    title: str
    caption: str
    columns: list[tuple[str, str]]
    rows: list[list[str]]
    left_out: list[str]


def values(group: Group) -> Values:
    """Tabulate the scalar outputs of a group, and those of a few labels, one row per SAE or site."""
    plain: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in scalar_names(group)]
    shown = [*plain, *_few_labels(group)][:_MOST_COLUMNS]
    rows = [[row, *(_cell(group, row, name, where) for name, where in shown)] for row in group.rows] if shown else []
    columns = [(_heading(name, where), str(group.data[name].attrs.get("description", ""))) for name, where in shown]
    # An output of which one label is shown is not left out, though columns may end before its last.
    left_out = [
        f"{name} ({', '.join(map(str, variable.dims))})"
        for name, variable in group.data.data_vars.items()
        if name not in {name for name, _ in shown}
    ]
    reference = str(group.data.attrs.get("reference", ""))
    caption = f"{group.metric}. {reference}".strip() if reference else group.metric
    return Values(group.name, caption, columns, rows, left_out)


def scalar_names(group: Group) -> list[str]:
    """Names of the outputs that have one value per row."""
    return [str(name) for name, variable in group.data.data_vars.items() if variable.dims == (group.over,)]


def _few_labels(group: Group) -> list[tuple[str, dict[str, Any]]]:
    """Outputs over one further dimension that has labels, few of them: each with one of its labels."""
    found: list[tuple[str, dict[str, Any]]] = []
    for name, variable in group.data.data_vars.items():
        dims = [str(dim) for dim in variable.dims if dim != group.over]
        is_few = len(dims) == 1 and len(variable.dims) == 2 and variable.sizes[dims[0]] <= _MOST_LABELS
        if is_few and dims[0] in group.data.coords:
            found += [(str(name), {dims[0]: label}) for label in group.data[dims[0]].values]
    return found


def _heading(name: str, where: Mapping[str, Any]) -> str:
    return name + "".join(f", {dim} {label}" for dim, label in where.items())


def _cell(group: Group, row: str, name: str, where: Mapping[str, Any]) -> str:
    variable = group.data[name].sel(where) if where else group.data[name]
    value = variable.values[group.rows.index(row)]
    if isinstance(value, (np.floating, np.integer, np.bool_)):
        return number(value.item())
    return str(value)
