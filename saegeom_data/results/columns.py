"""Columns of the table of headline numbers: what each row holds, read as the presentations of metrics say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Headline, Reading, Value
from saegeom_data.results.cells import Cell, Quantity, cell_of
from saegeom_data.results.presentations import Failures, in_order

Read = Callable[[Mapping[str, str]], Value]


@dataclass(frozen=True)
class Column:
    """A column: which values of a row it shows, and how.

    Attributes
    ----------
    label
        Its heading.
    keys
        Names of its values in a row, the one that is sorted by first.
    cell
        From those values to a cell.
    description
        What it is, for readers.
    is_shown
        Whether it is a column of tables for readers; records hold its values either way.
    """

    label: str
    keys: tuple[str, ...]
    cell: Callable[..., Cell] = cell_of
    description: str = ""
    is_shown: bool = True

    def of(self, row: Mapping[str, Value]) -> Cell:
        """Cell of one row."""
        return self.cell(*(row.get(key) for key in self.keys))


def _plain_number(value: Value) -> Cell:
    """A cell of a number with as few digits as it has."""
    return cell_of(value if value is None or isinstance(value, str) else f"{value:g}")


FIXED = (
    Column("SAE", ("name",), cell_of, "Name of the SAE, or of the site where no SAE reads it"),
    Column("layer", ("layer",), cell_of, "Index of the hidden state that is read"),
    Column("width", ("width",), cell_of, "Number of features", is_shown=False),
    Column("L0", ("l0",), _plain_number, "Features that are on at a time"),
)


SITE = Column("site", ("name",), cell_of, "Place in the model whose vectors were measured")


def columns_of(groups: Sequence[Group], failures: Failures | None = None) -> tuple[list[Column], dict[str, Read]]:
    """Columns of all results, and how to read each of their values for a row.

    Parameters
    ----------
    groups
        Results of one run; of several of one metric, the first that has a number keeps its key.
    failures
        Receives what could not be read.
    """
    failures = failures or Failures()
    columns: list[Column] = []
    sources: dict[str, Read] = {}
    for group, presentation in in_order(groups, failures):
        headlines: tuple[Headline, ...] = failures.guarded(
            group.metric, "headlines", presentation.headlines_of, group, otherwise=()
        )
        for headline in headlines:
            # The first result of a metric keeps its column; others stay in the tables of their groups.
            if headline.readings[0].name not in sources:
                columns.append(_column(headline))
                sources |= {reading.name: _reader(group, reading, failures) for reading in headline.readings}
    return columns, sources


def _column(headline: Headline) -> Column:
    def cell(*values: Value) -> Cell:
        given = iter(values)
        shown = tuple(_quantities(headline.values, given))
        return Cell(shown, tuple(_quantities(headline.behind, given)), headline.between)

    keys = tuple(reading.name for reading in headline.readings)
    return Column(headline.label, keys, cell, headline.description, headline.is_shown)


def _quantities(readings: Sequence[Reading], values: Iterator[Value]) -> Iterator[Quantity]:
    """Put values, given in the order of ``Headline.readings``, into the words of their readings."""
    for reading in readings:
        value = next(values)
        # A reading is followed by the ends of its interval, as ``Headline.readings`` lists them.
        ends = (next(values), next(values)) if reading.interval is not None else None
        known = ends is not None and None not in ends
        interval = (float(ends[0]), float(ends[1])) if known and ends is not None else None  # type: ignore[arg-type]
        yield Quantity(value, interval, reading.label, reading.after, reading.digits, reading.style)


def _reader(group: Group, reading: Reading, failures: Failures) -> Read:
    """Return a function from a row's names to its value."""

    def read(names: Mapping[str, str]) -> Value:
        row = names.get(group.over)
        if row is None or row not in group.rows:
            return None
        return failures.guarded(group.metric, "headlines", reading.read, group, row, otherwise=None)

    return read
