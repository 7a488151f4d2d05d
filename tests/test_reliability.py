"""Promises about what is on disk and published: kills, damage, hostile and mutated files, races, a full disk.

R1 to R4, R7 and R9, each tried a few times here and many times by ``make soak``. Other parts of R3 and R4 are with
what they are about: checkpoints in tests/checkpoints, specs in tests/spec, labels in tests/report.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import serving
from soak import times

import saegeom_data
from saegeom_data.data import manifest_of, write
from saegeom_data.errors import SaegeomError, StoreError
from saegeom_data.remote.manifest import MANIFEST
from saegeom_data.results import open
from saegeom_data.testing.simulate import simulate_store

# Forked from a process that has imported everything and has no threads yet: a process of its own for each attempt would
# take longer to start than to be killed.
FORKS = """
import os, resource, signal, sys
import numpy, xarray, zarr, dask.array, pyarrow.parquet, sklearn, numba
import saegeom_data
import saegeom_data.report.page, saegeom_data.share.publish
from saegeom_data import errors
from saegeom_data.engine import runner
from saegeom_data.spec import models
from saegeom_data.testing.simulate import simulate_store

def write(target, source, seed):
    saegeom_data.write_tree(simulate_store(n_saes=1, seed=seed), target)

def run(target, source, seed):
    metrics = [{"metric": "isotropy"}]
    runner.run(models.RunSpec(spec_version=1, kind="run", title="t", metrics=metrics), source, target)

def publish(target, source, seed):
    saegeom_data.publish(source, target)

print("ready", flush=True)
for line in sys.stdin:
    job, target, source, seed, most = line.split()
    child = os.fork()
    if child == 0:
        if int(most):
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
        try:
            globals()[job](target, source, int(seed))
        except errors.SaegeomError as error:
            print("refused", *str(error).splitlines(), flush=True)
            os._exit(2)
        os._exit(0)
    print("started", child, flush=True)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print("ended", status, flush=True)
"""


class Forks:
    """A process that forks one for each job."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "ready\n"

    def start(self, job: str, target: Path, source: Path, *, seed: int = 0, most_bytes: int = 0) -> int:
        assert self._process.stdin is not None
        print(job, target, source, seed, most_bytes, file=self._process.stdin, flush=True)
        return int(self._line().split()[1])

    def end(self) -> tuple[int, str]:
        said = ""
        while (line := self._line()).startswith("refused"):
            said = line.removeprefix("refused ").strip()
        return int(line.split()[1]), said

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.communicate()


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    made = Forks()
    yield made
    made.close()


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("sealed") / "data.zarr"
    write.write_tree(simulate_store(n_saes=1, n_features=64, n_blocks=60), target)
    return target


def finished(target: Path) -> Path:
    return Path(open.results_in(target))


@pytest.mark.slow
@pytest.mark.parametrize(("job", "kills"), [("write", times(6, 80)), ("run", times(3, 40)), ("publish", times(6, 80))])
def test_r1_killed_writer_leaves_nothing_that_opens(
    job: str, kills: int, forks: Forks, sealed: Path, tmp_path: Path
) -> None:
    forks.start(job, tmp_path / "whole", sealed)
    started = time.monotonic()
    assert forks.end() == (0, "")
    seconds = time.monotonic() - started
    root = manifest_of.root_hash(finished(tmp_path / "whole"))
    rng = random.Random(0)
    killed = 0
    for number in range(kills):
        folder = tmp_path / f"kill-{number}"
        folder.mkdir()
        child = forks.start(job, folder / "out", sealed)
        time.sleep(rng.uniform(0, seconds))
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        status, _ = forks.end()
        killed += status == -signal.SIGKILL
        if not (folder / "out").exists():
            for left in folder.iterdir():
                assert ".staging-" in left.name
                for inside in [left, left / open.RESULTS]:
                    with contextlib.suppress(StoreError):
                        # Only one that had been sealed already opens, and it is whole.
                        saegeom_data.open(inside, verify="checksums").close()
            forks.start(job, folder / "out", sealed)
            assert forks.end() == (0, ""), "what was left does not stand in the way"
        assert manifest_of.manifest_problems(finished(folder / "out"), checksums=True) == []
        assert manifest_of.root_hash(finished(folder / "out")) == root
        if job == "publish":
            assert [path.name for path in folder.iterdir()] == ["out"], "it went on in the folder that was left"
        shutil.rmtree(folder)
    assert killed >= kills // 3


