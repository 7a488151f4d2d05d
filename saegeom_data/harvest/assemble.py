"""The last stage: what the others found becomes one sealed store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from saegeom_data.checkpoints.names import plain_site, source_records
from saegeom_data.data import provenance, schema
from saegeom_data.data.card import dataset_card
from saegeom_data.data.codes import codes_of_arrays
from saegeom_data.data.store import open_unchecked
from saegeom_data.data.write import expected_warnings, staged, write_group
from saegeom_data.harvest.assemble_encoded import Ready, write_ready
from saegeom_data.harvest.model.loading import load_tokenizer
from saegeom_data.harvest.model.place import gguf_file, model_path
from saegeom_data.harvest.model.sites import layer_of
from saegeom_data.harvest.recipe import Recipe, Training
from saegeom_data.harvest.saes.encode_trained import encoded_codes, encoded_occurrence
from saegeom_data.harvest.saes.worker import read_facts
from saegeom_data.harvest.stages import Stage
from saegeom_data.harvest.text.roots import Roots
from saegeom_data.harvest.text.sequences import SequenceTable
from saegeom_data.harvest.words.activations import relation_groups
from saegeom_data.labels.vocabulary import texts_of_tokenizer, vocabulary_group

_PACKAGES = ("numpy", "xarray", "zarr", "torch", "transformers", "datasets", "sae-lens", "tokenizers")
# Keys of a recipe whose values may be paths.
_PLACES = ("path", "address", "archive", "folder", "files")


@dataclass(frozen=True)
class Made:
    """Stages of SAEs and of what they encoded, one per site each."""

    made: list[Stage]
    encoded: list[Stage]


@dataclass(frozen=True)
class Saes:
    """What came of the text: how SAEs were trained, the sequences, and SAEs, with untrained ones if there are any."""

    training: Training
    sequences: Stage
    trained: Made
    untrained: Made | None = None


def write_store(
    recipe: Recipe, output: Path, roots: Roots, saes: Saes | None, words: Stage | None, ready: Ready | None = None
) -> None:
    """Write the store of a build from its finished stages, and the ready SAEs as they are read."""
    # Staged beside its place: a build that is stopped here leaves no store, and goes on from its finished stages.
    with expected_warnings(), staged(output) as folder:
        for name, dataset in _groups(recipe, roots, saes, words, ready):
            write_group(folder, name, dataset)
        if ready is not None:
            write_ready(folder, recipe, ready)
        # The card is made of what was written, not of the recipe. There is no manifest yet that could be
        # checked: it seals the store.
        with open_unchecked(folder) as tree:
            (folder / "README.md").write_text(dataset_card(tree), encoding="utf-8")


def _groups(
    recipe: Recipe, roots: Roots, saes: Saes | None, words: Stage | None, ready: Ready | None
) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield path and content of every group but those of ready SAEs, one in memory at a time."""
    table = SequenceTable.load(saes.sequences.folder) if saes is not None else None
    yield "/", xr.Dataset(attrs=_root_attrs(recipe, roots, table, ready))
    if saes is not None and table is not None:
        yield from _sae_groups(recipe, saes, table)
    if words is not None and recipe.relations is not None:
        yield from relation_groups(words.folder, recipe, recipe.relations)
    if recipe.vocabulary:
        # As the tokenizer's own file says it: decoding one id at a time would lose the space before a word.
        settings = json.loads(load_tokenizer(recipe.model, roots).backend_tokenizer.to_str())
        yield "vocabulary", vocabulary_group(texts_of_tokenizer(settings, f"tokenizer of {recipe.model.name}"))


def _sae_groups(recipe: Recipe, saes: Saes, table: SequenceTable) -> Iterator[tuple[str, xr.Dataset]]:
    yield "documents", _documents(table)
    if recipe.codes is not None:
        yield "tokens", _tokens(table, table.subset(recipe.codes.sequences_per_type))
    yield from _made_groups(recipe, "saes", saes.trained, table, saes.training)
    if saes.untrained is not None:
        yield from _made_groups(recipe, "untrained", saes.untrained, table, saes.training)


