"""What a dataset spec may say of its model: where its weights are, and where and how its activations are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, field_validator

from saegeom_data.harvest.recipe_text import Count, GrownModel, Text

_MODULE = r"[A-Za-z_]\w*(\.\w+)*\.(input|output|normalized)"
SITE = rf"^(hidden_state_\d+|blocks\.\d+\.[A-Za-z_.0-9]*hook_\w+|hook_embed|{_MODULE})$"


class LanguageModel(GrownModel):
    """The transformer whose activations are read.

    Attributes
    ----------
    name
        The model's name in the store.
    package, path
        An installed Python package that carries the weights, and the folder inside it; without a
        package, ``path`` is a folder, relative to the spec file or behind a root, or else a Hub id. A GGUF file may
        stand in place of a folder: its weights are dequantised once, and kept in the cache under its checksum.
    parts
        Pieces of the GGUF file in their order, each as ``package/path`` of an installed package: those of a package
        index are of limited size. ``package`` is then the one whose installation brings them all.
    sha256
        Checksum of the GGUF file.
    revision
        Revision on the Hub.
    license
        Its licence; kept in the store.
    parameters, hidden
        How many there are, and the dimensions of a hidden state, for a plan of what is not on this machine.
    """

    _later = frozenset({"parts", "sha256", "parameters", "hidden"})

    name: Text
    path: Text
    package: str | None = None
    parts: list[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*/.+$")]] = Field(default=[])
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    revision: str | None = None
    license: str = ""
    parameters: Count | None = None
    hidden: Count | None = None

    @property
    def is_gguf(self) -> bool:
        """Whether the weights are in a GGUF file."""
        return self.path.lower().endswith(".gguf")

    def contradictions(self) -> Iterator[str]:
        """Say that what is of a GGUF file is said of another."""
        if (self.parts or self.sha256) and not self.is_gguf:
            yield "parts and sha256 are of a GGUF file: give its name, which ends in .gguf, as path"


class Activations(GrownModel):
    """What is read of the model, and how.

    Attributes
    ----------
    sites
        ``hidden_state_0`` is the output of the embedding and ``hidden_state_n`` that of layer n, the last one after the
        model's final norm, if it has one. ``blocks.n.hook_resid_pre``, ``hook_resid_mid``, ``hook_resid_post``,
        ``hook_attn_out``, ``hook_mlp_out``, ``attn.hook_z`` and others are what TransformerLens calls so, read from the
        model of ``transformers`` where its architecture says which module that is; ``layers.3.mlp.output`` is the
        output of that module, ``.input`` its input, and ``.normalized`` what a norm gives before its weight and bias.
    batch_size
        Sequences that the model reads at a time.
    dtype
        Precision of the model.
    keep
        Whether activations at ``sites`` are stored too, where SAEs are ready made, or there are none.
    """

    _later = frozenset({"dtype", "keep"})

    sites: list[Annotated[str, Field(pattern=SITE)]] = Field(default=[])
    batch_size: Count = 16
    dtype: Literal["float32", "bfloat16"] = "float32"
    keep: bool = False

    @field_validator("sites")
    @classmethod
    def _unique(cls, sites: list[str]) -> list[str]:
        if len(set(sites)) != len(sites):
            raise ValueError("duplicate site; name each once")
        return sites
