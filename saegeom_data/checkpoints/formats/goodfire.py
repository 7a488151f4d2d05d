"""Goodfire's SAEs: ``Llama-3.1-8B-Instruct-SAE-l19.pth``."""

from __future__ import annotations

from saegeom_data.checkpoints.checkpoint import Checkpoint, Encoding, Format, Found
from saegeom_data.checkpoints.sites import huggingface_name

_KEYS = frozenset({"encoder_linear.weight", "encoder_linear.bias", "decoder_linear.weight", "decoder_linear.bias"})


def _matches(found: Found) -> bool:
    return found.file.suffix in (".pt", ".pth") and found.keys == _KEYS


def _read(found: Found) -> Checkpoint:
    name = found.folder_match(r"(Llama-[\d.]+-\d+B(?:-Instruct)?)-SAE-l(\d+)\.pth?")
    model, layer = (f"meta-llama/{name.group(1)}", int(name.group(2))) if name else (None, None)
    hook = f"blocks.{layer}.hook_resid_post" if layer is not None else None
    return Checkpoint(
        found.file,
        {
            "decoder": found.part("decoder_linear.weight", transpose=True),
            "encoder": found.part("encoder_linear.weight"),
            "encoder_bias": found.part("encoder_linear.bias"),
            "decoder_bias": found.part("decoder_linear.bias"),
        },
        Encoding("relu"),
        "standard",
        model=model,
        hook_name=hook,
        hf_hook_name=huggingface_name(hook, model),
        layer=layer,
    )


FORMAT = Format("goodfire", "a .pt of encoder_linear and decoder_linear, weight and bias", _matches, _read)
