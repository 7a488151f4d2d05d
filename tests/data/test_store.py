from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from soak import SOAK

import saegeom_data
from saegeom_data import errors
from saegeom_data.data import manifest_of, staging, store, write
from saegeom_data.remote.manifest import MANIFEST
from saegeom_data.testing.checks import assert_lazy, raise_if_dask_computes
from saegeom_data.testing.simulate import simulate_store

ROOT = {"format_version": 1, "title": "Example", "license": "CC0-1.0"}


def features(decoder: object, **variables: object) -> xr.Dataset:
    return xr.Dataset(
        {"decoder": (("features", "hidden"), decoder), **variables},
        coords={"site": "hidden_state_3", "layer": 3, "width": decoder.shape[0], "l0": 8.0},
        attrs={"model": "simulated", "architecture": "topk", "decoder_norm": "raw"},
    )


def written(target: Path, groups: dict[str, xr.Dataset]) -> str:
    with write.staged(target) as folder:
        write.write_group(folder, "/", xr.Dataset(attrs=ROOT))
        for name, dataset in groups.items():
            write.write_group(folder, name, dataset)
    return manifest_of.root_hash(target)


def activations(tokens: int, hidden: int, dtype: str = "float32") -> xr.Dataset:
    values = np.random.default_rng(0).standard_normal((tokens, hidden)).astype(dtype)
    return xr.Dataset({"activation": (("tokens", "hidden"), values)}, attrs={"model": "m", "source_dtype": dtype})


