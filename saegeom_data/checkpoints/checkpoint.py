"""What a format is, what it is told from, and what it makes of that: one SAE in the terms that all formats share.

A :class:`Candidate` is a weights file that is yet to be recognised. A :class:`Format` says whether it is one of its
own, and reads it into a :class:`Checkpoint`. Nothing here reads weights.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from saegeom_data.checkpoints.locate import Source
from saegeom_data.checkpoints.sites import Hook, Site
from saegeom_data.checkpoints.weights.tensors import Tensor, Weights
from saegeom_data.remote.address import without_query
from saegeom_data.remote.files import SourceFile, read_json, read_yaml

Activation = Literal["relu", "topk", "abstopk", "groupmax", "jumprelu", "gated", "unknown"]
Normalisation = Literal["none", "layer_norm", "constant_norm_rescale", "expected_average_only_in"]

# What ``input_centring`` is of an SAE that reads activations less their mean.
CENTRED = "mean over hidden, of each activation"
# How the rows and columns of a decoder may lie in a file, and whether it is then transposed.
ORIENTATIONS = {"features,hidden": False, "hidden,features": True}

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
    key
        Name of the tensor in its file.
    site_axis
        Dimension of the tensor that is over sites, where a decoder writes to several; its bias has the first.
    first_site
        Sites before it are left out: those that the SAE does not write to.
    """

    tensor: Tensor | None
    transpose: bool = False
    default: float | None = None
    key: str = ""
    site_axis: int | None = None
    first_site: int = 0

    @property
    def n_sites(self) -> int:
        """Number of sites that a decoder writes to; 0 where it is a matrix, of one site."""
        if self.tensor is None or self.site_axis is None:
            return 0
        return self.tensor.shape[self.site_axis] - self.first_site


@dataclass(frozen=True)
class Encoding:
    """How codes follow from activations x; see :mod:`saegeom_data.checkpoints.encoder` for the formula.

    Parameters
    ----------
    activation_function
        What makes the pre-activations sparse.
    k
        Features that it keeps, where it keeps a number.
    input_centring
        :data:`CENTRED` where the mean over hidden is taken off each x first.
    input_normalisation
        What is done to it next, by the name that SAELens has for it.
    input_scale
        What x is multiplied by next.
    subtracts_decoder_bias
        Whether the decoder's bias is then subtracted.
    rescales_by_decoder_norm
        Whether pre-activations are multiplied by the norms of the decoder rows.
    unsupported_settings
        What the configuration asks for that is not among these, by the name of the key, each with a sentence that names
        file and value. The decoder can be read, and nothing can be encoded.
    trained_on
        What the configuration says of the tokens that the SAE was trained on.
    """

    activation_function: Activation
    k: int | None = None
    input_centring: str | None = None
    input_normalisation: Normalisation = "none"
    input_scale: float = 1.0
    subtracts_decoder_bias: bool = False
    rescales_by_decoder_norm: bool = False
    unsupported_settings: Mapping[str, str] = field(default_factory=dict)
    trained_on: Mapping[str, Any] = field(default_factory=dict)

    def attrs(self) -> dict[str, Any]:
        """The same, for the attributes of a group; the last two as JSON."""
        known = {name: value for name, value in asdict(self).items() if value is not None}
        texts = {name: json.dumps(known.pop(name)) for name in ("unsupported_settings", "trained_on") if known[name]}
        return {name: value for name, value in known.items() if value != {}} | texts


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
    writes
        Places that a decoder writes to, where there are several; empty where nothing says them.
    """

    file: SourceFile
    parts: Mapping[str, Part]
    encoding: Encoding
    architecture: str | None
    site: Site = field(default_factory=Site)
    l0: float | None = None
    l0_source: str | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    writes: tuple[Hook, ...] = ()


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
    orientation
        How the decoder lies, one of :data:`ORIENTATIONS`, as the user says; None where it is to be told.
    encoder
        Whether the encoder is asked for too.
    """

    source: Source
    file: SourceFile
    weights: Weights
    key: str | None = None
    orientation: str | None = None
    encoder: bool = False

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
        return Part(self.weights.tensors[name], transpose, key=name)

    def config(self, *relatives: str) -> dict[str, Any]:
        """Read the first of some JSON files beside the weights that is there; empty if none is."""
        for relative in relatives:
            file = self.source.beside(self.file, relative)
            if file is not None:
                return read_json(file)
        return {}

    def yaml(self, relative: str) -> dict[str, Any]:
        """Read a YAML file beside the weights; empty if it is not there."""
        file = self.source.beside(self.file, relative)
        return {} if file is None else read_yaml(file)

    def has(self, relative: str) -> bool:
        """Whether a file is beside the weights."""
        return self.source.beside(self.file, relative) is not None

    def path_beside(self, relative: str) -> str:
        """Name of a file beside the weights, for messages."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.file.name), relative))

    def folder_match(self, pattern: str) -> re.Match[str] | None:
        """Match a pattern with the whole of a folder's or the file's name, the nearest to the file first."""
        # On a web server a question mark begins a query.
        path = self.file.path if self.file.is_local else without_query(self.file.path)
        parts = PurePosixPath(path).parts
        # The cache of the Hub has folders such as models--google--gemma-scope-2b-pt-res.
        names = [re.sub(r"^(?:models|datasets|spaces)--(?:.+?--)?", "", part) for part in reversed(parts)]
        # The nearest first: a folder further up may be named after something else, such as a collection.
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
