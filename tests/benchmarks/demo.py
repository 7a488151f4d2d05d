"""How long the default run takes (P13): ``python tests/benchmarks/demo.py`` (``make bench``).

Kernels are compiled before, so that only the first run of an installation takes longer.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def measure(*arguments: str) -> tuple[float, float]:
    """Seconds of one command of this package: on the clock, and of processors."""
    before, started = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-m", "saegeom_data", *arguments], check=True, capture_output=True)
    seconds, after = time.perf_counter() - started, os.times()
    used = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    return seconds, used


def main() -> None:
    """Measure the default run on the sample, and the help."""
    print("| | task | time | of processors | target |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for output in ("compiled", "timed"):
            seconds, used = measure("run", "--output", str(Path(folder) / output))
    print(f"| P13 | `saegeom run` on the bundled sample | {seconds:.1f} s | {used:.1f} s | 40 s |", flush=True)
    measure("--help")
    seconds, used = measure("--help")
    print(f"| | `saegeom --help` | {seconds:.2f} s | {used:.2f} s | 0.4 s |")


if __name__ == "__main__":
    main()
