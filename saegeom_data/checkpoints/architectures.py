"""Architectures of transformers: which of their modules a hook of TransformerLens is, where that is known.

A table has a hook where HookedTransformer and TransformerBridge mean one tensor by it, and it is that of a module.
So ``hook_mlp_out`` of Gemma 2 is the output of the norm behind the MLP, and ``mlp.hook_out`` that of the MLP itself;
``ln2.hook_normalized`` is before the norm's weight, in models with an RMS norm. Of a layer norm it is before weight and
bias in some releases and after them in others, so that those tables lack it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# What passes at a module: what goes into it, what comes out, and what a norm gives before its weight and bias.
ENDS = ("input", "output", "normalized")
# What models are wrapped in: classes with and without a head, and with a vision tower, name one module differently.
_WRAPPERS = r"(?:(?:model|language_model|text_model|transformer|gpt_neox|bert)\.)*"


@dataclass(frozen=True)
class Architecture:
    """Where the modules of a kind of transformer are.

    Parameters
    ----------
    prefix
        What the model with a head keeps the model in.
    blocks
        Name of the list of blocks inside.
    hooks
        Module and end in a block by hook of TransformerLens; where two hooks are one place, the usual one is first.
    outside
        The same for hooks outside the blocks, from the model without a head.
    """

    prefix: str
    blocks: str
    hooks: Mapping[str, str]
    outside: Mapping[str, str]

    def module(self, hook: str) -> str | None:
        """Return module and end of a hook; None if the table lacks it.

        Examples
        --------
        >>> ARCHITECTURES["gemma2"].module("blocks.3.hook_mlp_out")
        'model.layers.3.post_feedforward_layernorm.output'
        """
        match = re.fullmatch(r"blocks\.(\d+)\.(.+)", hook)
        if match is None:
            return f"{self.prefix}.{self.outside[hook]}" if hook in self.outside else None
        place = self.hooks.get(match.group(2))
        return None if place is None else f"{self.prefix}.{self.blocks}.{match.group(1)}.{place}"

    def hook(self, module: str) -> str | None:
        """Return the hook of a module and end; None if there is none.

        Examples
        --------
        >>> ARCHITECTURES["gemma2"].hook("layers.3.mlp.output"), ARCHITECTURES["llama"].hook("layers.3.mlp.output")
        ('blocks.3.mlp.hook_out', 'blocks.3.hook_mlp_out')
        """
        inner = unwrapped(module)
        match = re.fullmatch(rf"{re.escape(self.blocks)}\.(\d+)\.(.+)", inner)
        if match is None:
            return next((hook for hook, place in self.outside.items() if place == inner), None)
        found = next((hook for hook, place in self.hooks.items() if place == match.group(2)), None)
        return None if found is None else f"blocks.{match.group(1)}.{found}"


def unwrapped(module: str) -> str:
    """Return the name of a module without what the model is wrapped in.

    Examples
    --------
    >>> unwrapped("model.language_model.layers.3.mlp.output")
    'layers.3.mlp.output'
    """
    return re.sub(f"^{_WRAPPERS}", "", module)


def _hooks(
    attention: str,
    z: str,
    mlp: str,
    ln1: str,
    ln2: str,
    *,
    inner: Mapping[str, str],
    after: tuple[str, str] | None = None,
    parallel: bool = False,
    rms: bool = False,
) -> dict[str, str]:
    """Hooks of a block, from the names of its modules.

    ``inner`` are hooks inside the MLP, and ``after`` the norms between attention, MLP and the stream. In a ``parallel``
    block attention and MLP both read the block's input, and no stream is between them.
    """
    added = after or (attention, mlp)
    middle = {"hook_mlp_in": "input"} if parallel else dict.fromkeys(("hook_resid_mid", "hook_mlp_in"), f"{ln2}.input")
    hooks = {"hook_resid_pre": "input"} | middle | {"hook_resid_post": "output"}
    hooks |= {"hook_attn_out": f"{added[0]}.output", "hook_mlp_out": f"{added[1]}.output", "attn.hook_z": f"{z}.input"}
    hooks |= {f"mlp.{hook}": place for hook, place in inner.items()} | {"hook_in": "input", "hook_out": "output"}
    norms = {"ln1": ln1, "ln2": ln2} | ({"ln1_post": after[0], "ln2_post": after[1]} if after else {})
    for part, module in ({"attn": attention, "mlp": mlp} | norms).items():
        hooks |= {f"{part}.hook_in": f"{module}.input", f"{part}.hook_out": f"{module}.output"}
        if rms and part in norms:
            hooks[f"{part}.hook_normalized"] = f"{module}.normalized"
    return hooks


_GATED = {
    "hook_pre": "mlp.gate_proj.output",
    "hook_pre_linear": "mlp.up_proj.output",
    "hook_post": "mlp.down_proj.input",
}
_ATTENTION = ("self_attn", "self_attn.o_proj", "mlp", "input_layernorm")
_LLAMA = _hooks(*_ATTENTION, "post_attention_layernorm", inner=_GATED, rms=True)
# One module makes gate and up projection together, so that neither has a place of its own.
_PHI3 = _hooks(*_ATTENTION, "post_attention_layernorm", inner={"hook_post": "mlp.down_proj.input"}, rms=True)
_GEMMA2 = _hooks(
    *_ATTENTION,
    "pre_feedforward_layernorm",
    inner=_GATED,
    after=("post_attention_layernorm", "post_feedforward_layernorm"),
    rms=True,
)
_GPT2 = _hooks(
    "attn", "attn.c_proj", "mlp", "ln_1", "ln_2",
    inner={"hook_pre": "mlp.c_fc.output", "hook_post": "mlp.c_proj.input"},
)  # fmt: skip
_NEOX, _NEOX_SEQUENTIAL = (
    _hooks(
        "attention", "attention.dense", "mlp", "input_layernorm", "post_attention_layernorm",
        inner={"hook_pre": "mlp.dense_h_to_4h.output", "hook_post": "mlp.dense_4h_to_h.input"},
        parallel=parallel,
    )
    for parallel in (True, False)
)  # fmt: skip
# One norm is before attention and MLP alike.
_PHI = _hooks(
    "self_attn", "self_attn.dense", "mlp", "input_layernorm", "input_layernorm",
    inner={"hook_pre": "mlp.fc1.output", "hook_post": "mlp.fc2.input"},
    parallel=True,
)  # fmt: skip
# Norms are behind attention and MLP here, and the two tools differ: ``hook_attn_out`` is HookedEncoder's, before the
# norm, and ``hook_resid_post`` that of TransformerBridge, after it. Where the stream is in between is left out.
_BERT = {
    "hook_resid_pre": "input",
    "hook_resid_post": "output",
    "hook_attn_out": "attention.output.dense.output",
    "hook_mlp_out": "output.dense.output",
    "attn.hook_z": "attention.output.dense.input",
    "mlp.hook_pre": "intermediate.dense.output",
    "mlp.hook_post": "output.dense.input",
}
_EMBED = {"hook_embed": "embed_tokens.output"}
# Releases of transformers multiply embeddings by the root of their size inside this module or after it.
_SCALED_EMBED = {"hook_embed": "layers.0.input"}

ARCHITECTURES: dict[str, Architecture] = {
    **{
        kind: Architecture("model", "layers", hooks, embed)
        for kind, hooks, embed in (
            ("llama", _LLAMA, _EMBED),
            ("mistral", _LLAMA, _EMBED),
            ("qwen2", _LLAMA, _EMBED),
            ("qwen3", _LLAMA, _EMBED),
            ("phi", _PHI, _EMBED),
            ("phi3", _PHI3, _EMBED),
            ("gemma", _LLAMA, _SCALED_EMBED),
            ("gemma2", _GEMMA2, _SCALED_EMBED),
            ("gemma3_text", _GEMMA2, _SCALED_EMBED),
        )
    },
    "gpt2": Architecture("transformer", "h", _GPT2, {"hook_embed": "wte.output"}),
    "gpt_neox": Architecture("gpt_neox", "layers", _NEOX, {"hook_embed": "embed_in.output"}),
    "gpt_neox_sequential": Architecture("gpt_neox", "layers", _NEOX_SEQUENTIAL, {"hook_embed": "embed_in.output"}),
    "bert": Architecture("bert", "encoder.layer", _BERT, {}),
}
# What the name of a model begins with, once its owner is taken off. Gemma 2 is not the Gemma of 2 billion parameters.
_NAMES = (
    (r"gemma-?2(?!\d*b)", "gemma2"),
    (r"gemma-?3(?!n|\d*b)", "gemma3_text"),
    (r"gemma-?(?:\d+b|1\.1)", "gemma"),
    (r"(?:meta-)?llama(?!-?4)|deepseek-r1-distill-llama", "llama"),
    (r"qwen-?3(?![.]|-?next|-?vl|-?omni)", "qwen3"),
    (r"qwen-?(?:2|1\.5)(?!.*-(?:vl|audio|omni))|deepseek-r1-distill-qwen", "qwen2"),
    (r"mistral", "mistral"),
    (r"(?:distil)?gpt-?2(?!\d)", "gpt2"),
    (r"pythia|gpt-?neox", "gpt_neox"),
    (r"phi-?[12](?!\d)", "phi"),
    (r"phi-?[34](?!\d)", "phi3"),
    (r"bert(?:-|$)|all-minilm", "bert"),
)


def named_architecture(model: str | None) -> Architecture | None:
    """Return the architecture that the name of a model tells, for when the model itself is not here.

    Examples
    --------
    >>> named_architecture("google/gemma-2b") is ARCHITECTURES["gemma"]
    True
    """
    name = (model or "").rpartition("/")[2].lower()
    return next((ARCHITECTURES[kind] for start, kind in _NAMES if re.match(start, name)), None)
