"""The unembedding of a model: what transformers itself makes of a change of the residual stream."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from saegeom_data.data import store, write
from saegeom_data.errors import SaegeomError
from saegeom_data.labels import add_unembedding
from saegeom_data.testing.simulate import simulate_store

HIDDEN = 16


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write.write_tree(simulate_store(n_saes=1, n_features=30, n_hidden=HIDDEN), tmp_path / "a.zarr")
    return tmp_path / "a.zarr"


def saved(folder: Path, kind: str) -> object:
    """A small model with random weights, saved as transformers saves it."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    small = {"vocab_size": 50, "hidden_size": HIDDEN, "num_hidden_layers": 1, "num_attention_heads": 2}
    heads = {"num_key_value_heads": 1, "intermediate_size": 8, "head_dim": 8}
    if kind == "gpt2":
        config = transformers.GPT2Config(vocab_size=50, n_embd=HIDDEN, n_layer=1, n_head=2)
        model = transformers.GPT2LMHeadModel(config)
    elif kind == "gemma2":
        # Logits are capped by tanh there, which is no part of the unembedding.
        config = transformers.Gemma2Config(**small, **heads, final_logit_softcapping=None)
        model = transformers.Gemma2ForCausalLM(config)
    else:
        config = transformers.LlamaConfig(**small, **heads, tie_word_embeddings=False)
        model = transformers.LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape))
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("kind", ["gpt2", "gemma2", "llama"])
def test_a_small_change_of_the_residual_stream_changes_logits_as_it_says(kind: str, tmp_path: Path, data: Path) -> None:
    model = saved(tmp_path / "model", kind)
    import torch

    assert add_unembedding(data, tmp_path / "model")[0].startswith(f"50 tokens by {HIDDEN} dimensions, from ")
    with store.open(data, verify="checksums") as tree:
        rows = tree["unembedding"].to_dataset(inherit=False).unembedding.values
    body = model.transformer if kind == "gpt2" else model.model  # type: ignore[attr-defined]
    norm = body.ln_f if kind == "gpt2" else body.norm
    rng = np.random.default_rng(0)
    residual, change = rng.normal(size=(2, HIDDEN))
    residual -= residual.mean()
    # Directions that leave the length of the residual as it is, which the norm divides by.
    for axis in (residual, np.ones(HIDDEN)):
        change -= axis * (change @ axis) / (axis @ axis)
    with torch.no_grad():
        logits = [
            model.lm_head(norm(torch.tensor(each, dtype=torch.float32)))  # type: ignore[attr-defined]
            for each in (residual - 1e-3 * change, residual + 1e-3 * change)
        ]
    length = np.sqrt((residual**2).mean())
    got = (logits[1] - logits[0]).double().numpy() / 2e-3 * length
    np.testing.assert_allclose(got, rows @ change, atol=2e-2 * np.abs(got).max())


def test_a_plain_matrix_is_taken_as_it_is_and_once(tmp_path: Path, data: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(12, HIDDEN)).astype("float32")
    np.savez(tmp_path / "mine.npz", U=rows)
    add_unembedding(data, tmp_path / "mine.npz")
    with store.open(data) as tree:
        group = tree["unembedding"].to_dataset(inherit=False)
        np.testing.assert_array_equal(group.unembedding, rows)
        assert (group.attrs["url"], group.attrs["key"], len(group.attrs["sha256"])) == ("mine.npz", "U", 64)
    with pytest.raises(SaegeomError, match="has an unembedding already, which stays"):
        add_unembedding(data, tmp_path / "mine.npz")


