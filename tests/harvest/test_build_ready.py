"""Builds with ready SAEs: mistakes, stops, and stages that are made again when something under them has changed."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("datasets")


from tiny_models import (
    full,
    made,
    note_source,
    plain,
    sentence,
    text,
    write_model,
    write_notes,
    write_sae,
)

import saegeom_data
from saegeom_data.data.manifest_of import root_hash
from saegeom_data.errors import DataValueError, ParameterError, SaegeomError, StoreError

MISTAKES: dict[str, tuple[dict[str, Any], type[SaegeomError], str]] = {
    "site": (
        {"saes": [{"address": "saes", "model": "llama", "site": "blocks.1.hook_resid_pst"}]},
        ParameterError,
        r"'blocks.1.hook_resid_pst'.*did you mean 'blocks\.1\.hook_resid_post'",
    ),
    "column": ({"sources": [text(text="txet")]}, DataValueError, r"no column 'txet'; did you mean 'text'\?"),
    "no file": ({"sources": [text(files=["none.jsonl"])]}, StoreError, r"none\.jsonl: no such file.*check its files"),
    "no words": ({"sources": [text() | {"documents": 1}], "sequences": {"length": 60}}, DataValueError, "shorten"),
    "width": ({"saes": [{"address": "saes", "width": 41}]}, DataValueError, "got 40 features, expected 41"),
    "no SAE": ({"saes": [{"address": "none"}]}, StoreError, "no such file or folder"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_clear_line_for_a_mistake(folder: Path, tmp_path: Path, mistake: str) -> None:
    keys, error, message = MISTAKES[mistake]
    with pytest.raises(error, match=message) as caught:
        made(full(**keys), folder, tmp_path / "store.zarr")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "store.zarr").exists()


# Each build in a process of its own, forked from one that has imported everything: that takes longer than a build.
BUILDS = """
import json, os, signal, sys
from pathlib import Path
import dask, datasets, torch, transformers.models.llama
from saegeom_data import lazy
from saegeom_data.data import occurrence, write
from saegeom_data.data.text import text_blocks
from saegeom_data.harvest import Recipe, build

def killed(value, target, folder, fatal):
    replace = Path.replace
    def fall(self, other):
        # Before the rename, with all bytes written: a file that is not yet there must be made again.
        if Path(other).name == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(self, other)
    Path.replace = fall
    def progress(message):
        if message.startswith(fatal):
            os.kill(os.getpid(), signal.SIGKILL)
    build(Recipe.model_validate(value), target, spec_folder=folder, progress=progress)

def peak(value, target, folder):
    write._CHUNK_BYTES, write._SHARD_BYTES = 2**17, 2**19
    text_blocks._TOKENS_AT_ONCE = occurrence._ENTRIES_AT_ONCE = 2**14
    dask.config.set({lazy.BLOCK_BYTES: 2**19, "scheduler": "synchronous"})
    build(Recipe.model_validate(value), target, spec_folder=folder)
    # Not getrusage, whose peak begins with that of the process that started this one.
    kilobytes = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(int(kilobytes) * 1024, flush=True)

