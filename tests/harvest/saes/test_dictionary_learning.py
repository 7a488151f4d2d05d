"""Dictionaries that dictionary_learning trains, saves and loads by its own code, on activations of a model by both.

Its requirements do not go together with ours (nnsight before 0.4, umap-learn), so that it is installed without them,
and its modules import what is not there: nnsight, by which it reads a model, zstandard, which reads texts, and perhaps
wandb, which logs. Nothing here calls these, and an empty module stands for each while they are imported. What it would
read through nnsight is read by a hook on the module that it chooses: the output, of which the first of several.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import types
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("datasets")  # before the empty modules are there, of which it would think that they are installed
if find_spec("dictionary_learning") is None:
    pytest.skip("needs dictionary-learning 0.1.0, which `make test` installs on Python 3.11", allow_module_level=True)

from tiny_models import HIDDEN

from saegeom_data.checkpoints import Encoder, open_checkpoint
from saegeom_data.errors import StoreError
from saegeom_data.harvest.model.activations import read_sites

FEATURES, K, LAYER, STEPS = 48, 6, 1, 8
TOKENS = torch.randint(0, 300, (6, 12), generator=torch.Generator().manual_seed(0))
MODULES = (
    "standard",
    "gdm",
    "p_anneal",
    "gated_anneal",
    "top_k",
    "jumprelu",
    "batch_top_k",
    "matryoshka_batch_top_k",
)
SOON = {"warmup_steps": 1, "sparsity_warmup_steps": 2}
ANNEALED = SOON | {"anneal_start": 4, "n_sparsity_updates": 2, "p_end": 0.5, "seed": 0}
THRESHOLD = {"k": K, "warmup_steps": 1, "threshold_start_step": 2}
# Each of its trainers, with options by which that many steps reach all that it does.
TRAINERS: dict[str, dict[str, Any]] = {
    "StandardTrainer": SOON,
    "StandardTrainerAprilUpdate": SOON,
    "PAnnealTrainer": ANNEALED,
    "GatedSAETrainer": SOON,
    "GatedAnnealTrainer": ANNEALED,
    "TopKTrainer": THRESHOLD,
    "JumpReluTrainer": SOON,
    "BatchTopKTrainer": THRESHOLD,
    "MatryoshkaBatchTopKTrainer": THRESHOLD | {"group_fractions": [0.25, 0.75]},
}


@pytest.fixture(scope="module")
def library() -> SimpleNamespace:
    """Modules of the library, and its trainers by their names."""
    # Not longer than it takes to import them: others would think that what is empty is installed.
    with pytest.MonkeyPatch.context() as patch:
        for name in ("nnsight", "zstandard", "wandb"):
            if find_spec(name) is None:
                empty = types.ModuleType(name)
                empty.LanguageModel = object  # type: ignore[attr-defined]
                patch.setitem(sys.modules, name, empty)
        parts = {
            name: importlib.import_module(f"dictionary_learning.{name}")
            for name in ("buffer", "dictionary", "training", "utils")
        }
        modules = [importlib.import_module(f"dictionary_learning.trainers.{name}") for name in MODULES]
    base = importlib.import_module("dictionary_learning.trainers.trainer").SAETrainer
    trainers = {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, base) and value is not base
    }
    return SimpleNamespace(**parts, trainers=trainers)


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return transformers.AutoModel.from_pretrained(folder / "gemma2").eval()


@pytest.fixture(scope="module")
def activations(library: SimpleNamespace, model: Any) -> Any:
    """Activations (tokens, hidden) at the module that the library takes in such a model."""
    seen: list[Any] = []

    def keep(_module: Any, _inputs: Any, output: Any) -> None:
        seen.append(output[0] if isinstance(output, tuple) else output)

    module = library.utils.get_submodule(SimpleNamespace(_model_key="gemma2", model=model), LAYER)
    handle = module.register_forward_hook(keep)
    with torch.inference_mode():
        model(TOKENS)
    handle.remove()
    return seen[0].flatten(0, 1).clone()


class Batches:
    """Activations as the trainers take them, and what a buffer of the library's says of itself."""

    def __init__(self, library: SimpleNamespace, activations: Any) -> None:
        buffer = SimpleNamespace(d_submodule=HIDDEN, io="out", n_ctxs=6, ctx_len=12, device="cpu")
        buffer.refresh_batch_size = buffer.out_batch_size = 6
        self.config = library.buffer.ActivationBuffer.config.fget(buffer)
        self._activations = activations

    def __iter__(self) -> Iterator[Any]:
        for step in range(STEPS + 1):
            generator = torch.Generator().manual_seed(step)
            yield self._activations[torch.randperm(len(self._activations), generator=generator)[:32]].clone()


