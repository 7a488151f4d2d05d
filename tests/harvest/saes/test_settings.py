"""What a recipe says of preprocessing, and builds from checkpoints that say it themselves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("datasets")
safetensors_numpy = pytest.importorskip("safetensors.numpy")

from tiny_models import FEATURES, HIDDEN, LENGTH, made, plain, sequences_of, write_notes

import saegeom_data
from saegeom_data.checkpoints.open import open_all
from saegeom_data.errors import ParameterError
from saegeom_data.harvest.recipe import ImportedSae
from saegeom_data.harvest.saes.settings import differences, settled

CENTRED = {"model_from_pretrained_kwargs": {"center_writing_weights": True}}
DRAW = np.random.default_rng(0)
DECODER = DRAW.standard_normal((FEATURES, HIDDEN)).astype("float32")


def write_sae(folder: Path, metadata: dict[str, Any], **keys: Any) -> Path:
    folder.mkdir(parents=True)
    bias = np.zeros(FEATURES, "float32"), np.zeros(HIDDEN, "float32")
    weights = {"W_enc": np.ascontiguousarray(DECODER.T), "W_dec": DECODER, "b_enc": bias[0], "b_dec": bias[1]}
    safetensors_numpy.save_file(weights, folder / "sae_weights.safetensors")
    about = {"model_name": "gpt2", "hook_name": "blocks.1.hook_resid_pre", "sae_lens_version": "6.0.0"}
    config = {"architecture": "standard", "metadata": about | metadata} | keys
    (folder / "cfg.json").write_text(json.dumps(config))
    return folder


def opened(folder: Path, metadata: dict[str, Any], **keys: Any) -> Any:
    return open_all([write_sae(folder, metadata, **keys)], encoder=True, l0=8)[0]


def entry(**said: Any) -> ImportedSae:
    return ImportedSae(address="sae", **said)


@pytest.mark.parametrize("said", [{}, {"centred": False}])
def test_a_build_centres_where_the_checkpoint_says_so(said: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    place = write_sae(tmp_path / "sae", CENTRED | {"prepend_bos": False, "context_size": LENGTH // 2})
    value = plain(kind="gpt2", saes=[{"address": str(place), "l0": 8} | said])
    lines: list[str] = []
    roots = {"corpora": write_notes(tmp_path / "notes", "winter")}
    tree = saegeom_data.open(made(value, folder, tmp_path / "o.zarr", roots=roots, progress=lines.append)).load()
    [sae] = tree["saes"].children.values()
    assert ("input_centring" in sae["features"].attrs) == (not said)
    parts = sae["codes"].to_dataset()
    values = parts.data.values, parts.indices.values, parts.indptr.values
    got = scipy.sparse.csr_matrix(values, shape=parts.attrs["shape"]).toarray()
    model = transformers.AutoModel.from_pretrained(folder / "gpt2").eval()
    rows = [torch.from_numpy(row.astype("int64"))[None] for row in sequences_of(tree)]
    with torch.inference_mode():
        states = [model(row, output_hidden_states=True).hidden_states[1][0].numpy() for row in rows]
    x = np.concatenate(states)
    x = x if said else x - x.mean(axis=1, keepdims=True)
    expected = np.maximum(x @ DECODER.T, 0)
    expected[tree["tokens/is_special"].values] = 0
    np.testing.assert_allclose(got, expected, atol=1e-4)
    notes = [line for line in lines if line.startswith("saes:")]
    assert [("positions" in note, "without a BOS" in note) for note in notes] == [(True, False), (False, True)]


def test_a_build_refuses_what_is_not_applied_before_it_reads_the_text(folder: Path, tmp_path: Path) -> None:
    place = write_sae(tmp_path / "sae", {"rotate": "pca"})
    value = plain(kind="gpt2", saes=[{"address": str(place), "l0": 8}])
    lines: list[str] = []
    with pytest.raises(ParameterError, match=r"cfg\.json: metadata\.rotate is 'pca', .* ignored_settings"):
        made(value, folder, tmp_path / "o.zarr", roots={"corpora": tmp_path}, progress=lines.append)
    assert not any("corpus" in line for line in lines)


def test_a_recipe_takes_precedence(tmp_path: Path) -> None:
    sae = opened(tmp_path / "a", CENTRED | {"model_name": "own"})
    with pytest.raises(ParameterError, match="center_writing_weights is True.*say centred: true or false"):
        settled(sae, entry(), encode=True)
    assert settled(sae, entry(), encode=False).features.attrs["unsupported_settings"]
    for centred in (True, False):
        attrs = settled(sae, entry(centred=centred), encode=True).features.attrs
        assert ("input_centring" in attrs, "unsupported_settings" in attrs) == (centred, False)
    scaled = opened(tmp_path / "b", {}, normalize_activations="expected_average_only_in")
    attrs = settled(scaled, entry(input_scale=0.5), encode=True).features.attrs
    assert (attrs["input_scale"], attrs["output_scale"]) == (0.5, 0.5)
    assert "unsupported_settings" not in attrs
    assert "unsupported_settings" in scaled.features.attrs, "what was opened stays as it is"


def test_ignored_settings_are_those_that_there_are(tmp_path: Path) -> None:
    sae = opened(tmp_path / "a", {"author": "somebody"})
    attrs = settled(sae, entry(ignored_settings=["metadata.author"]), encode=True).features.attrs
    assert "unsupported_settings" not in attrs
    with pytest.raises(ParameterError, match=r"'metadata.autor' is not among .*\(metadata.author\).*did you mean"):
        settled(sae, entry(ignored_settings=["metadata.autor"]), encode=True)


DIFFERENCES: list[tuple[dict[str, Any], int, bool, str]] = [
    ({"context_size": 128}, 256, True, "sequences of 128 tokens, and these have 256"),
    ({"context_size": 128}, 128, True, ""),
    ({"prepend_bos": True}, 8, False, "begin with a BOS token, and these do not; say prepend_bos: true"),
    ({"prepend_bos": True}, 8, True, ""),
    ({"prepend_bos": False}, 8, True, "without a BOS token"),
    ({"prepend_bos": False}, 8, False, ""),
    ({"seqpos_slice": [5, -5]}, 8, True, r"positions \[5:-5\]"),
    ({"seqpos_slice": [None]}, 8, True, ""),
    ({"use_chat_formatting": True}, 8, True, "trained on chats"),
    ({"exclude_special_tokens": True}, 8, True, ""),
]


@pytest.mark.parametrize(("metadata", "length", "has_bos", "line"), DIFFERENCES)
def test_another_text_than_in_training_is_said(
    metadata: dict[str, Any], length: int, has_bos: bool, line: str, tmp_path: Path
) -> None:
    sae = opened(tmp_path / "sae", metadata)
    lines = list(differences("layer_1", sae, entry(), length=length, has_bos=has_bos))
    assert len(lines) == bool(line)
    for found in lines:
        assert re.search(line, found)
        assert found.startswith("layer_1: ")
        assert "\n" not in found


def test_a_release_before_loading_was_recorded_is_asked_for(tmp_path: Path) -> None:
    place = write_sae(tmp_path / "sae", {})
    old = {"model_name": "gpt2-small", "hook_point": "blocks.1.hook_resid_pre", "d_sae": FEATURES}
    (place / "cfg.json").write_text(json.dumps(old))
    sae = open_all([place], encoder=True, l0=8)[0]
    options: dict[str, Any] = {"length": 8, "has_bos": True}
    [line] = differences("layer_1", sae, entry(), **options)
    assert "say centred: true or false" in line
    assert list(differences("layer_1", sae, entry(centred=True), **options)) == []