@pytest.fixture
def sealed(simulated_store: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(simulated_store, tmp_path / "copy.zarr"))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A decoder of 78 MiB, over one shard, written from dask chunks that fit no shard."""
    decoder = (np.arange(40_000 * 512) % 99_991).astype("float32").reshape(40_000, 512)
    target = tmp_path_factory.mktemp("large") / "large.zarr"
    written(target, {"saes/a/features": features(decoder).chunk(features=7_001, hidden=300)})
    return target, decoder


# What stands on disk


def test_sharded_array_is_a_few_files_with_dots_in_their_names(large: tuple[Path, np.ndarray]) -> None:
    path, _ = large
    folder = path / "saes/a/features/decoder"
    assert sorted(file.name for file in folder.iterdir()) == ["c.0.0", "c.1.0", "zarr.json"]
    metadata = json.loads((folder / "zarr.json").read_text())
    assert metadata["zarr_format"] == 3
    assert metadata["chunk_key_encoding"] == {"name": "default", "configuration": {"separator": "."}}
    (sharding,) = metadata["codecs"]
    assert sharding["name"] == "sharding_indexed"
    compressor = sharding["configuration"]["codecs"][-1]
    assert compressor["name"] == "blosc"
    assert (compressor["configuration"]["cname"], compressor["configuration"]["shuffle"]) == ("zstd", "shuffle")
    assert np.prod(sharding["configuration"]["chunk_shape"]) * 4 <= 2**20


def test_dask_chunk_is_the_shard(large: tuple[Path, np.ndarray]) -> None:
    path, _ = large
    array = zarr.open_array(str(path / "saes/a/features/decoder"), mode="r")
    assert array.shards is not None
    assert array.shards[0] > array.chunks[0]
    with saegeom_data.open(path) as tree:
        decoder = tree["saes/a/features/decoder"]
        assert decoder.data.chunksize == array.shards
        assert np.prod(decoder.data.chunksize) * 4 <= 64 * 2**20


def test_many_shards_from_misaligned_chunks_come_back_exact(large: tuple[Path, np.ndarray]) -> None:
    path, decoder = large
    with saegeom_data.open(path) as tree:
        np.testing.assert_array_equal(tree["saes/a/features/decoder"].values, decoder)


def test_plain_xarray_opens_it_without_a_warning(simulated_store: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with (
            xr.open_datatree(simulated_store, engine="zarr", chunks={}) as plain,
            saegeom_data.open(simulated_store) as tree,
        ):
            xr.testing.assert_identical(plain, tree)
            assert [node.path for node in plain.subtree] == [node.path for node in tree.subtree]
            assert_lazy(plain["saes/layer_0/features"].to_dataset(inherit=False))


def test_metadata_are_consolidated_so_that_one_file_is_enough(simulated_store: Path) -> None:
    metadata = json.loads((simulated_store / "zarr.json").read_text())["consolidated_metadata"]["metadata"]
    assert "saes/layer_0/features/decoder" in metadata
    on_disk = {str(file.parent.relative_to(simulated_store)) for file in simulated_store.rglob("zarr.json")} - {"."}
    assert set(metadata) == on_disk


def test_opening_reads_metadata_only(simulated_store: Path) -> None:
    with raise_if_dask_computes(), saegeom_data.open(simulated_store) as tree:
        assert_lazy(tree["saes/layer_1/occurrence"].to_dataset(inherit=False))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_come_back_bit_by_bit(tmp_path: Path, dtype: str) -> None:
    bits = {"float16": "uint16", "float32": "uint32", "float64": "uint64"}[dtype]
    rng = np.random.default_rng(1)
    raw = rng.integers(0, np.iinfo(bits).max, size=(500, 64), dtype=bits, endpoint=True)
    values = raw.view(dtype)  # every kind of NaN, both zeros, subnormals
    data = xr.Dataset({"activation": (("tokens", "hidden"), values)}, attrs={"model": "m", "source_dtype": dtype})
    written(tmp_path / "a.zarr", {"activations/x": data})
    with saegeom_data.open(tmp_path / "a.zarr") as tree:
        found = tree["activations/x/activation"]
        assert found.dtype == dtype
        assert "_FillValue" not in found.encoding or found.encoding["_FillValue"] is None
        np.testing.assert_array_equal(found.values.view(bits), raw)


def test_values_that_came_from_bfloat16_compress_to_less_than_half(tmp_path: Path) -> None:
    values = np.random.default_rng(2).standard_normal((20_000, 64)).astype("float32")
    values = (values.view("uint32") & 0xFFFF0000).view("float32")
    data = xr.Dataset({"activation": (("tokens", "hidden"), values)}, attrs={"model": "m", "source_dtype": "bfloat16"})
    written(tmp_path / "a.zarr", {"activations/x": data})
    file = tmp_path / "a.zarr/activations/x/activation/c.0.0"
    assert file.stat().st_size < 0.42 * values.nbytes


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_booleans_take_no_more_than_packed_bits(tmp_path: Path, share: float) -> None:
    fires = np.random.default_rng(3).random((4_000, 1_536)) < share
    blocks = {
        "document": ("blocks", np.zeros(4_000, "int32")),
        "document_type": ("blocks", np.full(4_000, "a", object)),
    }
    data = xr.Dataset(
        {"occurrence": (("blocks", "features"), fires), **blocks}, attrs={"threshold": 0, "block_length": 4}
    )
    written(tmp_path / "a.zarr", {"saes/a/occurrence": data})
    folder = tmp_path / "a.zarr/saes/a/occurrence/occurrence"
    assert "bitshuffle" in (folder / "zarr.json").read_text()
    stored = sum(file.stat().st_size for file in folder.glob("c.*"))
    assert stored < 1.02 * np.packbits(fires).nbytes
    with saegeom_data.open(tmp_path / "a.zarr") as tree:
        np.testing.assert_array_equal(tree["saes/a/occurrence/occurrence"].values, fires)


@pytest.mark.parametrize("labels", [np.array(["a", "", "héé\nb", "x" * 300]), ["a", "", "héé\nb", "x" * 300]])
@pytest.mark.parametrize("chunked", [False, True])
def test_text_is_stored_with_variable_length(tmp_path: Path, labels: object, chunked: bool) -> None:
    types = xr.Dataset(
        {
            "document_id": ("documents", np.array(labels, dtype=object)),
            "document_type": ("documents", np.asarray(labels)),
        }
    )
    assert types.document_type.dtype.kind == "U"
    written(tmp_path / "a.zarr", {"documents": types.chunk(documents=3) if chunked else types})
    for name in ("document_id", "document_type"):
        metadata = json.loads((tmp_path / "a.zarr/documents" / name / "zarr.json").read_text())
        assert metadata["data_type"] == "string"
        assert metadata["codecs"][0]["name"] == "vlen-utf8"
    with saegeom_data.open(tmp_path / "a.zarr") as tree:
        assert tree["documents/document_type"].values.tolist() == list(labels)
        assert tree["documents/document_id"].dtype.kind in "OT"


def test_labels_that_are_no_text_are_refused(tmp_path: Path) -> None:
    data = xr.Dataset({name: ("documents", np.array(["a", None], object)) for name in ("document_id", "document_type")})
    with pytest.raises(errors.ValidationError, match=r"/documents/document_id: .* not text"):
        written(tmp_path / "a.zarr", {"documents": data})
    assert not list(tmp_path.iterdir())


def test_plural_dimensions_can_be_chunked_by_keyword(tmp_path: Path) -> None:
    written(tmp_path / "a.zarr", {"activations/x": activations(10, 4)})
    with saegeom_data.open(tmp_path / "a.zarr") as tree:
        dataset = tree["activations/x"].to_dataset(inherit=False)
        assert dataset.chunk(tokens=3).chunks["tokens"] == (3, 3, 3, 1)


def test_scalars_empty_arrays_and_attributes_come_back(tmp_path: Path) -> None:
    sae = features(np.zeros((0, 4), "float32")).assign_attrs(fvu=np.float64(0.25), seeds=[1, 2], nested={"a": [1]})
    written(tmp_path / "a.zarr", {"saes/a/features": sae})
    with saegeom_data.open(tmp_path / "a.zarr") as tree:
        found = tree["saes/a/features"].to_dataset(inherit=False)
        xr.testing.assert_equal(found.compute(), sae.assign_coords(site=found.site))
        assert found.coords["site"].item() == "hidden_state_3"
        assert (found.attrs["fvu"], found.attrs["seeds"], found.attrs["nested"]) == (0.25, [1, 2], {"a": [1]})


def test_encoding_left_by_another_store_does_not_leak_in(tmp_path: Path) -> None:
    data = activations(100, 4).chunk(tokens=7)
    data["activation"].encoding = {"chunks": (7, 4), "shards": None, "_FillValue": -1.0}
    written(tmp_path / "a.zarr", {"activations/x": data})
    written(tmp_path / "b.zarr", {"activations/x": activations(100, 4)})
    assert manifest_of.root_hash(tmp_path / "a.zarr") == manifest_of.root_hash(tmp_path / "b.zarr")


# Same bytes every time


@settings(max_examples=4)
@given(data=st.data())
def test_bytes_do_not_depend_on_chunking(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("roots")
    tree = simulate_store(n_saes=1, n_features=60, n_hidden=8, n_blocks=30)
    chunks = {dim: data.draw(st.integers(1, 40), dim) for dim in ("features", "hidden", "blocks", "pairs", "documents")}
    chunked = tree.map_over_datasets(
        lambda group: group.chunk({dim: size for dim, size in chunks.items() if dim in group.dims})
    )
    assert write.write_tree(tree, folder / "a.zarr") == write.write_tree(chunked, folder / "b.zarr")
    shutil.rmtree(folder)


def test_many_shards_are_byte_identical_however_they_were_chunked(
    large: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    path, decoder = large
    assert written(tmp_path / "again.zarr", {"saes/a/features": features(decoder)}) == manifest_of.root_hash(path)


def test_bytes_do_not_depend_on_the_process(tmp_path: Path, simulated_store: Path) -> None:
    code = (
        "import sys; from saegeom_data.data import write; from saegeom_data.testing import simulate;"
        "print(write.write_tree(simulate.simulate_store(n_saes=2), sys.argv[1]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.zarr")],
        env=os.environ | {"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == manifest_of.root_hash(simulated_store)


def test_root_hash_is_of_names_sizes_and_checksums_of_all_files(simulated_store: Path) -> None:
    lines = []
    for file in sorted(simulated_store.rglob("*"), key=lambda path: path.relative_to(simulated_store).as_posix()):
        if file.is_file() and file.name != "MANIFEST.json":
            content = file.read_bytes()
            name = file.relative_to(simulated_store).as_posix()
            lines.append(f"{hashlib.sha256(content).hexdigest()} {len(content)} {name}\n")
    assert manifest_of.root_hash(simulated_store) == hashlib.sha256("".join(lines).encode()).hexdigest()


# Damage


def remove_shard(path: Path) -> str:
    (path / "saes/layer_0/features/decoder/c.0.0").unlink()
    return "saes/layer_0/features/decoder/c.0.0: missing file, listed in the manifest; fetch it again"


def truncate(path: Path) -> str:
    file = path / "saes/layer_0/features/decoder/c.0.0"
    size = file.stat().st_size
    os.truncate(file, size - 1)
    return f"saes/layer_0/features/decoder/c.0.0: got {size - 1} bytes, expected {size}; fetch it again"


def add_file(path: Path) -> str:
    (path / "saes/notes.txt").write_text("mine")
    return "saes/notes.txt: file not listed in the manifest; remove it"


def add_link(path: Path) -> str:
    (path / "documents/link").symlink_to("/etc/hostname")
    return "documents/link: link, expected a file; replace it with the file itself"


def replace_by_link(path: Path) -> str:
    file = path / "saes/layer_0/features/decoder/c.0.0"
    shutil.move(file, path.parent / "elsewhere")
    file.symlink_to(path.parent / "elsewhere")
    return "saes/layer_0/features/decoder/c.0.0: link, expected a file; replace it with the file itself"


@pytest.mark.parametrize("damage", [remove_shard, truncate, add_file, add_link, replace_by_link])
def test_store_that_disagrees_with_its_manifest_is_refused(sealed: Path, damage: Callable[[Path], str]) -> None:
    message = damage(sealed)
    assert [str(problem) for problem in manifest_of.manifest_problems(sealed)] == [message]
    with pytest.raises(errors.StoreError) as refused:
        saegeom_data.open(sealed)
    assert str(refused.value) == f"{sealed}: {message}"


def test_every_damaged_file_is_named_at_once(sealed: Path) -> None:
    expected = {remove_shard(sealed), add_file(sealed)}
    assert {str(problem) for problem in manifest_of.manifest_problems(sealed)} == expected


@settings(max_examples=12)
@given(position=st.integers(0, 10**9), which=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_checksums_find_any_flipped_bit(
    simulated_store: Path, tmp_path_factory: pytest.TempPathFactory, position: int, which: int, bit: int
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    path = Path(shutil.copytree(simulated_store, folder / "copy.zarr"))
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != MANIFEST)
    file = files[which % len(files)]
    content = bytearray(file.read_bytes())
    content[position % len(content)] ^= 1 << bit
    file.write_bytes(content)
    name = file.relative_to(path).as_posix()
    assert [problem.where for problem in manifest_of.manifest_problems(path, checksums=True)] == [name]
    assert manifest_of.manifest_problems(path) == []
    with pytest.raises(errors.StoreError, match="sha256 differs from the manifest"):
        saegeom_data.open(path, verify="checksums")
    shutil.rmtree(folder)


def test_intact_store_passes_checksums(simulated_store: Path) -> None:
    with saegeom_data.open(simulated_store, verify="checksums") as tree:
        assert tree.attrs["title"] == "Simulated store"


def test_missing_manifest_is_refused(sealed: Path) -> None:
    (sealed / MANIFEST).unlink()
    with pytest.raises(errors.StoreError, match=r"MANIFEST\.json: no manifest, so the store was never finished"):
        saegeom_data.open(sealed)
    with saegeom_data.open(sealed, verify="none") as tree:
        assert "saes" in tree.children


def change_root(manifest: dict) -> object:
    return manifest | {"root": "0" * 64}


def change_size(manifest: dict) -> object:
    name = next(iter(manifest["files"]))
    return manifest | {"files": manifest["files"] | {name: {**manifest["files"][name], "size": 1}}}


@pytest.mark.parametrize(
    "change",
    [
        change_root,
        change_size,
        lambda _: [],
        lambda _: {},
        lambda m: {**m, "files": 3},
        lambda m: {**m, "files": {"a": 1}},
    ],
)
def test_changed_manifest_is_refused(sealed: Path, change: Callable[[dict], object]) -> None:
    file = sealed / MANIFEST
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(errors.StoreError, match="damaged manifest") as refused:
        saegeom_data.open(sealed)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{", b"[" * 100_000, b'"text"'])
def test_unreadable_manifest_is_refused(sealed: Path, content: bytes) -> None:
    (sealed / MANIFEST).write_bytes(content)
    with pytest.raises(errors.StoreError, match="damaged manifest"):
        saegeom_data.open(sealed)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"zarr_format": 3, "node_type": "group", "attributes": 5}'])
def test_unreadable_metadata_is_one_clear_line(sealed: Path, content: bytes) -> None:
    (sealed / "zarr.json").write_bytes(content)
    with pytest.raises(errors.StoreError, match="cannot be read as a zarr store|not a zarr v3 store") as refused:
        saegeom_data.open(sealed, verify="none")
    assert len(str(refused.value).splitlines()) == 1


def test_pairs_that_are_not_those_of_the_words_are_one_clear_line(tmp_path: Path) -> None:
    tree = simulate_store(n_saes=1)
    words, site = (tree[path].to_dataset(inherit=False) for path in ("relations", "relations/hidden_state_0"))
    written(tmp_path / "a.zarr", {"relations": words, "relations/hidden_state_0": site.isel(pairs=slice(7))})
    message = "group '/relations/hidden_state_0' is not aligned with its parents; restore it from its source"
    with pytest.raises(errors.StoreError, match=message):
        saegeom_data.open(tmp_path / "a.zarr")


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("")
    for path, message in [
        (tmp_path / "absent", "no such store"),
        (tmp_path, "not a zarr v3 store"),
        (tmp_path / "file.txt", "not a zarr v3 store"),
    ]:
        with pytest.raises(errors.StoreError, match=message):
            saegeom_data.open(path)
        with pytest.raises(errors.StoreError, match=message):
            store.open_unchecked(path)


def test_store_that_breaks_the_format_is_refused_with_every_problem(tmp_path: Path) -> None:
    tree = simulate_store(n_saes=1)
    attrs = {name: value for name, value in tree.attrs.items() if name != "license"}
    with write.staged(tmp_path / "a.zarr") as folder:
        xr.Dataset(attrs=attrs).to_zarr(folder, mode="a", zarr_format=3, consolidated=False)
        write.write_group(folder, "other", xr.Dataset({"x": ("y", [1.0])}))
    with pytest.raises(errors.ValidationError) as refused:
        saegeom_data.open(tmp_path / "a.zarr")
    assert [problem.where for problem in refused.value.problems] == ["/@license", "/other"]


# Writers that fail, race or are killed


def test_exception_in_the_block_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with write.staged(tmp_path / "a.zarr") as folder:
            write.write_group(folder, "/", xr.Dataset(attrs=ROOT))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not list(tmp_path.iterdir())


def test_group_that_breaks_its_declaration_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(errors.ValidationError, match="/activations/x/activation: got dims"):
        written(tmp_path / "a.zarr", {"activations/x": activations(4, 3).rename(tokens="token")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("disguise", [None, "c.9.0", "c.0.0.partial"])
def test_holes_are_refused_when_sealing(tmp_path: Path, disguise: str | None) -> None:
    def cut_short() -> None:
        with write.staged(tmp_path / "a.zarr") as folder:
            write.write_group(folder, "/", xr.Dataset(attrs=ROOT))
            write.write_group(folder, "activations/x", activations(10, 4))
            (folder / "activations/x/activation/c.0.0").unlink()
            if disguise:
                (folder / "activations/x/activation" / disguise).write_bytes(b"")

    message = "/activations/x/activation: got 0 chunks, expected 1; the write was cut short, start it again"
    with pytest.raises(errors.StoreError) as refused:
        cut_short()
    assert str(refused.value) == message
    assert not list(tmp_path.iterdir())


def test_chunks_of_zeros_are_written_too(tmp_path: Path) -> None:
    pairs = xr.zeros_like(activations(10, 4))
    written(tmp_path / "a.zarr", {"activations/x": pairs, "activations/y": pairs.chunk(tokens=3)})
    empty = {"document": ("blocks", np.zeros(5, "int32")), "document_type": ("blocks", np.full(5, "", object))}
    fires = {"occurrence": (("blocks", "features"), np.zeros((5, 3), bool))}
    data = xr.Dataset(fires | empty, attrs={"threshold": 0, "block_length": 4})
    written(tmp_path / "b.zarr", {"saes/a/occurrence": data})
    for file in ("a.zarr/activations/x/activation/c.0.0", "a.zarr/activations/y/activation/c.0.0"):
        assert (tmp_path / file).is_file()
    assert (tmp_path / "b.zarr/saes/a/occurrence/occurrence/c.0.0").is_file()
    assert (tmp_path / "b.zarr/saes/a/occurrence/document/c.0").is_file()


def test_existing_target_is_left_alone(simulated_store: Path, tmp_path: Path) -> None:
    root = manifest_of.root_hash(simulated_store)
    with pytest.raises(errors.TargetExistsError, match="exists already; give another path or remove it first"):
        written(simulated_store, {})
    assert manifest_of.root_hash(simulated_store) == root
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(errors.TargetExistsError):
        written(tmp_path / "dangling", {})
    assert [path.name for path in tmp_path.iterdir()] == ["dangling"]


def test_target_that_appears_meanwhile_wins(tmp_path: Path) -> None:
    def overtaken() -> None:
        with write.staged(tmp_path / "a.zarr") as folder:
            write.write_group(folder, "/", xr.Dataset(attrs=ROOT))
            written(tmp_path / "a.zarr", {"activations/x": activations(3, 2)})

    with pytest.raises(errors.TargetExistsError):
        overtaken()
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
    assert manifest_of.manifest_problems(tmp_path / "a.zarr", checksums=True) == []
    with saegeom_data.open(tmp_path / "a.zarr") as tree:
        assert "activations" in tree.children


def test_empty_folder_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    def overtaken() -> None:
        with write.staged(tmp_path / "a.zarr") as folder:
            write.write_group(folder, "/", xr.Dataset(attrs=ROOT))
            (tmp_path / "a.zarr").mkdir()

    with pytest.raises(errors.TargetExistsError):
        overtaken()
    assert list(tmp_path.rglob("*")) == [tmp_path / "a.zarr"]


def test_target_below_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.StoreError, match="is a file, in which no other can be made; give another path"):
        written(tmp_path / "file/a.zarr", {})


def test_full_disk_is_one_clear_line_and_leaves_nothing(tmp_path: Path) -> None:
    code = """
