"""Gemma Scope 2: ``resid_post/layer_17_width_16k_l0_medium/{params.safetensors,config.json}``.

``config.json`` names model, hooks and L0; without it the names of folders tell model and site, and L0 is for the user
to give.

A crosscoder (``crosscoder/layer_7_13_17_22_width_262k_l0_medium``) and a cross-layer transcoder
(``clt/width_262k_l0_medium``) lie in ``params_layer_N.safetensors``, one file for each of their sites: the features
that read the site N, and their ``w_dec`` (features, sites, hidden). They write to that site and to those after it. Each
file is an SAE of its own, which writes to several sites; the stated L0 is that of all together, and so no file's. A
bias in a file is what all of them together add at its site, and so no file's either.
A number of sites that the configuration does not name is refused, and so is a skip connection that is not there.
"""

from __future__ import annotations

import math
import re
from pathlib import PurePosixPath
from typing import Any

from saegeom_data.checkpoints.checkpoint import Candidate, Checkpoint, Encoding, Format, Part
from saegeom_data.checkpoints.configuration.keys import stated_number, unsupported
from saegeom_data.checkpoints.configuration.published import GEMMA_SCOPE_2_KEYS
from saegeom_data.checkpoints.sites import Hook, Site, layer_of
from saegeom_data.errors import StoreError

_KEYS = frozenset({"w_enc", "w_dec", "b_enc", "b_dec", "threshold"})
_SKIP = "affine_skip_connection"
# Where the SAEs of a folder read and write, as configurations of their siblings say.
_SITES = {
    "resid_post": ("output", "output"),
    "attn_out": ("self_attn.o_proj.input", "self_attn.o_proj.input"),
    "mlp_out": ("post_feedforward_layernorm.output", "post_feedforward_layernorm.output"),
    "transcoder": ("pre_feedforward_layernorm.output", "post_feedforward_layernorm.output"),
}


# Places that a decoder of several sites reads and writes, by the folder; the braces hold the layers.
_OF_SEVERAL = {
    "crosscoder": ("model.layers.{%s}.output", "model.layers.{%s}.output"),
    "clt": (
        "model.layers.{%s}.pre_feedforward_layernorm.output",
        "model.layers.{%s}.post_feedforward_layernorm.output",
    ),
}
_ARCHITECTURES = {"crosscoder": "jumprelu_crosscoder", "clt": "jumprelu_cross_layer_transcoder"}


def _number(candidate: Candidate) -> int | None:
    """Number of the site that the features of a file read, where its decoder writes to several."""
    named = re.fullmatch(r"params_layer_(\d+)", PurePosixPath(candidate.file.name).stem)
    return int(named.group(1)) if named else None


def _matches(candidate: Candidate) -> bool:
    if not candidate.holds(".safetensors", _KEYS):
        return False
    dims = len(candidate.shape("w_dec"))
    return dims == 2 or (dims == 3 and _number(candidate) is not None)


def _read(candidate: Candidate) -> Checkpoint:
    config = candidate.config("config.json")
    # Codes do not need it, but its absence shows that the weights and this configuration are of two SAEs.
    if config.get("affine_connection") and _SKIP not in candidate.keys:
        raise StoreError(
            f"{candidate.file.shown}: config.json says affine_connection, and no {_SKIP} is in it; fetch both again"
        )
    if len(candidate.shape("w_dec")) == 3:
        return _read_of_several(candidate, config)
    folder = candidate.folder_match(r"(resid_post|attn_out|mlp_out|transcoder)(?:_all)?")
    kind = folder.group(1) if folder else None
    transcoder = kind == "transcoder" or config.get("type") == "transcoder"
    site = _site(candidate, config, kind, transcoder)
    notes: dict[str, Any] = {}
    if transcoder:
        notes = {"skip_connection": _SKIP in candidate.keys}
    return Checkpoint(
        candidate.file,
        _parts(candidate),
        _encoding(candidate, config),
        "jumprelu_transcoder" if transcoder else "jumprelu",
        site,
        l0=stated_number(config, "l0", candidate.path_beside("config.json")),
        notes=notes,
    )


def _read_of_several(candidate: Candidate, config: dict[str, Any]) -> Checkpoint:
    """One file of a crosscoder or CLT: features that read one site, and write to it and to those after it."""
    where, number, n_sites = candidate.file.shown, _number(candidate) or 0, candidate.shape("w_dec")[1]
    folder = candidate.folder_match("crosscoder|clt")
    kind = str(config.get("type", folder.group(0) if folder else ""))
    if kind not in _OF_SEVERAL:
        raise StoreError(
            f"{where}: w_dec writes to {n_sites} sites, and type is {kind[:60]!r} in config.json, expected"
            " crosscoder or clt; fetch config.json too"
        )
    named = candidate.folder_match(r"layer_(\d+(?:_\d+)+)_width_.*")
    layers = named.group(1).replace("_", ",") if named else "all"
    inside, outside = (
        _places(where, config.get(f"hf_hook_point_{end}", own % layers), n_sites)
        for end, own in zip(("in", "out"), _OF_SEVERAL[kind], strict=True)
    )
    if number >= n_sites:
        raise StoreError(f"{where}: is of site {number}, and w_dec writes to {n_sites}, from 0; not of one SAE")
    stated = stated_number(config, "l0", candidate.path_beside("config.json"))
    return Checkpoint(
        candidate.file,
        _parts(candidate)
        | {"decoder": Part(candidate.weights.tensors["w_dec"], key="w_dec", site_axis=1, first_site=number)},
        Encoding("jumprelu"),
        _ARCHITECTURES[kind],
        Site(_model(candidate, config), Hook.written(inside[number]), layer=layer_of(inside[number])),
        # NaN and not None, which would ask the user for a number that no one file has.
        l0=math.nan,
        notes={} if stated is None else {"l0_of_all_sites": float(stated)},
        writes=tuple(Hook.written(place) for place in outside[number:]),
    )


def _places(where: str, template: Any, n_sites: int) -> list[str]:
    """Modules that a template such as ``model.layers.{5,9}.output`` stands for; ``{all}`` is every layer."""
    match = re.fullmatch(r"([^{}]*)\{(all|\d+(?:,\d+)*)\}([^{}]*)", str(template))
    if match is None:
        raise StoreError(f"{where}: got the hook {str(template)[:80]!r} in config.json, expected layers in braces")
    layers = range(n_sites) if match[2] == "all" else [int(layer) for layer in match[2].split(",")]
    if len(layers) != n_sites:
        raise StoreError(f"{where}: w_dec writes to {n_sites} sites, config.json names {len(layers)}; fetch both again")
    return [f"{match[1]}{layer}{match[3]}" for layer in layers]


def _parts(candidate: Candidate) -> dict[str, Part]:
    return {
        "decoder": candidate.part("w_dec"),
        "encoder": candidate.part("w_enc", transpose=True),
        "encoder_bias": candidate.part("b_enc"),
        "decoder_bias": candidate.part("b_dec"),
        "threshold": candidate.part("threshold"),
    }


def _encoding(candidate: Candidate, config: dict[str, Any]) -> Encoding:
    problems = unsupported(GEMMA_SCOPE_2_KEYS, config, candidate.path_beside("config.json"))
    return Encoding("jumprelu", unsupported_settings=problems)


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
