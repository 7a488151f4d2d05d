"""What commands share: options, and how they show tables, stores, progress and JSON."""

from __future__ import annotations

import codecs
import io
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saegeom_data.errors import SaegeomError
from saegeom_data.shown import printable, without_secrets

if TYPE_CHECKING:
    from saegeom_data.results.summary import Table

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Scheduler = Annotated[
    str,
    typer.Option(
        help="dask scheduler: threads, processes, synchronous, or tcp://HOST:PORT or the .json file of a running one."
    ),
]
MemoryLimit = Annotated[
    str | None,
    typer.Option(help="Most memory to take, such as 2GB; what does not fit is refused before it starts."),
]
PlanOnly = Annotated[
    bool, typer.Option("--plan", help="Print what would be read and computed, and stop; nothing is computed.")
]


# Signs of numbers and of prose that not every terminal has, and what is written there instead.
_PLAIN_SIGNS = {
    "−": "-", "–": "-", "→": "->", "±": "+-", "≤": "<=", "≥": ">=", "′": "'", "’": "'", "“": '"', "”": '"', "…": "...",
    "↑": "up", "↓": "down", "●": "x", "○": "o",
}  # fmt: skip
_PLAIN = "saegeom_plain"
# Work that is not watched says how far it is this often.
_LOG_SECONDS = 30.0


def plain_where_needed() -> None:
    """Let output replace signs that the terminal's encoding lacks, so that no result is lost for a sign."""
    codecs.register_error(_PLAIN, _replaced)
    for stream in (sys.stdout, sys.stderr):
        # Streams of tests and of other programs may be no text files of this kind.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAIN)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN_SIGNS.get(sign, "?") for sign in text), error.end


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print text, without credentials and without what labels of a store could do to a terminal."""
    typer.echo(printable(without_secrets(text)), err=err, nl=nl)


def show_progress(message: str) -> None:
    """Print how far a command has come: on a terminal every message, elsewhere one now and then."""
    if sys.stderr.isatty() or _is_due():
        say(message, err=True)


_last_logged: float | None = None


def begin_log() -> None:
    """Begin the time after which the first line of a log comes, with each command."""
    global _last_logged
    _last_logged = None


def _is_due() -> bool:
    """Whether it is time for a line of a log; the first comes only after a while, as most commands are done by then."""
    global _last_logged
    now = time.monotonic()
    if _last_logged is None:
        _last_logged = now
    if now - _last_logged < _LOG_SECONDS:
        return False
    _last_logged = now
    return True


def print_table(table: Table) -> None:
    """Draw a table in the terminal: several below each other where its columns do not fit side by side."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table as RichTable

    from saegeom_data.results.summary import as_cells

    # Without a terminal there is no width to fit into.
    width = Console().width if sys.stdout.isatty() else 10_000
    labels = [column.label for column in table.columns]
    rows = [[printable(str(cell)) for cell in cells] for cells in as_cells(table)]
    needs = _widths(labels, rows)
    for columns in _side_by_side(needs, width):
        drawn = RichTable(box=SIMPLE_HEAD)
        for index in columns:
            # Headings may break at spaces; a cell never does, as a number that is cut is lost.
            drawn.add_column(labels[index], justify="right" if index else "left", min_width=needs[index] - _MARGIN)
        for row in rows:
            drawn.add_row(*(row[index] for index in columns))
        # A cell wider than the terminal is left to the terminal, which breaks lines and loses nothing.
        needed = sum(needs[index] for index in columns) + _MARGIN
        Console(width=max(width, needed), markup=False, highlight=False).print(drawn)


# Blanks around a cell, and what stands between two.
_MARGIN = 3