for line in sys.stdin:
    job, *arguments = json.loads(line)
    child = os.fork()
    if not child:
        globals()[job](*arguments)
        os._exit(0)
    print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def builds() -> Iterator[Callable[..., tuple[int, str]]]:
    """Do a job in a process of its own: its status, and what it printed."""
    # One arena: what an allocator keeps back differs from run to run.
    environment = os.environ | {"MALLOC_ARENA_MAX": "1"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", BUILDS], env=environment, **pipes) as process:

        def run(job: str, *arguments: Any) -> tuple[int, str]:
            assert process.stdin is not None
            assert process.stdout is not None
            print(json.dumps([job, *arguments], default=str), file=process.stdin, flush=True)
            printed = ""
            while not (line := process.stdout.readline()).startswith("ended"):
                assert line, "the process from which builds are forked has ended"
                printed += line
            return int(line.split()[1]), printed

        yield run
        process.stdin.close()


@pytest.mark.slow
def test_a_killed_build_goes_on_from_finished_shards_to_the_same_root(
    builds: Callable[..., tuple[int, str]], folder: Path, built: Path, tmp_path: Path
) -> None:
    target, work = tmp_path / "again.zarr", tmp_path / "again.zarr.work"
    for fatal in ("sequences-000001.npz", "codes-000001.npz", "store: writing"):
        assert builds("killed", full(), target, folder, fatal) == (-signal.SIGKILL, "")
        assert not target.exists()
    finished = {file: file.stat().st_mtime_ns for file in work.rglob("*-00000?.npz")}
    assert len(finished) == 4
    made(full(), folder, target, work=work)
    assert {file: file.stat().st_mtime_ns for file in finished} == finished
    assert root_hash(target) == root_hash(built)


def test_activations_alone_are_kept_and_read_again(folder: Path, tmp_path: Path) -> None:
    value = full(saes=None, occurrence=None, cooccurrence=False, untrained=False)
    store = made(value, folder, tmp_path / "alone.zarr")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["alone.zarr"]
    with saegeom_data.open(store) as tree, saegeom_data.open(made(full(), folder, tmp_path / "whole.zarr")) as whole:
        assert set(tree.children) == {"activations", "documents", "tokens"}
        for name in tree.children:
            for node in tree[name].subtree:
                assert node.to_dataset(inherit=False).equals(whole[node.path].to_dataset(inherit=False))
        rows = np.concatenate(list(saegeom_data.batches(tree, "hidden_state_1", batch_size=64)))
    assert len(rows) > 0
    with pytest.raises(ValueError, match="activations.keep stores what is at activations.sites: name at least one"):
        made(value | {"activations": {"keep": True}}, folder, tmp_path / "none.zarr")


def test_paths_of_a_spec_are_relative_to_it_and_no_folder_of_the_machine_is_stored(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rooted = {"name": "llama", "path": "{models}/llama"}
    absolute = full(saes=[{"address": str(folder / "saes"), "model": "llama"}])
    absolute |= {"model": {"name": "llama", "path": str(folder / "llama")}}
    absolute |= {"sources": [text(files=[str(folder / "documents.jsonl")])]}
    stores = [
        made(full(), folder, tmp_path / "a.zarr"),
        made(full(model=rooted), folder, tmp_path / "b.zarr", roots={"models": folder}),
        made(absolute, folder, tmp_path / "c.zarr"),
    ]
    for store in stores:
        for file in (store / "README.md", store / "MANIFEST.json", *store.rglob("zarr.json")):
            assert str(folder) not in file.read_text()
    assert root_hash(stores[0]) == root_hash(stores[2])
    for path in (str(folder / "none"), "./none", "{models}/none", "saes/none", "a/b/c"):
        with pytest.raises(StoreError, match=r"no such folder, expected the files of the model; check model\.path"):
            made(full(model={"name": "llama", "path": path}), folder, tmp_path / "d.zarr", roots={"models": folder})


def test_another_root_gives_another_text(folder: Path, tmp_path: Path) -> None:
    roots = [write_notes(tmp_path / name, word) for name, word in (("a", "winter"), ("b", "silver"))]
    os.utime(roots[0] / "a.txt", ns=(0, (roots[1] / "a.txt").stat().st_mtime_ns))
    value, work = plain(), tmp_path / "work"
    first, second = (
        root_hash(made(value, folder, tmp_path / f"{root.name}.zarr", work=work, roots={"corpora": root}))
        for root in roots
    )
    fresh = made(value, folder, tmp_path / "fresh.zarr", roots={"corpora": roots[1]})
    assert first != second == root_hash(fresh)


@pytest.mark.parametrize("kind", ["folder", "archive", "dataset"])
def test_a_changed_file_gives_another_text(folder: Path, tmp_path: Path, kind: str) -> None:
    def write(word: str) -> None:
        write_notes(tmp_path / "notes", word)
        with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
            archive.write(tmp_path / "notes" / "a.txt", "a.txt")

    dataset = {"path": "text", "files": ["{corpora}/notes/*.txt"]}
    where = {"folder": "{corpora}/notes", "archive": "{corpora}/notes.zip", "dataset": dataset}
    value = plain() | {"sources": [note_source(**{kind: where[kind]})]}
    options = {"roots": {"corpora": tmp_path}}
    hashes = []
    for word in ("winter", "winter shadow"):
        write(word)
        resumed = made(value, folder, tmp_path / f"{word}.zarr", work=tmp_path / "work", **options)
        hashes.append(root_hash(resumed))
    assert hashes[0] != hashes[1] == root_hash(made(value, folder, tmp_path / "fresh.zarr", **options))


def test_changed_weights_of_the_model_give_other_codes(folder: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "llama", "llama")
    value = plain(model={"name": "llama", "path": str(tmp_path / "llama")})
    options = {"roots": {"corpora": write_notes(tmp_path / "notes", "winter")}}
    before = root_hash(made(value, folder, tmp_path / "before.zarr", work=tmp_path / "work", **options))
    model = transformers.AutoModel.from_pretrained(tmp_path / "llama")
    with torch.no_grad():
        model.embed_tokens.weight.mul_(3)
    model.save_pretrained(tmp_path / "llama")
    after = root_hash(made(value, folder, tmp_path / "after.zarr", work=tmp_path / "work", **options))
    assert after != before
    assert after == root_hash(made(value, folder, tmp_path / "fresh.zarr", **options))


@pytest.mark.parametrize("drawn", [False, True])
def test_a_source_is_unpacked_inside_the_work_folder_whatever_its_name(
    folder: Path, tmp_path: Path, drawn: bool
) -> None:
    outside = tmp_path / "outside"
    value = plain() | {"sources": [note_source(folder="{corpora}") | {"name": str(outside)}]}
    if drawn:
        value["sequences"] = {"length": 4, "per_type": 2}
    made(value, folder, tmp_path / "a.zarr", roots={"corpora": write_notes(tmp_path / "notes", "winter")})
    assert not outside.exists()


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "absent": (shutil.rmtree, "no such folder"),
    "empty": (lambda model: [file.unlink() for file in model.iterdir()], "the tokenizer cannot be loaded"),
    "configuration": (lambda model: (model / "config.json").write_text("{"), "cannot be loaded: .*not a valid JSON"),
    "weights": (lambda model: os.truncate(model / "model.safetensors", 500), "the model cannot be loaded"),
    "tokenizer": (lambda model: (model / "tokenizer.json").unlink(), "the tokenizer"),
}


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_is_one_line(folder: Path, tmp_path: Path, damage: str, kind: str) -> None:
    change, message = DAMAGES[damage]
    shutil.copytree(folder / kind, tmp_path / kind)
    change(tmp_path / kind)
    value = plain(model={"name": kind, "path": str(tmp_path / kind)}, saes=[{"address": "saes", "model": kind}])
    with pytest.raises(SaegeomError, match=message) as caught:
        made(value, folder, tmp_path / "a.zarr", roots={"corpora": write_notes(tmp_path / "notes", "winter")})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", ["nonsense", "meta"])
def test_a_device_that_is_none_is_refused_before_anything_starts(folder: Path, tmp_path: Path, device: str) -> None:
    with pytest.raises(ParameterError, match=f"device: got '{device}', which torch cannot use here") as caught:
        made(full(), folder, tmp_path / "a.zarr", device=device)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_work_folder_that_is_a_file_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "work").touch()
    with pytest.raises(StoreError, match=r"work: the work folder cannot be made: File exists; give another"):
        made(full(), folder, tmp_path / "a.zarr", work=tmp_path / "work")


