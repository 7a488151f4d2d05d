"""Sites: where in a model an SAE reads and writes, in the checkpoint's words, in TransformerLens's and the model's own.

An autoencoder writes where it reads. A transcoder reads in one place, on which its codes depend, and writes in another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from saegeom_data.checkpoints.architectures import ARCHITECTURES, ENDS, named_architecture, unwrapped

_BLOCK = r"(?:^|\.)(?:blocks|layers|layer|h)\.(\d+)(?:\.|$)"


@dataclass(frozen=True)
class Hook:
    """One place in a model.

    Parameters
    ----------
    name
        A hook of TransformerLens, or else a module with the end that is meant: ``.input``, ``.output``, or
        ``.normalized`` for what a norm gives before its weight and bias. A module is what is read, by its name; a hook
        stands for what it is in the architecture of the model.
    source
        What the checkpoint says of it, in its own words.
    alias
        A hook of TransformerLens that the checkpoint names besides a module. It counts where it is that module.
    """

    name: str
    source: str | None = None
    alias: str | None = None

    @classmethod
    def written(cls, words: str, alias: str | None = None) -> Hook:
        """Return the place that a checkpoint calls so; a module without an end stands for its output.

        Examples
        --------
        >>> Hook.written("model.layers.19").name, Hook.written("blocks.3.hook_mlp_out").name
        ('model.layers.19.output', 'blocks.3.hook_mlp_out')
        """
        ends = words.rpartition(".")[2] in ENDS or is_hook(words) or re.search(_BLOCK, words) is None
        return cls(words if ends else f"{words}.output", alias or words, alias)

    def hook(self, model: str | None) -> str | None:
        """Name in TransformerLens, as far as the name of the model tells."""
        if is_hook(self.name):
            return self.name
        architecture = named_architecture(model)
        if architecture is None:
            match = re.fullmatch(r"(?:layers|h)\.(\d+)\.(input|output)", unwrapped(self.name))
            block = f"blocks.{match[1]}.hook_resid_{'pre' if match[2] == 'input' else 'post'}" if match else None
            return self.alias or block
        named = architecture.module(self.alias) if self.alias else None
        same = named is not None and unwrapped(named) == unwrapped(self.name)
        # Checkpoints name both by hand, and not always alike: the module is what is read, so the
        # alias has to agree with it.
        return self.alias if same else architecture.hook(self.name)

    def module(self, model: str | None) -> str | None:
        """Module and end in the model itself, as far as the name of the model tells."""
        return huggingface_name(self.name, model) if is_hook(self.name) else self._own_name

    @property
    def _own_name(self) -> str | None:
        return self.name if self.name.rpartition(".")[2] in ENDS else None


@dataclass(frozen=True)
class Site:
    """Where an SAE reads and writes, as far as files and folders say; None where they say nothing.

    Parameters
    ----------
    model
        Name of the model.
    reads, writes
        The two places; one and the same for an autoencoder.
    layer
        Number of the block.
    """

    model: str | None = None
    reads: Hook | None = None
    writes: Hook | None = None
    layer: int | None = None

    @classmethod
    def of_hook(cls, name: str | None, model: str | None, layer: int | None, *, source: str | None = None) -> Site:
        """Return the site of an autoencoder, by the name of its hook or module.

        Examples
        --------
        >>> Site.of_hook("blocks.6.hook_mlp_out", "gpt2", 6).attrs()["input_module"]
        'transformer.h.6.mlp.output'
        """
        place = Hook(name, source) if name else None
        return cls(model, place, place, layer)

    @property
    def label(self) -> str | None:
        """Name of the place that the decoder writes, or else of that which the SAE reads."""
        place = self.writes or self.reads
        return None if place is None else place.hook(self.model) or place.name

    def stated(self, site: str | None, model: str | None, *, transcoder: bool = False) -> Site:
        """Return what is known once a user states site and model.

        Examples
        --------
        >>> transcoder = Site("gpt2", None, Hook("blocks.6.hook_mlp_out"), 6)
        >>> transcoder.stated("h.6.mlp.input", None, transcoder=True).attrs()["input_hook"]
        'blocks.6.mlp.hook_in'
        """
        known = self if model is None else replace(self, model=model)
        if site is None:
            return known
        place = replace(Hook.written(site), source=None)
        if not transcoder:
            layer = layer_of(site)
            return replace(known, reads=place, writes=place, layer=known.layer if layer is None else layer)
        output = known.writes
        # Who names the output of a transcoder says nothing of its input.
        names = (output.name, output.hook(known.model), output.module(known.model)) if output is not None else ()
        same = unwrapped(place.name) in [unwrapped(name) for name in names if name]
        return known if same else replace(known, reads=place)

    def attrs(self) -> dict[str, str]:
        """Both places in all words, for the attributes of a group."""
        named = {
            name: value
            for end, place in (("input", self.reads), ("output", self.writes))
            if place is not None
            for name, value in (
                (f"{end}_hook", place.hook(self.model)),
                (f"{end}_module", place.module(self.model)),
                (f"source_{end}", place.source),
            )
        }
        return {name: value for name, value in named.items() if value is not None}


def is_hook(name: str) -> bool:
    """Whether a name is one of TransformerLens.

    Examples
    --------
    >>> is_hook("blocks.3.ln2.hook_normalized"), is_hook("layers.3.mlp.output")
    (True, False)
    """
    return re.fullmatch(r"(?:\w+\.)*hook_\w+", name) is not None


def site_problem(words: str) -> str:
    """Return why a site that a user states is no place in a model, and what to give; empty if it is one.

    Examples
    --------
    >>> site_problem("blocks.6.hook_resid_post"), site_problem("model.layers.6"), site_problem("hidden_state_6")
    ('', '', '')
    >>> site_problem("hook_resid_post")
    'got a hook of no block, expected one such as blocks.6.hook_resid_post'
    """
    name = Hook.written(words).name
    if any(name in architecture.hooks for architecture in ARCHITECTURES.values()):
        return f"got a hook of no block, expected one such as blocks.6.{name}"
    path, _, end = name.rpartition(".")
    if is_hook(name) or (path and end in ENDS) or re.fullmatch(r"hidden_state_\d+", name):
        return ""
    return (
        f"got {words[:60]!r}, expected a hook such as blocks.6.hook_resid_post, a module with its end such as"
        " layers.6.mlp.output, or a hidden state such as hidden_state_6"
    )


def layer_of(hook_name: str | None) -> int | None:
    """Return the number of the block in the name of a hook.

    Examples
    --------
    >>> layer_of("blocks.12.hook_resid_post"), layer_of("model.layers.3.output"), layer_of("hook_embed")
    (12, 3, None)
    """
    match = re.search(_BLOCK, hook_name or "")
    return int(match.group(1)) if match else None


def huggingface_name(hook_name: str | None, model: str | None) -> str | None:
    """Return what a TransformerLens hook is in the model's own terms, where the name of the model tells.

    Examples
    --------
    >>> huggingface_name("blocks.12.hook_resid_post", "google/gemma-2-2b")
    'model.layers.12.output'
    >>> huggingface_name("blocks.3.hook_mlp_out", "gpt2-small")
    'transformer.h.3.mlp.output'
    """
    architecture = named_architecture(model)
    return None if architecture is None or hook_name is None else architecture.module(hook_name)
