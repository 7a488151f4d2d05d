"""Stores that are made to fill memory, or to run for ever: refused in one line, from metadata and sizes."""

from __future__ import annotations

import json
import pickle
import resource
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from typer.testing import CliRunner

import saegeom_data
from saegeom_data.cli.main import app
from saegeom_data.data import store, write
from saegeom_data.data.card import dataset_card
from saegeom_data.errors import StoreError
from saegeom_data.remote.codecs import CheckedSharding, CheckedZstd, checked_codecs
from saegeom_data.remote.manifest import MANIFEST, root_of
from saegeom_data.share.publish.documents import citation, licences, readme
from saegeom_data.testing.simulate import simulate_store

DECODER = "saes/layer_0/features/decoder"
SITE = "saes/layer_0/features/site"
CHUNK = f"{DECODER}/c.0.0"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("plain") / "data.zarr"
    write.write_tree(simulate_store(n_saes=1, n_features=200, n_blocks=64, n_hidden=32), target)
    return target


@pytest.fixture
def hostile(plain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain, tmp_path / "data.zarr"))


def change(folder: Path, edit: Callable[[dict[str, Any]], None], path: str = DECODER) -> None:
    """Edit the metadata of an array, in its own file and in that of the root."""
    for name, inside in ((f"{path}/zarr.json", False), ("zarr.json", True)):
        text = json.loads((folder / name).read_text())
        edit(text["consolidated_metadata"]["metadata"][path] if inside else text)
        (folder / name).write_text(json.dumps(text))
    seal_anew(folder)


