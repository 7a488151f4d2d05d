"""Runs on a cluster whose scheduler and workers are processes of their own."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr

from saegeom_data.cli import main as command_line
from saegeom_data.data import store, write
from saegeom_data.data.manifest_of import root_hash
from saegeom_data.engine import runner
from saegeom_data.engine.scheduler import opened
from saegeom_data.engine.task_counter import TaskCounter
from saegeom_data.errors import ClusterError, MemoryLimitError, ParameterError
from saegeom_data.spec import models
from saegeom_data.testing import checks, simulate

pytest.importorskip("distributed")

from clusters import RunningCluster, running_cluster
from distributed import Client

SLOPE = {"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 20}}


def run_of(*metrics: dict[str, object]) -> models.RunSpec:
    return models.RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "A run", "metrics": list(metrics)})


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """Two workers without nannies, which leave the threads of numerical libraries as they are."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as made:
        made.add_worker("--no-nanny")
        made.add_worker("--no-nanny")
        made.await_workers(2)
        yield made


@pytest.fixture(scope="module")
def expected(three_saes: Path) -> xr.Dataset:
    with store.open(three_saes) as tree:
        return runner.measure(tree, run_of(SLOPE))["eigenvalue_slope"].to_dataset()


def slopes(data: Path, scheduler: str | None, **options: object) -> xr.Dataset:
    with store.open(data) as tree:
        return runner.measure(tree, run_of(SLOPE), scheduler=scheduler, **options)["eigenvalue_slope"].to_dataset()  # type: ignore[arg-type]


