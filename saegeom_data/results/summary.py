"""The headline numbers of a run as a table: one row per SAE, one column per number, with its interval or null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Value
from saegeom_data.results.cells import Cell, markdown_row
from saegeom_data.results.columns import FIXED, SITE, Column, columns_of
from saegeom_data.results.groups import read_groups, row_order
from saegeom_data.results.presentations import Failures

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True)
class Table:
    """A table of headline numbers.

    Attributes
    ----------
    columns
        Columns for readers that hold a value in at least one row.
    rows
        For each SAE or site its values by name, unrounded; None where a metric was not run.
    """

    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, Value], ...]

    def _repr_html_(self) -> str:
        """The table as a notebook shows it."""
        head = "".join(
            f'<th title="{escape(column.description, quote=True)}">{escape(column.label)}</th>'
            for column in self.columns
        )
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells)}</tr>" for cells in as_cells(self)
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def to_dataframe(self) -> pd.DataFrame:
        """Return the unrounded values as a pandas DataFrame: a row for each SAE or site, named by it.

        Examples
        --------
        >>> Table((), ({"name": "layer_0", "slope": -0.5},)).to_dataframe().loc["layer_0", "slope"].item()
        -0.5
        """
        import pandas as pd

        frame = pd.DataFrame([dict(row) for row in self.rows])
        # A run without results has no rows, and so no names.
        return frame.set_index("name") if "name" in frame else frame


def summary_table(results: xr.DataTree) -> Table:
    """Summarise the results of a run.

    Parameters
    ----------
    results
        Results of :func:`saegeom_data.evaluate`, computed or reopened.

    Returns
    -------
    Table
        One row for each SAE, ordered by layer; sites without an SAE of their own follow. Metrics that were not run have
        no column; metrics of third parties have a column for each of their scalar outputs.

    Examples
    --------
    >>> import xarray as xr
    >>> entropy = xr.Dataset({"size": ("sae", [2.0])}, {"sae": ["a"]}, {"metric": "mine"})
    >>> as_records(summary_table(xr.DataTree.from_dict({"/mine": entropy})))
    [{'name': 'a', 'mine/size': 2.0}]
    """
    return table_of(read_groups(results))


def as_records(table: Table) -> list[dict[str, Value]]:
    """Rows as plain dictionaries of unrounded values, for machines."""
    return [dict(row) for row in table.rows]


def as_cells(table: Table) -> list[list[Cell]]:
    """Rows as structured cells, in the order of ``table.columns``; ``str`` of one is its text."""
    return [[column.of(row) for column in table.columns] for row in table.rows]


def as_markdown(table: Table) -> str:
    """Return the table in Markdown, for a README."""
    head: Sequence[object] = [column.label for column in table.columns]
    rules: Sequence[object] = [":--", *["--:"] * (len(head) - 1)]
    return "".join(f"{markdown_row(line)}\n" for line in (head, rules, *as_cells(table)))


def table_of(groups: Sequence[Group], failures: Failures | None = None) -> Table:
    """As :func:`summary_table`, for groups that are read already."""
    columns, sources = columns_of(groups, failures)
    rows = []
    for label, coordinates, names in rows_by_layer(groups):
        row: dict[str, Value] = {"name": label} | {key: coordinates.get(key) for key in ("layer", "width", "l0")}
        row |= {key: read(names) for key, read in sources.items()}
        rows.append(row)
    has_saes = any(group.over == "sae" for group in groups)
    first = FIXED if has_saes else (SITE, *FIXED[1:])
    kept = [column for column in (*first, *columns) if has_values(rows, column)]
    keys = {key for column in kept for key in column.keys}
    shown = tuple(column for column in kept if column.is_shown)
    return Table(shown, tuple({key: row[key] for key in row if key in keys} for row in rows))


def has_values(rows: Sequence[Mapping[str, Value]], column: Column) -> bool:
    """Whether a column holds a value in at least one row."""
    return any(row.get(column.keys[0]) is not None for row in rows)


def rows_by_layer(groups: Sequence[Group]) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    """Rows in the order of their layers; those without a layer keep their order and follow."""
    # Sorting is stable, so what shares a layer stays in the order of the results.
    return sorted(row_order(groups), key=lambda row: row[1].get("layer", float("inf")))
