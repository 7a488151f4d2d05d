"""Stores opened where they were published: on a server of ranges, on S3 by moto, as the Hub answers, in an archive."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import xarray as xr

from saegeom_data.data import manifest_of, write

pytest.importorskip("aiohttp", reason="needs the extra hub")
from servers import Served, s3_server, serving
from typer.testing import CliRunner

import saegeom_data
from saegeom_data.cli.main import app
from saegeom_data.engine import runner
from saegeom_data.errors import ParameterError, StoreError
from saegeom_data.remote.manifest import MANIFEST, root_of
from saegeom_data.remote.reading import checked_store
from saegeom_data.spec.models import RunSpec, load_spec
from saegeom_data.testing.simulate import simulate_store

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROWS = 64
# Kinds of data, the dimension that rows are taken along, and chunks of about the format's own size.
LARGE = {"saes/layer_0/features/decoder": "features", "saes/layer_0/occurrence/occurrence": "blocks"}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed store whose shards hold several chunks."""
    target = tmp_path_factory.mktemp("published") / "data.zarr"
    with pytest.MonkeyPatch.context() as patch:
        # Small chunks and shards, so that a small store has several of both.
        patch.setattr(write, "_CHUNK_BYTES", 2**15)
        patch.setattr(write, "_SHARD_BYTES", 2**17)
        tree = simulate_store(n_saes=1, n_features=2048, n_blocks=1024, n_hidden=32)
        write.write_tree(tree, target)
    return target


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAEGEOM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def served(published: Path) -> Iterator[Served]:
    with serving() as server:
        server.files = {f"/v1/{name}": data for name, data in contents(published).items()}
        yield server


@pytest.fixture(scope="module")
def bucket(published: Path) -> Iterator[Any]:
    with s3_server() as system:
        system.mkdir("data")
        system.put(f"{published}/", "data/v1/", recursive=True)
        yield system


