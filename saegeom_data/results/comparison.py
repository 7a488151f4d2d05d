"""Many results side by side: one row per SAE, one column per number measured in one way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from saegeom_data.data import comparability
from saegeom_data.data.schema import natural_order
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Value
from saegeom_data.declare.scales import SCALES
from saegeom_data.errors import UnknownNameError
from saegeom_data.results.columns import FIXED, Column, Read, columns_of
from saegeom_data.results.groups import read_groups
from saegeom_data.results.methods import Method, differences, method_of, occurrence_of
from saegeom_data.results.summary import Table, has_values, rows_by_layer

if TYPE_CHECKING:
    import xarray as xr

_RESULT = Column("result", ("result",), description="Results that the row is from")
_DATASET = Column("dataset", ("dataset",), description="Start of the manifest root of the dataset that was measured")
_ROOT_DIGITS = 12
_UNMATCHED = Column(
    "unmatched",
    ("unmatched",),
    description="In what the SAE differs from the largest set of rows that agree within 5 percent in L0 and exactly in "
    "width; rows that differ cannot be compared as they stand",
)
_OF_RESULTS = (
    "title", "dataset_title", "dataset_root", "dataset_unchecked", "dataset_source", "dataset_license", "license",
    "versions",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Results side by side.

    Attributes
    ----------
    table
        The numbers, to show as any table of the report.
    methods
        For each column of the table how it was measured; None for names and coordinates.
    results
        What each of the results says of itself, by its label.
    cautions
        Sentences on what keeps rows from being compared.
    """

    table: Table
    methods: tuple[Method | None, ...]
    results: Mapping[str, Mapping[str, str]]
    cautions: tuple[str, ...]


@dataclass(frozen=True)
class _Read:
    """One column of one group of one result."""

    column: Column
    method: Method
    scale: str
    reads: tuple[Read, ...]


def compare(results: Mapping[str, xr.DataTree]) -> Comparison:
    """Put results side by side.

    Parameters
    ----------
    results
        Results of :func:`saegeom_data.evaluate`, computed or reopened, by a label for each.

    Returns
    -------
    Comparison
        One row for each SAE of each dataset. Results on one dataset, known by its root hash, share rows. Columns are
        those of :func:`saegeom_data.results.summary.summary_table`; where results measured one of them with different
        versions or parameters it has a column for each, named by what differs.

    Examples
    --------
    >>> import xarray as xr
    >>> def measured(size, version):
    ...     attrs = {"metric": "mine", "metric_version": version}
    ...     return xr.DataTree.from_dict({"/mine": xr.Dataset({"size": ("sae", [size])}, {"sae": ["a"]}, attrs)})
    >>> found = compare({"one": measured(2.0, 1), "two": measured(3.0, 2)})
    >>> [column.label for column in found.table.columns]
    ['SAE', 'result', 'unmatched', 'mine/size, version 1', 'mine/size, version 2']
    """
    groups = {label: read_groups(tree) for label, tree in results.items()}
    read = {label: _reads(groups[label], occurrence_of(tree)) for label, tree in results.items()}
    columns = _columns([reading for readings in read.values() for reading in readings])
    datasets: dict[str, list[str]] = {}
    for label, tree in results.items():
        # Without a root hash nobody knows whether two results are of one dataset, so they share no rows.
        datasets.setdefault(str(tree.attrs.get("dataset_root") or f"of {label}"), []).append(label)
    rows: list[dict[str, Value]] = []
    for labels in datasets.values():
        # All results on a dataset together know which SAE reads a site.
        for name, coordinates, names in rows_by_layer([group for label in labels for group in groups[label]]):
            known: list[dict[str, Value]] = []
            for label in labels:
                if any(names.get(group.over) in group.rows for group in groups[label]):
                    row = _row(name, label, coordinates, names, read[label], columns)
                    row["dataset"] = str(results[label].attrs.get("dataset_root", ""))[:_ROOT_DIGITS] or None
                    known += [] if any(_merge(other, row) for other in known) else [row]
            rows += known
    _flag(rows)
    cautions = tuple(_cautions(rows, [reading.method for readings in read.values() for reading in readings]))
    return _comparison(rows, columns, results, cautions)


