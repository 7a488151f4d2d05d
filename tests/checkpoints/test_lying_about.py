"""Folders as trainers, caches and people leave them: what is asked for is read, what is passed over is said."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from saegeom_data.checkpoints import import_checkpoints, open_checkpoint, open_checkpoints
from saegeom_data.checkpoints.choose import training_key
from saegeom_data.errors import ParameterError, SaegeomError, StoreError

torch = pytest.importorskip("torch")

F, D = 12, 5
SAID: dict[str, Any] = {"model": "gpt2", "site": "blocks.6.hook_resid_post", "l0": 3, "architecture": "topk"}
ROWS = np.random.default_rng(0).standard_normal((F, D)).astype("float32")
Files = dict[str, Any]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
COMMIT, OLDER = "a" * 40, "b" * 40


def made(folder: Path, files: Files) -> Path:
    """Write files: bytes and text as they are, arrays and dictionaries in the format of the name, JSON of others."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        elif isinstance(content, bytes | str):
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        elif name.endswith((".pt", ".pth", ".bin")):
            torch.save(content, path)
        elif name.endswith(".npy"):
            np.save(path, content)
        elif name.endswith(".npz"):
            np.savez(path, **content)
        elif name.endswith(".safetensors"):
            save_file(content, path)
        else:
            path.write_text(json.dumps(content))
    return folder


