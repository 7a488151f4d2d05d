"""The last stage: what the others found becomes one sealed store."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from saegeom_data import provenance, schema
from saegeom_data.card import dataset_card
from saegeom_data.codes import codes_group
from saegeom_data.harvest.activations import layer_of, model_path
from saegeom_data.harvest.recipe import Recipe
from saegeom_data.harvest.relations import site_dataset
from saegeom_data.harvest.sequences import SequenceTable
from saegeom_data.harvest.stages import Stage, save_arrays
from saegeom_data.harvest.worker import read_facts
from saegeom_data.store import open_unchecked, staged, write_group

_PACKAGES = ("numpy", "xarray", "zarr", "torch", "transformers", "datasets", "sae-lens", "tokenizers")


def write_store(
    recipe: Recipe,
    output: Path,
    sequences: Stage,
    trained: list[Stage],
    encoded: list[Stage],
    words: Stage | None,
) -> None:
    """Write the store of a build from its finished stages."""
    with warnings.catch_warnings(), staged(output) as folder:
        # The card is told from metadata that is not consolidated yet, and stands among zarr's own files.
        warnings.filterwarnings("ignore", "Failed to open Zarr store with consolidated metadata", RuntimeWarning)
        warnings.filterwarnings("ignore", "Object at README.md is not recognized", UserWarning)
        for name, dataset in _groups(recipe, sequences, trained, encoded, words):
            write_group(folder, name, dataset)
        with open_unchecked(folder) as tree:
            (folder / "README.md").write_text(dataset_card(tree), encoding="utf-8")


def _groups(
    recipe: Recipe, sequences: Stage, trained: list[Stage], encoded: list[Stage], words: Stage | None
) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield path and content of every group, one in memory at a time."""
    table = SequenceTable.load(sequences.folder)
    yield "/", xr.Dataset(attrs=_root_attrs(recipe, table))
    yield "documents", _documents(table)
    if recipe.codes is not None:
        yield "tokens", _tokens(table, table.subset(recipe.codes.sequences_per_type))
    for site, training, encoding in zip(recipe.activations.sites, trained, encoded, strict=True):
        name = f"saes/layer_{layer_of(site)}"
        facts = read_facts(training.folder) | read_facts(encoding.folder)
        yield f"{name}/features", _features(recipe, site, training.folder / "sae", facts)
        with np.load(encoding.folder / "arrays.npz") as arrays:
            yield f"{name}/occurrence", _occurrence(table, arrays["occurrence"])
            if "indptr" in arrays:
                yield f"{name}/codes", _codes(arrays, (len(arrays["indptr"]) - 1, recipe.saes.width))
    if words is not None and recipe.relations is not None:
        pairs, ends = _load_words(words.folder)
        yield "relations", pairs
        for site in recipe.activations.sites:
            source, target = ends[f"source/{site}"], ends[f"target/{site}"]
            yield f"relations/{site}", site_dataset(source, target, site, recipe.relations.pieces, recipe.model.name)


def save_words(
    folder: Path,
    pairs: xr.Dataset,
    source: dict[str, npt.NDArray[np.float16]],
    target: dict[str, npt.NDArray[np.float16]],
) -> None:
    """Keep word pairs and their activations between stages."""
    ends = {"source": source, "target": target}
    arrays = {f"{end}/{site}": values for end, sites in ends.items() for site, values in sites.items()}
    save_arrays(folder / "words.npz", arrays)
    columns = {str(name): variable.values.tolist() for name, variable in pairs.data_vars.items()}
    (folder / "pairs.json").write_text(json.dumps(columns))


def _load_words(folder: Path) -> tuple[xr.Dataset, dict[str, npt.NDArray[np.float16]]]:
    columns = json.loads((folder / "pairs.json").read_text())
    pairs = xr.Dataset(
        {
            name: ("pairs", np.asarray(values, dtype=object if isinstance(values[0], str) else np.int32))
            for name, values in columns.items()
        }
    )
    with np.load(folder / "words.npz") as arrays:
        return pairs, dict(arrays)