def _made_groups(
    recipe: Recipe, folder: str, made: Made, table: SequenceTable, settings: Training
) -> Iterator[tuple[str, xr.Dataset]]:
    for site, training, encoding in zip(recipe.activations.sites, made.made, made.encoded, strict=True):
        name = f"{folder}/{_sae_name(site, recipe.activations.sites)}"
        facts = read_facts(training.folder) | read_facts(encoding.folder)
        yield f"{name}/features", _features(recipe, site, training.folder / "sae", facts)
        yield f"{name}/occurrence", _occurrence(table, encoded_occurrence(encoding.folder))
        codes = encoded_codes(encoding.folder, settings.input_dtype)
        if codes:
            yield f"{name}/codes", _codes(codes, settings.width)


def _sae_name(site: str, sites: list[str]) -> str:
    """The layer, and the site where there are several of a layer."""
    name = f"layer_{layer_of(site)}"
    return name if sum(layer_of(other) == layer_of(site) for other in sites) == 1 else f"{name}_{plain_site(site)}"


def _documents(table: SequenceTable) -> xr.Dataset:
    return xr.Dataset(
        {
            "document_id": ("documents", np.asarray(table.document_id, dtype=object)),
            "document_type": ("documents", np.asarray(table.document_type, dtype=object)),
        }
    )


def _tokens(table: SequenceTable, kept: npt.NDArray[np.int64]) -> xr.Dataset:
    length = table.length
    return xr.Dataset(
        {
            "token_id": ("tokens", table.token_id[kept].reshape(-1)),
            "document": ("tokens", np.repeat(table.document[kept], length)),
            "position": ("tokens", np.tile(np.arange(length, dtype=np.int32), len(kept))),
            "is_special": ("tokens", table.is_special[kept].reshape(-1)),
            "block": ("tokens", np.repeat(kept.astype(np.int32), length)),
        },
        attrs={"subset": "the sequences whose codes are stored; block is their index in occurrence"},
    )


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and np.isnan(value)


def _features(recipe: Recipe, site: str, folder: Path, facts: dict[str, Any]) -> xr.Dataset:
    from safetensors.numpy import load_file

    weights = load_file(folder / "sae_weights.safetensors")
    decoder = weights["W_dec"].astype(np.float32)
    # Training made the norms 1 in float32; once more, so that the store does not depend on its rounding.
    decoder = decoder / np.linalg.norm(decoder, axis=1, keepdims=True)
    return xr.Dataset(
        {
            "decoder": (("features", "hidden"), decoder.astype(np.float16)),
            "decoder_bias": ("hidden", weights["b_dec"].astype(np.float32)),
        },
        coords={"site": site, "layer": layer_of(site), "width": len(decoder), "l0": facts["l0"]},
        # The unexplained variance is NaN, which JSON does not hold, where the inputs do not vary.
        attrs={name: value for name, value in facts.items() if not _is_nan(value)}
        | {
            "model": recipe.model.name,
            "architecture": "topk",
            "decoder_norm": "unit",
            "source_dtype": "float32",
            "sae_lens_version": provenance.versions(["sae-lens"]).get("sae-lens", "unknown"),
            "fvu_definition": "squared error over the variance around the mean, on held-out sequences",
        },
    )


def _occurrence(table: SequenceTable, fires: npt.NDArray[np.bool_]) -> xr.Dataset:
    # Blocks are told apart by their own tokens; those that the tokenizer adds are no text.
    ordinary = (~table.is_special).sum(axis=1)
    return xr.Dataset(
        {
            "occurrence": (("blocks", "features"), _lazy(fires)),
            "document": ("blocks", table.document),
            "document_type": ("blocks", table.sequence_type),
        },
        # Features are counted on words alone, as special tokens are the same everywhere.
        # A sequence is a block, which may be shorter where a chat has special tokens of its own.
        attrs={
            "threshold": 0.0,
            "block_length": int(ordinary.max()),
            "partial_blocks": "drop" if ordinary.min() == ordinary.max() else "keep",
        },
    )


