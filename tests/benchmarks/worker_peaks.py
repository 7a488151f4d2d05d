"""Peak memory of workers of a cluster beside what plans state: ``python tests/benchmarks/worker_peaks.py RUN...``.

Prints a row for each run on the bundled sample, or on the store that ``--data`` names. The scheduler and two workers of
two threads, without nannies, are processes of their own, started anew for each run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "support"))

from clusters import running_cluster

from saegeom_data.engine import runner
from saegeom_data.sample import sample_path

HEADER = "| run | planned for each worker | measured | planned / measured | seconds |\n|---|--:|--:|--:|--:|"
_WORKERS, _THREADS = 2, 2


def peak_bytes(process: int) -> int:
    """Peak resident memory of a process."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024


def row(run: str, data: str, limit: str) -> str:
    """Compute a run, and compare the peak of the worker that took most."""
    with tempfile.TemporaryDirectory() as folder, running_cluster(Path(folder) / "cluster") as cluster:
        for _ in range(_WORKERS):
            cluster.add_worker("--no-nanny", "--nthreads", str(_THREADS), "--memory-limit", limit)
        cluster.await_workers(_WORKERS)
        planned = runner.plan(run, data, scheduler=str(cluster.file)).peak_bytes
        started = time.perf_counter()
        runner.run(run, data, Path(folder) / "out", scheduler=str(cluster.file))
        seconds = time.perf_counter() - started
        measured = max(peak_bytes(worker.pid) for worker in cluster.workers)
    return f"| {run} | {planned / 1e6:.0f} MB | {measured / 1e6:.0f} MB | {planned / measured:.2f} | {seconds:.0f} |"


def main() -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("runs", nargs="+", help="runs or metrics")
    asked.add_argument("--data", default=str(sample_path()))
    asked.add_argument("--memory-limit", default="4GB", help="of each worker")
    arguments = asked.parse_args()
    print(HEADER)
    for run in arguments.runs:
        print(row(run, arguments.data, arguments.memory_limit), flush=True)


if __name__ == "__main__":
    main()
