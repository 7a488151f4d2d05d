"""Write a comparison: Markdown with its methods, CSV and JSON for machines, and one HTML file with a sortable table."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from saegeom_data.report.page import asset, rendered
from saegeom_data.results.comparison import Comparison
from saegeom_data.results.summary import as_cells, as_markdown, as_records
from saegeom_data.shown import without_secrets


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return columns with their methods, rows of unrounded values, results and cautions, as JSON has them."""
    columns = [
        {
            "label": column.label,
            "keys": list(column.keys),
            "description": column.description,
            "metric": method.metric if method else None,
            "version": method.version if method else None,
            "parameters": dict(method.settings) if method else None,
        }
        for column, method in zip(comparison.table.columns, comparison.methods, strict=True)
    ]
    results = [{"result": label, **facts} for label, facts in comparison.results.items()]
    rows = as_records(comparison.table)
    return {"columns": columns, "rows": rows, "results": results, "cautions": list(comparison.cautions)}


def comparison_csv(comparison: Comparison) -> str:
    """Return every value of every row unrounded, versions of metrics included; empty where there is none."""
    rows = as_records(comparison.table)
    text = io.StringIO()
    # One newline on every system, so that equal results give equal files.
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _not_a_formula(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def comparison_markdown(comparison: Comparison) -> str:
    """Return the table, its cautions and its methods, to paste into a paper or a README."""
    parts = [as_markdown(comparison.table)]
    parts += [f"**Caution:** {_escaped(sentence)}.\n" for sentence in comparison.cautions]
    parts.append("".join(f"- {_escaped(line)}\n" for line in method_lines(comparison)))
    return "\n".join(part for part in parts if part)


def method_lines(comparison: Comparison) -> list[str]:
    """How each column was measured, one line for all columns of one method."""
    labels: dict[str, list[str]] = {}
    for column, method in zip(comparison.table.columns, comparison.methods, strict=True):
        if method is not None:
            labels.setdefault(str(method), []).append(column.label)
    return [f"{'; '.join(columns)}: {method}" for method, columns in labels.items()]


def comparison_html(comparison: Comparison) -> str:
    """Return one HTML page that needs no network: a table that sorts by a click or a key, and how it was measured."""
    table = comparison.table
    rows = [
        [
            (cell.main, cell.details, _sort_value(row.get(column.keys[0])))
            for cell, column in zip(cells, table.columns, strict=True)
        ]
        for cells, row in zip(as_cells(table), table.rows, strict=True)
    ]
    return rendered(
        "comparison.html",
        columns=[(column.label, column.description) for column in table.columns],
        rows=list(zip(rows, [bool(row["unmatched"]) for row in table.rows], strict=True)),
        methods=method_lines(comparison),
        results=[(label, _facts(facts)) for label, facts in comparison.results.items()],
        cautions=comparison.cautions,
        css=asset("report.css"),
    )


def _facts(facts: Any) -> list[tuple[str, str]]:
    names = {
        "title": "Run",
        "dataset_title": "Dataset",
        "dataset_license": "Licence",
        "dataset_root": "Manifest root of the dataset",
        "dataset_unchecked": "Not checked",
        "dataset_source": "Address of the dataset",
    }
    found = [(words, without_secrets(str(facts[name]))) for name, words in names.items() if facts.get(name)]
    software = ", ".join(f"{name} {version}" for name, version in json.loads(facts.get("versions", "{}")).items())
    return [*found, ("Software", software)] if software else found


def _sort_value(value: Any) -> str:
    # repr keeps all digits, so that rows that read alike still sort by their values.
    return "" if value is None else str(value) if isinstance(value, str) else repr(float(value))


def _not_a_formula(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula, made text again."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("\n", " ").replace("*", "\\*")
