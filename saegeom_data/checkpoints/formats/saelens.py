"""SAELens: ``cfg.json`` and ``sae_weights.safetensors``, of every architecture and of versions before 6 too."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from saegeom_data.checkpoints.checkpoint import Activation, Checkpoint, Encoding, Format, Found, Normalisation, Part
from saegeom_data.checkpoints.sites import huggingface_name, layer_of
from saegeom_data.checkpoints.weights.safetensors import read as read_safetensors
from saegeom_data.checkpoints.weights.tensors import values
from saegeom_data.errors import StoreError, UnknownNameError

# What makes codes sparse, by the architecture that a configuration names. Those that are saved while they are trained
# keep the names of the training, and one threshold for all features.
_ACTIVATIONS: dict[str, Activation] = {
    "standard": "relu",
    "topk": "topk",
    "abstopk": "abstopk",
    "gated": "gated",
    "jumprelu": "jumprelu",
    "batchtopk": "jumprelu",
    "matryoshka_batchtopk": "jumprelu",
    "transcoder": "relu",
    "skip_transcoder": "relu",
    "jumprelu_transcoder": "jumprelu",
    "jumprelu_skip_transcoder": "jumprelu",
    # These encode by a search or over a whole sequence.
    "matching_pursuit": "unknown",
    "temporal": "unknown",
}
_VECTORS = {
    "b_enc": "encoder_bias",
    "threshold": "threshold",
    "topk_threshold": "threshold",
    "b_gate": "gate_bias",
    "b_mag": "magnitude_bias",
    "r_mag": "log_magnitude",
    "b_dec": "decoder_bias",
}
_RENAMED = {"hook_point": "hook_name", "activation_fn_str": "activation_fn", "hook_point_layer": "hook_layer"}


def _matches(found: Found) -> bool:
    return (
        found.file.suffix == ".safetensors"
        and found.keys >= {"W_dec", "b_dec"}
        and found.has("cfg.json")
        and ("encoder.weight" not in found.keys)
    )


def _read(found: Found) -> Checkpoint:
    config = _modern(found.config("cfg.json"))
    told = config["metadata"]
    name = str(config["architecture"])
    if name not in _ACTIVATIONS:
        raise UnknownNameError(f"SAELens architecture ({found.file.name})", name, _ACTIVATIONS)
    model, inside = told.get("model_name"), told.get("hook_name")
    hook = told.get("hook_name_out") or inside
    layer = told.get("hook_layer", layer_of(hook))
    notes: dict[str, Any] = {"reshape_activations": config.get("reshape_activations") or "none"}
    if "transcoder" in name:
        notes |= {"hook_name_in": str(inside), "skip_connection": "skip" in name}
    l0, l0_source = _l0(found, config)
    return Checkpoint(
        found.file,
        _parts(found),
        _encoding(found, config),
        str(told.get("training_architecture") or name),
        model=model,
        hook_name=hook,
        hf_hook_name=told.get("hf_hook_name_out") or told.get("hf_hook_name") or huggingface_name(hook, model),
        layer=0 if layer is None and hook == "hook_embed" else layer,
        l0=l0,
        notes=notes | ({"l0_source": l0_source} if l0_source else {}),
    )


def _modern(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration in the terms of version 6: what it says of the model in ``metadata``, every default filled in."""
    config = {_RENAMED.get(name, name): value for name, value in config.items()}
    if not isinstance(config.get("metadata"), dict):
        config["metadata"] = config
    kwargs = config.get("activation_fn_kwargs")
    if config.get("activation_fn") == "topk" and isinstance(kwargs, dict) and "k" in kwargs:
        config |= {"architecture": "topk", "k": kwargs["k"]}
    normalised = config.get("normalize_activations")
    if not isinstance(normalised, str):
        config["normalize_activations"] = "expected_average_only_in" if normalised else "none"
    return {"architecture": "standard", "apply_b_dec_to_input": True} | config


def _parts(found: Found) -> dict[str, Part]:
    parts = {"decoder": found.part("W_dec")}
    parts |= {"encoder": found.part("W_enc", transpose=True)} if "W_enc" in found.keys else {}
    parts |= {part: found.part(key) for key, part in _VECTORS.items() if key in found.keys}
    # For a while every SAE was saved with a factor for its codes, which is 1 but where it was fine-tuned.
    if "scaling_factor" in found.keys and not np.all(values(found.weights.tensors["scaling_factor"]) == 1):
        parts["scaling_factor"] = found.part("scaling_factor")
    return parts


def _encoding(found: Found, config: dict[str, Any]) -> Encoding:
    activation, normalisation = _ACTIVATIONS[str(config["architecture"])], config["normalize_activations"]
    if normalisation not in get_args(Normalisation):
        # Whitening is folded into an SAE when its training ends, and a factor of a temporal SAE has no place here.
        activation, normalisation = "unknown", "none"
    k = config.get("k")
    if activation in ("topk", "abstopk") and (not isinstance(k, int) or k < 1):
        raise StoreError(f"{found.file.name}: cfg.json gives k = {k!r}, expected the number of features that fire")
    return Encoding(
        activation,
        k=k if activation in ("topk", "abstopk") else None,
        input_normalisation=normalisation,
        subtracts_decoder_bias=bool(config["apply_b_dec_to_input"]) and "transcoder" not in str(config["architecture"]),
        rescales_by_decoder_norm=bool(config.get("rescale_acts_by_decoder_norm", False)),
    )


def _l0(found: Found, config: dict[str, Any]) -> tuple[float | None, str | None]:
    """L0 by construction; or else, of versions before 6, from the firing rates that were saved beside the weights."""
    details = config["metadata"].get("training_architecture_details")
    for place in (config, details if isinstance(details, dict) else {}):
        if isinstance(place.get("k"), int | float):
            return float(place["k"]), "k"
    rates = found.source.beside(found.file, "sparsity.safetensors")
    if rates is not None:
        tensors = read_safetensors(rates).tensors
        if "sparsity" in tensors and tensors["sparsity"].shape == found.shape("W_dec")[:1]:
            return float(np.power(10.0, values(tensors["sparsity"]).astype(float)).sum()), "sparsity.safetensors"
    return None, None


FORMAT = Format("saelens", "sae_weights.safetensors with W_dec and b_dec, and cfg.json", _matches, _read)
