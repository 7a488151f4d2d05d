"""What commands share: options, and how they show tables, stores, progress and JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saegeom_data.errors import ParameterError

if TYPE_CHECKING:
    from saegeom_data.results.summary import Table

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Scheduler = Annotated[
    str, typer.Option(help="dask scheduler: threads, processes, synchronous, or tcp://HOST:PORT of a running one.")
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(help="Most memory to take, such as 2GB; what does not fit is refused before it starts."),
]
PlanOnly = Annotated[
    bool, typer.Option("--plan", help="Print what would be read and computed, and stop; nothing is computed.")
]


def show_progress(message: str) -> None:
    """Print on a terminal how far a command has come; elsewhere nothing."""
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
    # Without a terminal there is no width to fit into, and a cell that is cut is lost to a file.
    Console(
        width=None if sys.stdout.isatty() else max(180, 20 * len(table.columns)), markup=False, highlight=False
    ).print(drawn)


@contextmanager
def task_progress(what: str, *, unit: str = "tasks") -> Iterator[Callable[[int, int], None] | None]:
    """Draw a bar with the time left on a terminal."""
    # In a file of logs a bar would leave thousands of lines.
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
    """Return the same value with null for the numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {str(key): without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_json(value: Any) -> None:
    """Print JSON for machines."""
    typer.echo(json.dumps(value, indent=2, default=str, allow_nan=False))


def print_store(path: Path, as_json: bool) -> None:
    """Print what a store holds, its size and its root hash."""
    from saegeom_data.data import manifest_of, schema, store
    from saegeom_data.engine.sizes import size_text

    with store.open(path) as tree:
        saes, sites = schema.sae_names(tree), schema.relation_sites(tree)
        pairs = tree.children["relations"].sizes["pairs"] if sites else 0
    size = sum(file["size"] for file in manifest_of.read_manifest(path)["files"].values())
    root = manifest_of.root_hash(path)
    if as_json:
        print_json({"store": str(path), "root": root, "bytes": size, "saes": saes, "pairs": pairs, "sites": sites})
    else:
        holds = [f"{len(saes)} SAEs"] * bool(saes) + [f"{pairs:,} word pairs at {len(sites)} sites"] * bool(sites)
        typer.echo(f"{path}: {', '.join(holds)}, {size_text(size)}, root {root}")


def name_and_value(text: str, option: str, expected: str) -> tuple[str, str]:
    """Read ``NAME=VALUE`` that the user gave to an option.

    Raises
    ------
    ParameterError
        If it is not of that form; names the option.
    """
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ParameterError(f"{option}: got {text!r}, expected {expected}")
    return name, value


def write_text(path: Path, text: str) -> None:
    """Write a file that the user asked for, and print its path.

    Raises
    ------
    ParameterError
        If it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ParameterError(f"{path}: cannot be written: {error.strerror}; give another path") from error
    typer.echo(str(path))
