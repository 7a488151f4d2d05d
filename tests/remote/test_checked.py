"""No byte is given that the manifest does not speak for: files that change, lying mirrors, caches, faulty servers."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("aiohttp", reason="needs the extra hub")
from faults import FAULTS, Faulty, before_s3, faulty
from servers import s3_server
from soak import SOAK

import saegeom_data
from saegeom_data.data import store, write
from saegeom_data.engine import runner
from saegeom_data.errors import StoreError
from saegeom_data.remote import checked, retries
from saegeom_data.spec.models import RunSpec
from saegeom_data.testing.simulate import simulate_store

DECODER, OCCURRENCE = "saes/layer_0/features/decoder", "saes/layer_0/occurrence/occurrence"


def sealed(target: Path, seed: int) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        # Small chunks and shards, so that a small store has several of both.
        patch.setattr(write, "_CHUNK_BYTES", 2**13)
        patch.setattr(write, "_SHARD_BYTES", 2**15)
        write.write_tree(simulate_store(n_saes=1, n_features=600, n_blocks=500, n_hidden=32, seed=seed), target)
    return target


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sealed(tmp_path_factory.mktemp("one") / "data.zarr", 0)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sealed(tmp_path_factory.mktemp("other") / "data.zarr", 1)


@pytest.fixture
def local(one: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(one, tmp_path / "data.zarr"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAEGEOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(checked, "_PIECE", 2**10)
    return tmp_path / "cache"


def contents(folder: Path, at: str = "/v1") -> dict[str, bytes]:
    return {f"{at}/{file.relative_to(folder)}": file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def served(one: Path) -> Iterator[Faulty]:
    with faulty(contents(one)) as server:
        yield server


def delete(file: Path, other: Path) -> None:
    file.unlink()


def flip(file: Path, other: Path) -> None:
    before = file.stat()
    data = file.read_bytes()
    file.write_bytes(data[:-40] + bytes([data[-40] ^ 1]) + data[-39:])
    # As a failing disk does it: no time tells.
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(file: Path, other: Path) -> None:
    shutil.copyfile(other, file)


@pytest.mark.parametrize("rows", [slice(None), slice(0, 20)])
@pytest.mark.parametrize("path", [DECODER, OCCURRENCE])
@pytest.mark.parametrize("change", [delete, flip, replace])
@pytest.mark.parametrize("read_before", [False, True])
def test_local_file_that_changes_after_opening_is_never_read_as_data(
    change: Callable[[Path, Path], None], path: str, rows: slice, read_before: bool, local: Path, other: Path
) -> None:
    with saegeom_data.open(local) as tree:
        if read_before:
            tree[path].variable[rows].compute()
        change(local / path / "c.0.0", other / path / "c.0.0")
        with pytest.raises(StoreError) as refused:
            # From the end of the file, where the damage is, or the whole of it.
            (tree[path].variable if rows == slice(None) else tree[path].variable[-600:]).compute()
    assert str(refused.value).startswith(f"{local}/{path}/c.0.0: ")
    assert len(str(refused.value).splitlines()) == 1


def isotropy() -> RunSpec:
    metrics = [{"metric": "isotropy"}]
    return RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "t", "metrics": metrics})


def test_run_on_a_damaged_store_leaves_no_results(local: Path, other: Path, tmp_path: Path) -> None:
    flip(local / DECODER / "c.0.0", other)
    with pytest.raises(StoreError, match=r"decoder/c\.0\.0: sha256 differs from the manifest"):
        runner.run(isotropy(), local, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_mirror_with_bytes_of_another_store_gives_no_numbers_and_leaves_nothing_in_the_cache(
    served: Faulty, one: Path, other: Path, cache: Path
) -> None:
    served.files |= {f"/mirror/{name[4:]}": data for name, data in served.files.items()}
    right = {name: served.files[name] for name in served.files if DECODER in name}
    # Equal in length, so that nothing but the digest tells.
    for name in right:
        if "/c." in name and name.startswith("/mirror"):
            served.files[name] = right[name][::-1]
    for opened in (saegeom_data.open, store.open_whole):
        with opened(f"{served.url}/mirror") as tree, pytest.raises(StoreError, match="sha256 differs"):
            tree[DECODER].variable[:256].compute()
    with store.open_whole(f"{served.url}/mirror") as tree, pytest.raises(StoreError, match="sha256 differs"):
        tree[DECODER].variable[:20].compute()
    with saegeom_data.open(f"{served.url}/v1") as tree, saegeom_data.open(one) as there:
        np.testing.assert_array_equal(tree[DECODER].values, there[DECODER].values)


def test_what_lies_in_the_cache_is_believed_only_if_it_is_what_the_manifest_says(
    served: Faulty, one: Path, cache: Path
) -> None:
    with store.open_whole(f"{served.url}/v1") as tree, saegeom_data.open(one) as there:
        right = there[DECODER].values
        np.testing.assert_array_equal(tree[DECODER].variable[:20].values, right[:20])
        kept = [file for file in cache.rglob("*") if file.is_file()]
        for file in kept:
            file.write_bytes(file.read_bytes()[::-1])
        np.testing.assert_array_equal(tree[DECODER].variable[20:40].values, right[20:40])
    with store.open_whole(f"{served.url}/v1") as tree:
        np.testing.assert_array_equal(tree[DECODER].variable[:20].values, right[:20])
        np.testing.assert_array_equal(tree[DECODER].values, right)
    for folder in (cache, *(folder for folder in cache.iterdir())):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_parts_of_a_file_are_read_once_whole_and_then_from_the_cache(served: Faulty) -> None:
    name = f"/v1/{DECODER}/c.0.0"
    with store.open_whole(f"{served.url}/v1") as tree:
        for start in range(0, 128, 8):
            tree[DECODER].variable[start : start + 8].compute()
    assert served.requests.count(f"GET {name}") == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_that_passes_changes_nothing(
    fault: str, served: Faulty, one: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only there: a busy machine may be silent for as long.
    if fault == "stall":
        monkeypatch.setattr(retries, "STALL", 0.5)
    with store.open_whole(f"{served.url}/v1") as tree, saegeom_data.open(one) as there:
        served.fault, served.times, served.only = fault, 2, f"{DECODER}/c."
        np.testing.assert_array_equal(tree[DECODER].values, there[DECODER].values)
    assert served.times == 0
    served.times, served.only = 2, "MANIFEST.json"
    with saegeom_data.open(f"{served.url}/v1") as tree:
        assert tree.encoding["root"]


CAUSES = {
    "500": "HTTP 500 Internal Server Error",
    "503": "HTTP 503 Service Unavailable",
    "404": "HTTP 404 Not Found",
    "403": "HTTP 403 Forbidden",
    "stall": "no byte for ",
    "wrong bytes": "sha256 differs from the manifest",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_that_stays_is_one_line_that_names_file_and_cause(
    fault: str, served: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "stall":
        monkeypatch.setattr(retries, "STALL", 0.1)
    with store.open_whole(f"{served.url}/v1") as tree:
        served.fault, served.times, served.only = fault, 10**6, f"{DECODER}/c.0.0"
        started = time.monotonic()
        for rows in (slice(None), slice(0, 20)):
            with pytest.raises(StoreError) as refused:
                tree[DECODER].variable[rows].compute()
            message = str(refused.value)
            assert message.startswith(f"{served.url}/v1/{DECODER}/c.0.0: ")
            assert CAUSES.get(fault, "") in message
            assert len(message.splitlines()) == 1
        assert time.monotonic() - started < 30


def test_an_answer_that_comes_too_slowly_is_not_called_silent(served: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "TRIES", 1)
    monkeypatch.setattr(retries, "time_limit", lambda n_bytes: 0.5)
    with store.open_whole(f"{served.url}/v1") as tree:
        served.fault, served.times, served.only = "stall", 10**6, f"{DECODER}/c.0.0"
        with pytest.raises(StoreError, match=r"c\.0\.0: .*not whole after 0 s; tried"):
            tree[DECODER].variable.compute()


@pytest.mark.parametrize("fault", FAULTS if SOAK else ("503", "wrong bytes"))
def test_s3_under_faults(fault: str, one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if fault == "stall":
        monkeypatch.setattr(retries, "STALL", 1.0)
    with s3_server() as system, before_s3(os.environ["AWS_ENDPOINT_URL"]) as proxy:
        system.mkdir("faults")
        system.put(f"{one}/", "faults/v1/", recursive=True)
        # Kept by fsspec, they would lead past the proxy.
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        system.clear_instance_cache()
        with store.open_whole("s3://faults/v1") as tree, saegeom_data.open(one) as there:
            assert any("MANIFEST" in request for request in proxy.requests)
            proxy.fault, proxy.times, proxy.only = fault, 2, f"{DECODER}/c."
            np.testing.assert_array_equal(tree[DECODER].values, there[DECODER].values)
            proxy.times, proxy.only = 10**6, f"{OCCURRENCE}/c.0.0"
            with pytest.raises(StoreError) as refused:
                tree[OCCURRENCE].variable.compute()
        message = str(refused.value)
        assert message.startswith(f"s3://faults/v1/{OCCURRENCE}/c.0.0: ")
        assert len(message.splitlines()) == 1
        # The client of S3 compares a digest of its own.
        assert CAUSES.get(fault, "") in message or "did not match calculated checksum" in message
        system.clear_instance_cache()


def test_a_task_of_a_local_store_finds_it_from_another_folder_or_says_that_it_is_gone(
    local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    monkeypatch.chdir(tmp_path)
    with saegeom_data.open("data.zarr") as tree:
        sent = pickle.dumps(tree[DECODER].variable)
        expected = tree[DECODER].values
    monkeypatch.chdir("/")
    received: xr.Variable = pickle.loads(sent)
    np.testing.assert_array_equal(received.values, expected)
    local.rename(tmp_path / "gone.zarr")
    with pytest.raises(StoreError, match=r"data\.zarr/.*: "):
        received.compute()