def _widths(labels: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Width that each column needs: its longest cell, or the longest word of its heading."""
    return [
        max([*map(len, label.split()), *(len(row[index]) for row in rows), 1]) + _MARGIN
        for index, label in enumerate(labels)
    ]


def _side_by_side(needs: Sequence[int], width: int) -> list[list[int]]:
    """Columns of each of the tables that fit a width; the first column, which names the rows, begins all of them."""
    tables: list[list[int]] = [[0]]
    for index in range(1, len(needs)):
        used = sum(needs[place] for place in tables[-1]) + _MARGIN
        if len(tables[-1]) > 1 and used + needs[index] > width:
            tables.append([0])
        tables[-1].append(index)
    return tables


class TaskProgress:
    """Shows how many of how many parts are finished when it is called, and the time that is left where it is known.

    Parameters
    ----------
    show
        Called with the parts that are finished, all of them, and words on the time left, which may be empty.
    after_left
        What to say after the time that is left.
    """

    def __init__(self, show: Callable[[int, int, str], None], after_left: str) -> None:
        self._show, self._after_left, self._words = show, after_left, ""

    def left(self, seconds: float) -> None:
        """Keep the seconds that are left for the next call."""
        from saegeom_data.engine.times import duration

        self._words = f"{duration(seconds)} left{self._after_left}"

    def __call__(self, done: int, total: int) -> None:
        """Show how far the work is."""
        self._show(done, total, self._words)


@contextmanager
def task_progress(what: str, *, unit: str = "tasks", after_left: str = "") -> Iterator[TaskProgress]:
    """Draw a bar with the time left on a terminal; elsewhere write a line now and then."""
    # In a file of logs a bar would leave thousands of lines.
    if not sys.stderr.isatty():
        yield TaskProgress(lambda *shown: show_progress(_progress_line(what, unit, *shown)), after_left)
        return
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, Task, TimeRemainingColumn
    from rich.text import Text

    class Remaining(TimeRemainingColumn):
        """Tasks differ in what they take, so that their number misleads: the plan tells better, where it knows."""

        def render(self, task: Task) -> Text:
            left = task.fields["left"]
            return Text(left, style="progress.remaining") if left else super().render(task)

    columns = [*Progress.get_default_columns()[:-1], Remaining(), *([DownloadColumn()] if unit == "bytes" else [])]
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, left="")
        yield TaskProgress(
            lambda done, total, left: bar.update(task, completed=done, total=total, left=left), after_left
        )


def _progress_line(what: str, unit: str, done: int, total: int, left: str) -> str:
    return f"{what}: {done:,} of {total:,} {unit}" + (f", {left}" if left else "")


def without_nan(value: Any) -> Any:
    """Return the same value with null for the numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {str(key): without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_json(value: Any) -> None:
    """Print JSON for machines."""
    # NaN is no JSON: whoever prints values that may be NaN puts None for them first.
    say(json.dumps(value, indent=2, default=str, allow_nan=False))


def print_store(path: Path, as_json: bool) -> None:
    """Print what a store holds, its size and its root hash."""
    from saegeom_data.data import manifest_of, schema, store
    from saegeom_data.engine.sizes import size_text
    from saegeom_data.results.wording import plural

    with store.open(path) as tree:
        saes, sites = schema.sae_names(tree), schema.relation_sites(tree)
        kept = list(tree.children["activations"].children) if "activations" in tree.children else []
        pairs = tree.children["relations"].sizes["pairs"] if sites else 0
    size = sum(file["size"] for file in manifest_of.read_manifest(path)["files"].values())
    root = manifest_of.root_hash(path)
    if as_json:
        found = {"saes": saes, "activations": kept, "pairs": pairs, "sites": sites}
        print_json({"store": str(path), "root": root, "bytes": size} | found)
    else:
        holds = [plural(len(saes), "SAE")] * bool(saes) + [f"activations at {plural(len(kept), 'site')}"] * bool(kept)
        holds += [f"{pairs:,} word pairs at {plural(len(sites), 'site')}"] * bool(sites)
        say(f"{path}: {', '.join(holds)}, {size_text(size)}, root {root}")


def refusal(check: Callable[..., object], *arguments: object) -> str:
    """Why a check refuses, in its own words; empty if it does not."""
    try:
        check(*arguments)
    except SaegeomError as error:
        return str(error)
    return ""


def write_text(path: Path, text: str, as_json: bool = False) -> None:
    """Write a file that the user asked for, whole or not at all, and print its path.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    from saegeom_data.data.staging import write_file

    write_file(path, text)
    print_json({"file": str(path)}) if as_json else say(str(path))