def seal_anew(folder: Path) -> None:
    """Write the manifest that the author of a hostile store would."""
    files = {
        file.relative_to(folder).as_posix(): write.measured(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }
    (folder / MANIFEST).write_text(json.dumps({"format_version": 1, "root": root_of(files), "files": files}))


def refused(folder: Path) -> str:
    """What is said when a store is opened or validated: one line, soon, and without filling memory."""
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(StoreError) as error, saegeom_data.open(folder) as tree:
        tree[DECODER].values.sum()
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert str(folder) in message
    done = CliRunner().invoke(app, ["validate", "--values", str(folder)])
    assert done.exit_code != 0
    assert done.exception is None or isinstance(done.exception, StoreError | SystemExit)
    with pytest.raises(StoreError), store.open_unchecked(folder) as tree:
        tree[DECODER].values.sum()
    assert time.process_time() - started < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kilobytes"
    return message


def shape(rows: int, chunk: int) -> Callable[[dict[str, Any]], None]:
    def edit(node: dict[str, Any]) -> None:
        node["shape"], node["data_type"] = [rows, 32], "float32"
        node["chunk_grid"]["configuration"]["chunk_shape"] = [chunk, 32]

    return edit


def sharded(node: dict[str, Any]) -> None:
    node["shape"], node["data_type"] = [10**6, 32], "float32"
    node["chunk_grid"]["configuration"]["chunk_shape"] = [10**6, 32]
    index = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    settings = {"chunk_shape": [1, 32], "codecs": node["codecs"], "index_codecs": index, "index_location": "end"}
    node["codecs"] = [{"name": "sharding_indexed", "configuration": settings}]


def packed(name: str) -> Callable[[dict[str, Any]], None]:
    def edit(node: dict[str, Any]) -> None:
        node["codecs"][-1] = {"name": name, "configuration": {"level": 5}}

    return edit


ABSURD = {
    "10^12 rows in one chunk": (shape(10**12, 10**12), "a chunk of 128,000,000,000,000 bytes unpacked"),
    "10^12 rows": (shape(10**12, 10**6), "said to unpack to"),
    "10^12 chunks": (shape(10**12, 1), "1,000,000,000,000 chunks of 128 bytes, expected chunks of about 1 MiB"),
    "10^6 chunks of one row": (shape(10**6, 1), "1,000,000 chunks of 128 bytes, expected chunks of about 1 MiB"),
    "10^6 chunks of one row in a shard": (sharded, "1,000,000 chunks of 128 bytes"),
    "a chunk of 10 GB": (shape(80_000_000, 80_000_000), "a chunk of 10,240,000,000 bytes unpacked"),
    "chunks that are not there": (shape(1000, 200), "got 1 chunks in the manifest, expected 5 of its shape"),
    "a codec without a size": (packed("gzip"), "packed by 'gzip', expected one of blosc"),
    "no codec of zarr": (packed("pickle"), "packed by 'pickle'"),
    "a negative shape": (shape(-1, 200), "not the metadata of an array"),
    "chunks of nothing": (shape(200, 0), "not the metadata of an array"),
    "no type of data": (lambda node: node.update(data_type="object"), "not the metadata of an array"),
    "values of a gigabyte": (
        lambda node: node.update(data_type={"name": "fixed_length_utf32", "configuration": {"length_bytes": 2**30}}),
        "a chunk of",
    ),
}


@pytest.mark.parametrize(("edit", "expected"), ABSURD.values(), ids=ABSURD.keys())
def test_absurd_metadata_is_refused_before_anything_is_opened(
    edit: Callable[[dict[str, Any]], None], expected: str, hostile: Path
) -> None:
    change(hostile, edit)
    message = refused(hostile) if "manifest" not in expected else refused_when_sealed(hostile)
    assert expected in message
    assert f"{hostile}: /{DECODER}: " in message


def test_metadata_that_groups_repeat_or_that_is_not_consolidated_is_looked_at_too(hostile: Path) -> None:
    edit, expected = ABSURD["10^12 chunks"]
    for nested in (True, False):
        root = json.loads((hostile / "zarr.json").read_text())
        if nested:
            held = root["consolidated_metadata"]["metadata"]
            absurd = json.loads(json.dumps(held[DECODER]))
            edit(absurd)
            inner = {"kind": "inline", "must_understand": False, "metadata": {"decoder": absurd}}
            held["saes/layer_0/features"]["consolidated_metadata"] = inner
        else:
            root["consolidated_metadata"] = None
            root["attributes"]["note"] = "consolidated_metadata"
            node = json.loads((hostile / DECODER / "zarr.json").read_text())
            edit(node)
            (hostile / DECODER / "zarr.json").write_text(json.dumps(node))
        (hostile / "zarr.json").write_text(json.dumps(root))
        seal_anew(hostile)
        assert expected in refused_when_sealed(hostile)


def test_codecs_of_shards_are_checked_in_other_processes_too(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "a.zarr", shape=(8, 4), dtype="f4", chunks=(2, 4), shards=(4, 4))
    with checked_codecs():
        opened = zarr.open_array(array.store, mode="r")
    again = pickle.loads(pickle.dumps(opened))
    (shards,) = again.metadata.codecs
    assert type(shards) is CheckedSharding
    assert type(shards.codecs[-1]) is CheckedZstd


def refused_when_sealed(folder: Path) -> str:
    with pytest.raises(StoreError) as error:
        saegeom_data.open(folder)
    return str(error.value)


def test_metadata_that_is_no_metadata_or_too_large(hostile: Path) -> None:
    text = (hostile / "zarr.json").read_text()
    for other in ("[]", "{", '{"consolidated_metadata": {"metadata": [1]}}', "[" * 10**5, '{"a": 1}'):
        (hostile / "zarr.json").write_text(other)
        seal_anew(hostile)
        assert len(refused_when_sealed(hostile).splitlines()) == 1
    nodes = json.loads(text)
    group = {"zarr_format": 3, "node_type": "group", "attributes": {}}
    nodes["consolidated_metadata"]["metadata"] |= {f"saes/{number}": group for number in range(100_001)}
    (hostile / "zarr.json").write_text(json.dumps(nodes))
    seal_anew(hostile)
    assert "groups and arrays, expected at most 100,000" in refused_when_sealed(hostile)


def zstd(array: np.ndarray[Any, Any]) -> bytes:
    return bytes(numcodecs.Zstd().encode(array))


def blosc(array: np.ndarray[Any, Any]) -> bytes:
    return bytes(numcodecs.Blosc("zstd").encode(array))


RIGHT = np.zeros(200 * 32, "float32")
FRAMES: dict[str, tuple[str, bytes, str]] = {
    "zstd that inflates": ("zstd", zstd(np.zeros(2**26, "uint8")), "unpacks to 67,108,864 bytes, expected"),
    "zstd that says 1 TB": (
        "zstd",
        b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 2**40) + zstd(RIGHT)[6:],
        "unpacks to 1,099,511,627,776 bytes",
    ),
    "zstd that does not say": ("zstd", b"\x28\xb5\x2f\xfd\x00\x58" + zstd(RIGHT)[7:], "does not say how large it is"),
    "no zstd": ("zstd", b"not a frame at all", "no zstd frame"),
    "an empty chunk": ("zstd", b"x", "no zstd frame"),
    "blosc that inflates": ("blosc", blosc(np.zeros(2**26, "uint8")), "unpacks to 67,108,864 bytes, expected"),
    "blosc of fewer bytes than it says": ("blosc", blosc(RIGHT)[:-5], "bytes says that it has"),
    "blosc that lies about its bytes": (
        "blosc",
        blosc(RIGHT)[:12] + struct.pack("<I", 2**31) + blosc(RIGHT)[16:],
        "says that it has 2147483648",
    ),
    "blosc with other blocks": (
        "blosc",
        blosc(RIGHT)[:8] + struct.pack("<I", 2**30) + blosc(RIGHT)[12:],
        "in blocks of 1073741824",
    ),
    "blosc of noise": ("blosc", blosc(RIGHT)[:16] + b"\xff" * (len(blosc(RIGHT)) - 16), "cannot be unpacked"),
}


