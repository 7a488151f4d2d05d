"""A store larger than memory under a limit: ``python tests/benchmarks/large.py [FOLDER]`` (``make bench-large``)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from decoder_stores import write_store

RUN = """\
spec_version: 1
kind: run
title: A suite larger than memory
metrics:
  - metric: eigenvalue_slope
    parameters: {first_rank: 11, last_rank: 150}
  - metric: isotropy
  - metric: clustering_entropy
    parameters: {n_samples: %d, n_surrogates: 9, n_subsamples: 6}
"""
MEASURE = """
import json, sys
from saegeom_data.engine import runner
from saegeom_data.engine.sizes import parse_size
from saegeom_data.spec import models as spec
run, data, output, limit = sys.argv[1:]
limit = parse_size(limit)
run = spec.load_spec(run, spec.RunSpec)
plan = runner.plan(run, data, memory_limit=limit)
results = runner.run(run, data, output, memory_limit=limit)
# Not getrusage, whose peak begins with that of the process that started this one.
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"planned_bytes": plan.peak_bytes, "peak_bytes": int(peak) * 1024, "read_bytes": plan.read_bytes,
                  "n_saes": results[run.metrics[0].group].sizes["sae"]}))
"""


def measure(folder: Path, *, n_saes: int, n: int, hidden: int, limit: str) -> dict[str, Any]:
    """Write a store and run it under a limit."""
    data = folder / "suite.zarr"
    if not data.exists():
        write_store(data, n_saes=n_saes, n=n, hidden=hidden)
    return measured_run(folder, RUN % min(n, 5000), data, limit)


def measured_run(folder: Path, run: str, data: Path, limit: str) -> dict[str, Any]:
    """Run a spec under a limit in a process of its own, and read that process's peak and time."""
    (folder / "run.yaml").write_text(run, encoding="utf-8")
    output = folder / f"results-{time.time_ns()}"
    arguments = [folder / "run.yaml", data, output, limit]
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", MEASURE, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1]) | {"results": output, "seconds": time.perf_counter() - started}


def main() -> None:
    """Measure 20 SAEs of 65,536 features in 2,304 dimensions, 12 GB, under 2 GB."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    found = measure(folder, n_saes=20, n=65_536, hidden=2304, limit="2GB")
    print("| data read | limit | planned peak | measured peak | planned / measured | time |")
    print("|---|---|---|---|---|---|")
    print(
        f"| {found['read_bytes'] / 1e9:.1f} GB | 2 GB | {found['planned_bytes'] / 1e9:.2f} GB | "
        f"{found['peak_bytes'] / 1e9:.2f} GB | {found['planned_bytes'] / found['peak_bytes']:.2f} | "
        f"{found['seconds'] / 60:.1f} min |"
    )


if __name__ == "__main__":
    main()
