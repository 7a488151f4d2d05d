"""OpenAI's GPT-2 SAEs: ``resid_post_mlp_v5_32k/autoencoders/{layer}.pt``."""

from __future__ import annotations

from saegeom_data.checkpoints.checkpoint import Checkpoint, Encoding, Format, Found
from saegeom_data.checkpoints.sites import huggingface_name

_KEYS = frozenset({"pre_bias", "latent_bias", "encoder.weight"})
_SITES = {
    "resid_post_mlp": "hook_resid_post",
    "resid_post_attn": "hook_resid_mid",
    "resid_delta_mlp": "hook_mlp_out",
    "resid_delta_attn": "hook_attn_out",
    "mlp_post_act": "mlp.hook_post",
}


def _matches(found: Found) -> bool:
    return found.file.suffix in (".pt", ".pth") and found.keys >= _KEYS


def _read(found: Found) -> Checkpoint:
    topk = found.weights.extras.get("activation", "ReLU") == "TopK"
    state = found.weights.extras.get("activation_state_dict", {})
    k = int(state["k"]) if topk and isinstance(state, dict) and "k" in state else None
    place = found.folder_match(r"(resid_(?:post|delta)_(?:mlp|attn)|mlp_post_act)(?:_v\d+)?(?:_\d+k)?")
    layer = found.folder_number(r"(\d+)\.pt")
    model = "gpt2" if found.folder_match("gpt2-small") else None
    hook = f"blocks.{layer}.{_SITES[place.group(1)]}" if place and layer is not None else None
    # Where there is no decoder, it is tied to the encoder.
    tied = "decoder.weight" not in found.keys
    return Checkpoint(
        found.file,
        {
            "decoder": found.part("encoder.weight") if tied else found.part("decoder.weight", transpose=True),
            "encoder": found.part("encoder.weight"),
            "encoder_bias": found.part("latent_bias"),
            "decoder_bias": found.part("pre_bias"),
        },
        Encoding(
            "topk" if topk else "relu",
            k=k,
            input_normalisation="layer_norm" if topk else "none",
            subtracts_decoder_bias=True,
        ),
        "topk" if topk else "standard",
        model=model,
        hook_name=hook,
        hf_hook_name=huggingface_name(hook, model),
        layer=layer,
        l0=None if k is None else float(k),
        notes={} if k is None else {"l0_source": "k"},
    )


FORMAT = Format("openai", "a .pt of pre_bias, latent_bias, encoder.weight and decoder.weight", _matches, _read)
