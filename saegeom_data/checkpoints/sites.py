"""Sites: where in a model an SAE reads and writes, in TransformerLens's terms and in the model's own.

What TransformerLens calls a hook is the output or input of a module in the model itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Name of the list of blocks, by what the name of a model begins with once its owner is taken off.
_BLOCKS = (
    ("gemma", "model.layers"),
    ("llama", "model.layers"),
    ("meta-llama", "model.layers"),
    ("qwen", "model.layers"),
    ("mistral", "model.layers"),
    ("deepseek-r1-distill", "model.layers"),
    ("gpt2", "transformer.h"),
    ("distilgpt2", "transformer.h"),
    ("pythia", "gpt_neox.layers"),
    ("bert", "bert.encoder.layer"),
    ("all-minilm", "bert.encoder.layer"),
)
_MODULES = {
    "model.layers": {
        "hook_resid_pre": "input",
        "hook_resid_mid": "post_attention_layernorm.input",
        "hook_resid_post": "output",
        "hook_attn_out": "self_attn.output",
        "hook_mlp_out": "mlp.output",
        "attn.hook_z": "self_attn.o_proj.input",
    },
    "transformer.h": {
        "hook_resid_pre": "input",
        "hook_resid_mid": "ln_2.input",
        "hook_resid_post": "output",
        "hook_attn_out": "attn.output",
        "hook_mlp_out": "mlp.output",
        "attn.hook_z": "attn.c_proj.input",
        "mlp.hook_post": "mlp.act.output",
    },
    "gpt_neox.layers": {
        "hook_resid_pre": "input",
        "hook_resid_post": "output",
        "hook_attn_out": "attention.output",
        "hook_mlp_out": "mlp.output",
        "attn.hook_z": "attention.dense.input",
    },
    "bert.encoder.layer": {
        "hook_resid_pre": "input",
        "hook_resid_post": "output",
        "hook_attn_out": "attention.output.dense.output",
        "hook_mlp_out": "output.dense.output",
        "attn.hook_z": "attention.output.dense.input",
    },
}
# Gemma normalises what attention and MLP put out before it is added, and TransformerLens hooks what is added.
_GEMMA = {
    "hook_resid_mid": "pre_feedforward_layernorm.input",
    "hook_attn_out": "post_attention_layernorm.output",
    "hook_mlp_out": "post_feedforward_layernorm.output",
    "ln2.hook_normalized": "pre_feedforward_layernorm.output",
}


@dataclass(frozen=True)
class Site:
    """A place in a model, as far as files and folders say; None where they say nothing.

    Parameters
    ----------
    model
        Name of the model.
    hook_name, hf_hook_name
        The place, in TransformerLens's and in the model's own terms.
    layer
        Number of the block.
    """

    model: str | None = None
    hook_name: str | None = None
    hf_hook_name: str | None = None
    layer: int | None = None

    @classmethod
    def of_hook(cls, hook_name: str | None, model: str | None, layer: int | None) -> Site:
        """Return the site of a TransformerLens hook, with its name in the model's own terms where that is known.

        Examples
        --------
        >>> Site.of_hook("blocks.6.hook_mlp_out", "gpt2", 6).hf_hook_name
        'transformer.h.6.mlp.output'
        """
        return cls(model, hook_name, huggingface_name(hook_name, model), layer)


def layer_of(hook_name: str | None) -> int | None:
    """Return the number of the block in the name of a hook.

    Examples
    --------
    >>> layer_of("blocks.12.hook_resid_post"), layer_of("model.layers.3.output"), layer_of("hook_embed")
    (12, 3, None)
    """
    match = re.search(r"(?:^|\.)(?:blocks|layers|layer|h)\.(\d+)(?:\.|$)", hook_name or "")
    return int(match.group(1)) if match else None


def huggingface_name(hook_name: str | None, model: str | None) -> str | None:
    """Return what a TransformerLens hook is in the model's own terms, where that is known.

    Examples
    --------
    >>> huggingface_name("blocks.12.hook_resid_post", "google/gemma-2-2b")
    'model.layers.12.output'
    >>> huggingface_name("blocks.3.hook_mlp_out", "gpt2-small")
    'transformer.h.3.mlp.output'
    """
    match = re.fullmatch(r"blocks\.(\d+)\.(.+)", hook_name or "")
    blocks, modules = _table(model)
    if match is None or match.group(2) not in modules:
        return None
    return f"{blocks}.{match.group(1)}.{modules[match.group(2)]}"


def hook_names(model: str | None, n_blocks: int) -> list[str]:
    """Return the TransformerLens hooks that are known in a model of so many blocks.

    Examples
    --------
    >>> hook_names("gpt2-small", 1)[:2]
    ['blocks.0.hook_resid_pre', 'blocks.0.hook_resid_mid']
    """
    return [f"blocks.{block}.{hook}" for block in range(n_blocks) for hook in _table(model)[1]]


def _table(model: str | None) -> tuple[str, dict[str, str]]:
    """Where the blocks of a model are, and the modules that hooks stand for; empty for a model that is not known."""
    name = (model or "").rpartition("/")[2].lower()
    blocks = next((blocks for start, blocks in _BLOCKS if name.startswith(start)), "")
    return blocks, _MODULES.get(blocks, {}) | (_GEMMA if name.startswith(("gemma-2", "gemma-3")) else {})