def _documents(table: SequenceTable) -> xr.Dataset:
    return xr.Dataset(
        {
            "document_id": ("documents", np.asarray(table.document_id, dtype=object)),
            "document_type": ("documents", np.asarray(table.document_type, dtype=object)),
        }
    )


def _tokens(table: SequenceTable, kept: npt.NDArray[np.int64]) -> xr.Dataset:
    length = len(table.is_special)
    return xr.Dataset(
        {
            "token_id": ("tokens", table.token_id[kept].reshape(-1)),
            "document": ("tokens", np.repeat(table.document[kept], length)),
            "position": ("tokens", np.tile(np.arange(length, dtype=np.int32), len(kept))),
            "is_special": ("tokens", np.tile(table.is_special, len(kept))),
            "block": ("tokens", np.repeat(kept.astype(np.int32), length)),
        },
        attrs={"subset": "the sequences whose codes are stored; block is their index in occurrence"},
    )


def _features(recipe: Recipe, site: str, folder: Path, facts: dict[str, Any]) -> xr.Dataset:
    from safetensors.numpy import load_file

    weights = load_file(folder / "sae_weights.safetensors")
    decoder = weights["W_dec"].astype(np.float32)
    decoder = decoder / np.linalg.norm(decoder, axis=1, keepdims=True)
    return xr.Dataset(
        {
            "decoder": (("features", "hidden"), decoder.astype(np.float16)),
            "decoder_bias": ("hidden", weights["b_dec"].astype(np.float32)),
        },
        coords={"site": site, "layer": layer_of(site), "width": recipe.saes.width, "l0": facts["l0"]},
        attrs=facts
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
    return xr.Dataset(
        {
            "occurrence": (("blocks", "features"), fires),
            "document": ("blocks", table.document),
            "document_type": ("blocks", table.sequence_type),
        },
        # Features are counted on words alone, as special tokens are the same everywhere.
        attrs={"threshold": 0.0, "block_length": int((~table.is_special).sum()), "partial_blocks": "drop"},
    )


def _codes(arrays: Any, shape: tuple[int, int]) -> xr.Dataset:
    from scipy.sparse import csr_matrix

    # scipy has no float16; the attribute says what the values were rounded to.
    data = arrays["data"].astype(np.float32)
    codes = codes_group(csr_matrix((data, arrays["indices"], arrays["indptr"]), shape=shape))
    return codes.assign_attrs(source_dtype=str(arrays["data"].dtype))


def _root_attrs(recipe: Recipe, table: SequenceTable) -> dict[str, Any]:
    sources = [
        {
            "name": one.name,
            "document_type": one.document_type,
            "title": one.title,
            "license": one.license,
            "url": one.url,
            "citation": one.citation,
            "sha256": one.sha256,
        }
        | table.counts[one.name]
        for one in recipe.sources
    ]
    licenses = {one.name: one.license for one in recipe.sources} | {recipe.model.name: recipe.model.license}
    return {
        "format_version": schema.FORMAT_VERSION,
        "name": recipe.name,
        "title": recipe.title,
        "description": recipe.description,
        "license": recipe.license,
        "upstream_licenses": json.dumps(licenses),
        "citation": recipe.citation,
        "sources": json.dumps(sources),
        "model": json.dumps(_model_record(recipe)),
        "tokens_sha256": hashlib.sha256(table.token_id.tobytes()).hexdigest(),
        "recipe": recipe.model_dump_json(),
        "versions": json.dumps(provenance.versions(_PACKAGES)),
        "created_with": f"saegeom-data {provenance.versions(['saegeom-data']).get('saegeom-data', 'from source')}",
    }


def _model_record(recipe: Recipe) -> dict[str, Any]:
    record: dict[str, Any] = recipe.model.model_dump()
    if recipe.model.package is not None:
        record["package_version"] = provenance.versions([recipe.model.package]).get(recipe.model.package)
        weights = Path(model_path(recipe.model)) / "model.safetensors"
        if weights.is_file():
            record["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
    return record
