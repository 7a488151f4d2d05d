"""SAELens: ``cfg.json`` and ``sae_weights.safetensors``, of every architecture and of versions before 6 too.

``cfg.json`` gives architecture, activation, normalisation and, in ``metadata``, model and hooks. An architecture that
is not known and a TopK SAE without k are refused. Architectures that encode by a search or over a sequence, and
normalisations that are not folded in, give their decoder and do not encode.
"""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from saegeom_data.checkpoints.checkpoint import (
    Activation,
    Candidate,
    Checkpoint,
    Encoding,
    Format,
    Normalisation,
    Part,
)
from saegeom_data.checkpoints.sites import Hook, Site, layer_of
from saegeom_data.checkpoints.weights.safetensors import read as read_safetensors
from saegeom_data.checkpoints.weights.tensors import read_values
from saegeom_data.errors import StoreError, UnknownNameError

# What makes codes sparse, by the architecture that a configuration names. SAEs that are saved while they are trained
# keep the name of their training, and one threshold for all features (topk_threshold); saved for inference they are
# of jumprelu, with a threshold for each.
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


def _matches(candidate: Candidate) -> bool:
    return (
        candidate.file.suffix == ".safetensors"
        and candidate.keys >= {"W_dec", "b_dec"}
        and candidate.has("cfg.json")
        and ("encoder.weight" not in candidate.keys)
    )


def _read(candidate: Candidate) -> Checkpoint:
    config = _modern(candidate.config("cfg.json"))
    architecture = str(config["architecture"])
    if architecture not in _ACTIVATIONS:
        raise UnknownNameError(f"SAELens architecture ({candidate.file.name})", architecture, _ACTIVATIONS)
    notes: dict[str, Any] = {"reshape_activations": config.get("reshape_activations") or "none"}
    if "transcoder" in architecture:
        notes |= {"skip_connection": "skip" in architecture}
    l0, l0_source = _l0(candidate, config)
    return Checkpoint(
        candidate.file,
        _parts(candidate),
        _encoding(candidate, config),
        # What is saved for inference says jumprelu of an SAE that was trained as another: see _ACTIVATIONS.
        str(config["metadata"].get("training_architecture") or architecture),
        _site(config["metadata"], transcoder="transcoder" in architecture),
        l0=l0,
        l0_source=l0_source,
        notes=notes,
    )


def _modern(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration in the terms of version 6: what it says of the model in ``metadata``, every default filled in.

    Before version 6 all keys were in one object, some under other names, a TopK SAE was a standard one with an
    activation function of its own, and ``normalize_activations`` was for a while true or false.
    """
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


def _parts(candidate: Candidate) -> dict[str, Part]:
    parts = {"decoder": candidate.part("W_dec")}
    parts |= {"encoder": candidate.part("W_enc", transpose=True)} if "W_enc" in candidate.keys else {}
    parts |= {part: candidate.part(key) for key, part in _VECTORS.items() if key in candidate.keys}
    # For a while every SAE was saved with a factor for its codes, which is 1 but where it was fine-tuned.
    if "scaling_factor" in candidate.keys and not np.all(read_values(candidate.weights.tensors["scaling_factor"]) == 1):
        parts["scaling_factor"] = candidate.part("scaling_factor")
    return parts


def _encoding(candidate: Candidate, config: dict[str, Any]) -> Encoding:
    activation, normalisation = _ACTIVATIONS[str(config["architecture"])], config["normalize_activations"]
    if normalisation not in get_args(Normalisation):
        # Whitening is folded into an SAE when its training ends, and a factor of a temporal SAE has no place here.
        activation, normalisation = "unknown", "none"
    k = config.get("k")
    if activation in ("topk", "abstopk") and (not isinstance(k, int) or k < 1):
        raise StoreError(f"{candidate.file.name}: cfg.json gives k = {k!r}, expected the number of features that fire")
    return Encoding(
        activation,
        k=k if activation in ("topk", "abstopk") else None,
        input_normalisation=normalisation,
        subtracts_decoder_bias=bool(config["apply_b_dec_to_input"]) and "transcoder" not in str(config["architecture"]),
        rescales_by_decoder_norm=bool(config.get("rescale_acts_by_decoder_norm", False)),
    )


def _site(metadata: dict[str, Any], *, transcoder: bool) -> Site:
    reads, writes = (_place(metadata, end) for end in ("", "_out"))
    writes = writes if transcoder else reads
    place = writes or reads
    layer = metadata.get("hook_layer", layer_of(place.name if place else None))
    layer = 0 if layer is None and metadata.get("hook_name") == "hook_embed" else layer
    return Site(metadata.get("model_name"), reads, writes, layer)


def _place(metadata: dict[str, Any], end: str) -> Hook | None:
    """Where an SAE reads, or with the end ``_out`` where it writes."""
    hook, module = metadata.get(f"hook_name{end}"), metadata.get(f"hf_hook_name{end}")
    # Before version 3 it was called so.
    head = metadata.get(f"hook_head_index{end}", metadata.get(f"hook_point_head_index{end}"))
    if hook and head is not None:
        # One head of a hook that is over all of them is no place that a module has.
        return Hook(f"{hook}[{head}]", f"{hook}, head {head}")
    if not hook and not module:
        return None
    return Hook.written(str(module), alias=hook) if module else Hook.written(str(hook))


def _l0(candidate: Candidate, config: dict[str, Any]) -> tuple[float | None, str | None]:
    r"""L0 and what it was taken from: k by construction, or else the sum of the firing rates of all features.

    Versions before 6 saved :math:`\log_{10} f_i` of each feature in ``sparsity.safetensors``, so that

    .. math:: L_0 = \sum_i f_i = \sum_i 10^{\log_{10} f_i}
    """
    details = config["metadata"].get("training_architecture_details")
    for settings in (config, details if isinstance(details, dict) else {}):
        if isinstance(settings.get("k"), int | float):
            return float(settings["k"]), "k"
    rates = candidate.source.beside(candidate.file, "sparsity.safetensors")
    if rates is not None:
        tensors = read_safetensors(rates).tensors
        if "sparsity" in tensors and tensors["sparsity"].shape == candidate.shape("W_dec")[:1]:
            return float(np.power(10.0, read_values(tensors["sparsity"]).astype(float)).sum()), "sparsity.safetensors"
    return None, None


FORMAT = Format("saelens", "sae_weights.safetensors with W_dec and b_dec, and cfg.json", _matches, _read)
