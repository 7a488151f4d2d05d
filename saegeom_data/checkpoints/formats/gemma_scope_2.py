"""Gemma Scope 2: ``resid_post/layer_17_width_16k_l0_medium/{params.safetensors,config.json}``.

``config.json`` names model, hooks and L0; without it the names of folders tell model and site, and L0 is for the user
to give. Nothing is refused. A decoder of more than two dimensions, as of a crosscoder, does not match.
"""

from __future__ import annotations

from typing import Any

from saegeom_data.checkpoints.checkpoint import Candidate, Checkpoint, Encoding, Format, Part
from saegeom_data.checkpoints.sites import Hook, Site, layer_of

_KEYS = frozenset({"w_enc", "w_dec", "b_enc", "b_dec", "threshold"})
# Where the SAEs of a folder read and write, as configurations of their siblings say.
_SITES = {
    "resid_post": ("output", "output"),
    "attn_out": ("self_attn.o_proj.input", "self_attn.o_proj.input"),
    "mlp_out": ("post_feedforward_layernorm.output", "post_feedforward_layernorm.output"),
    "transcoder": ("pre_feedforward_layernorm.output", "post_feedforward_layernorm.output"),
}


def _matches(candidate: Candidate) -> bool:
    return candidate.holds(".safetensors", _KEYS) and len(candidate.shape("w_dec")) == 2


def _read(candidate: Candidate) -> Checkpoint:
    config = candidate.config("config.json")
    folder = candidate.folder_match(r"(resid_post|attn_out|mlp_out|transcoder)(?:_all)?")
    kind = folder.group(1) if folder else None
    transcoder = kind == "transcoder" or config.get("type") == "transcoder"
    site = _site(candidate, config, kind, transcoder)
    notes: dict[str, Any] = {}
    if transcoder:
        notes = {"skip_connection": "affine_skip_connection" in candidate.keys}
    return Checkpoint(
        candidate.file,
        _parts(candidate),
        Encoding("jumprelu"),
        "jumprelu_transcoder" if transcoder else "jumprelu",
        site,
        l0=float(config["l0"]) if isinstance(config.get("l0"), int | float) else None,
        notes=notes,
    )


def _parts(candidate: Candidate) -> dict[str, Part]:
    return {
        "decoder": candidate.part("w_dec"),
        "encoder": candidate.part("w_enc", transpose=True),
        "encoder_bias": candidate.part("b_enc"),
        "decoder_bias": candidate.part("b_dec"),
        "threshold": candidate.part("threshold"),
    }


def _site(candidate: Candidate, config: dict[str, Any], kind: str | None, transcoder: bool) -> Site:
    inside, outside = config.get("hf_hook_point_in"), config.get("hf_hook_point_out")
    layer = layer_of(inside) if inside else candidate.folder_number(r"layer_(\d+)_.*")
    ends = (inside, outside if transcoder else inside)
    if inside is None and kind is not None and layer is not None:
        ends = (f"model.layers.{layer}.{_SITES[kind][0]}", outside or f"model.layers.{layer}.{_SITES[kind][1]}")
    reads, writes = (Hook.written(end) if end else None for end in ends)
    return Site(_model(candidate, config), reads, writes, layer)


def _model(candidate: Candidate, config: dict[str, Any]) -> str | None:
    name = config.get("model_name")
    repository = candidate.folder_match(r"gemma-scope-2-([^@]+)(?:@.*)?")
    if not isinstance(name, str):
        name = f"gemma-3-{repository.group(1)}" if repository else None
    # Configurations name the model without its owner.
    return f"google/{name}" if name and "/" not in name else name


FORMAT = Format("gemma-scope-2", "a .safetensors of w_enc, w_dec, b_enc, b_dec and threshold", _matches, _read)
