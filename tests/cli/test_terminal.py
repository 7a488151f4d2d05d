"""Terminals as they are: narrow, without signs, without colours, and no terminals at all."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys

import pytest

from saegeom_data.cli import main, terminal
from saegeom_data.engine.sizes import parse_size
from saegeom_data.errors import ParameterError


def in_terminal(code: str, columns: int) -> str:
    """Output of Python code in a pseudo-terminal of a width."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "dumb"}
    done = subprocess.Popen([sys.executable, "-c", code], stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    output = b""
    while True:
        try:
            read = os.read(leader, 65536)
        # The end of a pseudo-terminal is an error on Linux.
        except OSError:
            break
        if not read:
            break
        output += read
    os.close(leader)
    assert done.wait() == 0, output.decode()
    return output.decode().replace("\r\n", "\n")


TABLE = """
from saegeom_data.cli.terminal import print_table
from saegeom_data.results.cells import Cell, Quantity
from saegeom_data.results.columns import Column
from saegeom_data.results.summary import Table
names = [f"number {index} of many" for index in range(7)]
cell = lambda value: Cell((Quantity(value, (value - 1.0, value + 1.0)),), (Quantity(0.025, style="p"),))
columns = [Column("SAE", ("name",))] + [Column(name, (name,), cell) for name in names]
values = lambda row: {name: 10.0 * row + place for place, name in enumerate(names)}
rows = tuple({"name": f"layer_{row}"} | values(row) for row in range(3))
print_table(Table(tuple(columns), rows))
"""


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_number_is_cut_however_narrow_the_terminal_is(columns: int) -> None:
    shown = in_terminal(TABLE, columns)
    for row in range(3):
        for place in range(7):
            value = 10.0 * row + place
            text = f"{value:.3f} [{value - 1:.3f}, {value + 1:.3f}] (p = 0.025)".replace("-", "−")
            assert text in shown
    assert "…" not in shown
    if columns >= 80:
        assert max(map(len, shown.splitlines())) <= columns


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("cp1252", "-0.5 -> 0.3 ± 0.1 ?"), ("ascii", "-0.5 -> 0.3 +- 0.1 ?"), ("utf-8", "−0.5 → 0.3 ± 0.1 ☃")],
)
def test_a_sign_that_the_encoding_lacks_loses_no_result(
    encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = {name: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    terminal.plain_where_needed()
    print("−0.5 → 0.3 ± 0.1 ☃")
    print("′", file=sys.stderr)
    written = {name: stream.buffer.getvalue() for name, stream in streams.items() if stream.flush() is None}
    monkeypatch.undo()
    assert written["stdout"].decode(encoding).strip() == shown
    assert written["stderr"].decode(encoding).strip()


def test_no_colour_is_ever_needed() -> None:
    shown = in_terminal("import os; os.environ['NO_COLOR'] = '1'\n" + TABLE, 80)
    assert "\x1b[" not in shown


def test_work_that_nobody_watches_logs_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(terminal, "_last_logged", None)
    with terminal.task_progress("computing") as progress:
        for second in range(100):
            now[0] = float(second)
            progress(second, 100)
    assert capsys.readouterr().err.splitlines() == [f"computing: {at} of 100 tasks" for at in (30, 60, 90)]


def test_the_time_that_is_left_stands_behind_the_tasks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "_is_due", lambda: True)
    with terminal.task_progress("computing", after_left=" or more") as progress:
        progress(1, 9)
        progress.left(130)
        progress(2, 9)
    assert capsys.readouterr().err.splitlines() == [
        "computing: 1 of 9 tasks",
        "computing: 2 of 9 tasks, 2 min 10 s left or more",
    ]


@pytest.mark.parametrize("text", ["2", "16", "1.5"])
def test_bytes_that_are_meant_as_gigabytes(text: str) -> None:
    with pytest.raises(ParameterError, match=f"did you mean {text}GB\\?"):
        parse_size(text)


@pytest.mark.parametrize("arguments", [["-h"], ["run", "-h"], ["--version"], ["--show-completion", "-h"]])
def test_habits(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["saegeom", *arguments])
    with pytest.raises(SystemExit) as stop:
        main.main()
    assert not stop.value.code
    assert capsys.readouterr().out