@pytest.fixture
def archive(published: Path, tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as made:
        for name, data in contents(published).items():
            made.writestr(name, data)
    return tmp_path / "data.zip"


def same(left: xr.DataTree, right: xr.DataTree) -> bool:
    return bool(left.load().identical(right.load()))


def scalars(requests: list[str]) -> list[str]:
    return [request for request in requests if request.endswith("/c")]


def test_opening_reads_metadata_only(served: Served, published: Path) -> None:
    metadata = [(published / name).stat().st_size for name in (MANIFEST, "zarr.json")]
    with saegeom_data.open(f"{served.url}/v1") as tree:
        asked = [request for request in served.requests if request not in scalars(served.requests)]
        assert sorted(asked) == sorted([f"HEAD /v1/{MANIFEST}", f"GET /v1/{MANIFEST}", "GET /v1/zarr.json"])
        assert served.sent < sum(metadata) + 100 * len(tree["saes"].children), "beside them, coordinates of one number"
        assert tree.encoding["root"] == manifest_of.root_hash(published)
    served.requests.clear()
    with xr.open_datatree(f"{served.url}/v1", engine="zarr", chunks={}) as tree:
        assert [request for request in served.requests if "/.z" not in request] == ["GET /v1/zarr.json"]
        assert "saes" in tree.children


@pytest.mark.parametrize("path", LARGE)
@pytest.mark.parametrize("plain", [True, False])
def test_64_rows_move_little_more_than_their_chunks(path: str, plain: bool, served: Served, published: Path) -> None:
    url = f"{served.url}/v1"
    opened = xr.open_datatree(url, engine="zarr", chunks={}) if plain else saegeom_data.open(url)
    with opened as tree, saegeom_data.open(published) as local:
        variable, there = tree[path].variable, local[path].variable
        at = 3 * variable.encoding["chunks"][0]  # the last chunk of a shard, and on into the next
        rows = {LARGE[path]: slice(at, at + ROWS)}
        served.sent = 0
        np.testing.assert_array_equal(variable.isel(rows), there.isel(rows))
        assert 0 < served.sent <= 4 * chunk_bytes(published / path, at)
        before = served.sent
        np.testing.assert_array_equal(variable, there)
        assert served.sent - before <= 1.1 * sum(file.stat().st_size for file in (published / path).glob("c.*"))


def chunk_bytes(folder: Path, row: int) -> int:
    """Bytes of the chunks that hold the rows from a row on, from the indices at the ends of their shards."""
    metadata = json.loads((folder / "zarr.json").read_text())
    rows = metadata["chunk_grid"]["configuration"]["chunk_shape"][0]
    inner = metadata["codecs"][0]["configuration"]["chunk_shape"][0]
    total = 0
    for start in range(row, row + ROWS, inner):
        index = (folder / f"c.{start // rows}.0").read_bytes()[-(rows // inner * 16 + 4) : -4]
        total += int(np.frombuffer(index, "<u8").reshape(-1, 2)[start % rows // inner, 1])
    return total


def test_what_was_read_is_kept_under_the_root(served: Served, published: Path, cache: Path) -> None:
    url = f"{served.url}/v1"
    with saegeom_data.open(url) as tree:
        tree["saes/layer_0/features/decoder"].load()
    assert [folder.name for folder in cache.iterdir()] == [manifest_of.root_hash(published)]
    served.requests.clear()
    with saegeom_data.open(url) as tree:
        kept = tree["saes/layer_0/features/decoder"].values
    assert served.requests == [f"HEAD /v1/{MANIFEST}", f"GET /v1/{MANIFEST}"]
    for file in (file for file in cache.rglob("*") if file.is_file()):
        # The length stays: only the manifest shows the damage.
        file.write_bytes(file.read_bytes()[:-1] + b"!")
    with saegeom_data.open(url) as tree:
        np.testing.assert_array_equal(tree["saes/layer_0/features/decoder"].values, kept)
    assert "GET /v1/saes/layer_0/features/decoder/c.0.0" in served.requests, "a damaged file is fetched again"


@pytest.mark.parametrize("place", ["https", "s3", "zip", "zip at a url"])
def test_same_store_from_everywhere(
    place: str, request: pytest.FixtureRequest, published: Path, served: Served, archive: Path
) -> None:
    if place == "s3":
        request.getfixturevalue("bucket")
    served.files["/data.zip"] = archive.read_bytes()
    addresses = {
        "https": f"{served.url}/v1/",
        "s3": "s3://data/v1",
        "zip": str(archive),
        "zip at a url": f"{served.url}/data.zip",
    }
    with saegeom_data.open(addresses[place], verify="checksums") as tree, saegeom_data.open(published) as local:
        assert same(tree, local)
    assert manifest_of.root_hash(addresses[place]) == manifest_of.root_hash(published)


def test_plain_xarray_opens_s3_lazily(bucket: Any, published: Path) -> None:
    with xr.open_datatree("s3://data/v1", engine="zarr", chunks={}) as tree, saegeom_data.open(published) as local:
        assert dask.is_dask_collection(tree["saes/layer_0/features/decoder"])
        assert same(tree, local)


def test_hub_is_pinned_and_recorded(served: Served, published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", served.url)
    template = served.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    files = contents(published)
    siblings = [{"rfilename": name, "size": len(data)} for name, data in files.items()]
    info = {"id": "lab/data", "sha": COMMIT, "siblings": siblings}
    for revision in ("main", "v1", COMMIT):
        served.answers[f"/api/datasets/lab/data/revision/{revision}"] = info
    served.answers["/api/datasets/lab/data"] = info
    served.files = {f"/datasets/lab/data/resolve/{COMMIT}/{name}": data for name, data in files.items()}
    with saegeom_data.open("hf://datasets/lab/data@v1") as tree, saegeom_data.open(published) as local:
        assert tree.encoding["source"] == f"hf://datasets/lab/data@{COMMIT}"
        assert same(tree, local)
    assert not [request for request in served.requests if "/resolve/" in request and COMMIT not in request]
    assert manifest_of.manifest_problems("hf://datasets/lab/data") == []


RUN = "spec_version: 1\nkind: run\ntitle: t\nmetrics: [{metric: isotropy}]\n"


def test_run_on_a_url_gives_the_results_of_the_folder(served: Served, published: Path, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN)
    spec = load_spec(tmp_path / "run.yaml", RunSpec)
    url = f"{served.url}/v1"
    from_url = runner.run(spec, url, tmp_path / "url")
    from_folder = runner.run(spec, published, tmp_path / "folder")
    assert from_url.attrs.pop("dataset_source") == url
    assert from_url.attrs["dataset_root"] == manifest_of.root_hash(published)
    assert same(from_url, from_folder)
    assert "dataset_source" not in from_folder.attrs


def test_commands_take_urls(served: Served, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(RUN)
    invoke = CliRunner().invoke
    run = ["run", str(tmp_path / "run.yaml"), "--plan", "--data"]
    for command in (["validate", "--checksums"], ["describe"], run):
        done = invoke(app, [*command, f"{served.url}/v1"])
        assert done.exit_code == 0, done.output


def test_task_carries_an_address(served: Served) -> None:
    opened = checked_store(f"{served.url}/v1", None)
    sent = pickle.dumps(opened)
    assert len(sent) < 500
    assert pickle.loads(sent) == opened
    served.files[f"/v1/{MANIFEST}"] = json.dumps({"files": {}, "root": root_of({})}).encode()
    with pytest.raises(StoreError, match="it changed meanwhile"):
        pickle.loads(pickle.dumps(opened).replace(opened.root.encode(), b"0" * 64))


# What is wrong


def test_unfinished_or_absent_store_is_one_line(served: Served, bucket: Any) -> None:
    del served.files[f"/v1/{MANIFEST}"]
    for address in (f"{served.url}/v1", f"{served.url}/nothing", "s3://data/nothing", "s3://no-such-bucket/v1"):
        with pytest.raises(StoreError, match=rf"no {MANIFEST}, so no store is there or it was never") as refused:
            saegeom_data.open(address)
        assert len(str(refused.value).splitlines()) == 1
    with pytest.raises(ParameterError, match="known: a local path, hf://"):
        saegeom_data.open("ftp://example.org/v1")
    with pytest.raises(StoreError, match="cannot be reached"):
        saegeom_data.open("http://127.0.0.1:9/v1")


def test_file_that_is_gone_or_other_than_the_manifest_says_is_not_read_as_zeros(served: Served) -> None:
    name = "/v1/saes/layer_0/features/decoder/c.0.0"
    with saegeom_data.open(f"{served.url}/v1") as tree:
        decoder = tree["saes/layer_0/features/decoder"].variable
        whole = served.files.pop(name)
        with pytest.raises(StoreError, match=r"decoder/c\.0\.0: .*cannot be read"):
            decoder.compute()
        served.files[name] = whole[:-1]
        with pytest.raises(StoreError, match=r"decoder/c\.0\.0: got \d+ bytes"):
            decoder.compute()
        served.files[name] = whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]
        with pytest.raises(StoreError, match=r"decoder/c\.0\.0: sha256 differs from the manifest"):
            decoder.compute()
        served.files[name], served.ranges = whole, False
        with pytest.raises(StoreError, match=r"decoder/c\.0\.0: .*range requests"):
            decoder[:ROWS].compute()


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a//b", "a/./b", "..\\x", "C:/x", "a\nb", ""])
def test_manifest_that_leads_out_of_the_store_is_refused(
    name: str, served: Served, published: Path, tmp_path: Path
) -> None:
    files = manifest_of.read_manifest(published)["files"] | {name: {"size": 1, "sha256": "0" * 64}}
    text = json.dumps({"format_version": 1, "root": root_of(files), "files": files})
    served.files[f"/v1/{MANIFEST}"] = text.encode()
    shutil.copytree(published, tmp_path / "local")
    (tmp_path / "local" / MANIFEST).write_text(text)
    for address in (f"{served.url}/v1", tmp_path / "local"):
        with pytest.raises(StoreError, match="is not a relative path inside the store") as refused:
            saegeom_data.open(address)
        assert len(str(refused.value).splitlines()) == 1
    assert [request for request in served.requests if MANIFEST not in request] == []


def test_archive_with_a_compressed_member_is_refused(published: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("zarr.json", bytes(10**7))
    with pytest.raises(StoreError, match=r"zarr\.json: compressed or encrypted"):
        saegeom_data.open(tmp_path / "bomb.zip")
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(StoreError, match="not a zip of files of a store, or half-written"):
        saegeom_data.open(tmp_path / "cut.zip")
