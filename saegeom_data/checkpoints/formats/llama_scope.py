"""Llama Scope: ``hyperparams.json`` and ``checkpoints/final.safetensors``."""

from __future__ import annotations

import math
from typing import Any

from saegeom_data.checkpoints.checkpoint import Checkpoint, Encoding, Format, Found, Part
from saegeom_data.checkpoints.sites import huggingface_name, layer_of
from saegeom_data.errors import StoreError

_KEYS = frozenset({"encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"})


def _matches(found: Found) -> bool:
    return found.holds(".safetensors", _KEYS)


def _read(found: Found) -> Checkpoint:
    config = found.config("../hyperparams.json", "hyperparams.json")
    hidden = found.shape("decoder.weight")[0]
    try:
        scale = _scale(config, hidden, "in")
        # Published for activations as the model gives them, while pre-activations are of scaled ones.
        threshold = float(config["jump_relu_threshold"]) * scale
        notes = {"output_scale": _scale(config, hidden, "out"), "k_in_training": config.get("top_k", 0)}
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise StoreError(
            f"{found.file.name}: no readable jump_relu_threshold and dataset_average_activation_norm in a"
            " hyperparams.json beside its folder; fetch both"
        ) from error
    folder = found.folder_match(r"Llama3_1-8B-Base-L\d+[A-Z]+-\d+x(?:@.*)?")
    model = "meta-llama/Llama-3.1-8B" if folder else None
    hook = config.get("hook_point_out", config.get("hook_point_in"))
    return Checkpoint(
        found.file,
        {
            "decoder": found.part("decoder.weight", transpose=True),
            "encoder": found.part("encoder.weight"),
            "encoder_bias": found.part("encoder.bias"),
            "decoder_bias": found.part("decoder.bias"),
            "threshold": Part(None, default=threshold),
        },
        Encoding(
            "jumprelu",
            input_scale=scale,
            subtracts_decoder_bias=bool(config.get("apply_decoder_bias_to_pre_encoder", False)),
        ),
        "jumprelu",
        model=model,
        hook_name=hook,
        hf_hook_name=huggingface_name(hook, model),
        layer=layer_of(hook),
        notes=notes,
    )


def _scale(config: dict[str, Any], hidden: int, end: str) -> float:
    return math.sqrt(hidden) / float(config["dataset_average_activation_norm"][end])


FORMAT = Format(
    "llama-scope", "a .safetensors of encoder and decoder weight and bias, and hyperparams.json", _matches, _read
)
