"""Workers that are killed at random moments of a run change no digit of it, with a nanny or without."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr

pytest.importorskip("distributed")

from clusters import RunningCluster, running_cluster
from distributed import Worker
from sample_part import write_sample_part
from soak import SOAK, times

from saegeom_data.engine import runner, workers
from saegeom_data.engine.asked import as_run
from saegeom_data.engine.scheduler import opened
from saegeom_data.spec.models import RunSpec

RUNS = ("brain", "galaxy", "atom") if SOAK else ("brain",)
MOMENTS = times(2, 20)
# A task is given up whose workers have died more than three times (distributed.scheduler.allowed-failures).
KILLS_OF_A_RUN = 3
# Every metric and stage of the run, for fewer lobes, starts and draws.
LESS = {
    "lobes": {"n_lobes": [2, 3], "n_seeds": 2},
    "coactivation_graph": {"n_lobes": [2], "n_permutations": 19, "n_redraws": 2, "n_seeds": 2},
    "lobe_function": {"n_lobes": [2], "n_permutations": 19, "n_shuffles": 2, "block_lengths": [64], "n_halvings": 1},
    "lobe_modularity": {"n_lobes": [2], "n_permutations": 19, "n_redraws": 2, "n_folds": 2, "n_seeds": 2},
}


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("part") / "data.zarr"
    write_sample_part(target, n_features=200 if SOAK else 120, n_pairs=150)
    return target


@cache
def unharmed(run: str, data: Path) -> tuple[Mapping[str, xr.Dataset], float]:
    """Results of a run whose workers live, and the seconds that it takes."""
    folder = data.parent / f"unharmed-{run}"
    with running_cluster(folder / "cluster") as cluster:
        start_workers(cluster, "--no-nanny")
        started = time.monotonic()
        found = results(run, data, folder / "out", cluster)
        return found, time.monotonic() - started


def start_workers(cluster: RunningCluster, nanny: str) -> None:
    for _ in range(2):
        cluster.add_worker(nanny)
    cluster.await_workers(2)


def measured(run: str) -> RunSpec:
    """A run as it comes with the package, or less of it where it is not soaked."""
    spec = as_run(run)
    if SOAK:
        return spec
    less = [metric.model_copy(update={"parameters": LESS[metric.metric]}) for metric in spec.metrics]
    return spec.model_copy(update={"metrics": less, "draws": "as_given"})


def results(run: str, data: Path, output: Path, cluster: RunningCluster) -> dict[str, xr.Dataset]:
    with runner.run(measured(run), data, output, scheduler=str(cluster.file)) as tree:
        return {name: node.to_dataset().load() for name, node in tree.children.items()}


def assert_no_digit_differs(found: Mapping[str, xr.Dataset], expected: Mapping[str, xr.Dataset]) -> None:
    assert list(found) == list(expected)
    for name, want in expected.items():
        assert set(found[name].variables) == set(want.variables), name
        for variable, values in want.variables.items():
            # Bit for bit; NaN equals NaN.
            np.testing.assert_array_equal(found[name][variable].values, values.values, err_msg=f"{name}/{variable}")


def killed_at(moments: list[float], run: Future[object], cluster: RunningCluster, rng: random.Random) -> int:
    """Kill a worker at each of some moments, and return how many were killed while the run went on."""
    started, killed = time.monotonic(), 0
    for moment in sorted(moments):
        wait([run], timeout=max(0.0, started + moment - time.monotonic()))
        if run.done():
            break
        killed += cluster.kill(rng.choice(cluster.workers))
    return killed


@pytest.mark.slow
@pytest.mark.parametrize("nanny", ["--no-nanny", "--nanny"])
@pytest.mark.parametrize("run", RUNS)
def test_killed_workers_change_no_digit(run: str, nanny: str, part: Path, tmp_path: Path) -> None:
    expected, seconds = unharmed(run, part)
    rng = random.Random(f"{run} {nanny}")
    moments = [rng.uniform(0, seconds) for _ in range(MOMENTS)]
    killed = 0
    for number, first in enumerate(range(0, MOMENTS, KILLS_OF_A_RUN)):
        folder = tmp_path / str(number)
        # The cluster ends before the thread is waited for: a run that hangs ends with its scheduler.
        with ThreadPoolExecutor(1) as pool, running_cluster(folder / "cluster") as cluster:
            start_workers(cluster, nanny)
            running = pool.submit(results, run, part, folder / "out", cluster)
            killed += killed_at(moments[first : first + KILLS_OF_A_RUN], running, cluster, rng)
            # Each kill costs at most all that was done, and the start of a worker.
            found = running.result(timeout=(1 + KILLS_OF_A_RUN) * (seconds + 60))
        assert_no_digit_differs(found, expected)
    assert killed >= MOMENTS // 2


@pytest.mark.parametrize("asked", ["room", "OneThread"])
def test_a_worker_that_dies_while_it_is_asked_is_left_out(
    asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_cluster(tmp_path / "cluster") as cluster:
        start_workers(cluster, "--no-nanny")
        dying = cluster.workers[0].pid
        question = getattr(workers, asked)

        class DyingInSetup(workers.OneThread):
            def setup(self, worker: Worker) -> None:
                if os.getpid() == dying:
                    os._exit(1)

        def dying_in_answer(dask_worker: Worker) -> object:
            return os._exit(1) if os.getpid() == dying else question(dask_worker)

        monkeypatch.setattr(workers, asked, DyingInSetup if asked == "OneThread" else dying_in_answer)
        with opened(str(cluster.file)) as place, place.running():
            assert dask.delayed(os.getpid)().compute() == cluster.workers[1].pid
        assert cluster.workers[0].wait() == 1