def test_what_is_no_unembedding_of_the_store_is_refused_and_nothing_written(tmp_path: Path, data: Path) -> None:
    before = (data / "MANIFEST.json").read_bytes()
    np.savez(tmp_path / "wide.npz", U=np.ones((12, HIDDEN + 1)))
    np.savez(tmp_path / "turned.npz", U=np.ones((HIDDEN, 12)))
    np.savez(tmp_path / "turned_key.npz", W_U=np.ones((12, HIDDEN)))
    np.savez(tmp_path / "integers.npz", U=np.ones((12, HIDDEN), int))
    np.savez(tmp_path / "booleans.npz", U=np.ones((12, HIDDEN), bool))
    np.savez(tmp_path / "empty.npz", U=np.ones((0, HIDDEN)))
    np.savez(tmp_path / "layer.npz", **{"layers.0.up": np.ones((12, HIDDEN)), "layers.0.bias": np.ones(12)})
    (tmp_path / "settings.json").write_text("{")
    np.savez(tmp_path / "nan.npz", U=np.where(np.arange(12)[:, None] == 3, np.nan, np.ones((12, HIDDEN))))
    np.savez(tmp_path / "two.npz", a=np.ones((3, 3)), b=np.ones((3, 3)))
    np.savez(tmp_path / "vector.npz", **{"lm_head.weight": np.ones(3)})
    np.savez(tmp_path / "norm.npz", **{"lm_head.weight": np.ones((9, HIDDEN)), "model.norm.weight": np.ones(HIDDEN)})
    for name, expected in (
        (
            "wide.npz",
            f"wide.npz: U: got 12 tokens by {HIDDEN + 1} dimensions, .*: {HIDDEN}; give that of its own model",
        ),
        ("turned.npz", f"turned.npz: U: got {HIDDEN} tokens by 12 dimensions, .*; it lies the other way round, transp"),
        ("turned_key.npz", f"turned_key.npz: W_U: got {HIDDEN} tokens by 12 dimensions, .* round, transpose it"),
        ("integers.npz", "integers.npz: U: got dtype int64, expected floating-point numbers; give weights of a model"),
        ("booleans.npz", "booleans.npz: U: got dtype bool, expected floating-point numbers"),
        ("empty.npz", rf"empty.npz: U: got shape \(0, {HIDDEN}\), expected a matrix"),
        ("layer.npz", "no lm_head.weight, .*, got layers.0.up, layers.0.bias; give weights of a model, or a file of"),
        ("settings.json", r"settings.json: no weights in it \(it is JSON\); give the folder or file of arrays that it"),
        ("two.npz", "no lm_head.weight, embed_out.weight, .*, got a, b; give weights of a model"),
        ("vector.npz", r"lm_head.weight: got shape \(3,\), expected a matrix"),
        ("nan.npz", "got 1 of 12 rows with NaN or infinite values"),
        ("norm.npz", "no config.json beside it, which tells whether the final norm adds 1"),
    ):
        with pytest.raises(SaegeomError, match=expected) as refused:
            add_unembedding(data, tmp_path / name)
        assert "\n" not in str(refused.value)
    np.savez(tmp_path / "tied.npz", **{"model.embed_tokens.weight": np.ones((9, HIDDEN))})
    (tmp_path / "config.json").write_text(json.dumps({"tie_word_embeddings": False}))
    with pytest.raises(SaegeomError, match="the unembedding of this model is another; give all weights"):
        add_unembedding(data, tmp_path / "tied.npz")
    assert (data / "MANIFEST.json").read_bytes() == before


def test_tokens_of_the_text_must_be_there(tmp_path: Path, data: Path) -> None:
    with store.open(data) as tree:
        held = tree.load()
    names = ("token_id", "document", "position")
    tokens = xr.Dataset({name: ("tokens", [0, 40]) for name in names} | {"is_special": ("tokens", [False, False])})
    held["tokens"] = xr.DataTree(tokens)
    shutil.rmtree(data)
    write.write_tree(held, data)
    np.savez(tmp_path / "mine.npz", U=np.ones((12, HIDDEN)))
    with pytest.raises(SaegeomError, match="got 12 tokens, and the text of the store has token 40"):
        add_unembedding(data, tmp_path / "mine.npz")


def test_two_things_are_not_added_by_one_call(tmp_path: Path, data: Path) -> None:
    from typer.testing import CliRunner

    from saegeom_data.cli.main import app

    before = (data / "MANIFEST.json").read_bytes()
    np.savez(tmp_path / "mine.npz", U=np.ones((12, HIDDEN)))
    command = ["label", str(data), str(tmp_path / "missing.csv"), "--unembedding", str(tmp_path / "mine.npz")]
    with pytest.raises(SaegeomError, match="got SOURCE and --unembedding, expected one of them"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert (data / "MANIFEST.json").read_bytes() == before


def test_it_is_added_on_the_command_line(tmp_path: Path, data: Path) -> None:
    from typer.testing import CliRunner

    from saegeom_data.cli.main import app

    np.savez(tmp_path / "mine.npz", U=np.ones((12, HIDDEN)))
    done = CliRunner().invoke(app, ["label", str(data), "--unembedding", str(tmp_path / "mine.npz")])
    assert done.exit_code == 0
    assert done.output.startswith(
        f"unembedding: 12 tokens by {HIDDEN} dimensions, from U, the only tensor there added\nroot "
    )
