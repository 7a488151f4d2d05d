"""Llama Scope: ``hyperparams.json`` and ``checkpoints/final.safetensors``.

``hyperparams.json`` gives hooks, threshold and the mean norm of activations in training. Without a readable threshold
and norm the checkpoint is refused: its codes would be wrong.
"""

from __future__ import annotations

import math
from typing import Any

from saegeom_data.checkpoints.checkpoint import Candidate, Checkpoint, Encoding, Format, Part
from saegeom_data.checkpoints.sites import Hook, Site, layer_of
from saegeom_data.errors import StoreError

_KEYS = frozenset({"encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"})


def _matches(candidate: Candidate) -> bool:
    return candidate.holds(".safetensors", _KEYS)


def _read(candidate: Candidate) -> Checkpoint:
    config = candidate.config("../hyperparams.json", "hyperparams.json")
    hidden = candidate.shape("decoder.weight")[0]
    try:
        scale = _scale(config, hidden, "in")
        # Published for activations as the model gives them, while pre-activations are of scaled ones.
        threshold = float(config["jump_relu_threshold"]) * scale
        notes = {"output_scale": _scale(config, hidden, "out"), "k_in_training": config.get("top_k", 0)}
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise StoreError(
            f"{candidate.file.name}: no readable jump_relu_threshold and dataset_average_activation_norm in a"
            " hyperparams.json beside its folder; fetch both"
        ) from error
    encoding = _encoding(config, scale)
    site = _site(candidate, config)
    architecture = "jumprelu" if site.reads == site.writes else "jumprelu_transcoder"
    return Checkpoint(candidate.file, _parts(candidate, threshold), encoding, architecture, site, notes=notes)


def _scale(config: dict[str, Any], hidden: int, end: str) -> float:
    r"""Return :math:`\sqrt{d} / \bar n`, the factor by which training scaled activations of mean norm :math:`\bar n`.

    With ``hidden`` :math:`d`. The files keep the weights as they were trained, on scaled activations.
    """
    return math.sqrt(hidden) / float(config["dataset_average_activation_norm"][end])


def _parts(candidate: Candidate, threshold: float) -> dict[str, Part]:
    return {
        "decoder": candidate.part("decoder.weight", transpose=True),
        "encoder": candidate.part("encoder.weight"),
        "encoder_bias": candidate.part("encoder.bias"),
        "decoder_bias": candidate.part("decoder.bias"),
        "threshold": Part(None, default=threshold),
    }


def _encoding(config: dict[str, Any], scale: float) -> Encoding:
    subtracts = bool(config.get("apply_decoder_bias_to_pre_encoder", False))
    return Encoding("jumprelu", input_scale=scale, subtracts_decoder_bias=subtracts)


def _site(candidate: Candidate, config: dict[str, Any]) -> Site:
    folder = candidate.folder_match(r"Llama3_1-8B-Base-L\d+[A-Z]+-\d+x(?:@.*)?")
    inside = config.get("hook_point_in")
    reads, writes = (Hook.written(hook) if hook else None for hook in (inside, config.get("hook_point_out", inside)))
    layer = layer_of(writes.name if writes else None)
    return Site("meta-llama/Llama-3.1-8B" if folder else None, reads, writes, layer)


FORMAT = Format(
    "llama-scope", "a .safetensors of encoder and decoder weight and bias, and hyperparams.json", _matches, _read
)
