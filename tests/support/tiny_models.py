"""Small random models, SAEs and texts that builds are tested on, and recipes that name them; needs torch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
import torch
import transformers
import xarray as xr

from saegeom_data.harvest import Recipe, build

HIDDEN, FEATURES, LENGTH = 16, 40, 24
KINDS = ("gpt2", "llama", "gemma2")
WORDS = ["river", "stone", "lantern", "harbour", "winter", "silver", "garden", "letter", "mountain", "shadow"]


def sentence(draw: np.random.Generator, length: int) -> str:
    return " ".join(draw.choice(WORDS, length))


def write_model(folder: Path, kind: str, words: Iterable[str] = WORDS, vocabulary: int = 320) -> Path:
    """Write a small random model with a byte-level tokenizer, which puts a token first except for GPT-2."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=None))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=["<s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([" ".join(words)], trainer)
    if kind != "gpt2":
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
        )
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>")
    fast.save_pretrained(folder)
    sizes = {"hidden_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": vocabulary}
    sizes |= {"intermediate_size": 24, "num_key_value_heads": 1}
    gpt2 = {"n_embd": HIDDEN, "n_layer": 2, "n_head": 2, "n_positions": 64, "vocab_size": vocabulary}
    config = {
        "gpt2": lambda: transformers.GPT2Config(**gpt2),
        "llama": lambda: transformers.LlamaConfig(**sizes),
        "gemma2": lambda: transformers.Gemma2Config(**sizes, head_dim=8, sliding_window=8),
    }[kind]()
    torch.manual_seed(0)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


def write_sae(folder: Path, layer: int, l0: int, features: int = FEATURES, hidden: int = HIDDEN) -> Path:
    """Write a random JumpReLU SAE as Gemma Scope does."""
    place = folder / "gemma-scope-2b-pt-res" / f"layer_{layer}" / "width_1k" / f"average_l0_{l0}"
    place.mkdir(parents=True)
    draw = np.random.default_rng(layer)
    decoder = draw.standard_normal((features, hidden)).astype("float32")
    np.savez(
        place / "params.npz",
        W_enc=decoder.T,
        W_dec=decoder,
        b_enc=draw.standard_normal(features).astype("float32"),
        b_dec=np.zeros(hidden, "float32"),
        threshold=np.full(features, 1.5, "float32"),
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
            untrained=True,
        )
        | keys
    )


def made(value: dict[str, Any], folder: Path, target: Path, **options: Any) -> Path:
    return build(Recipe.model_validate(value), target, spec_folder=folder, **options)


def sequences_of(tree: xr.DataTree) -> list[np.ndarray[Any, Any]]:
    tokens = tree["tokens"].to_dataset()
    starts = np.flatnonzero(tokens.position.values == 0)
    return np.split(tokens.token_id.values, starts[1:])


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


def own_states(model: Any, ids: Any) -> dict[str, Any]:
    """Hidden states, as the model itself gives them."""
    with torch.inference_mode():
        states = model(ids, output_hidden_states=True).hidden_states
    return {f"hidden_state_{number}": state for number, state in enumerate(states)}
