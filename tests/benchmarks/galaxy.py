"""The galaxy run at real widths: ``python tests/benchmarks/galaxy.py [FOLDER]`` (``make bench-large``).

P11 is one SAE of 16,384 features in 2,304 dimensions, with each metric's share of the time; P12 a suite of the sizes of
``gemma-3-270m``, seven SAEs of 4,096 features in 640 dimensions. Decoders are random rows: time depends on their shape.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decoder_stores import write_store
from large import measured_run

from saegeom_data.spec.models import RunSpec, find_spec, load_spec


def measure_suite(folder: Path, *, n_saes: int, n: int, hidden: int, limit: str) -> dict[str, Any]:
    """Write a store, and run the spec on it under a limit."""
    data = _written(folder / "suite.zarr", n_saes=n_saes, n=n, hidden=hidden)
    return measured_run(folder, Path(find_spec("galaxy", "runs")).read_text(encoding="utf-8"), data, limit)


def measure_shares(folder: Path, *, n: int, hidden: int) -> tuple[float, Mapping[str, float]]:
    """Seconds that all metrics of the run take on one SAE, and the share of each.

    What several metrics ask for is computed once, and its time is split evenly among them.
    """
    import dask
    from dask.diagnostics import Profiler

    from saegeom_data.data import store
    from saegeom_data.data.selection import Selection
    from saegeom_data.engine.compute import compute
    from saegeom_data.engine.units import evaluate_units, graph_of

    data = _written(folder / "one.zarr", n_saes=1, n=n, hidden=hidden)
    run = load_spec(find_spec("galaxy", "runs"), RunSpec)
    with store.open(data) as tree:
        units = evaluate_units(run, Selection(tree))
        users = Counter(key for unit in units for key in graph_of([unit.dataset]))
        started = time.perf_counter()
        # Tasks that dask joins would be called otherwise than in the graphs of the metrics.
        with dask.config.set({"optimization.fuse.active": False}), Profiler() as profiler:
            compute(units)
        seconds = time.perf_counter() - started
    spent = {task.key: task.end_time - task.start_time for task in profiler.results}
    of_metric = {
        unit.group: sum(spent.get(key, 0.0) / users[key] for key in graph_of([unit.dataset])) for unit in units
    }
    total = sum(of_metric.values())
    return seconds, {group: own / total for group, own in of_metric.items()}


def _written(path: Path, *, n_saes: int, n: int, hidden: int) -> Path:
    return path if path.exists() else write_store(path, n_saes=n_saes, n=n, hidden=hidden)


def main() -> None:
    """Measure both, and print their tables."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    print("| | task | time | target |\n|---|---|---|---|", flush=True)
    found = measure_suite(folder, n_saes=7, n=4096, hidden=640, limit="8GB")
    print(f"| P12 | the galaxy run on 7 SAEs of 4,096 x 640 | {found['seconds'] / 60:.1f} min | 30 min |", flush=True)
    seconds, shares = measure_shares(folder, n=16_384, hidden=2304)
    print(f"| P11 | its metrics on one SAE of 16,384 x 2,304 | {seconds / 60:.1f} min | 15 min |")
    for group, share in shares.items():
        print(f"| | {group} | {100 * share:.0f} % | |")


if __name__ == "__main__":
    main()
