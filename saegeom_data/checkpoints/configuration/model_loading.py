r"""How a model of TransformerLens was loaded, which may change its activations: ``model_from_pretrained_kwargs``.

``center_writing_weights`` takes the mean off everything that is written into the residual stream of a model with layer
norms, so that each activation there is :math:`x - \bar x` with its mean :math:`\bar x` over hidden; layer norms, and
what is behind them, do not see that. TransformerLens skips it for models with RMS norms. The other foldings change
weights and leave activations as they are, but for those between the weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from saegeom_data.checkpoints.configuration.keys import Key, recorded, unsupported, without_effect

OBJECT = "model_from_pretrained_kwargs"
_CENTRING = f"{OBJECT}.center_writing_weights"

# Models whose blocks begin with a layer norm, and with an RMS norm, by how their names begin without the owner.
_LAYER_NORM = (
    # OPT of 350 million parameters alone has its norms behind attention and MLP.
    r"(distil)?gpt-?2|stanford-gpt2|alias-gpt2|pythia|gpt-?neox?|gpt-?j|opt-(?!350m)|phi-?[12](?!\d)|tiny-?stories|gelu-|solu-"
    r"|santacoder|stablelm|codegen|othello-gpt"
)
_RMS_NORM = r"(meta-)?llama|deepseek|mistral|mixtral|qwen|gemma|phi-?[34]|yi-|tiny-?llama|vicuna|smollm"
# Where hooks are, without the block: in the residual stream or written into it, or behind a norm.
_RESIDUAL = re.compile(r"hook_(resid_(pre|mid|post)|attn_out|mlp_out|attn_in|mlp_in|embed|pos_embed)")
_SCORES = re.compile(r"attn\.hook_(q|k|rot_q|rot_k|attn_scores|pattern)")
_VALUES = re.compile(r"attn\.hook_(v|z|result)")
_MLP = re.compile(r"mlp\.hook_(pre|pre_linear|post)")
_NORMALISED = re.compile(r"ln\d(_post)?\.hook_normalized")

_QUANTISED = "weights that this package does not load; their activations are others"
_STATE = (
    "another state of the model than the one that is loaded without it; build with that revision under model and name"
    " the key under ignored_settings"
)
_REFUSED_THERE = "which changes activations at this hook"
KEYS = {
    "center_writing_weights": Key("applied", False),
    "fold_ln": Key("refused", False, advice=_REFUSED_THERE),
    "fold_value_biases": Key("refused", False, advice=_REFUSED_THERE),
    "refactor_factored_attn_matrices": Key("refused", False, advice=_REFUSED_THERE),
    **dict.fromkeys(("load_in_8bit", "load_in_4bit", "quantization_config"), Key("refused", False, advice=_QUANTISED)),
    **dict.fromkeys(("checkpoint_index", "checkpoint_value", "checkpoint_label"), Key("refused", advice=_STATE)),
    "revision": Key("refused", "main", advice=_STATE),
    **recorded("default_prepend_bos"),
    **without_effect(
        "center_unembed first_n_layers n_ctx device n_devices device_map move_to_device default_padding_side dtype"
        " torch_dtype trust_remote_code low_cpu_mem_usage attn_implementation cache_dir token use_auth_token"
        " local_files_only force_download tokenizer use_safetensors"
    ),
}


@dataclass(frozen=True)
class Loading:
    """What the way in which a model was loaded means for activations at a hook.

    Parameters
    ----------
    centred
        Whether each activation is less its mean over hidden.
    unsupported
        What is not applied, as in :func:`saegeom_data.checkpoints.configuration.keys.unsupported`.
    """

    centred: bool
    unsupported: Mapping[str, str]


def norm_of(model: str | None) -> Literal["layer", "rms"] | None:
    """Return which norm the blocks of a model begin with; None where its name does not tell.

    Examples
    --------
    >>> norm_of("gpt2-small"), norm_of("google/gemma-2-2b"), norm_of("my-model")
    ('layer', 'rms', None)
    """
    name = (model or "").rpartition("/")[2].lower()
    if re.match(_LAYER_NORM, name):
        return "layer"
    return "rms" if re.match(_RMS_NORM, name) else None


def is_residual(hook: str | None) -> bool:
    """Whether a hook is in the residual stream, or on what is written into it.

    Examples
    --------
    >>> is_residual("blocks.3.hook_resid_pre"), is_residual("blocks.3.attn.hook_z"), is_residual("hook_embed")
    (True, False, True)
    """
    return _RESIDUAL.fullmatch(_inner(hook)) is not None


def _inner(hook: str | None) -> str:
    return re.sub(r"^blocks\.\d+\.", "", hook or "")


def loading(kwargs: Any, model: str | None, hook: str | None, where: str) -> Loading:
    """Return what the way in which a model was loaded means for activations at a hook.

    Parameters
    ----------
    kwargs
        What the model was loaded with.
    model
        Its name.
    hook
        Hook that the SAE reads, in TransformerLens's terms.
    where
        Name of the file that says it, for messages.

    Examples
    --------
    >>> loading({"center_writing_weights": True, "fold_ln": True}, "gpt2", "blocks.3.hook_resid_pre", "cfg.json")
    Loading(centred=True, unsupported={})
    >>> loading({"fold_value_biases": True}, "gpt2", "blocks.3.attn.hook_z", "cfg.json").unsupported
    {'model_from_pretrained_kwargs.fold_value_biases': 'cfg.json: ... is True, which changes activations at this hook'}
    """
    if not isinstance(kwargs, Mapping):
        return Loading(False, unsupported({}, {OBJECT: kwargs}, where))
    inner = _inner(hook)
    # Between weights that are folded into each other activations do change: each folding leaves only
    # these hooks as they are.
    unchanging = {
        "fold_ln": (_RESIDUAL, _SCORES, _VALUES, _MLP),
        "fold_value_biases": (_RESIDUAL, _SCORES, _MLP, _NORMALISED),
        "refactor_factored_attn_matrices": (_RESIDUAL, _MLP, _NORMALISED),
    }
    table = KEYS | {
        name: Key("none") for name, hooks in unchanging.items() if any(places.fullmatch(inner) for places in hooks)
    }
    problems = unsupported(table, kwargs, where, f"{OBJECT}.")
    if not kwargs.get("center_writing_weights"):
        return Loading(False, problems)
    norm = norm_of(model)
    if norm == "rms" or any(places.fullmatch(inner) for places in (_SCORES, _VALUES, _MLP, _NORMALISED)):
        return Loading(False, problems)
    if norm == "layer" and is_residual(hook):
        return Loading(True, problems)
    advice = (
        "which takes the mean off activations in models with layer norms, and nothing tells whether it does at"
        f" {hook!r} of {model!r}; say centred: true or false under saes"
    )
    return Loading(False, problems | {_CENTRING: f"{where}: {_CENTRING} is True, {advice}"})
