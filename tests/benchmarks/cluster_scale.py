"""Suites past one machine on four workers of 4 GB: ``python tests/benchmarks/cluster_scale.py [NAME...] [--folder F]``.

Prints a row for each suite: what is read, time, and peak memory of the client and of the worker that took most, beside
what the plan states for a worker. The scheduler, the workers, the client and the S3 server (moto) are processes of
their own. Suites are random rows, whose time depends on their shape; a folder keeps them from run to run.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "support"))

from clusters import running_cluster
from decoder_stores import write_store
from worker_peaks import peak_bytes

HEADER = """\
| suite | metrics | read | time | peak of the client | planned for each worker | peak of a worker |
|---|---|--:|--:|--:|--:|--:|"""
_WORKERS, _LIMIT = 4, "4GB"
_BUCKET = "suites"
_ROWS = "eigenvalue_slope", "isotropy"
_CLIENT = """
import json, sys, time
from saegeom_data.engine import runner
run, data, scheduler, output = sys.argv[1:]
plan = runner.plan(run, data, scheduler=scheduler)
started = time.perf_counter()
runner.run(run, data, output, scheduler=scheduler, strict=True)
seconds = time.perf_counter() - started
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"planned": plan.peak_bytes, "read": plan.read_bytes, "seconds": seconds, "peak": int(peak) * 1024}))
"""


@dataclass(frozen=True)
class Suite:
    """SAEs, and what is measured of them.

    Attributes
    ----------
    title
        In words.
    n_saes, n, hidden
        Sizes.
    metrics
        Metrics with parameters, as a run spec has them.
    at_s3
        Whether it is read from an S3 server.
    """

    title: str
    n_saes: int
    n: int
    hidden: int
    metrics: tuple[tuple[str, dict[str, int]], ...]
    at_s3: bool = False


SUITES = {
    "layers": Suite(
        "26 of 65,536 x 64",
        26,
        65_536,
        64,
        (
            ("eigenvalue_slope", {"first_rank": 4, "last_rank": 48}),
            ("isotropy", {}),
            ("clustering_entropy", {"n_samples": 5000, "n_surrogates": 39, "n_components": 32}),
        ),
    ),
    "wide": Suite("20 of 65,536 x 2,304, from S3", 20, 65_536, 2304, tuple((name, {}) for name in _ROWS), at_s3=True),
    # For a try of this script.
    "small": Suite("3 of 2,048 x 256, from S3", 3, 2048, 256, tuple((name, {}) for name in _ROWS), at_s3=True),
}


def row(suite: Suite, folder: Path) -> str:
    """Compute a suite on a cluster in a process of its own, and compare peaks with the plan."""
    store = folder / f"{suite.n_saes}x{suite.n}x{suite.hidden}.zarr"
    if not store.exists():
        write_store(store, n_saes=suite.n_saes, n=suite.n, hidden=suite.hidden)
    run = {"spec_version": 1, "kind": "run", "title": suite.title}
    run["metrics"] = [{"metric": name, "parameters": given} for name, given in suite.metrics]
    # What YAML reads as well.
    (folder / "run.yaml").write_text(json.dumps(run), encoding="utf-8")
    with (
        served(store, suite.at_s3) as (address, variables),
        tempfile.TemporaryDirectory() as place,
        running_cluster(Path(place) / "cluster") as cluster,
    ):
        for number in range(_WORKERS):
            options = "--no-nanny", "--nthreads", "1", "--memory-limit", _LIMIT
            cluster.add_worker(*options, **variables, XDG_CACHE_HOME=f"{place}/cache-{number}")
        cluster.await_workers(_WORKERS)
        arguments = [str(folder / "run.yaml"), address, str(cluster.file), f"{place}/out"]
        environment = os.environ | variables | {"XDG_CACHE_HOME": f"{place}/cache"}
        done = subprocess.run(
            [sys.executable, "-c", _CLIENT, *arguments], capture_output=True, text=True, env=environment
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        measured = max(peak_bytes(worker.pid) for worker in cluster.workers)
    metrics = ", ".join(f"`{name}`" for name, _ in suite.metrics)
    return (
        f"| {suite.title} | {metrics} | {found['read'] / 1e9:.1f} GB | {found['seconds'] / 60:.1f} min "
        f"| {found['peak'] / 1e6:.0f} MB | {found['planned'] / 1e6:.0f} MB | {measured / 1e6:.0f} MB |"
    )


@contextmanager
def served(store: Path, at_s3: bool) -> Iterator[tuple[str, dict[str, str]]]:
    """Address of a store, on disk or in a bucket of an S3 server, and the variables that lead to it."""
    if not at_s3:
        yield str(store), {}
        return
    import s3fs

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    variables = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    variables["AWS_DEFAULT_REGION"] = "us-east-1"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        os.environ.update(variables)
        system = s3fs.S3FileSystem()
        await_bucket(system)
        system.put(str(store), f"{_BUCKET}/{store.name}", recursive=True)
        yield f"s3://{_BUCKET}/{store.name}", variables
    finally:
        server.kill()
        server.wait()


def await_bucket(system: object) -> None:
    """Make the bucket as soon as the server answers."""
    for _ in range(100):
        try:
            system.mkdir(_BUCKET)  # type: ignore[attr-defined]
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("moto does not answer")


def main() -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("suites", nargs="*", default=["layers", "wide"], help=", ".join(SUITES))
    asked.add_argument("--folder", type=Path)
    arguments = asked.parse_args()
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory() as made:
        folder = arguments.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        for name in arguments.suites:
            print(row(SUITES[name], folder), flush=True)


if __name__ == "__main__":
    main()
