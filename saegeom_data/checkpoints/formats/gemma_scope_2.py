"""Gemma Scope 2: ``resid_post/layer_17_width_16k_l0_medium/{params.safetensors,config.json}``."""

from __future__ import annotations

from typing import Any

from saegeom_data.checkpoints.checkpoint import Checkpoint, Encoding, Format, Found
from saegeom_data.checkpoints.sites import layer_of

_KEYS = frozenset({"w_enc", "w_dec", "b_enc", "b_dec", "threshold"})
_SITES = {
    "resid_post": "hook_resid_post",
    "attn_out": "attn.hook_z",
    "mlp_out": "hook_mlp_out",
    "transcoder": "hook_mlp_out",
}


def _matches(found: Found) -> bool:
    return found.holds(".safetensors", _KEYS) and len(found.shape("w_dec")) == 2


def _read(found: Found) -> Checkpoint:
    config = found.config("config.json")
    folder = found.folder_match(r"(resid_post|attn_out|mlp_out|transcoder)(?:_all)?")
    site = folder.group(1) if folder else None
    inside, outside = config.get("hf_hook_point_in"), config.get("hf_hook_point_out")
    layer = layer_of(inside) if inside else found.folder_number(r"layer_(\d+)_.*")
    transcoder = site == "transcoder" or config.get("type") == "transcoder"
    notes: dict[str, Any] = {}
    if transcoder:
        notes = {
            "hook_name_in": f"blocks.{layer}.hook_mlp_in",
            "skip_connection": "affine_skip_connection" in found.keys,
        }
        notes |= {"hf_hook_name_in": inside} if inside else {}
    return Checkpoint(
        found.file,
        {
            "decoder": found.part("w_dec"),
            "encoder": found.part("w_enc", transpose=True),
            "encoder_bias": found.part("b_enc"),
            "decoder_bias": found.part("b_dec"),
            "threshold": found.part("threshold"),
        },
        Encoding("jumprelu"),
        "jumprelu_transcoder" if transcoder else "jumprelu",
        model=_model(found, config),
        hook_name=f"blocks.{layer}.{_SITES[site]}" if site is not None and layer is not None else None,
        hf_hook_name=outside if transcoder else inside,
        layer=layer,
        l0=float(config["l0"]) if isinstance(config.get("l0"), int | float) else None,
        notes=notes,
    )


def _model(found: Found, config: dict[str, Any]) -> str | None:
    name = config.get("model_name")
    repository = found.folder_match(r"gemma-scope-2-([^@]+)(?:@.*)?")
    if not isinstance(name, str):
        name = f"gemma-3-{repository.group(1)}" if repository else None
    return f"google/{name}" if name and "/" not in name else name


FORMAT = Format("gemma-scope-2", "a .safetensors of w_enc, w_dec, b_enc, b_dec and threshold", _matches, _read)
