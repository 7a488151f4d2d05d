"""Groups of a store from shards of sequences and codes: lazy arrays, of which one shard at a time is in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from saegeom_data.checkpoints.import_ import write_features
from saegeom_data.data.codes import codes_of_arrays
from saegeom_data.data.occurrence import occurrence_from_codes
from saegeom_data.data.store import open_unchecked
from saegeom_data.data.write import write_group
from saegeom_data.declare.registry import get_metric
from saegeom_data.harvest.model.sites import layer_of
from saegeom_data.harvest.recipe import Recipe
from saegeom_data.harvest.saes.encode_ready import EncodedCorpus, by_path, key_of
from saegeom_data.harvest.saes.ready import ReadySae
from saegeom_data.harvest.text.corpus import Corpus


@dataclass(frozen=True)
class Ready:
    """What came of ready SAEs: themselves, untrained ones, and folders of sequences and codes if there was a text."""

    saes: Mapping[str, ReadySae]
    corpus: Corpus | None = None
    encoded: EncodedCorpus | None = None
    untrained: Mapping[str, ReadySae] = field(default_factory=dict)

    @property
    def by_path(self) -> dict[str, ReadySae]:
        """All of them by their places in the store."""
        return by_path(self.saes, self.untrained)


def write_ready(folder: Path, recipe: Recipe, ready: Ready) -> None:
    """Write SAEs, and where there is a text its tokens, codes and occurrence, into a staged store."""
    for name, sae in ready.saes.items():
        write_features(folder, f"saes/{name}/features", sae.stored())
    for name, sae in ready.untrained.items():
        # No checkpoint holds it, whose checksum would be written beside it.
        write_group(folder, f"untrained/{name}/features", sae.stored().features)
    if ready.corpus is None or ready.encoded is None:
        return
    for group, dataset in _text_groups(recipe, ready.corpus, ready.encoded, ready.by_path):
        write_group(folder, group, dataset)
    if recipe.occurrence is not None:
        for path in ready.by_path:
            _write_occurrence(folder, path, recipe)


def _text_groups(
    recipe: Recipe, corpus: Corpus, encoded: EncodedCorpus, saes: Mapping[str, ReadySae]
) -> Iterator[tuple[str, xr.Dataset]]:
    names, types = (np.asarray(column, dtype=object) for column in corpus.documents())
    yield "documents", xr.Dataset({"document_id": ("documents", names), "document_type": ("documents", types)})
    sizes = [corpus.sizes(number)[1] for number in range(len(corpus))]
    columns = {"token_id": "int32", "token_document": "int32", "position": "int32", "is_special": "bool"}
    tokens = {
        name.removeprefix("token_") if name == "token_document" else name: (
            "tokens",
            _joined(_Column(corpus, name), sizes, np.dtype(dtype)),
        )
        for name, dtype in columns.items()
    }
    yield "tokens", xr.Dataset(tokens)
    for site in recipe.activations.sites if recipe.activations.keep else []:
        yield f"activations/{site}", _activations(recipe, encoded, site, sizes)
    for path, sae in saes.items():
        yield f"{path}/codes", _codes(encoded, path, sizes, sae.opened.features.sizes["features"])


@dataclass(frozen=True)
class _Column:
    """Reads a property of one shard of sequences."""

    corpus: Corpus
    name: str

    def __call__(self, number: int) -> np.ndarray[Any, Any]:
        return np.asarray(getattr(self.corpus.shard(number), self.name))


@dataclass(frozen=True)
class _Member:
    """Reads an array of one shard of codes."""

    encoded: EncodedCorpus
    key: str

    def __call__(self, number: int) -> np.ndarray[Any, Any]:
        return self.encoded.array(number, self.key)


@dataclass(frozen=True)
class _Bounds:
    """Row bounds of one shard of codes, of which the first shard has one more."""

    counts: _Member
    before: tuple[int, ...]

    def __call__(self, number: int) -> np.ndarray[Any, Any]:
        ends = self.before[number] + np.cumsum(self.counts(number), dtype=np.int64)
        return np.concatenate([[0], ends]) if number == 0 else ends


def _joined(read: Any, sizes: list[int], dtype: np.dtype[Any], hidden: tuple[int, ...] = ()) -> Any:
    """A dask array of one chunk per shard."""
    import dask
    import dask.array as da

    # Pure: keys follow from what is read, and are not drawn at random.
    load = dask.delayed(read, pure=True)
    parts = [da.from_delayed(load(number), (size, *hidden), dtype=dtype) for number, size in enumerate(sizes)]
    return da.concatenate(parts)


def _codes(encoded: EncodedCorpus, name: str, tokens: list[int], features: int) -> xr.Dataset:
    counts = _Member(encoded, key_of(name, "counts"))
    entries = [int(counts(number).sum()) for number in range(len(tokens))]
    before = tuple(int(end) for end in np.cumsum([0, *entries]))
    bounds = _joined(_Bounds(counts, before), [tokens[0] + 1, *tokens[1:]], np.dtype(np.int64))
    data, indices = (
        _joined(_Member(encoded, key_of(name, part)), entries, np.dtype(dtype))
        for part, dtype in (("data", "float32"), ("indices", "int32"))
    )
    return codes_of_arrays(data, indices, bounds, (sum(tokens), features))


def _activations(recipe: Recipe, encoded: EncodedCorpus, site: str, sizes: list[int]) -> xr.Dataset:
    read = _Member(encoded, key_of(site, "activation"))
    hidden = read(0).shape[1:]
    return xr.Dataset(
        {"activation": (("tokens", "hidden"), _joined(read, sizes, np.dtype(np.float32), hidden))},
        coords={"site": site, "layer": layer_of(site)},
        attrs={"model": recipe.model.name, "source_dtype": recipe.activations.dtype},
    )


def _write_occurrence(folder: Path, path: str, recipe: Recipe) -> None:
    """Derive occurrence from the codes that are written, and co-occurrence from it if it is asked for."""
    settings = recipe.occurrence.model_dump() if recipe.occurrence is not None else {}
    # Unchecked, as the store is still being written and has no manifest.
    with open_unchecked(folder) as tree:
        groups = {group: tree.children[group].to_dataset(inherit=False) for group in ("tokens", "documents")}
        codes = _at(tree, path).children["codes"].to_dataset(inherit=False)
        found = occurrence_from_codes(codes, groups["tokens"], groups["documents"], **settings)
        write_group(folder, f"{path}/occurrence", found)
        # Nothing is asked of how features of an untrained SAE fire together beyond what its occurrence tells.
        if not recipe.cooccurrence or path.startswith("untrained/"):
            return
    # Opened again: the occurrence that was just written is read from there, in its chunks.
    with open_unchecked(folder) as tree:
        stored = _at(tree, path).children["occurrence"].to_dataset(inherit=False)
        counted = get_metric("cooccurrence")(stored)
        attrs = {key: stored.attrs[key] for key in ("threshold", "block_length")}
        group = xr.Dataset(counted.data_vars, attrs=attrs)
        write_group(folder, f"{path}/cooccurrence", group)


def _at(tree: xr.DataTree, path: str) -> xr.DataTree:
    """Groups of the SAE at a path such as ``saes/layer_3``."""
    folder, name = path.split("/")
    return tree.children[folder].children[name]