import resource, signal, sys
import numpy as np, xarray as xr
from saegeom_data import errors
from saegeom_data.data import write
values = np.random.default_rng(0).standard_normal((4000, 64))
data = xr.Dataset({"activation": (("tokens", "hidden"), values)}, attrs={"model": "m", "source_dtype": "float64"})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    with write.staged(sys.argv[1]) as folder:
        write.write_group(folder, "activations/x", data)
except errors.StoreError as error:
    print(error)
"""
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.zarr")], capture_output=True, text=True, check=True
    )
    assert "File too large; nothing was kept, make room and start again" in found.stdout
    assert not list(tmp_path.iterdir())


SLOW_WRITER = """
import sys, time
import dask.array as da, numpy as np, xarray as xr
from saegeom_data.data import write

def slow(block):
    time.sleep(0.05)
    return block

write._CHUNK_BYTES, write._SHARD_BYTES = 2**14, 2**16  # many small shards
values = da.ones((24 * 8192, 2), chunks=(8192, 2), dtype="float32").map_blocks(slow, dtype="float32")
data = xr.Dataset({"activation": (("tokens", "hidden"), values)}, attrs={"model": "m", "source_dtype": "float32"})
print("ready", flush=True)
with write.staged(sys.argv[1]) as folder:
    write.write_group(folder, "/", xr.Dataset(attrs={"format_version": 1, "title": "t", "license": "l"}))
    for site in "abc":
        write.write_group(folder, f"activations/{site}", data)
        print("group", flush=True)
