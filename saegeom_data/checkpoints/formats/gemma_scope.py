"""Gemma Scope: ``layer_12/width_16k/average_l0_82/params.npz``.

There is no configuration: model and kind of site are in the name of the repository, layer and L0 in those of folders.
Nothing is refused; what the names do not say is for the user to give.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from saegeom_data.checkpoints.checkpoint import Candidate, Checkpoint, Encoding, Format, Part
from saegeom_data.checkpoints.sites import Hook, Site

_KEYS = ("w_enc", "w_dec", "b_enc", "b_dec", "threshold")
# Those of attention read the outputs of its heads, before they are projected and added.
_SITES = {"res": "hook_resid_post", "mlp": "hook_mlp_out", "att": "attn.hook_z", "transcoders": "hook_mlp_out"}


def _names(candidate: Candidate) -> dict[str, str]:
    """Names of the tensors by their lower case: some files have ``w_enc`` and ``w_dec`` for ``W_enc`` and ``W_dec``."""
    return {name.lower(): name for name in candidate.keys if name.lower() in _KEYS}


def _matches(candidate: Candidate) -> bool:
    return candidate.file.suffix == ".npz" and len(_names(candidate)) == len(_KEYS)


def _read(candidate: Candidate) -> Checkpoint:
    parts = _parts(candidate)
    model, kind = _repository(candidate)
    layer, embedding = candidate.folder_number(r"layer_(\d+)"), candidate.folder_match("embedding") is not None
    # The SAEs of embeddings were trained on embeddings divided by the root of their size, which the files do not say.
    scale = candidate.shape(_names(candidate)["w_dec"])[-1] ** -0.5 if embedding else 1.0
    notes: dict[str, Any] = {}
    if embedding:
        notes = {"output_scale": scale}
    return Checkpoint(
        candidate.file,
        parts,
        Encoding("jumprelu", input_scale=scale),
        "jumprelu_transcoder" if kind == "transcoders" else "jumprelu",
        _site(model, kind, layer, embedding),
        l0=candidate.folder_number(r"average_l0_(\d+)"),
        notes=notes,
    )


def _parts(candidate: Candidate) -> dict[str, Part]:
    names = _names(candidate)
    return {
        "decoder": candidate.part(names["w_dec"]),
        "encoder": candidate.part(names["w_enc"], transpose=True),
        "encoder_bias": candidate.part(names["b_enc"]),
        "decoder_bias": candidate.part(names["b_dec"]),
        "threshold": candidate.part(names["threshold"]),
    }


def _repository(candidate: Candidate) -> tuple[str | None, str | None]:
    """Model and kind of site that the name of the repository tells."""
    name = candidate.folder_match(r"gemma-scope-(\d+b-(?:pt|it))-(res|mlp|att|transcoders)(?:-canonical)?(?:@.*)?")
    # On the Hub the base models of Gemma 2 have no ending.
    return (f"google/gemma-2-{name.group(1).removesuffix('-pt')}", name.group(2)) if name else (None, None)


def _site(model: str | None, kind: str | None, layer: int | None, embedding: bool) -> Site:
    if embedding:
        return Site.of_hook("hook_embed" if kind is not None else None, model, 0, source="embedding")
    if kind is None or layer is None:
        return Site(model, layer=layer)
    site = Site.of_hook(f"blocks.{layer}.{_SITES[kind]}", model, layer, source=kind)
    # Transcoders were trained on a model whose norm weights are folded into its MLPs, so that none is in their input.
    reads = Hook(f"blocks.{layer}.ln2.hook_normalized", kind)
    return replace(site, reads=reads) if kind == "transcoders" else site


FORMAT = Format("gemma-scope", "an .npz of W_enc, W_dec, b_enc, b_dec and threshold", _matches, _read)
