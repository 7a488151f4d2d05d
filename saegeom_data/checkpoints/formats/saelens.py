"""SAELens: ``cfg.json`` and ``sae_weights.safetensors``, of every architecture and of versions before 6 too.

``cfg.json`` gives architecture, activation, normalisation and, in ``metadata``, model and hooks. An architecture that
is not known and a TopK SAE without k are refused. Architectures that encode by a search or over a sequence give their
decoder and do not encode, and so do settings that are not applied, such as a normalisation whose factor is nowhere.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from saegeom_data.checkpoints.checkpoint import (
    CENTRED,
    Activation,
    Candidate,
    Checkpoint,
    Encoding,
    Format,
    Part,
)
from saegeom_data.checkpoints.configuration.keys import applied, stated_count, stated_number, trained_on, unsupported
from saegeom_data.checkpoints.configuration.model_loading import OBJECT, is_residual, loading, norm_of
from saegeom_data.checkpoints.configuration.saelens import FACTORS, KEYS, NORMALISATIONS, RELEASES, SCALER
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
        # Files of sparsify have both keys, and a cfg.json of another kind; this one tells them.
        and ("encoder.weight" not in candidate.keys)
    )


def _read(candidate: Candidate) -> Checkpoint:
    said = candidate.config("cfg.json") | _release(candidate)
    config, factor = _modern(said), _factor(candidate)
    architecture = str(config["architecture"])
    if architecture not in _ACTIVATIONS:
        raise UnknownNameError(f"SAELens architecture ({candidate.file.shown})", architecture, _ACTIVATIONS)
    notes: dict[str, Any] = {"reshape_activations": config.get("reshape_activations") or "none"}
    if not _says_loading(config) and norm_of(config["metadata"].get("model_name")) == "layer":
        notes |= {"model_loading": "not said"} if is_residual(config["metadata"].get("hook_name")) else {}
    if "skip" in architecture and "W_skip" not in candidate.keys:
        raise StoreError(
            f"{candidate.file.shown}: cfg.json says {architecture}, and no W_skip is in it; fetch both again"
        )
    if "transcoder" in architecture:
        notes |= {"skip_connection": "skip" in architecture}
    if factor is not None and config["normalize_activations"] == "expected_average_only_in":
        notes["output_scale"] = factor
    l0, l0_source = _l0(candidate, config)
    return Checkpoint(
        candidate.file,
        _parts(candidate),
        _encoding(candidate, config, said, factor),
        # What is saved for inference says jumprelu of an SAE that was trained as another: see _ACTIVATIONS.
        str(config["metadata"].get("training_architecture") or architecture),
        _site(config["metadata"], transcoder="transcoder" in architecture),
        l0=l0,
        l0_source=l0_source,
        notes=notes,
    )


def _says_loading(config: dict[str, Any]) -> bool:
    """Whether a configuration says how the model was loaded, or is of a release that says it."""
    return any(name in part for part in (config, config["metadata"]) for name in (OBJECT, "sae_lens_version"))


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
    # Early releases always subtracted the bias, and had no key for it.
    if config.get("apply_b_dec_to_input") is None:
        config["apply_b_dec_to_input"] = True
    if not isinstance(normalised, str):
        config["normalize_activations"] = "expected_average_only_in" if normalised else "none"
    return {"architecture": "standard"} | config


def _parts(candidate: Candidate) -> dict[str, Part]:
    parts = {"decoder": candidate.part("W_dec")}
    parts |= {"encoder": candidate.part("W_enc", transpose=True)} if "W_enc" in candidate.keys else {}
    parts |= {part: candidate.part(key) for key, part in _VECTORS.items() if key in candidate.keys}
    # For a while every SAE was saved with a factor for its codes, which is 1 but where it was fine-tuned.
    if "scaling_factor" in candidate.keys and not np.all(read_values(candidate.weights.tensors["scaling_factor"]) == 1):
        parts["scaling_factor"] = candidate.part("scaling_factor")
    return parts


def _release(candidate: Candidate) -> dict[str, Any]:
    """What SAELens's registry adds to the files of this release."""
    found = (said for name, said in RELEASES.items() if candidate.folder_match(rf"{re.escape(name)}(?:@.*)?"))
    return dict(next(found, {}))


def _factor(candidate: Candidate) -> float | None:
    """By what activations were scaled in training, where that is not folded into the weights."""
    factor = candidate.config(SCALER, f"../{SCALER}").get("scaling_factor")
    if isinstance(factor, int | float) and not isinstance(factor, bool) and 0 < factor < math.inf:
        return float(factor)
    return next((known for name, known in FACTORS.items() if candidate.folder_match(re.escape(name))), None)


