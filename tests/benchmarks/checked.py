"""What it costs to hold every byte against the manifest: ``python tests/benchmarks/checked.py [RUN] [STORE]``.

CPU time, counted where it is spent, since the difference of two runs is smaller than what a run varies by.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import saegeom_data
from saegeom_data.engine import runner
from saegeom_data.remote.checked import CheckedFiles
from saegeom_data.remote.files import SourceFile


class Spent:
    """CPU seconds of the threads that call a function, and how often it was called."""

    def __init__(self) -> None:
        self.seconds, self.calls, self._lock = 0.0, 0, threading.Lock()

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            started = time.thread_time()
            try:
                return function(*arguments)
            finally:
                with self._lock:
                    self.seconds += time.thread_time() - started
                    self.calls += 1

        return timed


def measure(run: str, data: Path, output: Path) -> dict[str, Any]:
    """Run a spec, and say what share of its CPU time went into checking what it read."""
    reading, checking = Spent(), Spent()
    started = time.process_time()
    with (
        patch.object(SourceFile, "read", reading.around(SourceFile.read)),
        patch.object(CheckedFiles, "read", checking.around(CheckedFiles.read)),
    ):
        runner.run(run, data, output)
    total = time.process_time() - started
    spent = checking.seconds - reading.seconds
    return {"run": run, "seconds": total, "checking": spent, "share": spent / total, "reads": checking.calls}


def main() -> None:
    """Measure the default run on the sample."""
    run = sys.argv[1] if len(sys.argv) > 1 else "geometry-of-concepts"
    data = Path(sys.argv[2]) if len(sys.argv) > 2 else saegeom_data.sample_path()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(run, data, Path(folder) / "out")
    print("| run | CPU time | of it checking | share | reads | target |\n|---|---|---|---|---|---|")
    print(
        f"| {found['run']} | {found['seconds']:.1f} s | {found['checking']:.3f} s | {100 * found['share']:.2f} % |"
        f" {found['reads']} | 3 % |"
    )


if __name__ == "__main__":
    main()
