"""circuit-tracer: a cross-layer transcoder, ``{W_dec_3.safetensors,W_enc_3.safetensors,config.yaml}`` for each layer.

``W_dec_3`` is (features, layers from 3 on, hidden): features that read layer 3 write to it and to all layers after it.
Each layer is an SAE of its own, which writes to several sites. ``config.yaml`` names model and hooks; without it they
are for the user to give. Another ``model_kind`` is refused. Encoders are not read, and a decoder of two dimensions does
not match.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from saegeom_data.checkpoints.checkpoint import Candidate, Checkpoint, Encoding, Format, Part
from saegeom_data.checkpoints.sites import Hook, Site
from saegeom_data.errors import StoreError

_KIND = "cross_layer_transcoder"


def _layer(candidate: Candidate) -> int | None:
    """Layer that the features of a file read; None if it is no such file."""
    named = re.fullmatch(r"W_dec_(\d+)", PurePosixPath(candidate.file.name).stem)
    return int(named.group(1)) if named else None


def _matches(candidate: Candidate) -> bool:
    # Without a number in the name of the file, this is the key of no tensor, and the file does not match.
    key = f"W_dec_{_layer(candidate)}"
    return candidate.holds(".safetensors", frozenset({key})) and len(candidate.shape(key)) == 3


def _read(candidate: Candidate) -> Checkpoint:
    config, layer = candidate.yaml("config.yaml"), _layer(candidate)
    if config.get("model_kind", _KIND) != _KIND:
        raise StoreError(
            f"{candidate.path_beside('config.yaml')}: model_kind: got {str(config['model_kind'])[:60]!r}, expected"
            f" {_KIND!r} beside W_dec of three dimensions; fetch both again"
        )
    n_sites = candidate.shape(f"W_dec_{layer}")[1]
    writes = [_hook(config.get("feature_output_hook"), (layer or 0) + later) for later in range(n_sites)]
    return Checkpoint(
        candidate.file,
        _parts(candidate),
        Encoding("unknown"),
        _KIND,
        _site(config, layer),
        writes=tuple(place for place in writes if place is not None),
    )


def _parts(candidate: Candidate) -> dict[str, Part]:
    key = f"W_dec_{_layer(candidate)}"
    return {"decoder": Part(candidate.weights.tensors[key], key=key, site_axis=1)}


def _site(config: dict[str, Any], layer: int | None) -> Site:
    model = config["model_name"] if isinstance(config.get("model_name"), str) else None
    return Site(model, _hook(config.get("feature_input_hook"), layer), layer=layer)


def _hook(name: Any, layer: int | None) -> Hook | None:
    """Hook of a layer, as ``hook_mlp_out`` or ``blocks.{layer}.hook_mlp_out`` says it."""
    if not isinstance(name, str):
        return None
    words = name.replace("{layer}", str(layer)) if "{layer}" in name else f"blocks.{layer}.{name}"
    return Hook(words, name)


FORMAT = Format("circuit-tracer", "W_dec_N.safetensors with a W_dec_N of three dimensions", _matches, _read)
