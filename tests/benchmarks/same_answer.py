"""Whether every metric gives the same wherever it is computed: ``python tests/benchmarks/same_answer.py``.

Prints a table of metrics by settings. Each cell is a run in processes of their own, on features of one SAE of the
bundled sample and the word pairs of its site, with an unembedding of random rows added, and is held against a run of
one thread: "equal" bit for bit, else the largest difference of a float relative to the largest value of its variable.
Anything but floats must be equal, else the cell says "other". P-values that are counted from draws have steps far
above the tolerance.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr
import yaml

sys.path.append(str(Path(__file__).parents[1] / "support"))

from clusters import running_cluster
from sample_part import write_sample_part

from saegeom_data.declare import registry
from saegeom_data.results.open import open_results

_N_FEATURES = 300
# Starts a command of the package as if this machine had so many cores.
_START = (
    "import sys, dask.system; dask.system.CPU_COUNT = int(sys.argv.pop(1)); import saegeom_data.cli.main as m; m.main()"
)
# Sums of floats may be taken in another order; they agree to this.
TOLERANCE = 1e-10


@dataclass(frozen=True)
class Setting:
    """Where and how a run is computed.

    ``workers`` are threads of the workers of a cluster, each without a nanny; with none, ``scheduler`` is used, with
    ``n_tasks`` at a time.
    """

    title: str
    scheduler: str = "threads"
    n_tasks: int = 2
    variables: Mapping[str, str] = field(default_factory=dict)
    workers: tuple[int, ...] = ()


FIRST = Setting("one thread", "synchronous")
SETTINGS = (
    Setting("one thread again", "synchronous"),
    Setting("2 threads"),
    Setting("4 threads", n_tasks=4),
    Setting("processes", "processes"),
    Setting("cluster, 2 workers of 1 thread", workers=(1, 1)),
    Setting("cluster, 1 worker of 4 threads", workers=(4,)),
    Setting("other hash seed", "synchronous", variables={"PYTHONHASHSEED": "7"}),
    Setting("4 BLAS threads", "synchronous", variables={"OPENBLAS_NUM_THREADS": "4", "OMP_NUM_THREADS": "4"}),
    Setting("blocks of 1,000,003 bytes", variables={"DASK_SAEGEOM_DATA__BLOCK_BYTES": "1000003"}),
    Setting("blocks of 77,777 bytes", variables={"DASK_SAEGEOM_DATA__BLOCK_BYTES": "77777"}),
)


def write_spec(target: Path, names: list[str]) -> None:
    """Write a run of metrics with their quick parameters."""
    metrics = [registry.get_metric(name) for name in names]
    entries = [{"metric": metric.name, "parameters": _plain(metric.quick)} for metric in metrics]
    spec = {"spec_version": 1, "kind": "run", "title": "All metrics", "metrics": entries}
    target.write_text(yaml.safe_dump(spec), encoding="utf-8")


def _plain(parameters: Mapping[str, object]) -> dict[str, object]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in parameters.items()}


def run(setting: Setting, spec: Path, data: Path, folder: Path) -> dict[str, xr.Dataset]:
    """Results of a setting by the name of the metric."""
    inherited = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    with ExitStack() as stack:
        scheduler = setting.scheduler
        if setting.workers:
            cluster = stack.enter_context(running_cluster(folder / "cluster"))
            for n_threads in setting.workers:
                cluster.add_worker("--no-nanny", "--nthreads", str(n_threads), "--memory-limit", "4GB")
            cluster.await_workers(len(setting.workers))
            scheduler = str(cluster.file)
        command = [sys.executable, "-c", _START, str(setting.n_tasks), "run", str(spec), "--data", str(data)]
        subprocess.run(
            [*command, "--output", str(folder / "out"), "--scheduler", scheduler],
            env=inherited | dict(setting.variables), check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    with open_results(folder / "out") as results:
        return {name: node.to_dataset().load() for name, node in results.children.items()}


def difference(got: xr.Dataset, expected: xr.Dataset) -> float:
    """Largest relative difference of floats; infinite where anything else or a NaN differs."""
    if set(got.variables) != set(expected.variables):
        return np.inf
    return max(_differences(got, expected), default=0.0)


def _differences(got: xr.Dataset, expected: xr.Dataset) -> Iterator[float]:
    for name, want in expected.variables.items():
        have, wanted = got[name].values, want.values
        if have.shape != wanted.shape:
            yield np.inf
        elif have.dtype.kind != "f":
            yield 0.0 if np.array_equal(have, wanted) else np.inf
        elif not np.array_equal(np.isnan(have), np.isnan(wanted)):
            yield np.inf
        else:
            # Infinite values must be the same ones; their difference is not a number.
            apart = np.abs(np.subtract(have, wanted, out=np.zeros_like(wanted), where=have != wanted))
            size = np.nanmax(np.abs(np.where(np.isfinite(wanted), wanted, 0.0)), initial=0.0)
            largest = float(np.nanmax(apart, initial=0.0))
            yield 0.0 if largest == 0 else largest / size if size else np.inf


def cell(value: float) -> str:
    """How a difference is written."""
    if value == 0:
        return "equal"
    return f"{value:.0e}" if value <= TOLERANCE else f"**{value:.0e}**" if np.isfinite(value) else "**other**"


def main() -> None:
    """Print the table, and end with status 1 if a metric is not the same everywhere."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--settings", nargs="*", help="titles; all by default")
    asked.add_argument("--metrics", nargs="*", help="names; all by default")
    arguments = asked.parse_args()
    names = arguments.metrics or registry.list_metrics()
    settings = [setting for setting in SETTINGS if arguments.settings is None or setting.title in arguments.settings]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sample_part(folder / "data.zarr", n_features=_N_FEATURES)
        write_spec(folder / "all.yaml", names)
        found = {}
        for place, setting in enumerate((FIRST, *settings)):
            (folder / str(place)).mkdir()
            started = time.perf_counter()
            found[setting.title] = run(setting, folder / "all.yaml", folder / "data.zarr", folder / str(place))
            print(f"{setting.title}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    first = found[FIRST.title]
    print(f"| metric | {' | '.join(setting.title for setting in settings)} |")
    print(f"|---|{'---|' * len(settings)}")
    worst = 0.0
    for name in names:
        values = [difference(found[setting.title][name], first[name]) for setting in settings]
        worst = max(worst, *values)
        print(f"| {name} | {' | '.join(map(cell, values))} |")
    sys.exit(worst > TOLERANCE)


if __name__ == "__main__":
    main()
