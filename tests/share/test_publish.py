"""Stores published to folders, archives, S3 by moto, and a server that answers as the Hub does."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
import yaml

from saegeom_data.data import manifest_of, staging, write

pytest.importorskip("aiohttp", reason="needs the extra hub")
from hub_server import Hub, hub_server
from servers import s3_server
from typer.testing import CliRunner

import saegeom_data
from saegeom_data.cli.main import app
from saegeom_data.declare.registry import get_metric
from saegeom_data.errors import ParameterError, Problem, StoreError, TargetExistsError
from saegeom_data.remote.manifest import MANIFEST
from saegeom_data.share.publish import bucket as bucket_module
from saegeom_data.share.publish import publish
from saegeom_data.share.publish.targets import ZipFile
from saegeom_data.testing.simulate import simulate_store

# Of the libraries that publish and validate.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning"),
]
DOCUMENTS = {"README.md", "LICENSES.md", "CITATION.cff", "croissant.json", "tables/features.parquet"}


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("sealed") / "data.zarr"
    write.write_tree(simulate_store(n_saes=1), target)
    return target


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("other") / "data.zarr"
    write.write_tree(simulate_store(n_saes=1, seed=1), target)
    return target


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    with s3_server() as system:
        system.mkdir("data")
        yield system


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_server() as server:
        yield server


@pytest.fixture(params=["folder", "zip", "s3", "hub"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        request.getfixturevalue("bucket")
    if request.param == "hub":
        request.getfixturevalue("hub")
    return {
        "folder": str(tmp_path / "deep" / "v1"),
        "zip": str(tmp_path / "v1.zip"),
        "s3": "s3://data/v1",
        "hub": "hf://datasets/lab/data",
    }[request.param]


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAEGEOM_CACHE", "")


def test_published_once_whole_and_never_changed(target: str, sealed: Path, other: Path, tmp_path: Path) -> None:
    planned = publish(sealed, target, dry_run=True)
    with pytest.raises(StoreError):
        saegeom_data.open(target)
    done = publish(sealed, target)
    assert (planned.root, set(planned.sent)) == (done.root, set(done.sent))
    assert set(done.sent) == set(manifest_of.read_manifest(sealed)["files"]) | {*DOCUMENTS, *TABLES, MANIFEST}
    assert manifest_of.manifest_problems(target, checksums=True) == []
    with saegeom_data.open(target) as there, saegeom_data.open(sealed) as here:
        assert there.load().identical(here.load())
        assert there.encoding["root"] == done.root
    assert manifest_of.read_manifest(target)["store_root"] == manifest_of.root_hash(sealed)
    assert publish(sealed, target).sent == (), "the same content is there already"
    with pytest.raises(TargetExistsError, match="holds another version, root .*; give another path or @tag"):
        publish(other, target)
    assert manifest_of.root_hash(target) == done.root
    assert not [file.name for file in tmp_path.rglob("*staging*")]


TABLES = {"tables/saes.parquet", "tables/pairs.parquet"}


def test_published_copy_can_be_published_on(sealed: Path, tmp_path: Path) -> None:
    first = publish(sealed, str(tmp_path / "a"))
    second = publish(tmp_path / "a", str(tmp_path / "b"))
    assert (first.root, first.store_root) == (second.root, second.store_root)


def test_a_folder_that_another_publishes_first_is_named(
    sealed: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, rename = tmp_path / "out", os.rename

    def beaten(source: str, place: str) -> None:
        # The other's folder comes to stand between the last look and the rename.
        if Path(place) == target:
            shutil.copytree(other, target)
        rename(source, place)

    monkeypatch.setattr(os, "rename", beaten)
    with pytest.raises(TargetExistsError, match=r"out: holds another version, root \w{64}; give another path"):
        publish(sealed, target)
    assert manifest_of.root_hash(target) == manifest_of.root_hash(other)


def test_archive_has_the_same_bytes_twice_and_zarr_opens_it(sealed: Path, tmp_path: Path) -> None:
    import zarr

    for name in ("a.zip", "b.zip"):
        publish(sealed, str(tmp_path / name))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.namelist()[-1] == MANIFEST
    opened = zarr.storage.ZipStore(tmp_path / "a.zip", mode="r")
    with xr.open_datatree(opened, engine="zarr", chunks={}) as tree, saegeom_data.open(sealed) as here:
        assert tree.load().identical(here.load())


def test_archive_of_more_than_32_bits(sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZIP64_LIMIT", "ZIP_FILECOUNT_LIMIT"):
        # Limits of the format lowered, since a test cannot write four gigabytes.
        monkeypatch.setattr(zipfile, name, 10)
    publish(sealed, str(tmp_path / "a.zip"))
    monkeypatch.undo()
    assert b"PK\x06\x06" in (tmp_path / "a.zip").read_bytes(), "it has a directory of zip64"
    assert manifest_of.manifest_problems(tmp_path / "a.zip", checksums=True) == []


def test_archive_that_fails_leaves_nothing_and_starts_again(
    sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(ZipFile, "_add", full)
        with pytest.raises(StoreError, match=r"No space left on device; nothing is published yet; publish again$"):
            publish(sealed, str(tmp_path / "v1.zip"))
    with monkeypatch.context() as patch:
        patch.setattr(manifest_of, "manifest_problems", lambda *_, **__: [Problem("README.md", "sha256 differs")])
        with pytest.raises(StoreError, match="sha256 differs"):
            publish(sealed, str(tmp_path / "v1.zip"))
    assert list(tmp_path.iterdir()) == []


def test_archives_of_killed_publishers_go_and_those_at_work_stay(sealed: Path, tmp_path: Path) -> None:
    left, at_work = (tmp_path / f"v1.zip.staging-{digit * 8}" for digit in "ab")
    for folder in (left, at_work, tmp_path / "v1.zip.staging-mine"):
        folder.mkdir()
        (folder / "v1.zip").write_bytes(b"half")
    # A folder whose lock is held belongs to a publisher that still lives.
    lock = staging.lock_folder(at_work)
    publish(sealed, str(tmp_path / "v1.zip"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v1.zip", at_work.name, "v1.zip.staging-mine"]
    assert lock is not None
    lock.release()


# What goes with it


def test_documents_say_what_the_sample_says(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    pandas = pytest.importorskip("pandas")
    mlcroissant = pytest.importorskip("mlcroissant")
    folder = tmp_path / "sample"
    publish(saegeom_data.sample_path(), str(folder))
    with saegeom_data.open(folder) as tree:
        attrs = tree.attrs
        facts = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
        assert facts["pretty_name"] == attrs["title"]
        assert (facts["license"], facts["license_name"]) == ("other", "apache-2.0-and-cc-by-4.0-and-psf-2.0")
        text = (folder / "LICENSES.md").read_text()
        assert all(f"| {name} |" in text for name in json.loads(attrs["upstream_licenses"]))
        cited = yaml.safe_load((folder / "CITATION.cff").read_text())
        assert {"cff-version", "message", "title", "authors", "type"} <= set(cited)
        assert cited["authors"] == [{"name": attrs["citation"].partition(":")[0]}]
        described = mlcroissant.Dataset(jsonld=folder / "croissant.json")
        assert (described.metadata.ctx.issues.errors, described.metadata.ctx.issues.warnings) == (set(), set())
        first = next(iter(described.records("features")))
        expected = tree["saes/layer_0/features/decoder"][0].astype("float64")
        assert first["features/decoder_norm"] == pytest.approx(float((expected**2).sum() ** 0.5), rel=1e-6)
        table = pandas.read_parquet(folder / "tables/features.parquet")
        assert len(table) == 7 * 1536
        fires = tree["saes/layer_6/occurrence/occurrence"].mean("blocks").values
        assert table[table.sae == "layer_6"].firing_share.values == pytest.approx(fires)
    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(str(folder), "saes", split="train", cache_dir=str(tmp_path / "cache"))
    assert [row["l0"] for row in loaded] == [16.0] * 7


def test_croissant_of_a_simulated_store_has_no_warning(
    sealed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    publish(sealed, str(tmp_path / "a"))
    with caplog.at_level(logging.WARNING):
        mlcroissant.Dataset(jsonld=tmp_path / "a" / "croissant.json")
    assert caplog.records == []


def test_results_are_published_with_their_values(sealed: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    (tmp_path / "run.yaml").write_text("spec_version: 1\nkind: run\ntitle: t\nmetrics: [{metric: isotropy}]\n")
    run = CliRunner().invoke(
        app, ["run", str(tmp_path / "run.yaml"), "--data", str(sealed), "-o", str(tmp_path / "out")]
    )
    assert run.exit_code == 0, run.output
    done = CliRunner().invoke(app, ["publish", str(tmp_path / "out"), str(tmp_path / "published"), "--json"])
    assert done.exit_code == 0, done.output
    rows = pq.read_table(tmp_path / "published/tables/values.parquet").to_pylist()
    with saegeom_data.open(tmp_path / "published") as tree:
        found = tree["isotropy"].to_dataset()
        name = next(name for name, output in found.data_vars.items() if output.dims == ("sae",))
        (value,) = [row["value"] for row in rows if row["output"] == name and row["of"] == "layer_0"]
        assert value == pytest.approx(float(found[name][0]))
    assert {row["metric_version"] for row in rows} == {get_metric("isotropy").version}
    assert {row["metric"] for row in rows} == {"isotropy"}


def test_published_values_have_no_nulls_and_name_the_metric_version(sealed: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    metrics = ["isotropy", "hubness", "lobes", "function_vectors"]
    spec = {"spec_version": 1, "kind": "run", "title": "t", "metrics": [{"metric": name} for name in metrics]}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(spec))
    run = CliRunner().invoke(
        app, ["run", str(tmp_path / "run.yaml"), "--data", str(sealed), "-o", str(tmp_path / "out")]
    )
    assert run.exit_code == 0, run.output
    publish(tmp_path / "out" / "results.zarr", str(tmp_path / "published"))
    table = pq.read_table(tmp_path / "published/tables/values.parquet")
    assert {name: table[name].null_count for name in table.column_names} == dict.fromkeys(table.column_names, 0)
    assert str(table.schema.field("metric_version").type) == "int64"
    versions = {(row["metric"], row["metric_version"]) for row in table.to_pylist()}
    assert versions == {(name, get_metric(name).version) for name in metrics}


# Cut off, raced, refused


def test_s3_resumes_with_what_is_missing(bucket: Any, sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    put = bucket.put_file

    def cut(source: str, target: str, **options: Any) -> None:
        if len(sent) >= 5:
            raise ConnectionResetError("connection reset by peer")
        sent.append(target)
        put(source, target, **options)

    # One after the other, so that exactly five have arrived when the connection breaks.
    monkeypatch.setattr(bucket_module, "_AT_A_TIME", 1)
    monkeypatch.setattr(bucket, "put_file", cut)
    with pytest.raises(StoreError, match="sending was cut off: connection reset by peer; publish again"):
        publish(sealed, "s3://data/cut")
    with pytest.raises(StoreError, match="never finished"):
        saegeom_data.open("s3://data/cut")
    monkeypatch.setattr(bucket, "put_file", put)
    resumed = publish(sealed, "s3://data/cut")
    assert len(resumed.sent) == len(resumed.files) - 5
    assert manifest_of.manifest_problems("s3://data/cut", checksums=True) == []


def test_hub_resumes_with_what_is_missing_and_tags_versions(
    hub: Hub, sealed: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.cut_after = 2
    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", lambda seconds: None)  # the library waits before it tries again
        with pytest.raises(StoreError, match=r"data@v1: cannot be published to: .*because of .*publish again"):
            publish(sealed, "hf://datasets/lab/data@v1")
    assert MANIFEST not in hub.at("main")
    uploaded, hub.cut_after = list(hub.uploads), None
    done = publish(sealed, "hf://datasets/lab/data@v1")
    assert len(hub.uploads) == len(set(hub.uploads)) > len(uploaded), "nothing was sent twice"
    assert done.address == f"hf://datasets/lab/data@{hub.names['v1']}"
    again = publish(other, "hf://datasets/lab/data@v2")
    for address, path in (("hf://datasets/lab/data@v1", sealed), ("hf://datasets/lab/data@v2", other)):
        assert manifest_of.read_manifest(address)["store_root"] == manifest_of.root_hash(path)
    assert again.root != done.root
    with pytest.raises(TargetExistsError):
        publish(other, "hf://datasets/lab/data@v1")


def test_a_hub_commit_that_got_no_tag_is_tagged_and_not_made_again(hub: Hub, sealed: Path) -> None:
    hub.refuse_tags = True
    with pytest.raises(StoreError, match=r"data@v1: cannot be published to: the token may not write there"):
        publish(sealed, "hf://datasets/lab/data@v1")
    assert "v1" not in hub.names
    committed, hub.refuse_tags = dict(hub.commits), False
    done = publish(sealed, "hf://datasets/lab/data@v1")
    assert hub.commits == committed
    assert done.address == f"hf://datasets/lab/data@{hub.names['v1']}"
    assert hub.names["v1"] == hub.names["main"]


@pytest.mark.parametrize(("status", "message"), [(401, "no valid token; log in"), (403, "may not write there")])
def test_hub_that_refuses_is_one_line(status: int, message: str, hub: Hub, sealed: Path) -> None:
    hub.refuse = status
    done = CliRunner().invoke(app, ["publish", str(sealed), "hf://datasets/lab/data"])
    assert isinstance(done.exception, StoreError)
    assert message in str(done.exception)
    assert len(str(done.exception).splitlines()) == 1


def test_race_on_the_hub_is_lost_clearly(hub: Hub, sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from saegeom_data.share.publish.hub import Repository

    send = Repository.send

    def overtaken(self: Repository, *arguments: Any) -> None:
        send(self, *arguments)
        hub.commit({"other": (b"x", False)})

    monkeypatch.setattr(Repository, "send", overtaken)
    with pytest.raises(TargetExistsError, match="someone else has just committed"):
        publish(sealed, "hf://datasets/lab/data")
    assert set(hub.at("main")) == {"other"}


def test_s3_that_holds_something_else_or_refuses_is_left_alone(
    bucket: Any, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.pipe("data/taken/notes.txt", b"mine")
    bucket.pipe("data/half/zarr.json", b"{}")
    for address, message in [
        ("s3://data/taken", r"holds notes\.txt, which is not of this store"),
        ("s3://data/half", r"holds another zarr\.json"),
        ("s3://absent/v1", "no bucket 'absent'; make it first"),
    ]:
        with pytest.raises(StoreError, match=message):
            publish(sealed, address)
    assert bucket.cat("data/taken/notes.txt") == b"mine"

    def forbidden(*arguments: Any, **options: Any) -> None:
        raise PermissionError("Forbidden")

    monkeypatch.setattr(bucket, "put_file", forbidden)
    with pytest.raises(StoreError, match="no permission to write; check the credentials"):
        publish(sealed, "s3://data/forbidden")


def test_object_that_did_not_arrive_whole_is_not_published(
    bucket: Any, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = bucket.put_file

    def damaged(source: str, target: str, **options: Any) -> None:
        if target.endswith("README.md"):
            # Of the same size, so that comparing sizes would not do.
            bucket.pipe_file(target, Path(source).read_bytes()[:-1] + b"!")
        else:
            put(source, target, **options)

    monkeypatch.setattr(bucket, "put_file", damaged)
    with pytest.raises(StoreError, match=r"README\.md did not arrive whole"):
        publish(sealed, "s3://data/damaged")
    assert not bucket.exists(f"data/damaged/{MANIFEST}")


def test_what_cannot_be_published_to_is_one_line(sealed: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    for address, error in [
        ("https://example.org/x", ParameterError),
        ("hf://lab/data", ParameterError),
        ("hf://datasets/lab/data/path", ParameterError),
        (str(tmp_path / "taken"), TargetExistsError),
    ]:
        with pytest.raises(error) as refused:
            publish(sealed, address)
        assert len(str(refused.value).splitlines()) == 1
    assert list((tmp_path / "taken").iterdir()) == []


def test_nothing_is_published_inside_a_store(sealed: Path, tmp_path: Path) -> None:
    publish(sealed, str(tmp_path / "pub"))
    for name in ("inner", "tables/inner.zip"):
        with pytest.raises(StoreError, match=rf"{name}: lies inside the store .*pub; give a path outside it"):
            publish(sealed, str(tmp_path / "pub" / name))
    assert manifest_of.manifest_problems(tmp_path / "pub") == []


def test_damaged_store_is_not_published(sealed: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(sealed, tmp_path / "damaged")
    chunk = tmp_path / "damaged/saes/layer_0/features/decoder/c.0.0"
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"!")
    with pytest.raises(StoreError, match="sha256 differs from the manifest"):
        publish(tmp_path / "damaged", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