def noted_clients(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    """Clients that have submitted a graph, once for each."""
    used: list[Client] = []
    get = Client.get

    def noted(client: Client, *given: object, **named: object) -> object:
        used.append(client)
        return get(client, *given, **named)

    monkeypatch.setattr(Client, "get", noted)
    return used


def test_scheduler_file_and_active_client_give_the_same_answer(
    cluster: RunningCluster, three_saes: Path, expected: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    found = slopes(three_saes, str(cluster.file), progress=lambda done, size: told.append((done, size)))
    checks.assert_equal(found, expected)
    assert told
    assert all(0 <= done <= size for done, size in told)
    here: list[tuple[int, int]] = []
    slopes(three_saes, "threads", progress=lambda done, size: here.append((done, size)))
    assert told[-1] == here[-1], "the last of the tasks are told too"
    used = noted_clients(monkeypatch)
    with Client(scheduler_file=str(cluster.file)) as client:
        checks.assert_equal(slopes(three_saes, None), expected)
    assert used == [client] * 3


def test_a_run_tells_the_time_that_is_left(cluster: RunningCluster, three_saes: Path, tmp_path: Path) -> None:
    left: list[float] = []
    runner.run(run_of(SLOPE), three_saes, tmp_path / "out", scheduler=str(cluster.file), left=left.append)
    assert left
    assert min(left) >= 0
    assert left[-1] <= left[0]


def test_a_task_has_one_thread_in_numerical_libraries(cluster: RunningCluster) -> None:
    def threads_in_a_task() -> dict[str, int]:
        import sklearn.cluster  # noqa: F401
        from threadpoolctl import threadpool_info

        found: dict[str, int] = {}
        for library in threadpool_info():
            found[library["user_api"]] = max(found.get(library["user_api"], 0), library["num_threads"])
        return found

    with opened(str(cluster.file)) as place, place.running():
        assert dask.delayed(threads_in_a_task)().compute() == {"blas": 1, "openmp": 1}
    with Client(scheduler_file=str(cluster.file)) as client:
        after = client.submit(threads_in_a_task, pure=False).result()
    assert max(after.values()) == len(os.sched_getaffinity(0)), "workers are left as they were"


def test_workers_that_lack_the_store_are_named(cluster: RunningCluster, three_saes: Path, tmp_path: Path) -> None:
    here = Path(shutil.copytree(three_saes, tmp_path / "data.zarr"))
    with store.open(here) as tree:
        shutil.rmtree(here)
        with pytest.raises(ClusterError, match=r"worker tcp://.*data\.zarr.*; put the store where every worker"):
            runner.measure(tree, run_of(SLOPE), scheduler=str(cluster.file))
        write.write_tree(simulate.simulate_store(n_saes=1), here)
        with pytest.raises(ClusterError, match=r"worker tcp://.*data\.zarr: its root is .*, expected "):
            runner.measure(tree, run_of(SLOPE), scheduler=str(cluster.file))


def test_another_version_is_named(cluster: RunningCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = Client.get_versions

    def other(client: Client, **options: object) -> object:
        found = versions(client, **options)
        found["client"]["packages"]["numpy"] = "1.0"
        return found

    monkeypatch.setattr(Client, "get_versions", other)
    with (
        pytest.raises(ClusterError, match=rf"worker tcp://.*: has numpy {np.__version__}, expected 1\.0 as here"),
        opened(str(cluster.file)),
    ):
        pass


def test_matrices_are_written_by_workers(cluster: RunningCluster, tmp_path: Path) -> None:
    write.write_tree(simulate.simulate_store(n_saes=1, n_features=1100, n_hidden=8), tmp_path / "data.zarr")
    affinity = run_of({"metric": "affinity"})
    found = runner.run(affinity, tmp_path / "data.zarr", tmp_path / "cluster", scheduler=str(cluster.file))
    here = runner.run(affinity, tmp_path / "data.zarr", tmp_path / "here")
    checks.assert_equal(found["affinity"].to_dataset().compute(), here["affinity"].to_dataset().compute())


def test_workers_that_the_run_does_not_fit_are_named_before_it_starts(
    cluster: RunningCluster, three_saes: Path, tmp_path: Path
) -> None:
    free = runner.plan(run_of(SLOPE), three_saes, scheduler=str(cluster.file))
    assert (free.n_workers, free.on_workers) == (2, 2)
    small = cluster.add_worker("--no-nanny", "--memory-limit", "400MB")
    cluster.await_workers(3)
    try:
        for start in (runner.plan, partial(runner.run, output=tmp_path / "out")):
            with pytest.raises(MemoryLimitError, match=r"worker tcp://.*: takes .* with 1 tasks at a time, of 305"):
                start(run_of(SLOPE), three_saes, scheduler=str(cluster.file))
    finally:
        cluster.stop(small)
    assert list(tmp_path.iterdir()) == []


def test_an_import_on_workers_gives_the_same_store(
    cluster: RunningCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    used = noted_clients(monkeypatch)
    np.savez("sae.npz", decoder=np.random.default_rng(0).normal(size=(300, 16)).astype("float32"))
    facts = ["--model", "gpt2", "--site", "blocks.3.hook_resid_post", "--l0", "20", "--architecture", "topk"]
    for output, scheduler in (("here", "threads"), ("there", str(cluster.file))):
        arguments = ["saegeom", "import", "sae.npz", "-o", output, "--scheduler", scheduler, *facts]
        monkeypatch.setattr("sys.argv", arguments)
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        assert ended.value.code == 0
    assert used, "workers have read and written"
    assert root_hash("there") == root_hash("here")


def test_no_such_scheduler_file_is_one_line(three_saes: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"no dask scheduler answers at .*none\.json"):
        slopes(three_saes, str(tmp_path / "none.json"))


# The last test: it breaks the connection, and kills the workers and then the scheduler.
def test_lost_connections_workers_and_schedulers(
    cluster: RunningCluster, three_saes: Path, expected: xr.Dataset
) -> None:
    first, second = cluster.workers
    nap = dask.delayed(time.sleep)
    told: list[tuple[int, int]] = []
    counter = TaskCounter(lambda *count: told.append(count), 1)
    with opened(str(cluster.file)) as place, place.running(tasks=counter):
        client = place.client  # type: ignore[attr-defined]
        threading.Timer(0.5, client.loop.add_callback, (lambda: client.scheduler_comm.comm.abort(),)).start()
        assert dask.compute(nap(1.5), [nap(0.1)]) == (None, [None]), "computed again once the connection is back"
        assert told[-1][0] == told[-1][1]
        assert max(size for _, size in told) <= 4, "the pass counts once"
        threading.Timer(0.5, first.kill).start()
        assert dask.compute(nap(1.2), nap(1.3)) == (None, None), "computed again by the other worker"
    checks.assert_equal(slopes(three_saes, str(cluster.file)), expected)
    with opened(str(cluster.file)) as place, place.running():
        threading.Timer(0.5, second.kill).start()
        with (
            dask.config.set({"saegeom_data.cluster_patience_seconds": 1}),
            pytest.raises(ClusterError, match=r"no worker is left, for 1 s; nothing was kept"),
        ):
            nap(60).compute()
        threading.Timer(0.5, cluster.scheduler.kill).start()
        started = time.monotonic()
        with pytest.raises(ClusterError, match=r"the scheduler is gone; nothing was kept"):
            nap(61).compute()
        assert time.monotonic() - started < 30
