"""Error of bfloat16 by position and architecture: ``python tests/benchmarks/precision.py`` (``make bench``).

Each model is a small random one. Its weights are as large as trained ones are, so that attention depends on position.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers

from saegeom_data.harvest.model.activations import read_sites
from saegeom_data.harvest.model.loading import load_model
from saegeom_data.harvest.recipe_model import LanguageModel

LENGTH, HIDDEN, LAYERS, VOCABULARY = 512, 64, 2, 100
QUARTERS = 4
SITES = [f"hidden_state_{layer}" for layer in range(LAYERS + 1)]
_SPREAD = 0.15
_SIZES = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 96,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": LENGTH,
}
_GROUPED = _SIZES | {"num_key_value_heads": 1}
_WINDOW = {"head_dim": 32, "sliding_window": 128}
_GPT2 = {"n_embd": HIDDEN, "n_layer": LAYERS, "n_head": 2, "n_positions": LENGTH, "vocab_size": VOCABULARY}
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama": ("LlamaConfig", _GROUPED),
    "GPT-2": ("GPT2Config", _GPT2 | {"bos_token_id": 0, "eos_token_id": 0}),
    "GPT-NeoX": ("GPTNeoXConfig", _SIZES),
    "Gemma 2": ("Gemma2Config", _GROUPED | _WINDOW),
    "Gemma 3": ("Gemma3TextConfig", _GROUPED | _WINDOW),
    "Qwen 2": ("Qwen2Config", _GROUPED),
    "Qwen 3": ("Qwen3Config", _GROUPED | {"head_dim": 32}),
    "Mistral": ("MistralConfig", _GROUPED),
    "Phi": ("PhiConfig", _SIZES),
    "BERT (MiniLM)": ("BertConfig", _SIZES),
}


def write_random(folder: Path, architecture: str, dtype: torch.dtype = torch.float32) -> Path:
    """Write a small random model of an architecture, its weights in some dtype."""
    name, sizes = ARCHITECTURES[architecture]
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(getattr(transformers, name)(**sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, _SPREAD)
    model.to(dtype).save_pretrained(folder)
    return folder


def token_ids(sequences: int = 2) -> npt.NDArray[np.int32]:
    """Random sequences (sequences, positions)."""
    return np.random.default_rng(0).integers(1, VOCABULARY, (sequences, LENGTH)).astype(np.int32)


def states(folder: Path, dtype: str) -> npt.NDArray[np.float32]:
    """Hidden states (sites, sequences, positions, hidden) as a build reads them."""
    model = load_model(LanguageModel(name="random", path=str(folder)), dtype)
    return np.stack([state.numpy() for state in read_sites(model, token_ids(), SITES)])


def errors(found: npt.NDArray[np.float32], exact: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    r"""Mean of :math:`\lVert x - y \rVert / \lVert y \rVert` of the last site, by quarter of the positions (4)."""
    error = np.linalg.norm(found[-1] - exact[-1], axis=-1) / np.linalg.norm(exact[-1], axis=-1)
    return error.mean(axis=0, dtype=np.float64).reshape(QUARTERS, -1).mean(axis=1)


def rows() -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield "| architecture | first quarter | second | third | last |"
    yield "|---|---|---|---|---|"
    for architecture in ARCHITECTURES:
        with tempfile.TemporaryDirectory() as folder:
            place = write_random(Path(folder), architecture)
            error = errors(states(place, "bfloat16"), states(place, "float32"))
        yield f"| {architecture} | {' | '.join(f'{value:.3f}' for value in error)} |"


if __name__ == "__main__":
    for row in rows():
        print(row)
