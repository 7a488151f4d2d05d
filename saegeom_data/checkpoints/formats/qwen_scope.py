"""Qwen Scope: ``SAE-Res-Qwen3-8B-Base-W64K-L0_50/layer12.sae.pt``."""

from __future__ import annotations

from saegeom_data.checkpoints.checkpoint import Checkpoint, Encoding, Format, Found
from saegeom_data.checkpoints.sites import huggingface_name

_KEYS = frozenset({"W_enc", "W_dec", "b_enc", "b_dec"})


def _matches(found: Found) -> bool:
    if found.file.suffix not in (".pt", ".pth") or found.keys != _KEYS:
        return False
    # Others keep the encoder the other way round.
    return found.shape("W_enc")[:1] == found.shape("b_enc") and found.shape("W_dec")[:1] == found.shape("b_dec")


def _read(found: Found) -> Checkpoint:
    repository = found.folder_match(r"SAE-Res-(.+)-W\d+K-L0_(\d+)(?:@.*)?")
    layer = found.folder_number(r"layer(\d+)\.sae\.pt")
    model, k = (f"Qwen/{repository.group(1)}", int(repository.group(2))) if repository else (None, None)
    hook = f"blocks.{layer}.hook_resid_post" if layer is not None else None
    return Checkpoint(
        found.file,
        {
            "decoder": found.part("W_dec", transpose=True),
            "encoder": found.part("W_enc"),
            "encoder_bias": found.part("b_enc"),
            "decoder_bias": found.part("b_dec"),
        },
        Encoding("topk", k=k),
        "topk",
        model=model,
        hook_name=hook,
        hf_hook_name=huggingface_name(hook, model),
        layer=layer,
        l0=None if k is None else float(k),
        notes={} if k is None else {"l0_source": "k"},
    )


FORMAT = Format("qwen-scope", "a .pt of W_enc (features, hidden), W_dec, b_enc and b_dec", _matches, _read)