def _unsupported(
    candidate: Candidate, config: dict[str, Any], said: dict[str, Any], factor: float | None
) -> dict[str, str]:
    """What the configuration asks for that is not applied."""
    where = candidate.path_beside("cfg.json")
    objects = {"": said, "activation_fn_kwargs.": said.get("activation_fn_kwargs")}
    objects |= {"metadata.": said.get("metadata")}
    problems: dict[str, str] = {}
    for prefix, settings in objects.items():
        table = applied("k") if prefix.startswith("activation") else KEYS
        problems |= unsupported(table, settings, where, prefix) if isinstance(settings, dict) else {}
    architecture = str(config["architecture"])
    if config.get("activation_fn") == "topk" and architecture == "standard":
        problems["activation_fn"] = (
            f"{where}: activation_fn is 'topk', and activation_fn_kwargs give no k; put it there"
        )
    if config.get("rescale_acts_by_decoder_norm") and "topk" not in architecture:
        problems["rescale_acts_by_decoder_norm"] = (
            f"{where}: rescale_acts_by_decoder_norm is True, which SAELens applies to topk SAEs, and this one is of"
            f" {architecture}; remove it"
        )
    scaled = config["normalize_activations"] == "expected_average_only_in"
    if scaled and factor is None:
        problems["normalize_activations"] = (
            f"{where}: normalize_activations is 'expected_average_only_in', and the factor that is not folded into the"
            f" weights is in no {SCALER} beside them, as a positive number; say input_scale under saes"
        )
    elif not scaled and candidate.config(SCALER).get("scaling_factor"):
        problems[f"{SCALER}.scaling_factor"] = (
            f"{candidate.path_beside(SCALER)}: scaling_factor is {factor}, while normalize_activations in cfg.json is"
            f" {str(config['normalize_activations'])[:60]!r}; remove the one that is wrong"
        )
    return problems


def _kwargs(of_model: Any, own: Any) -> Any:
    """How the model was loaded, of which ``metadata`` and the configuration itself may each say a part."""
    return of_model | own if isinstance(of_model, dict) and isinstance(own, dict) else own or of_model


def _encoding(candidate: Candidate, config: dict[str, Any], said: dict[str, Any], factor: float | None) -> Encoding:
    activation, normalisation = _ACTIVATIONS[str(config["architecture"])], config["normalize_activations"]
    metadata, where = config["metadata"], candidate.path_beside("cfg.json")
    loaded = loading(
        _kwargs(metadata.get(OBJECT) or {}, config.get(OBJECT) or {}),
        metadata.get("model_name"),
        metadata.get("hook_name"),
        where,
    )
    k = config.get("k")
    if activation in ("topk", "abstopk") and stated_count(config, "k", where) is None:
        raise StoreError(f"{where}: no k in it, the number of features that fire; fetch it again")
    return Encoding(
        activation,
        k=k if activation in ("topk", "abstopk") else None,
        input_centring=CENTRED if loaded.centred else None,
        input_normalisation=normalisation if normalisation in NORMALISATIONS else "none",
        input_scale=factor or 1.0 if normalisation == "expected_average_only_in" else 1.0,
        # The bias of a transcoder is in the space of its output.
        subtracts_decoder_bias=bool(config["apply_b_dec_to_input"]) and "transcoder" not in str(config["architecture"]),
        rescales_by_decoder_norm=bool(config.get("rescale_acts_by_decoder_norm", False)),
        unsupported_settings={**_unsupported(candidate, config, said, factor), **loaded.unsupported},
        trained_on=trained_on(KEYS, metadata),
    )


def _site(metadata: dict[str, Any], *, transcoder: bool) -> Site:
    reads, writes = (_place(metadata, end) for end in ("", "_out"))
    writes = writes if transcoder else reads
    place = writes or reads
    layer = metadata.get("hook_layer", layer_of(place.name if place else None))
    # Embeddings have no block, and a store needs a number for each SAE: they come before all layers.
    layer = 0 if layer is None and metadata.get("hook_name") == "hook_embed" else layer
    return Site(metadata.get("model_name"), reads, writes, layer)


def _place(metadata: dict[str, Any], end: str) -> Hook | None:
    """Where an SAE reads, or with the end ``_out`` where it writes."""
    hook: Any = metadata.get(f"hook_name{end}")
    module: Any = metadata.get(f"hf_hook_name{end}")
    # Before version 3 it was called so.
    head = metadata.get(f"hook_head_index{end}", metadata.get(f"hook_point_head_index{end}"))
    if hook and head is not None:
        # One head of a hook that is over all of them is no place that a module has.
        return Hook(f"{hook}[{head}]", f"{hook}, head {head}")
    if not hook and not module:
        return None
    return Hook.written(module, alias=hook) if module else Hook.written(hook)


def _l0(candidate: Candidate, config: dict[str, Any]) -> tuple[float | None, str | None]:
    r"""L0 and what it was taken from: k by construction, or else the sum of the firing rates of all features.

    Versions before 6 saved :math:`\log_{10} f_i` of each feature in ``sparsity.safetensors``, so that

    .. math:: L_0 = \sum_i f_i = \sum_i 10^{\log_{10} f_i}
    """
    details = config["metadata"].get("training_architecture_details")
    for settings in (config, details if isinstance(details, dict) else {}):
        if (k := stated_number(settings, "k", candidate.path_beside("cfg.json"))) is not None:
            return float(k), "k"
    rates = candidate.source.beside(candidate.file, "sparsity.safetensors")
    if rates is not None:
        tensors = read_safetensors(rates).tensors
        if "sparsity" in tensors and tensors["sparsity"].shape == candidate.shape("W_dec")[:1]:
            return float(np.power(10.0, read_values(tensors["sparsity"]).astype(float)).sum()), "sparsity.safetensors"
    return None, None


FORMAT = Format("saelens", "sae_weights.safetensors with W_dec and b_dec, and cfg.json", _matches, _read)
