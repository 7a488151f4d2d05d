"""How time and memory grow with the number of features (P9)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from cases import write_store

SIZES = (16_384, 32_768, 65_536)
HIDDEN = 512
METRICS = {
    "rows": {"metric": "eigenvalue_slope", "parameters": {}},
    "pairs": {"metric": "packing", "parameters": {"n_surrogates": 1}},
}
MEASURE = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from cases import evaluated
path, metric = Path(sys.argv[2]), json.loads(sys.argv[3])
times = []
for _ in range(4):
    started = time.perf_counter()
    evaluated(path, metric)
    times.append(time.perf_counter() - started)
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([min(times[1:]), int(peak) * 1024]))
"""


def measured(kind: str, sizes: tuple[int, ...] = SIZES, hidden: int = HIDDEN) -> np.ndarray:
    """Seconds and peak bytes (2, sizes) of one metric on one SAE."""
    found = []
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = write_store(Path(folder) / "data.zarr", n_saes=1, n=n, hidden=hidden)
            arguments = [str(Path(__file__).parent), str(path), json.dumps(METRICS[kind])]
            done = subprocess.run(
                [sys.executable, "-c", MEASURE, *arguments], stdout=subprocess.PIPE, text=True, check=True
            )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return np.array(found, float).T


def rows() -> list[str]:
    """Lines of the table."""
    lines = []
    for kind, wanted in (("rows", 1.0), ("pairs", 2.0)):
        seconds, peak = measured(kind)
        power = np.polyfit(np.log(SIZES), np.log(seconds), 1)[0]
        spread = ", ".join(f"{one:.2f} s" for one in seconds)
        memory = " to ".join(f"{one / 1e9:.2f}" for one in (peak[0], peak[-1]))
        lines.append(
            f"| P9 | growth of `{METRICS[kind]['metric']}` ({kind}) over {SIZES[0]:,} to {SIZES[-1]:,} features | "
            f"{spread} | | | exponent {power:.2f} | {wanted:.1f} ± 0.1 | {memory} GB |"
        )
    return lines
