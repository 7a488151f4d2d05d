"""What a format is, what it is told from, and what it makes of that: one SAE in the terms that all formats share.

A :class:`Candidate` is a weights file that is yet to be recognised. A :class:`Format` says whether it is one of its
own, and reads it into a :class:`Checkpoint`. Nothing here reads weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from saegeom_data.checkpoints.locate import Source
from saegeom_data.checkpoints.sites import Site
from saegeom_data.checkpoints.weights.tensors import Tensor, Weights
from saegeom_data.errors import StoreError
from saegeom_data.remote.files import SourceFile, read_json

Activation = Literal["relu", "topk", "abstopk", "groupmax", "jumprelu", "gated", "unknown"]
Normalisation = Literal["none", "layer_norm", "constant_norm_rescale", "expected_average_only_in"]

# Vectors over features, beside the two matrices and decoder_bias, which is over hidden.
FEATURE_VECTORS = ("encoder_bias", "threshold", "gate_bias", "magnitude_bias", "log_magnitude", "scaling_factor")


@dataclass(frozen=True)
class Part:
    """A tensor of a checkpoint, or one number for all features.

    Parameters
    ----------
    tensor
        The tensor; None where ``default`` takes its place.
    transpose
        Whether a matrix lies as (hidden, features): its rows are not features.
    default
        The value of every entry where there is no tensor.
    """

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
    site
        Where it reads and writes: model, hooks and block.
    l0
        Features on a token, on average.
    l0_source
        What ``l0`` was taken from, where that is not a name of a folder: ``"k"`` if it is fixed by construction.
    notes
        Further attributes.
    """

    file: SourceFile
    parts: Mapping[str, Part]
    encoding: Encoding
    architecture: str | None
    site: Site = field(default_factory=Site)
    l0: float | None = None
    l0_source: str | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A weights file that is yet to be recognised: its directory of tensors, and the files beside it.

    Parameters
    ----------
    source
        All that its address leads to.
    file
        The weights file.
    weights
        Its tensors, known by name, shape and dtype, and what else it holds.
    key
        Name of the decoder that the user gave, for files of plain arrays.
    """

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
        """Whether a file is beside the weights."""
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
    """A format of checkpoints: what a module of :mod:`saegeom_data.checkpoints.formats` declares as ``FORMAT``.

    Parameters
    ----------
    name
        As the command line takes it.
    description
        Files and keys that tell it from others, for messages.
    matches
        Whether a weights file is of this format, by its keys, shapes and neighbours. It reads no configuration, and no
        two formats may match one file.
    read
        Makes a checkpoint of a file that matches. A configuration that lacks what is needed raises
        :class:`~saegeom_data.errors.StoreError`; what it merely does not say is left None, for the user to give.
    """

    name: str
    description: str
    matches: Callable[[Candidate], bool]
    read: Callable[[Candidate], Checkpoint]


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
    """Shape of a part with features first, (features, hidden) for a matrix; empty for one number."""
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
