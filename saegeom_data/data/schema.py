"""What a store contains: declared variables. :mod:`saegeom_data.data.group_kinds` says which group holds which."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from saegeom_data.errors import Problem

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

# Raised where a reader of today would misread a store or refuse it, and not for what may be there besides.
FORMAT_VERSION = 1

Kind = Literal["float", "integer", "boolean", "string"]
NUMPY_KINDS: Mapping[str, str] = {"float": "f", "integer": "iu", "boolean": "b", "string": "OTU"}

# Dim of an SAE that writes to several sites, as crosscoders and cross-layer transcoders do.
SITES = "sites"

# Dims that other tools have in place of one of ours, slowest first.
PARTS: Mapping[str, tuple[str, ...]] = {"tokens": ("sequences", "positions")}


@dataclass(frozen=True)
class Variable:
    """A declared variable: the contract between those who write a store and those who read it.

    Parameters
    ----------
    name
        Name in the dataset.
    dims
        Names of its dimensions, in order. Dimensions are plural.
    kind
        Kind of dtype: any width of it is accepted.
    description
        What the values are, with units.
    may_be_nan
        Whether NaN says that there is no value.
    """

    name: str
    dims: tuple[str, ...]
    kind: Kind
    description: str
    may_be_nan: bool = False

    @property
    def phrase(self) -> str:
        """What it is in an error: its kind and dims."""
        article = "an" if self.kind == "integer" else "a"
        return f"{article} {self.kind} variable over {dims_text(self.dims)}"

    @property
    def parts(self) -> tuple[str, ...]:
        """Its dims with those that other tools have in place of some of ours."""
        return tuple(part for dim in self.dims for part in PARTS.get(dim, (dim,)))

    def accepts(self, dtype: np.dtype[Any]) -> bool:
        """Whether ``dtype`` is of the declared kind, and zarr holds it: long doubles it does not."""
        return dtype.kind in NUMPY_KINDS[self.kind] and not (dtype.kind == "f" and dtype.itemsize > 8)

    def problems(self, found: xr.DataArray, where: str) -> Iterator[Problem]:
        """Yield what is wrong with ``found``, a variable that should be this one."""
        if tuple(found.dims) != self.dims:
            joined = set(found.dims) == set(self.parts) != set(self.dims)
            how = "put the tree in order with saegeom_data.laid_out" if joined else "rename or transpose it"
            if SITES in found.dims and SITES not in self.dims:
                how = "take one of its sites, as saegeom_data.select_sae(tree, name, site=...) does"
            yield Problem(where, f"got dims {dims_text(found.dims)}, expected {dims_text(self.dims)}; {how}")
        if not self.accepts(found.dtype):
            yield Problem(where, f"got dtype {found.dtype}, expected {self.kind}; convert it with .astype")


@dataclass(frozen=True)
class Attribute:
    """A declared attribute of a group: a text that may be missing.

    Parameters
    ----------
    name
        Name in the attributes.
    description
        What it says.
    """

    name: str
    description: str

    def problems(self, attrs: Mapping[str, Any], where: str) -> Iterator[Problem]:
        """Yield what is wrong with this attribute among those of a group."""
        if not isinstance(attrs.get(self.name, ""), str):
            yield Problem(f"{where}@{self.name}", f"got {attrs[self.name]!r}, expected a text: {self.description}")


decoder = Variable("decoder", ("features", "hidden"), "float", "decoder row of each feature")
site_decoder = Variable(
    "decoder", ("features", SITES, "hidden"), "float", "decoder row of each feature at each site that it writes to"
)
encoder = Variable("encoder", ("features", "hidden"), "float", "encoder row of each feature")
encoder_bias = Variable("encoder_bias", ("features",), "float", "bias added before the activation function")
decoder_bias = Variable("decoder_bias", ("hidden",), "float", "bias of the reconstruction")
site_decoder_bias = Variable(
    "decoder_bias", (SITES, "hidden"), "float", "bias of the reconstruction at each site that the decoder writes to"
)
threshold = Variable("threshold", ("features",), "float", "JumpReLU threshold of each feature")
gate_bias = Variable("gate_bias", ("features",), "float", "bias of the gate of a gated SAE")
magnitude_bias = Variable("magnitude_bias", ("features",), "float", "bias of the magnitudes of a gated SAE")
log_magnitude = Variable("log_magnitude", ("features",), "float", "log of the factor from gate to magnitude")
scaling_factor = Variable("scaling_factor", ("features",), "float", "factor of codes before they are decoded")
occurrence = Variable("occurrence", ("blocks", "features"), "boolean", "whether the feature fires in the block")
block_document = Variable("document", ("blocks",), "integer", "index into documents of the block's document")
block_document_type = Variable("document_type", ("blocks",), "string", "document type of the block")
block_token_id = Variable(
    "block_token_id", ("blocks", "places"), "integer", "vocabulary index of each token of the block; -1 for none"
)
untrained_occurrence = Variable(
    "untrained_occurrence", ("blocks", "untrained_features"), "boolean", "whether it fires, of an untrained SAE"
)
short_occurrence = Variable(
    "short_occurrence", ("short_blocks", "features"), "boolean", "whether the feature fires in the short block"
)
short_untrained_occurrence = Variable(
    "short_untrained_occurrence",
    ("short_blocks", "untrained_features"),
    "boolean",
    "whether it fires in the short block, of an untrained SAE",
)
short_document = Variable("short_document", ("short_blocks",), "integer", "index into documents of its document")
short_document_type = Variable("short_document_type", ("short_blocks",), "string", "document type of the short block")
short_place = Variable("short_place", ("short_blocks",), "integer", "place of the short block in its sequence, from 0")
short_token_id = Variable(
    "short_token_id", ("short_blocks", "short_places"), "integer", "vocabulary index of each token of the short block"
)
# What longer blocks of any length are made of.
SHORT_BLOCKS = (short_occurrence, short_document, short_document_type, short_place, short_token_id)
mean_position = Variable(
    "mean_position", ("features",), "float", "mean position of the tokens that the feature fires on; -1 for none"
)
code_data = Variable("data", ("nonzeros",), "float", "CSR values: activations that are not zero")
code_indices = Variable("indices", ("nonzeros",), "integer", "CSR column: feature of each value")
code_indptr = Variable("indptr", ("row_bounds",), "integer", "CSR row bounds: tokens + 1 of them")
CODES = (code_data, code_indices, code_indptr)
label_start = Variable(
    "label_start", ("feature_bounds",), "integer", "first label of each feature, and their number: features + 1 bounds"
)
label_description = Variable("description", ("labels",), "string", "what the feature fires on, in words")
label_explainer = Variable("explainer", ("labels",), "string", "model or person that wrote it; empty if unknown")
label_score = Variable("score", ("labels",), "float", "how well it predicts activations; NaN for none", may_be_nan=True)
label_scorer = Variable("scorer", ("labels",), "string", "name of the score; empty for none")
label_source = Variable("source", ("labels",), "integer", "index into the attribute sources")
example_start = Variable(
    "example_start", ("feature_bounds",), "integer", "first example of each feature, and their number: features + 1"
)
example_token_start = Variable(
    "token_start", ("example_bounds",), "integer", "first token of each example, and their number: examples + 1 bounds"
)
example_source = Variable("source", ("examples",), "integer", "index into the attribute sources")
example_token = Variable("token", ("example_tokens",), "integer", "index into token_text of each token of an example")
example_activation = Variable(
    "activation", ("example_tokens",), "float", "activation of the feature on each token, as the source gives it"
)
example_text = Variable("token_text", ("token_texts",), "string", "text of a token, with the space before it")
# What sources may say of an example beside its tokens and activations.
EXAMPLE_MORE = (
    Variable(
        "bin_low", ("examples",), "float", "least activation of the interval it is drawn from; NaN for none", True
    ),
    Variable("bin_high", ("examples",), "float", "largest activation of that interval; NaN for none", True),
    Variable("bin_share", ("examples",), "float", "share of all activations in that interval; NaN for none", True),
    Variable(
        "attribution", ("example_tokens",), "float", "direct feature attribution to each token; NaN for none", True
    ),
    Variable("attributed", ("examples",), "integer", "token of the example that is attributed, from 0; -1 for none"),
)
vocabulary_text = Variable(
    "text", ("vocabulary_tokens",), "string", "token of each vocabulary index, with the space before it in running text"
)
unembedding = Variable(
    "unembedding",
    ("unembedded_tokens", "hidden"),
    "float",
    "row of each vocabulary index whose product with the residual stream is its logit, weight of the final norm in it",
)
n_blocks_both = Variable("n_blocks_both", ("features", "features_other"), "integer", "blocks with both features on")
n_blocks_active = Variable("n_blocks_active", ("features",), "integer", "blocks in which the feature is on")
document_id = Variable("document_id", ("documents",), "string", "name of the document in its corpus")
document_type = Variable("document_type", ("documents",), "string", "type of the document")
token_id = Variable("token_id", ("tokens",), "integer", "vocabulary index of the token")
token_document = Variable("document", ("tokens",), "integer", "index into documents of the token's document")
token_position = Variable("position", ("tokens",), "integer", "position of the token in its sequence, from 0")
is_special = Variable("is_special", ("tokens",), "boolean", "whether the token is one the tokenizer added")
# What /tokens and /documents say of each token, under names that none of the groups of an SAE has.
text_document = Variable("token_document", ("tokens",), "integer", "index into documents of the token's document")
text_position = Variable("token_position", ("tokens",), "integer", "position of the token in its sequence, from 0")
text_is_special = Variable("token_is_special", ("tokens",), "boolean", "whether the tokenizer added the token")
text_type = Variable("type_of_document", ("documents",), "string", "type of each document")
TEXT = (token_id, text_document, text_position, text_is_special, text_type)
vocabulary_token = Variable(
    "vocabulary_token", ("vocabulary_tokens",), "string", "text of each vocabulary index, as in /vocabulary"
)
activation = Variable("activation", ("tokens", "hidden"), "float", "activation of the model at the site")
relation = Variable("relation", ("pairs",), "string", "name of the relation")
source = Variable("source", ("pairs",), "string", "source word")
target = Variable("target", ("pairs",), "string", "target word")
length_difference = Variable("length_difference", ("pairs",), "integer", "characters of target minus those of source")
source_token_count = Variable("source_token_count", ("pairs",), "integer", "tokens of the source word")
target_token_count = Variable("target_token_count", ("pairs",), "integer", "tokens of the target word")
last_token_length_difference = Variable(
    "last_token_length_difference",
    ("pairs",),
    "integer",
    "characters of the target's last token minus those of the source's, continuation marks of the tokenizer included",
)
source_last_token_id = Variable("source_last_token_id", ("pairs",), "integer", "vocabulary index of the last token")
target_last_token_id = Variable("target_last_token_id", ("pairs",), "integer", "vocabulary index of the last token")
source_frequency_rank = Variable(
    "source_frequency_rank", ("pairs",), "integer", "rank of the source word by frequency, from 1; 0 if unknown"
)
target_frequency_rank = Variable(
    "target_frequency_rank", ("pairs",), "integer", "rank of the target word by frequency, from 1; 0 if unknown"
)
source_language = Variable("source_language", ("pairs",), "string", "language of the source word")
target_language = Variable("target_language", ("pairs",), "string", "language of the target word")
source_activation = Variable("source_activation", ("pairs", "hidden"), "float", "activation of the source word")
target_activation = Variable("target_activation", ("pairs", "hidden"), "float", "activation of the target word")


def input_site(features: xr.Dataset) -> str:
    """Name of the place that an SAE reads; its site, which it writes, where nothing else is said.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> transcoder = simulate_sae().assign_attrs(input_module="layers.3.mlp.input", output_module="layers.3.mlp.output")
    >>> input_site(transcoder)
    'layers.3.mlp.input'
    """
    names = [[features.attrs.get(f"{end}_{kind}") for kind in ("hook", "module")] for end in ("input", "output")]
    if names[0] != names[1] and any(names[0]):
        return str(names[0][0] or names[0][1])
    return ", ".join(map(str, features.coords["site"].values.ravel())) if "site" in features.coords else ""


def sae_names(tree: xr.DataTree) -> list[str]:
    """Names of the SAEs of a store, with numbers in them in the order of numbers.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_store
    >>> sae_names(simulate_store(n_saes=11))[-2:]
    ['layer_9', 'layer_10']
    """
    return sorted(tree["saes"].children, key=natural_order) if "saes" in tree.children else []


def relation_sites(tree: xr.DataTree) -> list[str]:
    """Names of the sites at which a store has activations of word pairs, ordered like those of SAEs."""
    return sorted(tree["relations"].children, key=natural_order) if "relations" in tree.children else []


def natural_order(name: str) -> list[tuple[int, str]]:
    """Key that sorts names with numbers in them in the order of numbers."""
    # Pairs of one form, as Python compares no number with a text.
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def dims_text(dims: Any) -> str:
    """Names of dimensions as errors show them.

    Examples
    --------
    >>> dims_text(["features", "hidden"])
    '(features, hidden)'
    """
    return "(" + ", ".join(str(dim) for dim in dims) + ")"
