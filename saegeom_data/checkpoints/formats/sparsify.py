"""EleutherAI's sparsify: ``layers.N/{cfg.json,sae.safetensors}``."""

from __future__ import annotations

from typing import Any

from saegeom_data.checkpoints.checkpoint import Activation, Checkpoint, Encoding, Format, Found
from saegeom_data.errors import StoreError

_KEYS = frozenset({"encoder.weight", "encoder.bias", "W_dec", "b_dec"})
# The module whose output was hooked names the folder.
_HOOKPOINT = r"(?:[\w.]*\.)?(?:(?:layers|h)\.(?P<layer>\d+)(?:\.(?P<inner>[\w.]+))?|embed_tokens|wte)"
_SITES = {None: "hook_resid_post", "mlp": "hook_mlp_out", "self_attn": "hook_attn_out", "attn": "hook_attn_out"}


def _matches(found: Found) -> bool:
    return found.holds(".safetensors", _KEYS)


def _read(found: Found) -> Checkpoint:
    config, run = found.config("cfg.json"), found.config("../config.json")
    if "k" not in config:
        raise StoreError(
            f"{found.file.name}: no k in a cfg.json beside it; expected cfg.json and sae.safetensors together"
        )
    features, hidden = found.shape("W_dec")[0], found.shape("W_dec")[-1]
    # 0 stands for a multiple of the input's size.
    expected = config.get("num_latents") or config.get("d_in", hidden) * config.get("expansion_factor", 0)
    if expected and expected != features:
        raise StoreError(f"{found.file.name}: got {features} latents, cfg.json says {expected}; fetch both again")
    transcoder = bool(config.get("transcode", False))
    module = found.folder_match(_HOOKPOINT)
    layer = int(module.group("layer")) if module and module.group("layer") else None
    return Checkpoint(
        found.file,
        {
            "decoder": found.part("W_dec"),
            "encoder": found.part("encoder.weight"),
            "encoder_bias": found.part("encoder.bias"),
            "decoder_bias": found.part("b_dec"),
        },
        Encoding(
            _activation(config),
            k=int(config["k"]),
            subtracts_decoder_bias=not transcoder,
        ),
        "transcoder" if transcoder else "topk",
        model=run["model"] if isinstance(run.get("model"), str) else None,
        hook_name=f"blocks.{layer}.{_SITES[module.group('inner')]}"
        if module and layer is not None and module.group("inner") in _SITES
        else None,
        hf_hook_name=f"{module.group()}.output" if module else None,
        layer=layer if module is None or layer is not None else 0,
        l0=float(config["k"]),
        notes={"skip_connection": "W_skip" in found.keys, "l0_source": "k"},
    )


def _activation(config: dict[str, Any]) -> Activation:
    if config.get("activation") == "groupmax":
        return "groupmax"
    # Earlier releases could keep the largest magnitudes of either sign, without a ReLU.
    return "abstopk" if config.get("signed") else "topk"


FORMAT = Format(
    "sparsify", "a .safetensors of encoder.weight, encoder.bias, W_dec and b_dec, and cfg.json", _matches, _read
)
