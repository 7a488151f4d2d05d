"""What it costs to hold every byte that a run reads against the manifest: ``python tests/benchmarks/checked.py``.

A run is computed once, on a store of this machine, and what it reads is noted. The same reads are then made again by
themselves, from disk and over HTTP, with the check and without it in turn, since the difference of two runs is smaller
than what a run varies by. All times are CPU time of this process; the server is another one. Without the check, a read
asks for its own bytes and no others: the check reads a file once as a whole before it gives a part of it, and keeps one
from afar, which count as its cost. On a cluster reads are noted by each worker, and each worker's are made again as of
a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.append(str(Path(__file__).parents[1] / "support"))

import dask
from clusters import running_cluster
from decoder_stores import write_store
from sample_part import write_sample_part
from servers import Handler, Served, serving

from saegeom_data.data import write
from saegeom_data.engine import runner
from saegeom_data.lazy.graph import BLOCK_BYTES
from saegeom_data.remote.cache import Cache
from saegeom_data.remote.checked import CheckedFiles
from saegeom_data.remote.reading import manifest_at, store_place
from saegeom_data.sample import sample_path
from saegeom_data.spec.models import RunSpec

TARGET = 0.03
_REPEATS = 5
_HEADER = "| run | store | CPU time | reads | bytes asked for | unchecked | checked | cost | target |"
_LIGHT = {
    "spec_version": 1,
    "kind": "run",
    "title": "Passes over a decoder",
    "metrics": [{"metric": "isotropy"}, {"metric": "eigenvalue_slope"}],
}
_LARGE = {"n_saes": 1, "n": 16_384, "hidden": 2304}


@dataclass(frozen=True)
class Read:
    """Bytes ``start`` to ``stop`` of a file, as a run asked for them."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True)
class Measured:
    """What a run took, and its reads by themselves.

    Attributes
    ----------
    seconds
        CPU time of the run, with the check.
    reads, n_bytes
        How often it read, and how many bytes in all.
    unchecked, checked
        CPU seconds of the reads by the place of the store, each the median of the repeats.
    """

    seconds: float
    reads: int
    n_bytes: int
    unchecked: Mapping[str, float]
    checked: Mapping[str, float]

    def share(self, place: str) -> float:
        """Cost of the check as a share of the run without it."""
        cost = self.checked[place] - self.unchecked[place]
        return cost / (self.seconds - cost)


def measure(
    run: str | RunSpec, data: Path, folder: Path, repeats: int = _REPEATS, n_workers: int | None = None
) -> Measured:
    """Compute a run, and make its reads again with the check and without it, in turn.

    Parameters
    ----------
    run
        As in :func:`saegeom_data.run`.
    data
        Folder of a store.
    folder
        Empty; takes results, and what is kept of a store from afar.
    repeats
        How often the reads are made of each kind.
    n_workers
        Workers of a cluster, of one thread each, that compute the run; this process by default.
    """
    if n_workers is None:
        of_processes, seconds = _noted(run, data, folder / "out")
    else:
        of_processes, seconds = _noted_on_cluster(run, data, folder, n_workers)
    medians: dict[bool, dict[str, float]] = {False: {}, True: {}}
    with served(data) as url:
        for place, address in (("disk", str(data)), ("HTTP", url)):
            times: dict[bool, list[float]] = {False: [], True: []}
            for number in range(repeats):
                for checked, found in times.items():
                    kept = folder / f"{place}-{number}"
                    found.append(sum(_again(reads, address, kept, checked) for reads in of_processes))
            for checked, found in times.items():
                medians[checked][place] = statistics.median(found)
    reads = [read for made in of_processes for read in made]
    n_bytes = sum(read.stop - read.start for read in reads)
    return Measured(seconds, len(reads), n_bytes, medians[False], medians[True])


def _noted(run: str | RunSpec, data: Path, output: Path) -> tuple[list[list[Read]], float]:
    """Reads of a run in their order, of this one process, and its CPU seconds."""
    reads: list[Read] = []
    with _noting(manifest_at(store_place(data))["root"], reads):
        started = time.process_time()
        runner.run(run, data, output)
        seconds = time.process_time() - started
    return [reads], seconds


def _noted_on_cluster(run: str | RunSpec, data: Path, folder: Path, n_workers: int) -> tuple[list[list[Read]], float]:
    """Reads of a run by each worker, and CPU seconds of all workers."""
    import cloudpickle
    from distributed import Client

    root = manifest_at(store_place(data))["root"]
    # Workers cannot import this file.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with running_cluster(folder / "cluster") as cluster:
        for _ in range(n_workers):
            cluster.add_worker("--no-nanny")
        cluster.await_workers(n_workers)
        with Client(scheduler_file=str(cluster.file), set_as_default=False) as client:
            client.run(_note_from_now_on, root)
            runner.run(run, data, folder / "out", scheduler=str(cluster.file))
            of_workers = list(client.run(_noted_so_far).values())
    return [reads for reads, _ in of_workers], sum(seconds for _, seconds in of_workers)


