"""The kinds of group in a store: which declared variables each holds, with its attributes and coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from saegeom_data.data import schema
from saegeom_data.data.csr_checks import csr_problems
from saegeom_data.errors import Problem, suggest

if TYPE_CHECKING:
    import xarray as xr

# Where an SAE reads and where its decoder writes. They are one place unless it is a transcoder.
PLACES = tuple(
    schema.Attribute(name.format(end), what.format(does))
    for end, does in (("input", "reads"), ("output", "writes"))
    for name, what in (
        ("{}_hook", "where the SAE {}, as TransformerLens names it"),
        ("{}_module", "where the SAE {}: a module of the model in transformers, and its end"),
        ("source_{}", "where the SAE {}, in the words of the checkpoint"),
    )
)


@dataclass(frozen=True)
class DatasetKind:
    """A kind of group in a store: its path, and what it must and may hold."""

    name: str
    path: str
    required: tuple[schema.Variable, ...] = ()
    optional: tuple[schema.Variable, ...] = ()
    attrs: tuple[str, ...] = ()
    coords: tuple[str, ...] = ()
    optional_attrs: tuple[schema.Attribute, ...] = ()

    def problems(self, dataset: xr.Dataset, where: str) -> Iterator[Problem]:
        """Yield what is wrong with ``dataset``, a group that should be of this kind."""
        for variable in self.required:
            if variable.name not in dataset.variables:
                near = suggest(variable.name, [str(name) for name in dataset.variables])
                yield Problem(f"{where}/{variable.name}", f"missing; expected {variable.phrase}{near}")
        for variable in self.declared(dataset):
            if variable.name in dataset.variables:
                yield from variable.problems(dataset[variable.name], f"{where}/{variable.name}")
        for name in self.attrs:
            if name not in dataset.attrs:
                near = suggest(name, [str(attr) for attr in dataset.attrs])
                yield Problem(f"{where or '/'}@{name}", f"attribute missing{near}; add it to the group's attrs")
        for attribute in self.optional_attrs:
            yield from attribute.problems(dataset.attrs, where or "/")
        several = schema.site_decoder in self.declared(dataset)
        for name in self.coords:
            check = _site_problems if several and name in PER_SITE else _scalar_problems
            yield from check(dataset, name, f"{where}/{name}")
        if schema.code_indptr in self.required:
            yield from csr_problems(dataset, where)

    def declared(self, dataset: xr.Dataset) -> tuple[schema.Variable, ...]:
        """Its variables, as ``dataset`` has to have them: decoder and its bias may be over several sites."""
        several = schema.decoder in self.required and schema.SITES in dataset.dims
        return tuple(_AT_SITES.get(each.name, each) if several else each for each in (*self.required, *self.optional))


# Of an SAE that writes to several sites, what it has for each of them.
_AT_SITES: Mapping[str, schema.Variable] = {
    variable.name: variable for variable in (schema.site_decoder, schema.site_decoder_bias)
}
# Coordinates that are over the sites of an SAE that writes to several.
PER_SITE = ("site", "layer")
# Kinds of dtype of the scalar coordinates; L0 may be an average.
SCALARS: Mapping[str, tuple[schema.Kind, ...]] = {
    "site": ("string",),
    "layer": ("integer",),
    "width": ("integer",),
    "l0": ("float", "integer"),
}

# How an SAE that was not trained was made; it stands under /untrained by the name of the SAE that it is held against.
untrained = schema.Attribute("untrained", "how this SAE was made, which was not trained")

_FEATURES = DatasetKind(
    "features",
    "saes/*/features",
    (schema.decoder,),
    (
        schema.encoder,
        schema.encoder_bias,
        schema.threshold,
        schema.decoder_bias,
        schema.gate_bias,
        schema.magnitude_bias,
        schema.log_magnitude,
        schema.scaling_factor,
    ),
    attrs=("model", "architecture", "decoder_norm"),
    coords=("site", "layer", "width", "l0"),
    optional_attrs=PLACES,
)
_CODES = DatasetKind(
    "codes",
    "saes/*/codes",
    schema.CODES,
    attrs=("encoding-type", "encoding-version", "shape"),
)
_OCCURRENCE = DatasetKind(
    "occurrence",
    "saes/*/occurrence",
    (schema.occurrence, schema.block_document, schema.block_document_type),
    attrs=("threshold", "block_length"),
)

KINDS: tuple[DatasetKind, ...] = (
    DatasetKind("root", "", attrs=("format_version", "title", "license")),
    DatasetKind("documents", "documents", (schema.document_id, schema.document_type)),
    DatasetKind("tokens", "tokens", (schema.token_id, schema.token_document, schema.token_position, schema.is_special)),
    DatasetKind("vocabulary", "vocabulary", (schema.vocabulary_text,)),
    DatasetKind("unembedding", "unembedding", (schema.unembedding,)),
    DatasetKind("activations", "activations/*", (schema.activation,), attrs=("model", "source_dtype")),
    _FEATURES,
    _CODES,
    _OCCURRENCE,
    DatasetKind(
        "cooccurrence",
        "saes/*/cooccurrence",
        (schema.n_blocks_both, schema.n_blocks_active),
        attrs=("threshold", "block_length"),
    ),
    DatasetKind(
        "labels",
        "saes/*/labels",
        (
            schema.label_start,
            schema.label_description,
            schema.label_explainer,
            schema.label_score,
            schema.label_scorer,
            schema.label_source,
        ),
        attrs=("sources",),
    ),
    DatasetKind(
        "examples",
        "saes/*/examples",
        (
            schema.example_start,
            schema.example_token_start,
            schema.example_source,
            schema.example_token,
            schema.example_activation,
            schema.example_text,
        ),
        schema.EXAMPLE_MORE,
        attrs=("sources",),
    ),
    replace(
        _FEATURES,
        name="untrained features",
        path="untrained/*/features",
        attrs=(*_FEATURES.attrs, untrained.name),
        optional_attrs=(*PLACES, untrained),
    ),
    replace(_CODES, name="untrained codes", path="untrained/*/codes"),
    replace(_OCCURRENCE, name="untrained occurrence", path="untrained/*/occurrence"),
    DatasetKind(
        "relations",
        "relations",
        (schema.relation, schema.source, schema.target),
        (
            schema.length_difference,
            schema.last_token_length_difference,
            schema.source_token_count,
            schema.target_token_count,
            schema.source_last_token_id,
            schema.target_last_token_id,
            schema.source_frequency_rank,
            schema.target_frequency_rank,
            schema.source_language,
            schema.target_language,
        ),
    ),
    DatasetKind(
        "relation activations", "relations/*", (schema.source_activation, schema.target_activation), attrs=("model",)
    ),
)


def kind_of(path: str) -> DatasetKind | None:
    """Return the kind of the group at ``path`` (as in ``saes/layer_3/features``), or None for a mere folder."""
    path = path.strip("/")
    for kind in KINDS:
        # The star of fnmatch takes slashes too, and would find groups of any depth.
        if kind.path.count("/") == path.count("/") and fnmatchcase(path, kind.path):
            return kind
    return None


def scalar_kinds(name: str) -> tuple[schema.Kind, ...]:
    """Kinds of dtype that a scalar coordinate may have.

    Examples
    --------
    >>> scalar_kinds("l0")
    ('float', 'integer')
    """
    return SCALARS.get(name, ())


def _scalar_problems(dataset: xr.Dataset, name: str, where: str) -> Iterator[Problem]:
    if name not in dataset.coords or dataset[name].ndim:
        near = suggest(name, [str(coord) for coord in dataset.coords])
        yield Problem(where, f"scalar coordinate missing{near}; add it with assign_coords")
    elif not any(dataset[name].dtype.kind in schema.NUMPY_KINDS[kind] for kind in scalar_kinds(name)):
        expected = " or ".join(scalar_kinds(name))
        yield Problem(where, f"got dtype {dataset[name].dtype}, expected {expected}; convert it with .astype")


def _site_problems(dataset: xr.Dataset, name: str, where: str) -> Iterator[Problem]:
    """Yield what is wrong with a coordinate over the sites of an SAE that writes to several."""
    if name not in dataset.coords or dataset[name].dims != (schema.SITES,):
        got = f"got dims {schema.dims_text(dataset[name].dims)}" if name in dataset.variables else "missing"
        yield Problem(where, f"{got}, expected a coordinate over (sites), one for each site; add it with assign_coords")
    elif not any(dataset[name].dtype.kind in schema.NUMPY_KINDS[kind] for kind in SCALARS[name]):
        yield Problem(where, f"got dtype {dataset[name].dtype}, expected {SCALARS[name][0]}; convert it with .astype")
    elif not dataset.sizes[schema.SITES]:
        yield Problem(where, "got 0 sites, expected at least 1")
    elif name == "site":
        sites = list(map(str, dataset[name].values))
        twice = next((site for site in sites if sites.count(site) > 1), None)
        if twice is not None:
            yield Problem(where, f"{twice!r} is a duplicate, and sites are selected by name; give each its own")