@pytest.mark.parametrize(("codec", "chunk", "expected"), FRAMES.values(), ids=FRAMES.keys())
def test_chunk_whose_head_lies_is_refused_before_it_is_unpacked(
    codec: str, chunk: bytes, expected: str, hostile: Path
) -> None:
    def edit(node: dict[str, Any]) -> None:
        node["shape"] = [200, 32]
        node["data_type"] = "float32"
        node["chunk_grid"]["configuration"]["chunk_shape"] = [200, 32]
        if codec == "zstd":
            node["codecs"][-1] = {"name": "zstd", "configuration": {"level": 0, "checksum": False}}

    (hostile / CHUNK).write_bytes(chunk)
    change(hostile, edit)
    message = refused(hostile)
    assert expected in message
    assert f"{hostile}/{DECODER}: cannot be unpacked: " in message


LABEL = "a\x1b[2J[x](http://e.org) ![i](http://e.org/i) <script>alert(1)</script>\n# head | `c` \u202e"


@pytest.fixture
def labelled() -> xr.DataTree:
    tree = simulate_store(n_saes=1, n_features=20, n_blocks=10, n_hidden=8)
    tree.attrs |= dict.fromkeys(("title", "description", "license", "citation", "creators"), LABEL)
    tree.attrs["sources"] = json.dumps([{"name": LABEL, "title": LABEL, "license": LABEL, "url": LABEL}])
    tree.attrs["versions"] = json.dumps({LABEL: LABEL})
    tree["saes/layer_0/features"] = tree["saes/layer_0/features"].to_dataset().assign_coords(site=LABEL)
    return tree


def test_labels_do_nothing_in_cards_and_citations(labelled: xr.DataTree) -> None:
    documents = [dataset_card(labelled), licences(labelled), readme(labelled, {}, 1).partition("---\n\n")[2]]
    for text in documents:
        assert "<script" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "](http://e.org" not in text.replace("\\](", "")
        assert "\n# head" not in text
    for text in (citation(labelled, "0" * 64, None), readme(labelled, {}, 1)):
        assert not any(sign in text for sign in "\x1b\u202e")


def test_labels_do_nothing_to_the_terminal(labelled: xr.DataTree, tmp_path: Path) -> None:
    write.write_tree(labelled, tmp_path / "a.zarr")
    for command in (["describe", str(tmp_path / "a.zarr")], ["validate", str(tmp_path / "a.zarr")]):
        done = CliRunner().invoke(app, command)
        assert not any(sign in done.output for sign in "\x1b\u202e\x07"), command
