"""dictionary_learning: ``trainer_N/{ae.pt,config.json}``, a class of dictionary for each kind of SAE.

``config.json`` names the class, the model and the module; it is one folder up of states of training, which are in
``trainer_N/checkpoints``. Weights hold k; before December 2024 the configuration of a TopK dictionary alone holds it.
A crosscoder (``CrossCoder`` and ``BatchTopKCrossCoder``) has a decoder (sites, features, hidden), also as
``model.safetensors``; what its sites are is for the user to give.
A class that does not fit the keys is refused, and so are keys that fit two classes where no ``config.json`` says which,
and the encoder of a BatchTopK dictionary of that time, which has no threshold.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

from saegeom_data.checkpoints.checkpoint import Candidate, Checkpoint, Encoding, Format, Part
from saegeom_data.checkpoints.configuration.dictionary_learning import BUFFER_KEYS, OBJECTS, TRAINER_KEYS
from saegeom_data.checkpoints.configuration.keys import as_object, stated_count, stated_number, trained_on, unsupported
from saegeom_data.checkpoints.sites import Hook, Site, huggingface_name, layer_of
from saegeom_data.checkpoints.weights import TORCH
from saegeom_data.checkpoints.weights.tensors import read_values
from saegeom_data.errors import StoreError

_LINEAR = frozenset({"encoder.weight", "decoder.weight"})
# Of a class: the keys that its tensors have, besides k and threshold, which a file of it may have.
_CLASSES: dict[str, frozenset[str]] = {
    "GatedAutoEncoder": _LINEAR | {"decoder_bias", "r_mag", "gate_bias", "mag_bias"},
    "AutoEncoderTopK": _LINEAR | {"encoder.bias", "b_dec"},
    "BatchTopKSAE": _LINEAR | {"encoder.bias", "b_dec"},
    "MatryoshkaBatchTopKSAE": frozenset({"W_enc", "W_dec", "b_enc", "b_dec", "k", "threshold", "group_sizes"}),
    "JumpReluAutoEncoder": frozenset({"W_enc", "W_dec", "b_enc", "b_dec", "threshold"}),
    "AutoEncoder": _LINEAR | {"encoder.bias", "bias"},
    "AutoEncoderNew": _LINEAR | {"encoder.bias", "decoder.bias"},
}
# Of classes of the same keys, by the trainers that make them.
_OF_TRAINERS = {
    "TrainerTopK": "AutoEncoderTopK",
    "TopKTrainer": "AutoEncoderTopK",
    "BatchTopKTrainer": "BatchTopKSAE",
}
_ARCHITECTURES = {
    "GatedAutoEncoder": "gated",
    "AutoEncoderTopK": "topk",
    "BatchTopKSAE": "batchtopk",
    "MatryoshkaBatchTopKSAE": "matryoshka_batchtopk",
    "JumpReluAutoEncoder": "jumprelu",
    "AutoEncoder": "standard",
    "AutoEncoderNew": "standard",
}
# Modules that activations were taken at, by their names in TransformerBridge, where a norm between module and stream
# is no part of them. The buffer of activations says which end.
_MODULES = {"resid_post": "", "attn": "attn.", "attn_out": "attn.", "mlp": "mlp.", "mlp_out": "mlp."}
_ENDS = {"in": ("in", "in"), "out": ("out", "out"), "in_and_out": ("in", "out")}


_CROSSCODERS = {"CrossCoder": "crosscoder", "BatchTopKCrossCoder": "batchtopk_crosscoder"}
# Buffers of a crosscoder, which releases of the library have or do not have.
_BUFFERS = frozenset(
    {
        "code_normalization_id", "target_rms", "activation_mean", "activation_std", "activation_global_scale", "k",
        "threshold",
    }
)  # fmt: skip


def _is_crosscoder(candidate: Candidate) -> bool:
    keys = _CLASSES["AutoEncoderNew"]
    fits = keys <= candidate.keys <= keys | _BUFFERS
    return fits and len(candidate.shape("decoder.weight")) == 3 == len(candidate.shape("encoder.weight"))


def _fitting(candidate: Candidate) -> list[str]:
    """Classes that the keys fit."""
    has = candidate.keys
    if _is_crosscoder(candidate):
        return ["BatchTopKCrossCoder" if "k" in has else "CrossCoder"]
    return [name for name, keys in _CLASSES.items() if keys <= has <= keys | {"k", "threshold"}]


def _matches(candidate: Candidate) -> bool:
    return bool(_fitting(candidate)) if candidate.file.suffix in TORCH else _is_crosscoder(candidate)


def _read(candidate: Candidate) -> Checkpoint:
    config = candidate.config("config.json", "../config.json")
    trainer, buffer = (found if isinstance(found := config.get(part), dict) else {} for part in ("trainer", "buffer"))
    name = _class(candidate, trainer)
    if name in _CROSSCODERS:
        return _read_crosscoder(candidate, name, trainer)
    site = _site(trainer, buffer, _layer(candidate, trainer))
    transcoder = "_transcoder" if site.reads != site.writes else ""
    k = _k(candidate, name, trainer)
    if name == "AutoEncoderTopK" and k is None:
        raise StoreError(
            f"{candidate.file.shown}: no k in it, nor as trainer.k in a config.json beside it; put it there"
        )
    if name == "BatchTopKSAE" and "threshold" not in candidate.keys and candidate.encoder:
        raise StoreError(
            f"{candidate.file.shown}: a BatchTopKSAE without the threshold by which it encodes, as saved before"
            " December 2024; import its decoder alone, without --encoder, or save it again with a threshold tensor"
        )
    return Checkpoint(
        candidate.file,
        _parts(candidate, name),
        replace(_encoding(candidate, name, k), **_settings(candidate)),
        f"{_ARCHITECTURES[name]}{transcoder}",
        site,
        l0=k,
        l0_source="k",
        notes={"dict_class": name},
    )


def _read_crosscoder(candidate: Candidate, name: str, trainer: dict[str, Any]) -> Checkpoint:
    """A crosscoder; its configuration says one layer and one or two models, and not which site is which."""
    k = _k_in(candidate) if name == "BatchTopKCrossCoder" else None
    model, layer = trainer.get("lm_name"), _layer(candidate, trainer)
    return Checkpoint(
        candidate.file,
        {
            "decoder": Part(candidate.weights.tensors["decoder.weight"], key="decoder.weight", site_axis=0),
            "encoder": Part(
                candidate.weights.tensors["encoder.weight"], transpose=True, key="encoder.weight", site_axis=0
            ),
            "encoder_bias": candidate.part("encoder.bias"),
            "decoder_bias": Part(candidate.weights.tensors["decoder.bias"], key="decoder.bias", site_axis=0),
        },
        Encoding("unknown"),
        _CROSSCODERS[name],
        Site(model if isinstance(model, str) else None, layer=layer),
        l0=k,
        l0_source="k",
        notes={"dict_class": name},
    )


def _k(candidate: Candidate, name: str, trainer: dict[str, Any]) -> int | None:
    """Features that fire on a token: of the weights, or else of the configuration.

    The two may differ while a BatchTopK dictionary is trained, in which k falls.
    """
    stated = stated_count(trainer, "k", f"{candidate.path_beside('config.json')}: trainer")
    k = _k_in(candidate) if "k" in candidate.keys else stated
    if name == "AutoEncoderTopK" and stated is not None and k != stated:
        raise StoreError(f"{candidate.file.shown}: k is {k}, config.json says trainer.k {stated}; fetch both again")
    return k


def _k_in(candidate: Candidate) -> int:
    """Features that fire on a token, as the weights hold it."""
    tensor = candidate.weights.tensors["k"]
    values = read_values(tensor) if tensor.dtype.kind in "iu" and math.prod(tensor.shape) == 1 else None
    if values is None or values.item() < 1:
        raise StoreError(
            f"{candidate.file.shown}: k: got {tensor.shape} of {tensor.dtype}, expected one whole number of features,"
            " at least 1; fetch it again"
        )
    return int(values.item())


def _layer(candidate: Candidate, trainer: dict[str, Any]) -> int | None:
    layer = stated_number(trainer, "layer", f"{candidate.path_beside('config.json')}: trainer")
    return layer if isinstance(layer, int) else None


def _class(candidate: Candidate, trainer: dict[str, Any]) -> str:
    """The class that config.json names; without one, the keys tell, but for two that have the same."""
    fitting = _fitting(candidate)
    named = trainer.get("dict_class", _OF_TRAINERS.get(str(trainer.get("trainer_class"))))
    if named is not None and named not in fitting:
        raise StoreError(
            f"{candidate.file.shown}: config.json says {str(named)[:60]!r}, its keys fit {' or '.join(fitting)};"
            " fetch both again"
        )
    if named is None and {"AutoEncoderTopK", "BatchTopKSAE"} <= set(fitting):
        raise StoreError(
            f"{candidate.file.shown}: its keys fit AutoEncoderTopK and BatchTopKSAE alike, and no config.json beside it"
            " says which; put it there"
        )
    return str(named or fitting[0])


def _parts(candidate: Candidate, name: str) -> dict[str, Part]:
    if "W_dec" in candidate.keys:
        matrices = {"decoder": candidate.part("W_dec"), "encoder": candidate.part("W_enc", transpose=True)}
    else:
        # Weights of a torch Linear lie as (outputs, inputs): those of a decoder have their features in columns.
        matrices = {
            "decoder": candidate.part("decoder.weight", transpose=True),
            "encoder": candidate.part("encoder.weight"),
        }
    names = {
        "encoder_bias": ("encoder.bias", "b_enc"),
        "decoder_bias": ("b_dec", "bias", "decoder_bias", "decoder.bias"),
        "gate_bias": ("gate_bias",),
        "magnitude_bias": ("mag_bias",),
        "log_magnitude": ("r_mag",),
        # A TopK dictionary keeps a threshold too, which its encode does not use.
        "threshold": () if name == "AutoEncoderTopK" else ("threshold",),
    }
    vectors = {part: candidate.part(key) for part, keys in names.items() for key in keys if key in candidate.keys}
    return matrices | vectors


def _encoding(candidate: Candidate, name: str, k: int | None) -> Encoding:
    if name == "AutoEncoderTopK":
        return Encoding("topk", k=k, subtracts_decoder_bias=True)
    if name == "GatedAutoEncoder":
        return Encoding("gated", subtracts_decoder_bias=True)
    if name in ("AutoEncoder", "AutoEncoderNew"):
        has_bias = name == "AutoEncoder"
        # For this class alone, from_pretrained folds the norms of the decoder into the encoder.
        return Encoding("relu", subtracts_decoder_bias=has_bias, rescales_by_decoder_norm=has_bias)
    if "threshold" not in candidate.keys:
        return Encoding("unknown")
    # Trained over a batch with k features on average, and used with the threshold that this led to.
    return Encoding("jumprelu", subtracts_decoder_bias=name != "JumpReluAutoEncoder")


def _settings(candidate: Candidate) -> dict[str, Any]:
    """What config.json asks for that is not applied, and what it says of the tokens of training."""
    config, where = candidate.config("config.json", "../config.json"), candidate.path_beside("config.json")
    buffer, trainer = as_object(config.get("buffer")), as_object(config.get("trainer"))
    problems = unsupported(OBJECTS, config, where) | unsupported(TRAINER_KEYS, trainer, where, "trainer.")
    problems |= unsupported(BUFFER_KEYS, buffer, where, "buffer.")
    return {"unsupported_settings": problems, "trained_on": trained_on(BUFFER_KEYS, buffer)}


def _site(trainer: dict[str, Any], buffer: dict[str, Any], layer: int | None) -> Site:
    model = trainer["lm_name"] if isinstance(trainer.get("lm_name"), str) else None
    words, ends = str(trainer.get("submodule_name")), _ENDS.get(str(buffer.get("io", "out")))
    if ends is not None and layer_of(words) is not None:
        reads, writes = (Hook(f"{words}.{end}put", words) for end in ends)
        return Site(model, reads, writes, layer_of(words))
    named = re.fullmatch(r"(\w+?)(?:_layer_?\d+)?", words)
    kind = named.group(1) if named else ""
    if layer is None or ends is None or kind not in (*_MODULES, "resid_pre"):
        return Site(model, layer=layer)
    if kind == "resid_pre":
        return Site.of_hook(f"blocks.{layer}.hook_resid_pre", model, layer, source=words)
    names = [f"blocks.{layer}.{_MODULES[kind]}hook_{end}" for end in ends]
    reads, writes = (Hook(huggingface_name(name, model) or name, words) for name in names)
    return Site(model, reads, writes, layer)


FORMAT = Format("dictionary-learning", "ae.pt with the keys of one of its classes, and config.json", _matches, _read)