def sort_rows(comparison: Comparison, by: str, *, descending: bool = False) -> Comparison:
    """Sort the rows by the label of a column or the name of a value; rows without one come last.

    Raises
    ------
    UnknownNameError
        If there is no such column or value.
    """
    table = comparison.table
    labels = {column.label: column.keys[0] for column in table.columns}
    key = labels.get(by, by)
    if not any(key in row for row in table.rows):
        raise UnknownNameError("column", by, {*labels, *(key for row in table.rows for key in row)})
    have = [row for row in table.rows if row[key] is not None]
    absent = [row for row in table.rows if row[key] is None]
    ordered = sorted(have, key=lambda row: _order(row[key]), reverse=descending)
    return replace(comparison, table=replace(table, rows=(*ordered, *absent)))


def _order(value: Value) -> tuple[bool, Any]:
    # Texts after numbers, because the two cannot be compared.
    return (True, natural_order(value)) if isinstance(value, str) else (False, value)


def _reads(groups: Sequence[Group], occurrence: Mapping[str, Any]) -> list[_Read]:
    """Columns of each group by itself: of several groups of one metric, the summary of a run shows the first."""
    found = []
    for group in groups:
        columns, sources = columns_of([group])
        # Only the brain scale counts which features fire; elsewhere occurrence would part equal methods.
        method = method_of(group, occurrence if group.scale == "brain" else {})
        for column in columns:
            found.append(_Read(column, method, group.scale, tuple(sources[key] for key in column.keys)))
    order = {column.keys: place for place, column in enumerate(columns_of(groups)[0])}
    return sorted(found, key=lambda reading: order.get(reading.column.keys, len(order)))


def _id(reading: _Read) -> tuple[tuple[str, ...], str, str]:
    return reading.column.keys, reading.column.label, reading.method.identity


def _columns(read: Sequence[_Read]) -> dict[tuple[tuple[str, ...], str, str], tuple[Column, Method]]:
    """One column for each number and method, in the order of the scales; named apart where methods differ."""
    scales = {name: place for place, name in enumerate(SCALES)}
    variants: dict[tuple[tuple[str, ...], str], dict[str, _Read]] = {}
    for reading in sorted(read, key=lambda reading: scales.get(reading.scale, len(scales))):
        variants.setdefault((reading.column.keys, reading.column.label), {}).setdefault(
            reading.method.identity, reading
        )
    # The same values under two labels, such as lobes of other numbers, are told apart as methods are.
    ambiguous = {keys for keys, _ in variants if sum(keys == other for other, _ in variants) > 1}
    columns = {}
    for (keys, label), readings in variants.items():
        for reading, words in zip(
            readings.values(), differences([reading.method for reading in readings.values()]), strict=True
        ):
            mark = ", ".join(part for part in (label if keys in ambiguous else "", words) if part)
            named = tuple(f"{key}[{mark}]" if mark else key for key in keys)
            column = replace(reading.column, keys=named, label=f"{label}, {words}" if words else label)
            columns[_id(reading)] = (column, reading.method)
    return columns


def _row(
    name: str,
    label: str,
    coordinates: Mapping[str, Any],
    names: Mapping[str, str],
    read: Sequence[_Read],
    columns: Mapping[Any, tuple[Column, Method]],
) -> dict[str, Value]:
    # A text, though empty: None stands for an SAE that is yet to be matched.
    unmatched = None if "sae" in names else ""
    row: dict[str, Value] = {"name": name, "result": label, "dataset": None, "unmatched": unmatched}
    row |= {key: coordinates.get(key) for key in ("layer", "width", "l0")}
    row |= {key: None for column, _ in columns.values() for key in column.keys}
    row |= {f"version of {method.metric}": None for _, method in columns.values()}
    for reading in read:
        column, method = columns[_id(reading)]
        for key, value_of in zip(column.keys, reading.reads, strict=True):
            # Several groups of one metric may fill a column: as in a summary, the first that has a value counts.
            row[key] = value_of(names) if row[key] is None else row[key]
        if row[column.keys[0]] is not None:
            row[f"version of {method.metric}"] = method.version
    return row


