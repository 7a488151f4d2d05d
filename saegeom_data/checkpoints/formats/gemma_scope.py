"""Gemma Scope: ``layer_12/width_16k/average_l0_82/params.npz``."""

from __future__ import annotations

from typing import Any

from saegeom_data.checkpoints.checkpoint import Checkpoint, Encoding, Format, Found
from saegeom_data.checkpoints.sites import huggingface_name

_KEYS = ("w_enc", "w_dec", "b_enc", "b_dec", "threshold")
_SITES = {"res": "hook_resid_post", "mlp": "hook_mlp_out", "att": "attn.hook_z", "transcoders": "hook_mlp_out"}


def _names(found: Found) -> dict[str, str]:
    return {name.lower(): name for name in found.keys if name.lower() in _KEYS}


def _matches(found: Found) -> bool:
    return found.file.suffix == ".npz" and len(_names(found)) == len(_KEYS)


def _read(found: Found) -> Checkpoint:
    names = _names(found)
    repository = found.folder_match(r"gemma-scope-(\d+b-(?:pt|it))-(res|mlp|att|transcoders)(?:-canonical)?(?:@.*)?")
    layer, embedding = found.folder_number(r"layer_(\d+)"), found.folder_match("embedding") is not None
    size, site = repository.groups() if repository else (None, None)
    # The SAEs of embeddings were trained on embeddings divided by the root of their size.
    hidden = found.shape(names["w_dec"])[-1]
    model = f"google/gemma-2-{size.removesuffix('-pt')}" if size else None
    hook = None
    if site is not None and (layer is not None or embedding):
        hook = "hook_embed" if embedding else f"blocks.{layer}.{_SITES[site]}"
    notes: dict[str, Any] = {}
    if site == "transcoders":
        notes = {"hook_name_in": f"blocks.{layer}.ln2.hook_normalized"}
    elif embedding:
        notes = {"output_scale": hidden**-0.5}
    l0 = found.folder_match(r"average_l0_(\d+)")
    return Checkpoint(
        found.file,
        {
            "decoder": found.part(names["w_dec"]),
            "encoder": found.part(names["w_enc"], transpose=True),
            "encoder_bias": found.part(names["b_enc"]),
            "decoder_bias": found.part(names["b_dec"]),
            "threshold": found.part(names["threshold"]),
        },
        Encoding("jumprelu", input_scale=hidden**-0.5 if embedding else 1.0),
        "jumprelu_transcoder" if site == "transcoders" else "jumprelu",
        model=model,
        hook_name=hook,
        hf_hook_name=huggingface_name(hook, model),
        layer=0 if embedding else layer,
        l0=float(l0.group(1)) if l0 else None,
        notes=notes,
    )


FORMAT = Format("gemma-scope", "an .npz of W_enc, W_dec, b_enc, b_dec and threshold", _matches, _read)
