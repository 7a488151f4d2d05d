"""Tokenizer and model of a recipe, loaded by ``transformers``, and the device that torch computes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from saegeom_data.errors import ParameterError, StoreError
from saegeom_data.harvest.model.place import model_path
from saegeom_data.harvest.recipe_model import LanguageModel
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.harvest.text.sources import quiet
from saegeom_data.remote.files import reason

_HERE = Roots()


@contextmanager
def _loading(what: str, path: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # transformers, tokenizers and safetensors raise errors of every kind
        raise StoreError(
            f"{path}: the {what} cannot be loaded: {reason(error)}; check model.path and its files"
        ) from error


def load_tokenizer(model: LanguageModel, roots: Roots = _HERE) -> Any:
    """Load the tokenizer of a model.

    Raises
    ------
    StoreError
        If it is not there, damaged, or out of reach.
    """
    from transformers import AutoTokenizer

    path = model_path(model, roots)
    with _loading("tokenizer", path):
        return AutoTokenizer.from_pretrained(path, revision=model.revision or "main")


def check_device(device: str) -> None:
    """Raise :class:`ParameterError` unless torch computes on a device of that name here."""
    import torch

    try:
        torch.zeros(1, device=device).cpu()
    except Exception as error:  # torch raises errors of every kind
        raise ParameterError(
            f"device: got {device!r}, which torch cannot use here: {reason(error)[:120]}; give cpu, or cuda if there"
            " is a GPU"
        ) from error


def load_model(model: LanguageModel, dtype: str = "float32", device: str = "cpu", *, roots: Roots = _HERE) -> Any:
    """Load a model in float32 or bfloat16 onto a device, in evaluation mode.

    Weights are in that dtype. What ``transformers`` keeps in float32 stays so, rotary frequencies above all: rounded to
    8 bits, they turn later positions by other angles.

    Raises
    ------
    StoreError
        If it is not there, damaged, or out of reach.
    """
    import torch
    from transformers import AutoModel

    path = model_path(model, roots)
    with _loading("model", path), quiet():
        # Not cast afterwards: that would round buffers too, or widen constants that the file's dtype had rounded.
        loaded = AutoModel.from_pretrained(path, revision=model.revision or "main", dtype=getattr(torch, dtype))
    return loaded.to(device).eval()