def _note_from_now_on(root: str, dask_worker: Any) -> None:
    """Note all reads of a worker, which is another process and ends after the run."""
    dask_worker.noted, dask_worker.began = [], time.process_time()
    # Kept, since it ends where nobody refers to it.
    dask_worker.noting = _noting(root, dask_worker.noted)
    dask_worker.noting.__enter__()


def _noted_so_far(dask_worker: Any) -> tuple[list[Read], float]:
    return dask_worker.noted, time.process_time() - dask_worker.began


@contextmanager
def _noting(root: str, reads: list[Read]) -> Iterator[None]:
    """Append every read of the store of that root to ``reads``."""
    lock, original = threading.Lock(), CheckedFiles.read

    def noting(files: CheckedFiles, name: str, start: int, stop: int) -> bytes:
        # A run reads its own results too, for the report.
        if files._cache.root == root:
            with lock:
                reads.append(Read(name, start, stop))
        return original(files, name, start, stop)

    with patch.object(CheckedFiles, "read", noting):
        yield


def _again(reads: Sequence[Read], address: str, folder: Path, checked: bool) -> float:
    """CPU seconds of reads, as of a process that has not read from the store yet, with nothing of it kept."""
    place = store_place(address)
    manifest = manifest_at(place)
    files = manifest["files"]
    started = time.process_time()
    if checked:
        kept = CheckedFiles(place, files, Cache(folder, manifest["root"]), whole=True)
        for read in reads:
            kept.read(read.name, read.start, read.stop)
    else:
        for read in reads:
            place.file(read.name, int(files[read.name]["size"])).read(read.start, read.stop)
    return time.process_time() - started


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder over HTTP on this machine, by another process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(folder, there), daemon=True)
    server.start()
    try:
        yield str(here.recv())
    finally:
        here.send(None)
        server.join()


def _serve(folder: Path, client: Any) -> None:
    files = {f"/{file.relative_to(folder)}": file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    with serving(Handler, Served(files=files)) as server:
        client.send(server.url)
        client.recv()


def _rows(run: str | RunSpec, title: str, data: Path, n_workers: int | None) -> str:
    with tempfile.TemporaryDirectory() as folder:
        found = measure(run, data, Path(folder), n_workers=n_workers)
    name = run if isinstance(run, str) else " and ".join(metric.metric for metric in run.metrics)
    return "\n".join(
        f"| {name} | {title}, {place} | {found.seconds:.1f} s | {found.reads} | {found.n_bytes / 1e6:.0f} MB"
        f" | {found.unchecked[place]:.3f} s | {found.checked[place]:.3f} s | {100 * found.share(place):.2f} %"
        f" | {100 * TARGET:.0f} % |"
        for place in found.checked
    )


def write_large_chunks(target: Path) -> Path:
    """Write a decoder in chunks of 32 MiB, each a file of its own."""
    with patch.object(write, "_CHUNK_BYTES", 2**25), patch.object(write, "_SHARD_BYTES", 2**25):
        return write_store(target, **_LARGE)


def main() -> None:
    """Measure runs on the bundled sample, and passes over a large decoder, which read most for what they compute."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--runs", nargs="*", default=["galaxy", "brain"], help="on the sample")
    asked.add_argument("--workers", type=int, help="of a cluster, of one thread each; this process by default")
    asked.add_argument("--n-features", type=int, help="of one SAE of the sample, which are sooner measured than all")
    arguments = asked.parse_args()
    print(f"{_HEADER}\n|---|---|{'--:|' * 7}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        for run, title, data, block in _cases(Path(name), arguments.runs, arguments.n_features):
            with dask.config.set({} if block is None else {BLOCK_BYTES: block}):
                print(_rows(run, title, data, arguments.workers), flush=True)


def _cases(
    folder: Path, runs: Sequence[str], n_features: int | None
) -> Iterator[tuple[str | RunSpec, str, Path, int | None]]:
    """Run, title, store and bytes of a block of each case."""
    light = RunSpec.model_validate(_LIGHT)
    decoder = f"a decoder of {_LARGE['n']:,} x {_LARGE['hidden']:,}"
    yield light, f"{decoder}, chunks of 32 MiB", write_large_chunks(folder / "large.zarr"), None
    data = write_store(folder / "small.zarr", **_LARGE)
    yield light, f"{decoder}, chunks of 1 MiB", data, None
    # So that files are read in parts, as under a low limit of memory.
    yield light, f"{decoder}, chunks of 1 MiB, in blocks of 2 MiB", data, 2**21
    sample, title = sample_path(), "the sample"
    if n_features is not None:
        sample, title = folder / "part.zarr", f"{n_features} features of one SAE of the sample"
        write_sample_part(sample, n_features=n_features)
    for run in runs:
        yield run, title, sample, None


if __name__ == "__main__":
    main()
