"""Llama Scope: ``hyperparams.json`` and ``checkpoints/final.safetensors``.

``hyperparams.json`` gives hooks, activation, threshold and how activations were normalised in training. Without a
readable threshold and mean norm where they are needed the checkpoint is refused: its codes would be wrong.
"""

from __future__ import annotations

import math
from typing import Any

from saegeom_data.checkpoints.checkpoint import Candidate, Checkpoint, Encoding, Format, Part
from saegeom_data.checkpoints.configuration.keys import unsupported
from saegeom_data.checkpoints.configuration.llama_scope import ACTIVATIONS, KEYS
from saegeom_data.checkpoints.sites import Hook, Site, layer_of
from saegeom_data.errors import StoreError

_KEYS = frozenset({"encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"})


def _matches(candidate: Candidate) -> bool:
    return candidate.holds(".safetensors", _KEYS) and len(candidate.shape("decoder.weight")) == 2


def _read(candidate: Candidate) -> Checkpoint:
    config = candidate.config("../hyperparams.json", "hyperparams.json")
    hidden = candidate.shape("decoder.weight")[0]
    activation = str(_said(config, "act_fn"))
    try:
        inside, outside = (_scale(config, hidden, end) for end in ("in", "out"))
        threshold = _number(config["jump_relu_threshold"]) if activation == "jumprelu" else None
        k = config["top_k"] if activation == "topk" else None
        if activation == "topk" and (isinstance(k, bool) or not isinstance(k, int) or k < 1):
            raise ValueError
        if not (0 < inside < math.inf and 0 < outside < math.inf):
            raise ValueError
    # One message for all of these, as the cure is the same: a configuration that is whole.
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise StoreError(
            f"{candidate.file.shown}: no readable jump_relu_threshold or top_k, and dataset_average_activation_norm"
            " in a hyperparams.json beside its folder; fetch both"
        ) from error
    if threshold is not None:
        # Published for activations as the model gives them, while pre-activations are of scaled ones.
        threshold *= inside
    site, kind = _site(candidate, config), activation if activation in ("topk", "jumprelu") else "standard"
    return Checkpoint(
        candidate.file,
        _parts(candidate, config, threshold),
        _encoding(candidate, config, inside, k),
        kind if site.reads == site.writes else "transcoder" if kind == "standard" else f"{kind}_transcoder",
        site,
        l0=k,
        l0_source="k",
        notes={"output_scale": outside, "k_in_training": config.get("top_k", 0)},
    )


def _scale(config: dict[str, Any], hidden: int, end: str) -> float:
    r"""Return :math:`\sqrt{d} / \bar n`, the factor by which training scaled activations of mean norm :math:`\bar n`.

    With ``hidden`` :math:`d`. The files keep the weights as they were trained, on scaled activations. It is 1 where
    activations were not scaled, or each by its own norm.
    """
    if _said(config, "norm_activation") != "dataset-wise":
        return 1.0
    return math.sqrt(hidden) / _number(config["dataset_average_activation_norm"][end])


def _number(value: Any) -> float:
    """The same number; raises TypeError for what is none, true and false too."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _said(config: dict[str, Any], name: str) -> Any:
    """Value of a key, or its default where it is left out or null."""
    value = config.get(name)
    return KEYS[name].default if value is None else value


def _unsupported(config: dict[str, Any], where: str) -> dict[str, str]:
    """What is not applied. Norms of the decoder weigh features where k are selected, and nothing at a threshold."""
    name, found = "sparsity_include_decoder_norm", unsupported(KEYS, config, where)
    if _said(config, "act_fn") == "topk" and _said(config, name):
        found[name] = f"{where}: {name} is True, which selects features by decoder norms too; encode with its library"
    return found


def _parts(candidate: Candidate, config: dict[str, Any], threshold: float | None) -> dict[str, Part]:
    parts = {
        "decoder": candidate.part("decoder.weight", transpose=True),
        "encoder": candidate.part("encoder.weight"),
        "encoder_bias": candidate.part("encoder.bias"),
    }
    parts |= {"decoder_bias": candidate.part("decoder.bias")} if _said(config, "use_decoder_bias") else {}
    return parts | ({} if threshold is None else {"threshold": Part(None, default=threshold)})


def _encoding(candidate: Candidate, config: dict[str, Any], scale: float, k: int | None) -> Encoding:
    activation = _said(config, "act_fn")
    return Encoding(
        activation if activation in ACTIVATIONS else "unknown",
        k=k,
        input_normalisation="constant_norm_rescale" if _said(config, "norm_activation") == "token-wise" else "none",
        input_scale=scale,
        subtracts_decoder_bias=bool(
            _said(config, "apply_decoder_bias_to_pre_encoder") and _said(config, "use_decoder_bias")
        ),
        unsupported_settings=_unsupported(config, candidate.path_beside("../hyperparams.json")),
    )


def _site(candidate: Candidate, config: dict[str, Any]) -> Site:
    folder = candidate.folder_match(r"Llama3_1-8B-Base-L\d+[A-Z]+-\d+x(?:@.*)?")
    inside = config.get("hook_point_in")
    reads, writes = (Hook.written(hook) if hook else None for hook in (inside, config.get("hook_point_out") or inside))
    layer = layer_of(writes.name if writes else None)
    return Site("meta-llama/Llama-3.1-8B" if folder else None, reads, writes, layer)


FORMAT = Format(
    "llama-scope", "a .safetensors of encoder and decoder weight and bias, and hyperparams.json", _matches, _read
)
