"""Two workers of a cluster beside one: ``python tests/benchmarks/two_workers.py [RUN...] [--saes NAME...]``.

Prints a row for each metric of some runs, or for ``--metrics`` of them, that takes one worker more than ten seconds on
the bundled sample. Workers have one thread each, and are processes of their own, as are the scheduler and this client.
P16 asks for 1.7.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "support"))

from clusters import RunningCluster, running_cluster

from saegeom_data.data import store
from saegeom_data.engine import runner
from saegeom_data.sample import sample_path
from saegeom_data.spec.models import RunSpec, find_spec, load_spec

HEADER = "| run | metric | one worker | two workers | ratio |\n|---|---|--:|--:|--:|"
RUNS = "geometry-of-concepts", "galaxy", "brain", "atom", "crystals"
_LONG = 10.0


def single_runs(name: str, saes: list[str] | None) -> dict[str, RunSpec]:
    """A run for each metric of a run, which draws as often as its parameters say."""
    run = load_spec(find_spec(name, "runs"), RunSpec)
    alone = {}
    for measured in run.metrics:
        # Metrics of word pairs have no SAEs to choose.
        of_words = measured.metric in ("parallelogram_quality", "function_vectors")
        metrics = [measured if saes is None or of_words else measured.model_copy(update={"saes": saes})]
        alone[measured.group] = run.model_copy(update={"metrics": metrics, "draws": "as_given"})
    return alone


def seconds(run: RunSpec, tree: Any, cluster: RunningCluster) -> float:
    """Time to compute a run on the workers that are there."""
    started = time.perf_counter()
    runner.measure(tree, run, scheduler=str(cluster.file))
    return time.perf_counter() - started


def rows(names: list[str], saes: list[str] | None, metrics: list[str] | None) -> Iterator[str]:
    """Lines of the table. Both clusters are there all the time; the one that waits takes no time."""
    with store.open_whole(sample_path()) as tree, ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clusters = []
        for n_workers in (1, 2):
            cluster = stack.enter_context(running_cluster(folder / f"of-{n_workers}"))
            for _ in range(n_workers):
                cluster.add_worker("--no-nanny", "--memory-limit", "4GB")
            cluster.await_workers(n_workers)
            # Workers have imported and compiled what they need.
            for run in single_runs("geometry-of-concepts", ["layer_0"]).values():
                runner.measure(tree, run, scheduler=str(cluster.file))
            clusters.append(cluster)
        for name in names:
            for group, run in single_runs(name, saes).items():
                if metrics is not None and group not in metrics:
                    continue
                one = seconds(run, tree, clusters[0])
                if one > _LONG:
                    two = seconds(run, tree, clusters[1])
                    yield f"| {name} | `{group}` | {one:.1f} s | {two:.1f} s | {one / two:.2f} |"


def main() -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("runs", nargs="*", default=list(RUNS), help="run specs of the package")
    asked.add_argument("--saes", nargs="+")
    asked.add_argument("--metrics", nargs="+")
    arguments = asked.parse_args()
    print(HEADER)
    for line in rows(arguments.runs, arguments.saes, arguments.metrics):
        print(line, flush=True)


if __name__ == "__main__":
    main()
