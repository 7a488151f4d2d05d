"""What commands share: options, and how they show tables, progress and JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from saegeom_data.results.summary import Table

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Scheduler = Annotated[
    str, typer.Option(help="dask scheduler: threads, processes, synchronous, or tcp://HOST:PORT of a running one.")
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(help="Most memory to take, such as 2GB; a run that does not fit is refused before it starts."),
]


def show_progress(message: str) -> None:
    """Say on a terminal how far something is."""
    if sys.stderr.isatty():
        typer.echo(message, err=True)


def print_table(table: Table) -> None:
    """Draw a table in the terminal."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table as RichTable

    from saegeom_data.results.summary import as_cells

    drawn = RichTable(box=SIMPLE_HEAD)
    for index, column in enumerate(table.columns):
        drawn.add_column(column.label, justify="right" if index else "left")
    for cells in as_cells(table):
        drawn.add_row(*map(str, cells))
    Console(
        width=None if sys.stdout.isatty() else max(180, 20 * len(table.columns)), markup=False, highlight=False
    ).print(drawn)


@contextmanager
def task_progress(what: str, *, unit: str = "tasks") -> Iterator[Callable[[int, int], None] | None]:
    """Draw a bar with the time left on a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress

    columns = [*Progress.get_default_columns(), *([DownloadColumn()] if unit == "bytes" else [])]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def without_nan(value: Any) -> Any:
    """Numbers that JSON cannot say, as null."""
    if isinstance(value, dict):
        return {str(key): without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_json(value: Any) -> None:
    """Print JSON for machines."""
    typer.echo(json.dumps(value, indent=2, default=str, allow_nan=False))