def flipped(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def truncated(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def deleted(path: Path, rng: random.Random) -> None:
    path.unlink()


def added(path: Path, rng: random.Random) -> None:
    path.with_name(f"extra-{rng.randrange(10**6)}").write_bytes(b"x")


def swapped(path: Path, rng: random.Random) -> None:
    others = [file for file in sorted(path.parents[1].rglob("*")) if file.is_file() and file.name != MANIFEST]
    other = rng.choice([file for file in others if file.read_bytes() != path.read_bytes()])
    data = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(data)


DAMAGE = (flipped, flipped, flipped, truncated, deleted, added, swapped)


def test_r2_any_damage_is_found(sealed: Path, tmp_path: Path) -> None:
    rng = random.Random(0)
    copy = tmp_path / "copy"
    shutil.copytree(sealed, copy)
    files = sorted(manifest_of.read_manifest(sealed)["files"])
    for _ in range(times(40, 500)):
        damage: Callable[[Path, random.Random], None] = rng.choice(DAMAGE)
        before = {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()}
        damage(copy / rng.choice(files), rng)
        after = {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()}
        changed = {file for file in before.keys() | after.keys() if before.get(file) != after.get(file)}
        found = {copy / problem.where for problem in manifest_of.manifest_problems(copy, checksums=True)}
        assert found == changed, damage.__name__
        for file in changed:
            if file in before:
                file.write_bytes(before[file])
            else:
                file.unlink()
    assert manifest_of.manifest_problems(copy, checksums=True) == []


def test_r2_damage_of_the_manifest_is_found(sealed: Path, tmp_path: Path) -> None:
    rng = random.Random(0)
    shutil.copytree(sealed, tmp_path / "copy")
    file = tmp_path / "copy" / MANIFEST
    whole = json.loads(file.read_text())
    for _ in range(times(30, 500)):
        flipped(file, rng)
        with contextlib.suppress(StoreError):
            there = manifest_of.read_manifest(tmp_path / "copy")
            # The version and the day of sealing are not under the root hash; nothing is read by them.
            assert (there["root"], there["files"]) == (whole["root"], whole["files"])
        shutil.copy(sealed / MANIFEST, file)


def test_r2_damage_at_a_url_is_found(sealed: Path) -> None:
    pytest.importorskip("aiohttp")
    rng = random.Random(0)
    whole = {f"/{file.relative_to(sealed)}": file.read_bytes() for file in sealed.rglob("*") if file.is_file()}
    with serving() as served:
        for _ in range(times(3, 50)):
            served.files = dict(whole)
            changed, gone, left, right = rng.sample(sorted(whole.keys() - {f"/{MANIFEST}"}), 4)
            data = bytearray(whole[changed])
            data[rng.randrange(len(data))] ^= 1
            served.files |= {changed: bytes(data), left: whole[right], right: whole[left]}
            del served.files[gone]
            found = {f"/{problem.where}" for problem in manifest_of.manifest_problems(served.url, checksums=True)}
            same = {left, right} if whole[left] == whole[right] else set()
            assert found == {changed, gone, left, right} - same


# R3 and R4: whatever the metadata says, one clear line


def opens_or_refuses(folder: Path) -> None:
    started = time.monotonic()
    with contextlib.suppress(SaegeomError), saegeom_data.open(folder, verify="none") as tree:
        assert tree.nbytes >= 0
    assert time.monotonic() - started < 20


def arrays(metadata: Any) -> Iterator[dict[str, Any]]:
    for node in metadata["consolidated_metadata"]["metadata"].values():
        if node["node_type"] == "array":
            yield node


@pytest.mark.parametrize("shape", [[10**18, 2], [2**63, 1], [-1, 3], [10**9, 10**9], [3], [0, 0], ["x", 1], None])
def test_r3_absurd_shapes_are_refused(shape: Any, sealed: Path, tmp_path: Path) -> None:
    shutil.copytree(sealed, tmp_path / "copy")
    file = tmp_path / "copy" / "zarr.json"
    metadata = json.loads(file.read_text())
    for array in arrays(metadata):
        if len(array["shape"]) == 2:
            array["shape"] = shape
    file.write_text(json.dumps(metadata))
    started = time.monotonic()
    with pytest.raises(SaegeomError) as refused:
        saegeom_data.open(tmp_path / "copy", verify="none")
    assert time.monotonic() - started < 20
    assert all(len(line) < 1000 for line in str(refused.value).splitlines())


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just([]) | st.just({})


@settings(max_examples=times(40, 5000))
@given(data=st.data())
def test_r4_mutated_metadata_opens_or_is_refused(data: st.DataObject, sealed: Path) -> None:
    metadata = json.loads((sealed / "zarr.json").read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        at: Any = metadata
        while True:
            keys = sorted(at) if isinstance(at, dict) else list(range(len(at)))
            key = data.draw(st.sampled_from(keys))
            if not isinstance(at[key], dict | list) or not at[key] or data.draw(st.integers(0, 9)) == 0:
                break
            at = at[key]
        at[key] = data.draw(VALUES)
    folder = sealed.parent / "mutated"
    folder.mkdir(exist_ok=True)
    (folder / "zarr.json").write_text(json.dumps(metadata))
    opens_or_refuses(folder)


@settings(max_examples=times(60, 5000))
@given(cut=st.integers(0, 60), at=st.floats(0, 1), byte=st.integers(0, 255))
def test_r4_mutated_archive_opens_or_is_refused(cut: int, at: float, byte: int, sealed: Path) -> None:
    archive = sealed.parent / "whole.zip"
    if not archive.exists():
        saegeom_data.publish(sealed, str(archive))
    data = bytearray(archive.read_bytes())
    # The directory of the archive is its end.
    start = data.rindex(b"PK\x05\x06") - 4000
    data[start + int(at * (len(data) - start - 1))] = byte
    mutated = sealed.parent / "mutated.zip"
    mutated.write_bytes(data[: len(data) - cut])
    opens_or_refuses(mutated)


def test_r7_of_two_publishers_one_wins_and_readers_see_one_whole(forks: Forks, sealed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.zarr"
    write.write_tree(simulate_store(n_saes=1, n_features=64, n_blocks=60, seed=1), other)
    roots = {manifest_of.root_hash(sealed), manifest_of.root_hash(other)}
    second = Forks()
    try:
        for number in range(times(2, 60)):
            target = tmp_path / f"out-{number}"
            for process, source in ((forks, sealed), (second, other)):
                process.start("publish", target, source)
            # A reader sees nothing, or all of one.
            deadline = time.monotonic() + 30
            while not target.exists() and time.monotonic() < deadline:
                time.sleep(0.001)
            seen = manifest_of.read_manifest(target)["store_root"]
            outcomes = [process.end() for process in (forks, second)]
            assert sorted(status for status, _ in outcomes) == [0, 2]
            assert "give another path" in "".join(said for _, said in outcomes)
            assert seen == manifest_of.read_manifest(target)["store_root"] in roots
            assert manifest_of.manifest_problems(target, checksums=True) == []
    finally:
        second.close()


def test_r9_full_disk_loses_nothing(forks: Forks, sealed: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    largest = max(file["size"] for file in manifest_of.read_manifest(sealed)["files"].values())
    forks.start("publish", target, sealed, most_bytes=largest - 1)
    status, said = forks.end()
    assert (status, "File too large; nothing is published yet" in said) == (2, True), said
    assert not target.exists()
    assert manifest_of.manifest_problems(sealed, checksums=True) == []
    forks.start("publish", target, sealed)
    assert forks.end() == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
