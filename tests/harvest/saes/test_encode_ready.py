"""Codes of ready SAEs over a text, held against the outputs of the models and of the SAEs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import xarray as xr

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("datasets")
safetensors_numpy = pytest.importorskip("safetensors.numpy")


from tiny_models import (
    FEATURES,
    HIDDEN,
    LENGTH,
    full,
    made,
    own_states,
    plain,
    sequences_of,
    spec,
    write_notes,
)

import saegeom_data
from saegeom_data.errors import ParameterError


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
    assert [ids.tolist() for ids in sequences_of(tree)] == expected
    assert tree["documents/document_id"].values.tolist() == [f"own/{row['key']}" for row in kept]
    assert tree["documents/document_type"].values.tolist() == [row["meta"]["kind"] for row in kept]
    tokens = tree["tokens"].to_dataset()
    np.testing.assert_array_equal(tokens.is_special, tokens.position == 0)
    np.testing.assert_array_equal(tokens.document, np.repeat(np.arange(len(kept)), [len(ids) for ids in expected]))
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
        inputs = np.concatenate([state[0].numpy() if state.ndim == 3 else state.numpy() for state in passed])
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


def test_an_untrained_sae_encodes_the_same_text_with_as_many_features_on(tree: xr.DataTree) -> None:
    states = tree["activations/hidden_state_1"].activation.values
    ordinary = ~tree["tokens/is_special"].values
    # The SAE of layer 0 reads the hidden state 1, which is kept.
    group, trained = tree["untrained/layer_0"], tree["saes/layer_0"]
    features, codes = group["features"].to_dataset(), group["codes"].to_dataset()
    assert (features.attrs["k"], features.l0.item()) == (10, 10.0)
    assert features.attrs["untrained"] == "random unit rows, encoder and decoder alike"
    assert "source_sha256" not in features.attrs
    assert features.sizes == trained["features"].to_dataset().sizes
    got = scipy.sparse.csr_matrix((codes.data, codes.indices, codes.indptr), shape=codes.attrs["shape"]).toarray()
    linear = states @ features.decoder.values.T
    least = np.sort(linear, axis=1)[:, -10:-9]
    expected = np.where(linear >= least, np.maximum(linear, 0), 0)
    np.testing.assert_allclose(got[ordinary], expected[ordinary], atol=1e-5)
    assert not got[~ordinary].any()
    occurrence, beside = (each["occurrence"].to_dataset() for each in (group, trained))
    np.testing.assert_array_equal(occurrence.document, beside.document)
    assert occurrence.attrs == beside.attrs
    assert "cooccurrence" not in group.children


def test_an_untrained_sae_needs_an_l0_and_a_text(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="untrained SAEs encode the text that others encode: give saes, sources and"):
        made(spec(untrained=True), folder, tmp_path / "a.zarr")
    shutil.copytree(next((folder / "saes").rglob("layer_0/*/*")), tmp_path / "bare")
    bare = [{"address": str(tmp_path / "bare"), "model": "llama", "layer": 0, "site": "layers.0.output", "l0": 0.0}]
    with pytest.raises(ParameterError, match="untrained: layer_0.*: got L0 0, expected more than 0.*give l0 under"):
        made(full(saes=bare), folder, tmp_path / "b.zarr")


def test_codes_open_elsewhere(built: Path, tree: xr.DataTree) -> None:
    codes = tree["saes/layer_0/codes"].to_dataset()
    assert codes.attrs["binsparse"]["number_of_stored_values"] == codes.sizes["nonzeros"]
    anndata = pytest.importorskip("anndata")
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(built), path="saes/layer_0/codes", mode="r")
    assert anndata.io.read_elem(group).nnz == codes.sizes["nonzeros"]


def test_a_model_in_bfloat16_gives_its_own_states(folder: Path, tree: xr.DataTree, tmp_path: Path) -> None:
    settings = full()["activations"] | {"dtype": "bfloat16"}
    half = saegeom_data.open(made(full(activations=settings), folder, tmp_path / "half.zarr")).load()
    got = half["activations/hidden_state_1/activation"]
    model = transformers.AutoModel.from_pretrained(folder / "llama", dtype=torch.bfloat16).eval()
    rows = [torch.from_numpy(row.astype("int64"))[None] for row in sequences_of(half)]
    own = np.concatenate([own_states(model, row)["hidden_state_1"][0].float().numpy() for row in rows])
    # Products of padded batches are summed in another order, each rounded to 8 bits.
    np.testing.assert_allclose(got.values, own, rtol=2**-6, atol=2**-6 * np.abs(own).max())
    assert not (got.values.view(np.uint32) & 0xFFFF).any(), "rounded to bfloat16, as the model does"
    single = tree["activations/hidden_state_1/activation"].values
    assert 0 < np.abs(got.values - single).max() < 0.1 * np.abs(single).max()
    assert half["activations/hidden_state_1"].attrs["source_dtype"] == "bfloat16"


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