print("done", flush=True)
"""


# Tests of reliability kill writers at any time; these die in the first group, in the second, and after the last.
@pytest.mark.parametrize(("groups", "delay"), [(0, 0.2), (1, 0.1), (3, 0.01), *[(0, 0.0), (3, 0.0)] * SOAK])
def test_killed_writer_leaves_only_its_staging_folder_until_the_next(tmp_path: Path, groups: int, delay: float) -> None:
    target = tmp_path / "a.zarr"
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_WRITER, str(target)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        for _ in range(groups):
            assert writer.stdout.readline() == "group\n"
        deadline = time.monotonic() + 10
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
    left = [path.name for path in tmp_path.iterdir()]
    if writer.returncode == 0 or target.exists():
        assert left == ["a.zarr"]
        assert manifest_of.manifest_problems(target, checksums=True) == []
        return
    assert writer.returncode == -signal.SIGKILL
    (staging,) = left
    assert staging.startswith("a.zarr.staging-")
    with pytest.raises(errors.StoreError, match="no such store"):
        saegeom_data.open(target)
    with pytest.raises(errors.StoreError, match=r"no manifest|not a zarr v3 store"):
        saegeom_data.open(tmp_path / staging)
    written(target, {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"], "what was left goes"


WRITER = """
import sys, time
import numpy as np, xarray as xr
from saegeom_data import errors
from saegeom_data.data import write
data = xr.Dataset({"activation": (("tokens", "hidden"), np.full((5, 2), float(sys.argv[2])))},
                  attrs={"model": "m", "source_dtype": "float64"})
