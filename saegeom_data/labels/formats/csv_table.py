"""A plain table: CSV with a heading, of which ``feature`` and ``description`` are needed.

Known beside them are ``explainer``, ``score`` and ``scorer``. A row is a label, and a feature may have several.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from saegeom_data.data.labels import Label
from saegeom_data.errors import DataValueError, suggest
from saegeom_data.labels.found import Found, FoundExample, feature_index, score_of, text_of
from saegeom_data.labels.source import LabelSource

WHAT = "a .csv with columns feature and description, and explainer, score and scorer if there are any"

_NEEDED = ("feature", "description")


def parts(source: LabelSource) -> list[str]:
    """One, if the source is a file named like a table."""
    return [""] if source.name.lower().endswith(".csv") else []


def read(source: LabelSource, part: str, *, is_partial: bool) -> Found:
    """Read the rows of the table.

    Raises
    ------
    StoreError, DataValueError
        If it cannot be read, or is not such a table.
    """
    shown = source.shown("")
    reader = csv.DictReader(io.StringIO(source.text(""), newline=""), strict=True)
    found = Found(facts={"format": "csv"})
    try:
        columns = list(reader.fieldnames or ())
        for name in _NEEDED:
            if name not in columns:
                got = ", ".join(columns)[:80]
                near = suggest(name, columns)
                raise DataValueError(f"{shown}: no column {name!r}, got {got or 'nothing'}{near}; expected {WHAT}")
        for row in reader:
            where = f"{shown}, line {reader.line_num}"
            # DictReader fills a short row up with None, and keeps what is too much of a long one under the key None.
            if None in row.values() or None in row:
                raise DataValueError(
                    f"{where}: got another number of cells than columns, {len(columns)}; quote its text"
                )
            score = score_of(row.get("score"), where)
            description, explainer, scorer = (text_of(row.get(name)) for name in ("description", "explainer", "scorer"))
            label = Label(description, explainer, score, scorer)
            found.add(feature_index(row["feature"], where), label, where)
    except csv.Error as error:
        raise DataValueError(f"{shown}, line {reader.line_num}: not CSV: {error}; save it as CSV in UTF-8") from error
    return found


def examples(source: LabelSource, part: str, found: Found, *, is_partial: bool) -> Iterator[FoundExample]:
    """None: a table has labels alone."""
    return iter(())
