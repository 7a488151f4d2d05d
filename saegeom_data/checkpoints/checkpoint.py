"""One SAE as found in files of a format, in the terms that all formats share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from saegeom_data.checkpoints.locate import Source
from saegeom_data.checkpoints.weights.tensors import Tensor, Weights
from saegeom_data.errors import StoreError
from saegeom_data.remote.files import SourceFile, read_json

Activation = Literal["relu", "topk", "abstopk", "groupmax", "jumprelu", "gated", "unknown"]
Normalisation = Literal["none", "layer_norm", "constant_norm_rescale", "expected_average_only_in"]

# Vectors over features, beside the two matrices and decoder_bias, which is over hidden.
FEATURE_VECTORS = ("encoder_bias", "threshold", "gate_bias", "magnitude_bias", "log_magnitude", "scaling_factor")


@dataclass(frozen=True)
class Part:
    """A tensor of a checkpoint; ``transpose`` if its rows are not features. ``default`` fills one that is a number."""

    tensor: Tensor | None
    transpose: bool = False
    default: float | None = None


@dataclass(frozen=True)
class Encoding:
    """How codes follow from activations x; see :mod:`saegeom_data.checkpoints.encoder` for the formula.

    Parameters
    ----------
    activation_function
        What makes the pre-activations sparse.
    k
        Features that it keeps, where it keeps a number.
    input_normalisation
        What is done to each x first, by the name that SAELens has for it.
    input_scale
        What x is multiplied by next.
    subtracts_decoder_bias
        Whether the decoder's bias is then subtracted.
    rescales_by_decoder_norm
        Whether pre-activations are multiplied by the norms of the decoder rows.
    """

    activation_function: Activation
    k: int | None = None
    input_normalisation: Normalisation = "none"
    input_scale: float = 1.0
    subtracts_decoder_bias: bool = False
    rescales_by_decoder_norm: bool = False

    def attrs(self) -> dict[str, Any]:
        """The same, for the attributes of a group."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Checkpoint:
    """One SAE: its parts, how it encodes, and what its files say of it; None where they say nothing.

    Parameters
    ----------
    file
        The weights.
    parts
        ``decoder``, and of ``encoder``, ``decoder_bias`` and :data:`FEATURE_VECTORS` those that there are.
    encoding
        How codes follow from activations.
    architecture
        What the SAE was trained as.
    model
        Name of the model.
    hook_name, hf_hook_name
        Where the decoder writes, in TransformerLens's and in the model's own terms.
    layer
        Number of the block.
    l0
        Features on a token, on average.
    notes
        Further attributes.
    """

    file: SourceFile
    parts: Mapping[str, Part]
    encoding: Encoding
    architecture: str | None
    model: str | None = None
    hook_name: str | None = None
    hf_hook_name: str | None = None
    layer: int | None = None
    l0: float | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A weights file with its directory read, and what stands beside it."""

    source: Source
    file: SourceFile
    weights: Weights
    key: str | None = None

    @property
    def keys(self) -> frozenset[str]:
        """Names of the tensors."""
        return frozenset(self.weights.tensors)

    def holds(self, suffix: str, keys: frozenset[str]) -> bool:
        """Whether the file has this suffix, and tensors of all these names."""
        return self.file.suffix == suffix and self.keys >= keys

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        return self.weights.tensors[name].shape

    def part(self, name: str, *, transpose: bool = False) -> Part:
        """Return a tensor as a part."""
        return Part(self.weights.tensors[name], transpose)

    def config(self, *relatives: str) -> dict[str, Any]:
        """Read the first of some JSON files beside the weights that is there; empty if none is."""
        for relative in relatives:
            file = self.source.beside(self.file, relative)
            if file is not None:
                return read_json(file)
        return {}

    def has(self, relative: str) -> bool:
        """Whether a file stands beside the weights."""
        return self.source.beside(self.file, relative) is not None

    def folder_match(self, pattern: str) -> re.Match[str] | None:
        """Match a pattern with the whole of a folder's or the file's name, the nearest to the file first."""
        names = reversed(PurePosixPath(self.file.path.partition("?")[0]).parts)
        return next((match for name in names if (match := re.fullmatch(pattern, name))), None)

    def folder_number(self, pattern: str) -> int | None:
        """Return the number in the first group of :meth:`folder_match`."""
        match = self.folder_match(pattern)
        return int(match.group(1)) if match else None


@dataclass(frozen=True)
class Format:
    """A format of checkpoints.

    Parameters
    ----------
    name
        As the command line takes it.
    description
        Files and keys that tell it from others, for messages.
    matches
        Whether a weights file is of this format, by its keys, shapes and neighbours.
    read
        Makes a checkpoint of it.
    """

    name: str
    description: str
    matches: Callable[[Found], bool]
    read: Callable[[Found], Checkpoint]


def shape_problems(checkpoint: Checkpoint) -> Iterator[str]:
    """Say in which ways the shapes of the parts disagree with the decoder's."""
    features, hidden = _oriented(checkpoint.parts["decoder"])
    for name, part in checkpoint.parts.items():
        if name in ("decoder", "encoder"):
            got = _oriented(part)
            if len(got) != 2 or got[0] != features or not all(got):
                yield f"{name} has shape {got}, expected ({features}, {hidden}) with features first"
        elif part.tensor is not None and part.tensor.shape:
            size = hidden if name == "decoder_bias" else features
            if part.tensor.shape != (size,):
                yield f"{name} has shape {part.tensor.shape}, expected ({size},) by the decoder, {features} x {hidden}"


def _oriented(part: Part) -> tuple[int, ...]:
    shape = part.tensor.shape if part.tensor is not None else ()
    return shape[::-1] if part.transpose else shape


def check_shapes(checkpoint: Checkpoint) -> None:
    """Raise :class:`StoreError` unless the parts fit together."""
    decoder = checkpoint.parts["decoder"].tensor
    where = checkpoint.file.name
    if decoder is None or len(decoder.shape) != 2 or not all(decoder.shape):
        raise StoreError(
            f"{where}: decoder has shape {decoder.shape if decoder is not None else ()}, expected a matrix"
        )
    if decoder.dtype.kind in "iub":
        raise StoreError(f"{where}: decoder is of {decoder.dtype}, expected floating-point numbers")
    problems = list(shape_problems(checkpoint))
    if problems:
        raise StoreError(f"{where}: {'; '.join(problems)}; half-written, or of another format")