def test_a_full_disk_is_one_line_and_what_is_finished_is_kept(
    folder: Path, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "store.zarr"

    savez = np.savez

    def fill(stream: Any, **arrays: Any) -> None:
        if "about" in arrays:
            savez(stream, **arrays)
            return
        stream.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", fill)
    with pytest.raises(StoreError, match="No space left on device; what is finished is kept") as caught:
        made(full(), folder, target)
    assert "\n" not in str(caught.value)
    assert not target.exists()
    monkeypatch.undo()
    assert root_hash(made(full(), folder, target)) == root_hash(built)


def test_progress_tells_rate_and_time_left(folder: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    made(full(), folder, tmp_path / "store.zarr", progress=lines.append)
    assert any(re.fullmatch(r"codes: 128 of 148 sequences, [\d.,e+]+ per second, \d+ s left", line) for line in lines)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
def test_memory_does_not_grow_with_the_corpus(builds: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    """Pieces are small, so that what grows with the corpus would show by more than its own size."""
    write_model(tmp_path / "llama", "llama")
    write_sae(tmp_path / "saes", 0, 10, features=512)
    draw, peaks, sizes = np.random.default_rng(0), [], []
    # Peaks differ by up to 30 MB from one build to the next of the same corpus: growth must stand out from that.
    for count in (300, 2000):
        rows = [{"text": sentence(draw, 150), "key": f"d{index}"} for index in range(count)]
        (tmp_path / f"{count}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        value = full(
            sources=[text(files=[f"{count}.jsonl"], document_type=None) | {"document_type": "note"}],
            sequences={"length": 128, "cut": "start", "prepend_bos": True},
            activations={"sites": ["hidden_state_1"], "batch_size": 32, "keep": True},
            occurrence={"threshold": 3.0, "block_length": 32},
            model={"name": "llama", "path": str(tmp_path / "llama")},
        )
        target = tmp_path / f"{count}.zarr"
        status, printed = builds("peak", value, target, tmp_path)
        assert status == 0
        peaks.append(int(printed))
        with saegeom_data.open(target) as built:
            sizes.append(sum(node.to_dataset(inherit=False).nbytes for node in built.subtree))
    assert sizes[1] - sizes[0] > 75e6
    assert peaks[1] - peaks[0] < 0.5 * (sizes[1] - sizes[0])
