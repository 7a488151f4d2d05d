"""Goodfire's SAEs: ``Llama-3.1-8B-Instruct-SAE-l19.pth``.

There is no configuration: model and layer are in the name of the file. Nothing is refused.
"""

from __future__ import annotations

from saegeom_data.checkpoints.checkpoint import Candidate, Checkpoint, Encoding, Format, Part
from saegeom_data.checkpoints.sites import Site
from saegeom_data.checkpoints.weights import TORCH

_KEYS = frozenset({"encoder_linear.weight", "encoder_linear.bias", "decoder_linear.weight", "decoder_linear.bias"})


def _matches(candidate: Candidate) -> bool:
    return candidate.file.suffix in TORCH and candidate.keys == _KEYS


def _read(candidate: Candidate) -> Checkpoint:
    return Checkpoint(candidate.file, _parts(candidate), Encoding("relu"), "standard", _site(candidate))


def _parts(candidate: Candidate) -> dict[str, Part]:
    return {
        # Weights of a torch Linear lie as (outputs, inputs): those of a decoder have their features in columns.
        "decoder": candidate.part("decoder_linear.weight", transpose=True),
        "encoder": candidate.part("encoder_linear.weight"),
        "encoder_bias": candidate.part("encoder_linear.bias"),
        "decoder_bias": candidate.part("decoder_linear.bias"),
    }


def _site(candidate: Candidate) -> Site:
    name = candidate.folder_match(r"(Llama-[\d.]+-\d+B(?:-Instruct)?)-SAE-l(\d+)\.pth?")
    if name is None:
        return Site()
    layer = int(name.group(2))
    return Site.of_hook(f"blocks.{layer}.hook_resid_post", f"meta-llama/{name.group(1)}", layer)


FORMAT = Format("goodfire", "a .pt of encoder_linear and decoder_linear, weight and bias", _matches, _read)
