"""How time and memory grow with the number of features (P9)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from cases import evaluated, find_neighbours
from decoder_stores import write_store

# Large enough for what does not grow with the features to be a small part.
SIZES = {"rows": (131_072, 262_144, 524_288), "pairs": (32_768, 65_536, 131_072)}
HIDDEN = 512
COMPONENTS = 100
TASKS = {"rows": "`eigenvalue_slope` (rows)", "pairs": "nearest neighbours (pairs)"}
MEASURE = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import growth, run
kind, n = sys.argv[2], int(sys.argv[3])
with growth.prepared(kind, n) as solve:
    run.forget_peak()
    times = []
    for _ in range(4):
        started = time.perf_counter()
        solve()
        times.append(time.perf_counter() - started)
print(json.dumps([min(times[1:]), run.peak_bytes()]))
"""


@contextmanager
def prepared(kind: str, n: int, hidden: int = HIDDEN) -> Iterator[Callable[[], Any]]:
    """A task of n features."""
    if kind == "pairs":
        rows = np.random.default_rng(0).standard_normal((n, COMPONENTS))
        yield lambda: find_neighbours(rows)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = write_store(Path(folder) / "data.zarr", n_saes=1, n=n, hidden=hidden)
        yield lambda: evaluated(path, {"metric": "eigenvalue_slope"})


def measured(kind: str) -> np.ndarray:
    """Seconds and peak bytes (2, sizes) of one task."""
    found = []
    for n in SIZES[kind]:
        command = [sys.executable, "-c", MEASURE, str(Path(__file__).parent), kind, str(n)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return np.array(found, float).T


def rows() -> list[str]:
    """Lines of the table."""
    lines = []
    for kind, wanted in (("rows", 1.0), ("pairs", 2.0)):
        seconds, peak = measured(kind)
        power = np.polyfit(np.log(SIZES[kind]), np.log(seconds), 1)[0]
        spread = ", ".join(f"{time:.2f} s" for time in seconds)
        memory = " to ".join(f"{size / 1e9:.2f}" for size in (peak[0], peak[-1]))
        lines.append(
            f"| P9 | growth of {TASKS[kind]} over {SIZES[kind][0]:,} to {SIZES[kind][-1]:,} features | "
            f"{spread} | | | exponent {power:.2f} | {wanted:.1f} ± 0.1 | {memory} GB |"
        )
    return lines
