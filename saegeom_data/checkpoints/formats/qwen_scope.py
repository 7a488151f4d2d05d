"""Qwen Scope: ``SAE-Res-Qwen3-8B-Base-W64K-L0_50/layer12.sae.pt``.

There is no configuration: model and k are in the name of the repository, the layer in that of the file. Without the
name of the repository k is not known and the SAE does not encode. Square matrices are refused where no name says that
they are of Qwen Scope: other libraries keep them the other way round under the same keys.
"""

from __future__ import annotations

import re

from saegeom_data.checkpoints.checkpoint import Candidate, Checkpoint, Encoding, Format, Part
from saegeom_data.checkpoints.sites import Site
from saegeom_data.checkpoints.weights import TORCH

_KEYS = frozenset({"W_enc", "W_dec", "b_enc", "b_dec"})
_REPOSITORY = r"SAE-Res-(.+)-W\d+K-L0_(\d+)(?:@.*)?"
_FILE = r"layer(\d+)\.sae\.pt"


def _matches(candidate: Candidate) -> bool:
    if candidate.file.suffix not in TORCH or candidate.keys != _KEYS:
        return False
    # Both matrices lie the other way round than under the same names elsewhere: encoder rows and decoder columns are
    # features.
    encoder, decoder = candidate.shape("W_enc"), candidate.shape("W_dec")
    if decoder[:1] == decoder[1:] and not (candidate.folder_match(_REPOSITORY) or candidate.folder_match(_FILE)):
        return False
    return encoder[:1] == candidate.shape("b_enc") and decoder[:1] == candidate.shape("b_dec")


def _read(candidate: Candidate) -> Checkpoint:
    repository = candidate.folder_match(_REPOSITORY)
    k = int(repository.group(2)) if repository else None
    site = _site(candidate, repository)
    return Checkpoint(candidate.file, _parts(candidate), Encoding("topk", k=k), "topk", site, l0=k, l0_source="k")


def _parts(candidate: Candidate) -> dict[str, Part]:
    return {
        "decoder": candidate.part("W_dec", transpose=True),
        "encoder": candidate.part("W_enc"),
        "encoder_bias": candidate.part("b_enc"),
        "decoder_bias": candidate.part("b_dec"),
    }


def _site(candidate: Candidate, repository: re.Match[str] | None) -> Site:
    layer = candidate.folder_number(_FILE)
    hook = f"blocks.{layer}.hook_resid_post" if layer is not None else None
    return Site.of_hook(hook, f"Qwen/{repository.group(1)}" if repository else None, layer)


FORMAT = Format("qwen-scope", "a .pt of W_enc (features, hidden), W_dec, b_enc and b_dec", _matches, _read)