def _codes(codes: dict[str, npt.NDArray[Any]], width: int) -> xr.Dataset:
    indptr = np.concatenate([[0], np.cumsum(codes["counts"], dtype=np.int64)])
    # Neither scipy nor anndata reads float16; the attribute says what values were rounded to.
    data = _lazy(codes["data"]).astype(np.float32)
    found = codes_of_arrays(data, _lazy(codes["indices"]), indptr, (len(indptr) - 1, width))
    return found.assign_attrs(source_dtype=str(codes["data"].dtype))


def _lazy(mapped: npt.NDArray[Any]) -> Any:
    """A dask array of a file that is read piece by piece as it is written."""
    import dask.array as da

    # With a name of its own choice dask would first hash the whole file.
    return da.from_array(mapped, chunks=("auto", *mapped.shape[1:]), name=False)


def _root_attrs(recipe: Recipe, roots: Roots, table: SequenceTable | None, ready: Ready | None) -> dict[str, Any]:
    licenses = {source.name: source.license for source in recipe.sources} | {recipe.model.name: recipe.model.license}
    if ready is not None:
        # An SAE whose licence nobody states may not be left out: its absence would look like permission.
        licenses |= {
            sae.opened.features.attrs["source"]: sae.opened.license or "unknown" for sae in ready.saes.values()
        }
    corpus = ready.corpus if ready is not None else None
    counts = corpus.counts if corpus is not None else table.counts if table is not None else {}
    saes = source_records({name: sae.opened for name, sae in ready.saes.items()}) if ready is not None else []
    if recipe.relations is not None and recipe.relations.license:
        licenses[recipe.relations.title] = recipe.relations.license
    return {
        "format_version": schema.FORMAT_VERSION,
        "name": recipe.name,
        "title": recipe.title,
        "description": recipe.description,
        "license": recipe.license,
        "upstream_licenses": json.dumps(licenses),
        "citation": recipe.citation,
        "sources": json.dumps([*_sources(recipe, counts), *saes]),
        "model": json.dumps(_model_record(recipe, roots)),
        **({"tokens_sha256": hashlib.sha256(table.token_id.tobytes()).hexdigest()} if table is not None else {}),
        **({"tokens_sha256": corpus.sha256()} if corpus is not None else {}),
        "recipe": _recipe_text(recipe),
        "versions": json.dumps(provenance.versions(_PACKAGES)),
        "created_with": f"saegeom-data {provenance.versions(['saegeom-data']).get('saegeom-data', 'from source')}",
    }


def _sources(recipe: Recipe, counts: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    names = ("name", "document_type", "title", "license", "url", "citation", "sha256")
    return [{name: getattr(source, name) for name in names} | counts.get(source.name, {}) for source in recipe.sources]


def _recipe_text(recipe: Recipe) -> str:
    """The recipe as JSON, with no folder of this machine in it."""
    text = recipe.model_dump_json()
    said = json.loads(text)
    published = _without_folders(said)
    # As pydantic writes it, where nothing is left out: bytes of published stores are promised.
    return text if published == said else json.dumps(published, separators=(",", ":"), ensure_ascii=False)


def _without_folders(value: Any, key: str = "") -> Any:
    """Parts of a recipe, with the name alone of each absolute path: folders of one machine are nothing to others."""
    if isinstance(value, dict):
        return {name: _without_folders(part, name) for name, part in value.items()}
    if isinstance(value, list):
        return [_without_folders(part, key) for part in value]
    is_place = key in _PLACES and isinstance(value, str) and Path(value).expanduser().is_absolute()
    return Path(value).name if is_place else value


def _model_record(recipe: Recipe, roots: Roots) -> dict[str, Any]:
    model = recipe.model
    record: dict[str, Any] = _without_folders(model.model_dump())
    if model.package is not None:
        record["package_version"] = provenance.versions([model.package]).get(model.package)
    # A quantised file is known by its own hash, which its facts have; there are no other weights.
    if model.is_gguf:
        return record | (gguf_file(model, roots).facts() if recipe.reads_text else {})
    if model.package is not None:
        weights = Path(model_path(model)) / "model.safetensors"
        if weights.is_file():
            record["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    return record
