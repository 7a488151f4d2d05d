"""Turn the results of a run into a table, into sentences and into one self-contained HTML file.

Everything heavy (plotly, jinja2) is imported on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saegeom_data.report.page import write_report
    from saegeom_data.report.sentences import findings
    from saegeom_data.report.summary import Table, as_cells, as_markdown, as_records, summary_table

__all__ = ["Table", "as_cells", "as_markdown", "as_records", "findings", "summary_table", "write_report"]

_LAZY = {
    "Table": "summary",
    "as_cells": "summary",
    "as_markdown": "summary",
    "as_records": "summary",
    "findings": "sentences",
    "summary_table": "summary",
    "write_report": "page",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f"saegeom_data.report.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