def trained(library: SimpleNamespace, name: str, activations: Any, folder: Path) -> Path:
    """Train a dictionary, and save it as the library does; returns its folder."""
    trainer = library.trainers[name]
    config = {"trainer": trainer, "steps": STEPS, "activation_dim": HIDDEN, "dict_size": FEATURES}
    config |= {"layer": LAYER, "lm_name": "gemma2", "lr": 0.01, "device": "cpu"} | TRAINERS[name]
    if "submodule_name" in inspect.signature(trainer).parameters:
        config["submodule_name"] = f"resid_post_layer_{LAYER}"
    torch.manual_seed(3)
    library.training.trainSAE(
        Batches(library, activations), [config], STEPS, save_dir=str(folder), normalize_activations=True, device="cpu"
    )
    return folder / "trainer_0"


def spread(file: Path) -> None:
    """Move all numbers of a dictionary at random, so that none may be left out unnoticed, and save it again."""
    state = torch.load(file)
    generator = torch.Generator().manual_seed(4)
    for entry in state.values():
        if entry.is_floating_point():
            entry.add_(0.2 * torch.randn(entry.shape, generator=generator))
    torch.save(state, file)


def decoder_in(file: Path) -> bytes:
    """Bytes of the decoder (features, hidden) in a file of the library."""
    state = torch.load(file)
    weight = state["W_dec"] if "W_dec" in state else state["decoder.weight"].T
    return np.ascontiguousarray(weight.numpy()).tobytes()


def test_no_trainer_is_left_out(library: SimpleNamespace) -> None:
    assert set(library.trainers) == set(TRAINERS)


def assert_codes_are_the_librarys(place: Path, library: Any, model: Any, activations: Any, site: str | None) -> None:
    dictionary, _ = library.utils.load_dictionary(str(place), "cpu")
    with torch.inference_mode():
        expected = dictionary.encode(activations)
    assert 0.02 < float((expected != 0).float().mean()) < 0.98
    opened = open_checkpoint(place, encoder=True, l0=K, site=site)
    assert (opened.attrs["format"], opened.attrs["model"]) == ("dictionary-learning", "gemma2")
    (state,) = read_sites(model, TOKENS.numpy().astype(np.int32), [opened.attrs["input_module"]])
    torch.testing.assert_close(Encoder(opened)(state).flatten(0, 1), expected, rtol=0, atol=1e-5)
    assert opened.decoder.values.tobytes() == decoder_in(place / "ae.pt")


@pytest.mark.parametrize("name", TRAINERS)
def test_codes_of_a_model_are_those_of_the_library(
    name: str, library: SimpleNamespace, model: Any, activations: Any, tmp_path: Path
) -> None:
    place = trained(library, name, activations, tmp_path)
    spread(place / "ae.pt")
    # One trainer does not take, and so does not write, the name of the module.
    named = "submodule_name" in inspect.signature(library.trainers[name]).parameters
    assert_codes_are_the_librarys(place, library, model, activations, None if named else f"layers.{LAYER}.output")


def test_codes_of_the_class_that_no_trainer_makes(
    library: SimpleNamespace, model: Any, activations: Any, tmp_path: Path
) -> None:
    trainer = {"dict_class": "AutoEncoderNew", "lm_name": "gemma2", "layer": LAYER, "submodule_name": "resid_post"}
    (tmp_path / "config.json").write_text(json.dumps({"trainer": trainer}))
    torch.save(library.dictionary.AutoEncoderNew(HIDDEN, FEATURES).state_dict(), tmp_path / "ae.pt")
    spread(tmp_path / "ae.pt")
    assert_codes_are_the_librarys(tmp_path, library, model, activations, None)


def test_a_dictionary_without_weights_is_refused(library: SimpleNamespace, tmp_path: Path) -> None:
    torch.save(library.dictionary.IdentityDict(HIDDEN).state_dict(), tmp_path / "ae.pt")
    with pytest.raises(StoreError, match=r"ae\.pt: .*holds no tensors"):
        open_checkpoint(tmp_path)