try:
    with write.staged(sys.argv[1]) as folder:
        print("inside", flush=True)
        sys.stdin.readline()
        write.write_group(folder, "/", xr.Dataset(attrs={"format_version": 1, "title": "t", "license": "l"}))
        write.write_group(folder, "activations/x", data)
    print("won")
except errors.TargetExistsError as error:
    print("lost", error)
"""


def test_of_two_writers_one_wins_and_the_target_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.zarr"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(target), str(number)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(2)
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "inside\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    outcomes = [writer.communicate()[0].split()[0] for writer in writers]
    assert sorted(outcomes) == ["lost", "won"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
    with saegeom_data.open(target, verify="checksums") as tree:
        assert (tree["activations/x/activation"].values == outcomes.index("won")).all()


def test_staged_folder_is_renamed_only_at_the_end(tmp_path: Path) -> None:
    with staging.staged_folder(tmp_path / "deep/er/out") as folder:
        (folder / "file").write_text("x")
        assert not (tmp_path / "deep/er/out").exists()
    assert [path.name for path in (tmp_path / "deep/er").iterdir()] == ["out"]


def test_staging_folders_of_killed_writers_go_and_those_at_work_stay(tmp_path: Path) -> None:
    left, at_work, other = (tmp_path / f"out.staging-{end}" for end in ("a" * 8, "b" * 8, "mine"))
    for folder in (left, at_work, other):
        (folder / "out").mkdir(parents=True)
    lock = staging.lock_folder(at_work)
    with pytest.raises(BlockingIOError):
        staging.lock_folder(at_work)
    with staging.staged_folder(tmp_path / "out") as content:
        assert not left.exists()
        with pytest.raises(BlockingIOError):
            staging.lock_folder(content.parent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", at_work.name, other.name]
    assert list((tmp_path / "out").iterdir()) == [], "the lock does not come along"
    assert lock is not None
    lock.release()
    with staging.staged_folder(tmp_path / "other" / ".." / "out.zarr"):
        assert at_work.exists(), "of another target"


def test_a_lock_ends_with_the_process_that_holds_it(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from saegeom_data.data import staging;"
        "lock = staging.lock_folder(Path(sys.argv[1])); print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(BlockingIOError):
            staging.lock_folder(tmp_path)
        holder.send_signal(signal.SIGKILL)
    lock = staging.lock_folder(tmp_path)
    assert lock is not None
    lock.release()


def test_nothing_is_written_inside_a_sealed_store(sealed: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(sealed / "saes")
    for target in (sealed / "b.zarr", sealed / "saes" / "deep" / "b.zarr", tmp_path / "link" / "b.zarr"):
        with pytest.raises(errors.StoreError, match=r"b\.zarr: lies inside the store .*; give a path outside"):
            written(target, {})
    assert manifest_of.manifest_problems(sealed) == []
    (tmp_path / "MANIFEST.json").write_text("{}")  # of something else
    written(tmp_path / "b.zarr", {})


# The sample


def test_sample_is_a_sealed_valid_store(sample: xr.DataTree) -> None:
    assert manifest_of.manifest_problems(saegeom_data.sample_path(), checksums=True) == []
    assert len(sample["saes"].children) == 7


def test_chunks_that_come_in_late_do_not_bring_a_failed_store_back(tmp_path: Path) -> None:
    def write_on(folder: Path) -> None:
        for number in range(30):
            # mkdir raises FileExistsError too: for a folder that went between its making and the look at it.
            with contextlib.suppress(FileNotFoundError, FileExistsError):
                folder.mkdir(exist_ok=True)
                (folder / f"c.{number}").write_bytes(b"late")
            time.sleep(0.01)

    def fail() -> None:
        with write.staged(tmp_path / "a.zarr") as folder:
            writers.append(threading.Thread(target=write_on, args=(folder,)))
            writers[0].start()
            raise RuntimeError

    writers: list[threading.Thread] = []
    with pytest.raises(RuntimeError):
        fail()
    writers[0].join()
    assert list(tmp_path.iterdir()) == []


def test_what_systems_leave_in_folders_does_not_matter(simulated_store: Path, tmp_path: Path) -> None:
    shutil.copytree(simulated_store, tmp_path / "a.zarr")
    for name in (".DS_Store", "saes/.DS_Store", "saes/layer_0/Thumbs.db", "saes/._zarr.json", "desktop.ini"):
        (tmp_path / "a.zarr" / name).write_bytes(b"\0")
    root = manifest_of.root_hash(simulated_store)
    for verify in ("sizes", "checksums", "none"):
        with saegeom_data.open(tmp_path / "a.zarr", verify=verify) as tree:
            tree.load()
    (tmp_path / "a.zarr" / MANIFEST).unlink()
    assert write.seal(tmp_path / "a.zarr") == root


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.html"
    file.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        staging.write_file(file, "new \ud800")
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(errors.StoreError, match=r"a\.html: cannot be written: No space left on device; .*make room"):
        staging.write_file(file, "new")
    assert (file.read_text(), [*tmp_path.iterdir()]) == ("old", [file])
    monkeypatch.undo()
    for target, why in ((tmp_path / "none" / "a.html", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(errors.StoreError, match=f"cannot be written: {why}"):
            staging.write_file(target, "new")
    (tmp_path / "link").symlink_to(file)
    staging.write_file(tmp_path / "link", "new")
    assert (file.read_text(), (tmp_path / "link").is_symlink()) == ("new", True)
