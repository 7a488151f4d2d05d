"""The data model: groups of a store, and what each must and may hold, from the schema."""

from __future__ import annotations

from collections.abc import Iterable

from saegeom_data.data import schema
from saegeom_data.data.group_kinds import KINDS, DatasetKind, scalar_kinds
from saegeom_data.data.schema import FORMAT_VERSION, Variable
from saegeom_data.guide.pages.markdown import cell, code, join, section, table

_INTRODUCTION = """\
A dataset is one zarr store of groups. Groups, variables, dims and attributes have the names below; what else a store
holds is kept and read by no metric. `saegeom validate STORE` compares a store with this page, and
`saegeom_data.write_tree` writes no other. Names of dims are plural, and dims stand in the order given: the first
varies slowest. Any width of a kind of dtype is accepted: a float is float16, float32 or float64."""

_VERSIONS = """\
The root has `format_version`, which is {version}. A reader takes the versions that it knows and refuses others. The
version is raised where a reader of today would misread a store or refuse it: a variable or attribute that *must* be
there is added, renamed or removed, dims or their order change, or values mean something else. What *may* be there can
be added in any release without a new version: readers of today do not look for it."""

# What groups are for. Their contents are declared; this is not.
_MEANINGS = {
    "root": "What the store is, for readers and catalogues.",
    "documents": "One entry for each document of the text.",
    "tokens": "The text, as tokens in the order in which the model read them.",
    "vocabulary": "The text of each token of the vocabulary.",
    "unembedding": "How the model turns the residual stream into logits.",
    "activations": "Activations of the model at one site, for each token.",
    "features": "The weights of one SAE. One that writes to several sites has `decoder` (features, sites, hidden).",
    "codes": "What the SAE gives for each token, as a sparse matrix of tokens by features.",
    "occurrence": "Which features fire in which blocks of tokens.",
    "cooccurrence": "Counts of blocks in which two features fire together.",
    "labels": "What features fire on, in words, from any number of sources.",
    "examples": "Contexts in which features fire, from elsewhere: tokens and activations, from any number of sources.",
    "untrained features": "An SAE that was not trained, by the name of the trained one that it is held against.",
    "untrained codes": "Its codes.",
    "untrained occurrence": "Its occurrence.",
    "relations": "Word pairs: each is a source and a target in some relation.",
    "relation activations": "Activations of the words of all pairs at one site.",
}
_ATTRIBUTES = {
    "format_version": "version of this data model, as below",
    "title": "what the dataset is called",
    "license": "its licence, by SPDX identifier",
    "model": "model that it was read from, as its hub names it",
    "architecture": "kind of SAE, such as `topk` or `jumprelu`",
    "decoder_norm": "`unit` if decoder rows have norm 1, else `raw`",
    "source_dtype": "dtype in which it was computed",
    "encoding-type": "`csr_matrix`, as AnnData has it",
    "encoding-version": "version of that encoding",
    "shape": "numbers of tokens and features",
    "threshold": "activation above which a feature fires",
    "block_length": "tokens of a block, special ones not counted",
    "sources": "where labels or examples are from, a list",
    "untrained": "how this SAE was made, which was not trained",
    "site": "name of the place in the model",
    "layer": "number of the layer",
    "width": "number of features",
    "l0": "features on for each token, on average",
}
_JOINED = """\
`saegeom_data.select_sae(tree, name)` gives one SAE as one Dataset, with all of the above that belongs to it. Names that
two groups have are told apart there, and blocks are looked at in two further ways:"""


def data_model_page() -> str:
    """Write the page of the data model."""
    own = {variable for kind in KINDS for variable in (*kind.required, *kind.optional)}
    joined = [variable for variable in _variables() if variable not in own and schema.SITES not in variable.dims]
    return join(
        [
            "# Data model",
            _INTRODUCTION,
            section("Groups", code("\n".join(_tree()), "text")),
            *(_kind(kind) for kind in KINDS),
            section("Joined for one SAE", _JOINED, _table(joined, "if asked for")),
            section("Format version", _VERSIONS.format(version=FORMAT_VERSION)),
        ]
    )


def _tree() -> Iterable[str]:
    for kind in KINDS:
        yield f"/{kind.path}".ljust(26) + f"{kind.name}"


def _kind(kind: DatasetKind) -> str:
    """Section of one kind of group."""
    return section(
        kind.name[:1].upper() + kind.name[1:],
        _MEANINGS[kind.name],
        f"Path: `/{kind.path}`, where `*` is any name." if "*" in kind.path else f"Path: `/{kind.path}`.",
        _table(kind.required, "must", kind.optional),
        _attributes(kind),
    )


def _table(variables: Iterable[Variable], must: str, optional: Iterable[Variable] = ()) -> str:
    lines = [(*_line(variable), must) for variable in variables] + [(*_line(variable), "may") for variable in optional]
    return table(("variable", "dims", "kind", "meaning", "be there"), lines)


def _line(variable: Variable) -> tuple[str, str, str, str]:
    words = cell(variable.description) + ("; may be NaN" if variable.may_be_nan else "")
    return f"`{variable.name}`", ", ".join(variable.dims), variable.kind, words


def _attributes(kind: DatasetKind) -> str:
    lines = [(f"`{name}`", "attribute", _ATTRIBUTES[name], "must") for name in kind.attrs]
    lines += [
        (f"`{name}`", f"scalar coordinate, {' or '.join(scalar_kinds(name))}", _ATTRIBUTES[name], "must")
        for name in kind.coords
    ]
    lines += [
        (f"`{attribute.name}`", "attribute", cell(attribute.description), "may")
        for attribute in kind.optional_attrs
        if attribute.name not in kind.attrs
    ]
    return table(("name", "what", "meaning", "be there"), lines)


def _variables() -> list[Variable]:
    """All declared variables, in the order of the schema."""
    found: list[Variable] = []
    for value in vars(schema).values():
        found += [value] if isinstance(value, Variable) else []
    return found
