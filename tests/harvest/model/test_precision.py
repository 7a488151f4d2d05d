"""Models in each dtype that is offered: their states are those of a model that transformers itself loads in it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("datasets")

import precision

from saegeom_data.harvest.model.loading import load_model
from saegeom_data.harvest.recipe_model import Activations, LanguageModel

DTYPES = get_args(Activations.model_fields["dtype"].annotation)


def own_states(folder: Path, dtype: str) -> np.ndarray:
    model = transformers.AutoModel.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    with torch.inference_mode():
        states = model(torch.from_numpy(precision.token_ids().astype("int64")), output_hidden_states=True).hidden_states
    return np.stack([state.float().numpy() for state in states])


@pytest.mark.parametrize("architecture", precision.ARCHITECTURES)
def test_states_are_those_of_a_model_loaded_in_the_dtype(tmp_path: Path, architecture: str) -> None:
    # Weights of a checkpoint in bfloat16 are the same in both dtypes; what a model computes with beside them is not.
    place = precision.write_random(tmp_path, architecture, torch.bfloat16)
    states = {dtype: precision.states(place, dtype) for dtype in DTYPES}
    for dtype in DTYPES:
        np.testing.assert_array_equal(states[dtype], own_states(place, dtype))
    error = precision.errors(states["bfloat16"], states["float32"])
    assert error.min() > 0
    assert error.max() < 0.2


def test_a_model_cast_whole_would_be_told_apart(tmp_path: Path) -> None:
    place = precision.write_random(tmp_path, "Llama")
    cast = transformers.AutoModel.from_pretrained(place, dtype=torch.float32).to(torch.bfloat16).eval()
    with torch.inference_mode():
        found = cast(torch.from_numpy(precision.token_ids().astype("int64"))).last_hidden_state[None].float().numpy()
    exact, ours = precision.states(place, "float32"), precision.states(place, "bfloat16")
    assert precision.errors(found, exact)[-1] > 1.5 * precision.errors(ours, exact)[-1]


def test_modules_that_transformers_keeps_in_float32_stay_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = precision.write_random(tmp_path, "Llama")
    monkeypatch.setattr(transformers.LlamaModel, "_keep_in_fp32_modules_strict", {"input_layernorm"})
    model = load_model(LanguageModel(name="random", path=str(place)), "bfloat16")
    kept = {name for name, weight in model.named_parameters() if weight.dtype == torch.float32}
    assert kept == {f"layers.{layer}.input_layernorm.weight" for layer in range(precision.LAYERS)}
    assert {buffer.dtype for name, buffer in model.named_buffers() if "inv_freq" in name} == {torch.float32}