def _merge(row: dict[str, Value], more: Mapping[str, Value]) -> bool:
    """Add the values of another result on the same SAE, unless the two contradict each other."""
    both = [key for key in more if key != "result" and row[key] is not None and more[key] is not None]
    # Versions may differ where all values agree; then both are named.
    if any(row[key] != more[key] for key in both if not key.startswith("version of ")):
        return False
    for key, value in more.items():
        if row[key] is None:
            row[key] = value
        elif key == "result" or (value is not None and value != row[key]):
            row[key] = f"{row[key]}, {value}"
    return True


def _flag(rows: Sequence[dict[str, Value]]) -> None:
    """Say of each SAE in what it is not matched with the most others; rows of sites alone have no L0 to match."""
    saes = [row for row in rows if row["unmatched"] is None]
    for name, words in (("l0", "L0"), ("width", "width")):
        values = [row[name] for row in saes]
        most = _most_common(name, [value for value in values if value is not None])
        for row in saes:
            # None where it is not known, which is not the same as False.
            agrees = comparability.matched(name, [row[name], most])
            if len(saes) > 1 and not agrees:
                said = words if agrees is False else f"{words} unknown"
                row["unmatched"] = f"{row['unmatched']}, {said}" if row["unmatched"] else said
    for row in rows:
        row["unmatched"] = row["unmatched"] or None


def _most_common(name: str, values: Sequence[Any]) -> Any:
    """The value that most others agree with; the smallest of several."""

    def agreeing(value: Any) -> int:
        return sum(bool(comparability.matched(name, [value, other])) for other in values)

    # ``max`` takes the first of equals, so sorting makes the choice independent of the order of rows.
    return max(sorted(set(values)), key=agreeing, default=None)


def _comparison(
    rows: Sequence[dict[str, Value]],
    columns: Mapping[Any, tuple[Column, Method]],
    results: Mapping[str, xr.DataTree],
    cautions: tuple[str, ...],
) -> Comparison:
    name, *coordinates = FIXED
    widths, datasets = ({row[key] for row in rows} for key in ("width", "dataset"))
    first = [name, _RESULT, replace(_DATASET, is_shown=len(datasets) > 1)]
    first += [replace(column, is_shown=column.is_shown or len(widths) > 1) for column in coordinates]
    found: list[tuple[Column, Method | None]] = [(column, None) for column in (*first, _UNMATCHED)]
    kept = [(column, method) for column, method in (*found, *columns.values()) if has_values(rows, column)]
    shown = [(column, method) for column, method in kept if column.is_shown]
    keys = {key for column, _ in kept for key in column.keys} | {"unmatched"}
    keys |= {f"version of {method.metric}" for _, method in kept if method is not None}
    table = Table(
        tuple(column for column, _ in shown), tuple({key: row[key] for key in row if key in keys} for row in rows)
    )
    facts = {
        label: {key: str(tree.attrs[key]) for key in _OF_RESULTS if key in tree.attrs}
        for label, tree in results.items()
    }
    return Comparison(table, tuple(method for _, method in shown), facts, cautions)


def _cautions(rows: Sequence[Mapping[str, Value]], methods: Sequence[Method]) -> Iterator[str]:
    saes = [row for row in rows if row["l0"] is not None or row["width"] is not None]
    if len(saes) > 1:
        for sentence in comparability.differing_numbers(
            {name: [row[name] for row in saes] for name in ("l0", "width")}
        ):
            yield f"{sentence}: differences between rows may come from it"
    for metric in dict.fromkeys(method.metric for method in methods):
        own = [method for method in methods if method.metric == metric]
        versions = sorted({method.version for method in own})
        if len(versions) > 1:
            yield f"{metric} was measured with versions {', '.join(versions)}: columns of different versions differ"
        for identity in dict.fromkeys(method.identity for method in own):
            seeds = sorted({str(method.seed) for method in own if method.identity == identity})
            if len(seeds) > 1:
                yield f"{metric} was measured with seeds {', '.join(seeds)}: rows differ in what was drawn too"