def linked(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def tensors(**arrays: Any) -> dict[str, Any]:
    return {name.replace("_weight", ".weight"): torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}


SAE, OTHER = {"decoder": ROWS}, {"decoder": ROWS + 1}
LINEAR = tensors(encoder_weight=ROWS, decoder_weight=ROWS.T) | {"encoder.bias": torch.zeros(F), "b_dec": torch.zeros(D)}
LAYER_3 = {"layer": 3, "site": "blocks.{layer}.hook_resid_post"}
TOPK = {"trainer": {"dict_class": "AutoEncoderTopK", "k": 3, "layer": 4, "activation_dim": D, "dict_size": F}}
INDEX = {
    "metadata": {},
    "weight_map": {"decoder": "model-00002-of-00002.safetensors", "x": "model-00001-of-00002.safetensors"},
}
SHARDS: Files = {
    "model.safetensors.index.json": INDEX,
    "model-00001-of-00002.safetensors": {"x": ROWS[0]},
    "model-00002-of-00002.safetensors": {"decoder": ROWS},
}
RANDOM = {"python": random.Random(0).getstate(), "numpy": np.random.RandomState(0).get_state(), "cpu": torch.zeros(8)}
CACHE = "models--owner--gemma-scope-2b-pt-res"
SNAPSHOT = f"{CACHE}/snapshots/{COMMIT}/layer_3/params.safetensors"
CACHED: Files = {f"{CACHE}/blobs/abc": lambda path: save_file(SAE, path), SNAPSHOT: linked("../../../blobs/abc")}

# Files, what is asked for among them, options, and a line that says what is passed over; each gives ROWS.
READ: dict[str, tuple[Files, str, dict[str, Any], str]] = {
    "states by name": (
        {
            "sae.safetensors": SAE,
            "optimizer.pt": b"x",
            "rng_state_0.pth": RANDOM,
            "scheduler.pt": b"",
            "training_args.bin": b"x",
        },
        "",
        {},
        "optimizer.pt, .*rng_state_0.pth, .*scheduler.pt and 1 more: states of training",
    ),
    "states of sparsify": (
        {
            "layers.5/sae.safetensors": SAE,
            "state.pt": {"global_step": 1},
            "rank_0_state.pt": {},
            "optimizer_0.pt": b"x",
        },
        "",
        {},
        "states of training",
    ),
    "a list": ({"sae.safetensors": SAE, "losses.pt": [0.5]}, "", {}, "losses.pt: got a list, expected a dictionary"),
    "objects": ({"sae.safetensors": SAE, "numpy.pt": RANDOM}, "", {}, "numpy.pt: not weights that torch reads safely"),
    "other binaries": ({"sae.safetensors": SAE, "vocab.bin": b"xx"}, "", {}, "vocab.bin: not an archive of torch"),
    "other weights": (
        {"sae.safetensors": SAE, "head.safetensors": {"head": ROWS}},
        "",
        {},
        "head.safetensors: of no known",
    ),
    "other arrays": (
        {"sae.npy": ROWS, "labels.npy": np.arange(F), "names.npy": np.array(["a"]), "ids.npy": np.ones((4, 2), int)},
        "",
        {},
        "ids.npy, .*labels.npy, .*names.npy: of no known format",
    ),
    "files of systems": (
        {"sae.safetensors": SAE, "._sae.safetensors": b"x", ".no_exist/a.npz": b"", ".git/x.pt": b""},
        "",
        {},
        "",
    ),
    "a bare tensor": ({"sae.pt": torch.from_numpy(ROWS)}, "sae.pt", {}, ""),
    "a file of torch named .bin": ({"pytorch_model.bin": tensors(decoder=ROWS)}, "", {}, ""),
    "a nested dictionary": (
        {"sae.pt": {"epoch": 3, "state_dict": LINEAR, "optimizer": {"state": {0: torch.zeros(2)}}}},
        "sae.pt",
        {"key": "state_dict.decoder.weight"},
        "",
    ),
    "one thing in two forms": (
        {"model.safetensors": SAE, "pytorch_model.bin": tensors(decoder=ROWS + 1)},
        "",
        {},
        "pytorch_model.bin: the same in safetensors is read",
    ),
    "a form that is of no format": (
        {
            "ae.pt": LINEAR,
            "config.json": {"trainer": {"trainer_class": "TopKTrainer", "k": 3}},
            "ae.safetensors": {"x": ROWS},
        },
        "",
        {},
        "ae.safetensors: of no known format",
    ),
    "shards": (SHARDS, "", {}, ""),
    "shards by their index": (SHARDS, "model.safetensors.index.json", {}, ""),
    "shards without index": ({name: SHARDS[name] for name in list(SHARDS)[1:]}, "", {}, ""),
    "one shard": (SHARDS, "model-00002-of-00002.safetensors", {}, ""),
    "shards of torch": (
        {"pytorch_model.bin.index.json": {"weight_map": {"decoder": "a.bin"}}, "a.bin": tensors(decoder=ROWS)},
        "",
        {},
        "",
    ),
    "final of a training": (
        {"trainer_0/ae.pt": LINEAR, "trainer_0/config.json": TOPK, "trainer_0/checkpoints/ae_1000.pt": LINEAR},
        "trainer_0",
        {},
        "checkpoints/ae_1000.pt: earlier or other states of one training; give the path of one",
    ),
    "moment of a training": (
        {"trainer_0/config.json": TOPK, "trainer_0/checkpoints/ae_1000.pt": LINEAR},
        "trainer_0/checkpoints/ae_1000.pt",
        {},
        "",
    ),
    "final beside numbers": (
        {f"out/{name}/sae.safetensors": SAE if name == "final_900" else OTHER for name in ("100", "500", "final_900")},
        "out",
        {},
        "out/100/sae.safetensors, out/500/sae.safetensors: earlier",
    ),
    "best of sparsify": (
        {"layers.5/sae.safetensors": SAE, "best/layers.5/layers.5/sae.safetensors": OTHER},
        "",
        {},
        "best/layers.5/layers.5/sae.safetensors: earlier",
    ),
    "checkpoint-500": (
        {"sae.safetensors": SAE, "checkpoint-500/sae.safetensors": OTHER, "checkpoint-500/optimizer.pt": b""},
        "",
        {},
        "500",
    ),
    "a cache": (CACHED, CACHE, LAYER_3, ""),
    "a snapshot": (CACHED, f"{CACHE}/snapshots/{COMMIT}", LAYER_3, ""),
    "a file of a snapshot": (CACHED, SNAPSHOT, LAYER_3, ""),
    "two snapshots": (
        CACHED | {f"{CACHE}/snapshots/{OLDER}/layer_3/params.safetensors": OTHER, f"{CACHE}/refs/main": COMMIT},
        CACHE,
        {},
        "older snapshots; give the path of one",
    ),
    "a linked folder": ({"else/sae.safetensors": SAE, "here/layer": linked("../else")}, "here", {}, ""),
    "a link to a file beside": (
        {"run/a/sae.safetensors": SAE, "run/b.safetensors": linked("a/sae.safetensors")},
        "run",
        {},
        "",
    ),
    "links of git-annex": ({"run/.git/annex/x.npy": ROWS, "run/a.npy": linked(".git/annex/x.npy")}, "run", {}, ""),
    "a Linear alone": ({"dec.pt": tensors(weight=ROWS.T, bias=ROWS[0])}, "dec.pt", {"key": "weight"}, ""),
    "a link to the latest": (
        {"run/a/sae.safetensors": SAE, "run/latest": linked("a"), "run/self": linked(".")},
        "run",
        {},
        "",
    ),
    "brackets, spaces and unicode": ({"run [seed 1]/é*?.npy": ROWS}, "run [seed 1]/é*?.npy", {}, ""),
    "a fact by a name with brackets": ({"run [1]/a.npy": ROWS}, "run [1]", {"l0": {"run [1]/a.npy": 3}}, ""),
    "an array by its own name": ({"W_dec.npy": ROWS}, "W_dec.npy", {"key": "W_dec"}, ""),
    "unread kinds": ({"a.safetensors": SAE | {"ids": np.ones(2, "uint16"), "more": np.ones(2, "uint32")}}, "", {}, ""),
    "unread arrays": (
        {"a.npz": SAE | {"name": np.array("gpt2"), "when": np.array(["2024"], "datetime64[Y]")}},
        "",
        {},
        "",
    ),
    "unread tensors": (
        {"a.pt": tensors(decoder=ROWS) | {"mask": torch.ones(3, dtype=torch.int8)}},
        "",
        {"key": "decoder"},
        "",
    ),
    "a key among files without it": (
        {"a.safetensors": {"x": ROWS}, "b.safetensors": {"y": ROWS}},
        "",
        {"key": "x"},
        "b.safetensors",
    ),
}


@pytest.mark.parametrize("what", READ)
def test_what_is_asked_for_is_read(what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files, asked, options, line = READ[what]
    made(tmp_path, files)
    opened = open_checkpoints([tmp_path / asked], **SAID | options)
    (sae,) = opened["saes"].children.values()
    np.testing.assert_array_equal(sae["features"].decoder, ROWS)
    said = "\n".join(caplog.messages)
    assert re.search(line, said) if line else not said


# Files, what is asked for, options, and the line of the refusal.
REFUSED: dict[str, tuple[Files, str, dict[str, Any], str]] = {
    "a pointer of git-lfs": ({"a.safetensors": POINTER}, "", {}, "a.safetensors: a pointer of git-lfs .*git lfs pull"),
    "a pointer among files": ({"a.npz": SAE, "b.npz": POINTER}, "", {}, "b.npz: a pointer of git-lfs"),
    "an empty file": ({"a.npz": b"", "b.npz": SAE}, "", {}, "a.npz: is empty; fetch it again"),
    "a cut file": ({"a.npz": SAE, "b.safetensors": b"\x90\0\0\0\0\0\0\0{"}, "", {}, "b.safetensors: .*half-written"),
    "a list alone": ({"a.pt": [1]}, "", {}, "a.pt: got a list, expected a dictionary of named tensors"),
    "a missing shard": (
        {name: SHARDS[name] for name in list(SHARDS)[:2]},
        "",
        {},
        "index.json: decoder is in 'model-00002-of-00002.safetensors', which is not beside it; fetch it too",
    ),
    "a missing shard without index": (
        {"model-00002-of-00002.safetensors": SAE},
        "",
        {},
        "model-00001-of-00002.safetensors: not there, and .* is; fetch",
    ),
    "a shard without its key": (
        SHARDS | {"model-00002-of-00002.safetensors": {"y": ROWS}},
        "",
        {},
        "no decoder in it, which .*index.json places there",
    ),
    "an index out of its folder": (
        {"a.safetensors.index.json": {"weight_map": {"decoder": "../b.safetensors"}}},
        "",
        {},
        "which is not beside it",
    ),
    "an index of nothing": (
        {"a.safetensors.index.json": {"weight_map": []}},
        "",
        {},
        "no weight_map of keys and files",
    ),
    "moments alone": (
        {f"trainer_0/checkpoints/ae_{step}.pt": LINEAR for step in (10, 20, 30)} | {"trainer_0/config.json": TOPK},
        "trainer_0",
        {},
        r"got 3 moments of one training \(.*ae_10.pt.*none is named as its end; give the path of one",
    ),
    "moments in a folder below": (
        {f"checkpoints/abc/{step}/sae.safetensors": SAE for step in (10, 20)},
        "checkpoints/abc",
        {},
        r"got 2 moments of one training \(abc/10/sae.safetensors",
    ),
    "a whole module": (
        {"a.pt": lambda path: torch.save(torch.nn.Linear(F, D), path)},
        "",
        {},
        "it holds torch.nn.modules.linear.Linear; nothing in it was",
    ),
    "square matrices of nobody": (
        {"sae.pt": tensors(W_enc=ROWS[:D], W_dec=ROWS[:D], b_enc=ROWS[0], b_dec=ROWS[0])},
        "",
        {},
        "sae.pt: of no known format",
    ),
    "two snapshots, no reference": (
        CACHED | {f"{CACHE}/snapshots/{OLDER}/a.npz": SAE},
        CACHE,
        {},
        "got 2 snapshots .* and no refs/main",
    ),
    "a blob that is gone": (
        {SNAPSHOT: linked("../../../blobs/abc")},
        CACHE,
        {},
        "a link to ../../../blobs/abc, which is not there",
    ),
    "no encoder": ({"a.npy": ROWS}, "", {"encoder": True}, "a.npy: no encoder in it or beside it; leave out --encoder"),
    "key and format": (
        {"a.npz": SAE},
        "",
        {"key": "decoder", "format": "saelens"},
        "--key: is for plain arrays, and saelens",
    ),
    "key that is not there": (
        {"a.npz": {"rows": ROWS}},
        "",
        {"key": "row"},
        "no array in .*a.npz is named 'row'; did you mean 'rows'",
    ),
    "pattern that fits nothing": (
        {"a.npy": ROWS},
        "",
        {"l0": {"*": 3, "*/b.npy": 4}},
        r"--l0: '\*/b.npy' \(for 4\) fits none",
    ),
    "L0 above k": ({"ae.pt": LINEAR, "config.json": TOPK}, "", {"l0": 4}, "l0: got 4, and no more than k = 3 fire"),
    "k nowhere": (
        {"ae.pt": LINEAR, "config.json": {"trainer": {"dict_class": "AutoEncoderTopK"}}},
        "",
        {},
        "no k in it, nor as trainer.k",
    ),
    "two values of k": (
        {"ae.pt": LINEAR | {"k": torch.tensor(5)}, "config.json": TOPK},
        "",
        {},
        "k is 5, config.json says trainer.k 3",
    ),
    "no threshold": (
        {"ae.pt": LINEAR | {"k": torch.tensor(3)}, "config.json": {"trainer": {"dict_class": "BatchTopKSAE", "k": 3}}},
        "",
        {"encoder": True},
        "a BatchTopKSAE without the threshold by which it encodes.*import its decoder alone",
    ),
    "another size": (
        {"ae.pt": LINEAR, "config.json": {"trainer": TOPK["trainer"] | {"dict_size": 24}}},
        "",
        {},
        "expected 24 x 5 by config.json",
    ),
    "a decoder of int8": (
        {"a.npz": {"decoder": ROWS.astype("int8")}},
        "",
        {},
        "a.npz: decoder is of int8, expected floating",
    ),
    "an encoder of an unread kind": (
        {"a.safetensors": SAE | {"encoder": ROWS.astype("uint16")}},
        "",
        {"encoder": True},
        "a.safetensors: encoder is of uint16, expected floating",
    ),
    "a threshold of integers": (
        {"a.npz": SAE | {"encoder": ROWS, "threshold": np.ones(F, int)}},
        "",
        {"encoder": True},
        "threshold is of int64, expected",
    ),
    "a decoder of text": (
        {"a.npz": {"decoder": np.array([["a"]])}},
        "",
        {},
        "a.npz: decoder.npy: got dtype <U1, expected numbers",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    files, asked, options, line = REFUSED[what]
    made(tmp_path, files)
    with pytest.raises(SaegeomError, match=line) as caught:
        import_checkpoints([tmp_path / asked], tmp_path / "out.zarr", **SAID | options)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out.zarr").exists()


PIECES: dict[str, Files] = {
    "arrays": {"W_dec.npy": ROWS, "W_enc.npy": 2 * ROWS.T, "b_enc.npy": ROWS[:, 0], "b_dec.npy": ROWS[0]},
    "arrays with a prefix": {
        "l6_W_dec.npy": ROWS,
        "l6_W_enc.npy": 2 * ROWS.T,
        "l6_b_enc.npy": ROWS[:, 0],
        "l6_b_dec.npy": ROWS[0],
    },
    "turned": {"decoder.npy": ROWS.T, "encoder.npy": 2 * ROWS.T, "b_enc.npy": ROWS[:, 0], "b_dec.npy": ROWS[0]},
    "Linears": {
        "decoder.safetensors": {"weight": np.ascontiguousarray(ROWS.T), "bias": ROWS[0]},
        "encoder.safetensors": {"weight": 2 * ROWS, "bias": ROWS[:, 0].copy()},
    },
    "Linears of torch": {
        "decoder.pt": {"weight": torch.from_numpy(ROWS.T.copy()), "bias": torch.from_numpy(ROWS[0])},
        "encoder.pt": {"weight": torch.from_numpy(2 * ROWS), "bias": torch.from_numpy(ROWS[:, 0].copy())},
    },
    "bare tensors": {
        name: torch.from_numpy(a.copy())
        for name, a in {"W_dec.pt": ROWS, "W_enc.pt": 2 * ROWS.T, "b_enc.pt": ROWS[:, 0], "b_dec.pt": ROWS[0]}.items()
    },
}


@pytest.mark.parametrize("asked", ["folder", "file"])
@pytest.mark.parametrize("what", PIECES)
def test_weights_in_a_file_each_are_one_sae(what: str, asked: str, tmp_path: Path) -> None:
    made(tmp_path, PIECES[what])
    path = tmp_path if asked == "folder" else tmp_path / next(iter(PIECES[what]))
    read = open_checkpoint(path, encoder=True, **SAID)
    for name, expected in {
        "decoder": ROWS,
        "encoder": 2 * ROWS,
        "encoder_bias": ROWS[:, 0],
        "decoder_bias": ROWS[0],
    }.items():
        np.testing.assert_array_equal(read[name], expected)
    np.testing.assert_array_equal(open_checkpoint(path, **SAID).decoder, ROWS)


def test_a_snapshot_tells_repository_and_commit(tmp_path: Path) -> None:
    arrays = {"W_enc": ROWS.T, "W_dec": ROWS, "b_enc": ROWS[:, 0], "b_dec": ROWS[0], "threshold": ROWS[:, 0]}
    place = f"snapshots/{COMMIT}/layer_3/width_16k/average_l0_4/params.npz"
    made(tmp_path / "a?b", {f"{CACHE.replace('owner', 'google')}/{place}": arrays})
    read = open_checkpoint(tmp_path / "a?b")
    assert (read.attrs["model"], read.site.item(), read.attrs["source_revision"]) == (
        "google/gemma-2-2b",
        "blocks.3.hook_resid_post",
        COMMIT,
    )


def test_what_the_user_states_otherwise_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made(tmp_path, {"ae.pt": LINEAR, "config.json": TOPK})
    read = open_checkpoint(tmp_path, **SAID | {"l0": 2, "site": "blocks.{layer}.hook_mlp_out", "layer": 9})
    assert (read.l0.item(), read.layer.item(), read.attrs["input_hook"]) == (2, 9, "blocks.9.hook_mlp_out")
    assert caplog.messages[0].endswith("layer 9 as given, not 4; l0 2 as given, not 3")


def test_checksum_and_blocks_follow_every_shard(tmp_path: Path) -> None:
    made(tmp_path, SHARDS)
    before = open_checkpoint(tmp_path, **SAID).decoder.data.name
    import_checkpoints([tmp_path], tmp_path / "a.zarr", **SAID)
    made(tmp_path, {"model-00002-of-00002.safetensors": OTHER})
    os.utime(tmp_path / "model-00002-of-00002.safetensors", ns=(1, 1))
    after = open_checkpoint(tmp_path, **SAID)
    np.testing.assert_array_equal(after.decoder, ROWS + 1)
    assert after.decoder.data.name != before


def test_moments_that_are_of_several_layers_are_several_saes(tmp_path: Path) -> None:
    made(tmp_path, {f"checkpoints/{layer}/a.npy": ROWS + layer for layer in (3, 4)})
    layers = {"checkpoints/3/*": 3, "checkpoints/4/*": 4}
    assert list(
        open_checkpoints([tmp_path / "checkpoints"], **SAID | LAYER_3 | {"layer": layers})["saes"].children
    ) == [
        "layer_3",
        "layer_4",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("run/layer_3/sae.pt", ("run/layer_3/sae.pt", False)),
        ("run/3/sae.pt", ("run/3/sae.pt", False)),
        ("run/checkpoints/layer_3.pt", ("run/layer_3.pt", False)),
        ("run/checkpoints/final.safetensors", ("run/.safetensors", False)),
        ("run/checkpoints/abc/50000/x.pt", ("run/abc/x.pt", True)),
        ("run/step_100/sae.pt", ("run/sae.pt", True)),
        ("run/sae-epoch=3.pt", ("run/sae.pt", True)),
        ("run/sae_last.pt", ("run/sae.pt", True)),
        ("step_100/sae.pt", ("step_100/sae.pt", False)),
    ],
)
def test_paths_of_one_training(name: str, expected: tuple[str, bool]) -> None:
    assert training_key(name) == expected


def test_damaged_neighbours_of_a_file_that_is_asked_for_do_not_matter(tmp_path: Path) -> None:
    made(tmp_path, {"a.npy": ROWS, "b.npz": POINTER, "c.safetensors": b""})
    np.testing.assert_array_equal(open_checkpoint(tmp_path / "a.npy", **SAID).decoder, ROWS)
    with pytest.raises(StoreError, match="b.npz"):
        open_checkpoint(tmp_path, **SAID)
    with pytest.raises(ParameterError, match="model, site, l0 and architecture are not in the checkpoint"):
        open_checkpoint(tmp_path / "a.npy")
