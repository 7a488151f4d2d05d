"""Processes that train and encode: they end with the build that started them, and say why they failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from saegeom_data.errors import SaegeomError
from saegeom_data.harvest.saes import worker
from saegeom_data.harvest.stages import Stage

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""
CHILD = """
import time
from saegeom_data.harvest.saes.worker import end_with_parent
end_with_parent()
print("ready", flush=True)
time.sleep(120)
"""


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks /proc for the state of a process")
def test_workers_end_with_a_killed_build() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_running(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(child)


def test_a_job_that_failed_says_why(tmp_path: Path) -> None:
    job = {"task": "train", "site": "hidden_state_0", "sequences": str(tmp_path / "none"), "activations": "none"}
    with pytest.raises(
        SaegeomError, match=r"job: FileNotFoundError: .*none/sequences\.npz'; see .*worker\.log"
    ) as caught:
        run([(folder_of(tmp_path), job)])
    assert "\n" not in str(caught.value)
    assert "Traceback" in (tmp_path / "job" / "worker.log").read_text()


def test_a_job_that_was_stopped_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "python").write_text("#!/bin/sh\nkill -9 $$\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(SaegeomError, match="job: the process was stopped by signal 9, perhaps because memory ran out"):
        run([(folder_of(tmp_path), {})])


def test_a_failed_job_ends_those_beside_it(tmp_path: Path) -> None:
    # The second waits for a line that nobody writes, as a training would go on for hours.
    os.mkfifo(tmp_path / "sequences.npz")
    jobs = [
        {"task": "train", "site": "s", "activations": "a", "sequences": str(tmp_path / name)} for name in ("none", "")
    ]
    started = time.monotonic()
    with pytest.raises(SaegeomError, match="first: FileNotFoundError"):
        run([(folder_of(tmp_path, name), job) for name, job in zip(("first", "second"), jobs, strict=True)], most=2)
    assert time.monotonic() - started < 60


def run(jobs: list[tuple[Path, dict[str, Any]]], most: int = 1) -> None:
    with worker.LocalWorkers(most) as workers:
        workers.run([(Stage(folder, "made of"), job) for folder, job in jobs], lambda number: None)


def folder_of(path: Path, name: str = "job") -> Path:
    folder = path / name
    folder.mkdir()
    return folder
