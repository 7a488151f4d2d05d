"""dictionary_learning: ``trainer_N/{ae.pt,config.json}``, a class of dictionary for each kind of SAE."""

from __future__ import annotations

from typing import Any

from saegeom_data.checkpoints.checkpoint import Checkpoint, Encoding, Format, Found, Part
from saegeom_data.checkpoints.sites import huggingface_name
from saegeom_data.checkpoints.weights.tensors import values
from saegeom_data.errors import StoreError

Parts = dict[str, Part]
_LINEAR = frozenset({"encoder.weight", "decoder.weight"})
# Of a class: the keys that its tensors have, besides those that every file of it may have.
_CLASSES: dict[str, frozenset[str]] = {
    "GatedAutoEncoder": _LINEAR | {"decoder_bias", "r_mag", "gate_bias", "mag_bias"},
    "AutoEncoderTopK": _LINEAR | {"encoder.bias", "b_dec", "k"},
    "BatchTopKSAE": _LINEAR | {"encoder.bias", "b_dec", "k", "threshold"},
    "MatryoshkaBatchTopKSAE": frozenset({"W_enc", "W_dec", "b_enc", "b_dec", "k", "threshold", "group_sizes"}),
    "JumpReluAutoEncoder": frozenset({"W_enc", "W_dec", "b_enc", "b_dec", "threshold"}),
    "AutoEncoder": _LINEAR | {"encoder.bias", "bias"},
    "AutoEncoderNew": _LINEAR | {"encoder.bias", "decoder.bias"},
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
_SITES = {
    "resid_post": "hook_resid_post",
    "resid_pre": "hook_resid_pre",
    "attn": "hook_attn_out",
    "mlp": "hook_mlp_out",
}


def _fitting(found: Found) -> list[str]:
    return [name for name, keys in _CLASSES.items() if found.keys >= keys and found.keys <= keys | {"k", "threshold"}]


def _matches(found: Found) -> bool:
    return found.file.suffix in (".pt", ".pth") and bool(_fitting(found))


def _read(found: Found) -> Checkpoint:
    trainer = found.config("config.json").get("trainer", {})
    trainer = trainer if isinstance(trainer, dict) else {}
    name = _class(found, trainer)
    layer, model = trainer.get("layer"), trainer.get("lm_name")
    hook = _hook(trainer, layer)
    k = int(values(found.weights.tensors["k"])) if "k" in found.keys else None
    return Checkpoint(
        found.file,
        (_matrices(found) if "W_dec" in found.keys else _linear(found)) | _vectors(found, name),
        _encoding(name, k),
        _ARCHITECTURES[name],
        model=model if isinstance(model, str) else None,
        hook_name=hook,
        hf_hook_name=huggingface_name(hook, model),
        layer=layer if isinstance(layer, int) else None,
        l0=None if k is None else float(k),
        notes={"dict_class": name} | ({} if k is None else {"l0_source": "k"}),
    )


def _class(found: Found, trainer: dict[str, Any]) -> str:
    """The class that config.json names; without one, the keys tell, but for two that have the same."""
    fitting, named = _fitting(found), trainer.get("dict_class")
    if named is not None and named not in fitting:
        raise StoreError(
            f"{found.file.name}: config.json says {str(named)[:60]!r}, its keys fit {' or '.join(fitting)};"
            " fetch both again"
        )
    if named is None and {"AutoEncoderTopK", "BatchTopKSAE"} <= set(fitting):
        raise StoreError(
            f"{found.file.name}: its keys fit AutoEncoderTopK and BatchTopKSAE alike, and no config.json beside it says"
            " which; put it there"
        )
    return str(named or fitting[0])


def _hook(trainer: dict[str, Any], layer: Any) -> str | None:
    kind = next((site for start, site in _SITES.items() if str(trainer.get("submodule_name")).startswith(start)), None)
    return f"blocks.{layer}.{kind}" if kind is not None and isinstance(layer, int) else None


def _linear(found: Found) -> Parts:
    return {"decoder": found.part("decoder.weight", transpose=True), "encoder": found.part("encoder.weight")}


def _matrices(found: Found) -> Parts:
    return {"decoder": found.part("W_dec"), "encoder": found.part("W_enc", transpose=True)}


def _vectors(found: Found, name: str) -> Parts:
    names = {
        "encoder_bias": ("encoder.bias", "b_enc"),
        "decoder_bias": ("b_dec", "bias", "decoder_bias", "decoder.bias"),
        "gate_bias": ("gate_bias",),
        "magnitude_bias": ("mag_bias",),
        "log_magnitude": ("r_mag",),
        # A TopK dictionary keeps a threshold too, which its encode does not use.
        "threshold": () if name == "AutoEncoderTopK" else ("threshold",),
    }
    return {part: found.part(key) for part, keys in names.items() for key in keys if key in found.keys}


def _encoding(name: str, k: int | None) -> Encoding:
    if name == "AutoEncoderTopK":
        return Encoding("topk", k=k, subtracts_decoder_bias=True)
    if name == "GatedAutoEncoder":
        return Encoding("gated", subtracts_decoder_bias=True)
    if name in ("AutoEncoder", "AutoEncoderNew"):
        mine = name == "AutoEncoder"
        # For this class alone, from_pretrained folds the norms of the decoder into the encoder.
        return Encoding("relu", subtracts_decoder_bias=mine, rescales_by_decoder_norm=mine)
    return Encoding("jumprelu", subtracts_decoder_bias=name != "JumpReluAutoEncoder")


FORMAT = Format("dictionary-learning", "ae.pt with the keys of one of its classes, and config.json", _matches, _read)
