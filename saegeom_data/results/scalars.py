"""A plain table of any metric's numbers: what the report shows for metrics that it has no figure for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data.declare.group import Group
from saegeom_data.results.wording import number

_MOST_COLUMNS = 12


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
    """Tabulate the scalar outputs of a group, one row per SAE or site."""
    names = scalar_names(group)[:_MOST_COLUMNS]
    rows = [[row, *(_cell(group, row, name) for name in names)] for row in group.rows]
    columns = [(name, str(group.data[name].attrs.get("description", ""))) for name in names]
    left_out = [
        f"{name} ({', '.join(map(str, variable.dims))})"
        for name, variable in group.data.data_vars.items()
        if name not in names
    ]
    reference = str(group.data.attrs.get("reference", ""))
    caption = f"{group.metric}. {reference}".strip() if reference else group.metric
    return Values(group.name, caption, columns, rows, left_out)


def scalar_names(group: Group) -> list[str]:
    """Names of the outputs that have one value per row."""
    return [str(name) for name, variable in group.data.data_vars.items() if variable.dims == (group.over,)]


def _cell(group: Group, row: str, name: str) -> str:
    value = group.data[name].values[group.rows.index(row)]
    if isinstance(value, (np.floating, np.integer, np.bool_)):
        return number(value.item())
    return str(value)
