"""The unembedding of a model, from its weights: what makes logits of the residual stream, with the final norm in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data.checkpoints.choose import choose
from saegeom_data.checkpoints.locate import Source, locate
from saegeom_data.checkpoints.pieces import bundles
from saegeom_data.checkpoints.weights.tensors import Tensor, lazy_matrix, read_values, stored_dtype
from saegeom_data.data import schema, store
from saegeom_data.data.manifest_of import root_hash
from saegeom_data.data.write import write_group
from saegeom_data.errors import DataValueError, ParameterError, StoreError, first_names
from saegeom_data.labels.extend import extended
from saegeom_data.remote.files import SourceFile, read_json

if TYPE_CHECKING:
    import xarray as xr

_GROUP = schema.unembedding.name
# Of a model that has one of its own, and else the embedding, which is then used at both ends.
_OWN = ("lm_head.weight", "embed_out.weight")
_SHARED = (
    "model.embed_tokens.weight",
    "model.language_model.embed_tokens.weight",
    "language_model.model.embed_tokens.weight",
    "embed_tokens.weight",
    "transformer.wte.weight",
    "wte.weight",
)
# (hidden, tokens), as TransformerLens has it.
_TURNED = ("unembed.W_U", "W_U")
_NORMS = (
    "model.norm.weight",
    "model.language_model.norm.weight",
    "language_model.model.norm.weight",
    "norm.weight",
    "transformer.ln_f.weight",
    "ln_f.weight",
    "gpt_neox.final_layer_norm.weight",
    "ln_final.w",
)
# Tensors that a message lists.
_SHOWN = 6
# Models whose final norm multiplies by one more than its weight.
_ONE_MORE = ("gemma", "gemma2", "gemma3", "gemma3_text", "recurrent_gemma")


@dataclass(frozen=True)
class _Found:
    """An unembedding (tokens, hidden), lazy, with what it was made of."""

    rows: xr.DataArray
    where: str
    words: str
    attrs: Mapping[str, str]


def add_unembedding(path: str | os.PathLike[str], source: str | os.PathLike[str]) -> tuple[str, str]:
    """Add the unembedding of the model to a store that has none; return words on it and the new root hash.

    The final norm of the model multiplies dimensions by its weight, which is multiplied into the rows. A norm with a
    bias takes the mean over dimensions away first, so the rows of such a model are taken less theirs.

    Parameters
    ----------
    path
        Store of this machine.
    source
        Weights of the model, as transformers or TransformerLens save them: a file or a folder, with ``config.json``
        beside. A source of a single tensor is taken as the unembedding (tokens, hidden) as it is.

    Raises
    ------
    ParameterError
        If the store has an unembedding already.
    DataValueError
        If it fits no SAE of the store, or lacks tokens of its text.
    StoreError
        If store or source cannot be read, or the source has no unembedding, or not all that is needed of it.
    """
    with store.open(path) as tree:
        if _GROUP in tree.children:
            raise ParameterError(f"{path}: has an unembedding already, which stays; build the store anew for another")
        found = _found(locate(source))
        _check(tree, found)
    group = found.rows.to_dataset(name=_GROUP).assign_attrs(found.attrs)
    with extended(path, [_GROUP]) as folder:
        write_group(Path(folder), _GROUP, group)
    return found.words, root_hash(path)


def _found(source: Source) -> _Found:
    """The unembedding among the weights at a source."""
    files = list(source.weights) if source.is_file else choose(source.weights)
    tensors: dict[str, Tensor] = {}
    first: SourceFile | None = None
    for bundle in bundles(source, files, False):
        first = first or bundle.file
        # Weights are often there in two forms, of which the first in order of names is safetensors.
        tensors = {**bundle.weights.tensors, **tensors}
    key = next((name for name in (*_OWN, *_TURNED, *_SHARED) if name in tensors), "")
    is_only = not key and len(tensors) == 1
    key = next(iter(tensors)) if is_only else key
    if not key or first is None:
        listed = first_names(tensors, _SHOWN)
        raise StoreError(
            f"{source.address}: no {', '.join((*_OWN, *_SHARED, *_TURNED))} in it, got {listed or 'nothing'}; give"
            " weights of a model, or a file of the unembedding (tokens, hidden) alone"
        )
    where, tensor = f"{source.address}: {key}", tensors[key]
    if len(tensor.shape) != 2 or not all(tensor.shape):
        raise StoreError(f"{where}: got shape {tensor.shape}, expected a matrix")
    if stored_dtype(tensor.dtype).kind != "f":
        raise StoreError(f"{where}: got dtype {tensor.dtype}, expected floating-point numbers; give weights of a model")
    config = source.beside(first, "config.json")
    if key in _SHARED and config is not None and read_json(config).get("tie_word_embeddings") is False:
        raise StoreError(f"{source.address}: has {key}, and the unembedding of this model is another; give all weights")
    found = _with_norm(source, first, tensors, key)
    # Nothing but its shape tells what it is, so it is said what it was taken for.
    return replace(found, words=f"{found.words}, the only tensor there") if is_only else found


def _with_norm(source: Source, file: SourceFile, tensors: Mapping[str, Tensor], key: str) -> _Found:
    import xarray as xr

    rows = lazy_matrix(tensors[key], f"unembedding-{source.address}-{key}", transpose=key in _TURNED)
    # Half precision would round the products with the norm once more.
    rows = rows if rows.dtype.itemsize >= 4 else rows.astype("float32")
    n_tokens, hidden = rows.shape
    norm = next((name for name in _NORMS if name in tensors), "")
    said = f"{n_tokens:,} tokens by {hidden:,} dimensions, from {key}"
    if norm:
        weight = read_values(tensors[norm]).astype(rows.dtype)
        if weight.shape != (hidden,):
            raise StoreError(
                f"{source.address}: {norm}: got shape {weight.shape}, expected ({hidden},), as {key} has it"
            )
        rows = rows * (weight + 1 if _adds_one(source, file, norm) else weight)
        if _bias_of(norm) in tensors:
            rows = rows - rows.mean(axis=1, keepdims=True)
        said = f"{said}, times {norm}"
    attrs = {"url": source.recorded, "sha256": file.digest() or "", "key": key, "final_norm": norm}
    dims = schema.unembedding.dims
    where = f"{source.address}: {key}"
    return _Found(xr.DataArray(rows, dims=dims), where, said, {name: value for name, value in attrs.items() if value})


def _bias_of(norm: str) -> str:
    """Name of the bias beside the weight of a norm."""
    return norm.removesuffix("weight") + "bias" if norm.endswith("weight") else norm.removesuffix("w") + "b"


def _adds_one(source: Source, file: SourceFile, norm: str) -> bool:
    """Whether the norm multiplies by one more than its weight, which the configuration of the model alone tells."""
    if not norm.endswith("norm.weight") or "layer_norm" in norm:
        return False
    beside = source.beside(file, "config.json")
    if beside is None:
        raise StoreError(
            f"{file.shown}: no config.json beside it, which tells whether the final norm adds 1 to {norm}; fetch it too"
        )
    config = read_json(beside)
    inner = config.get("text_config")
    return (inner if isinstance(inner, dict) else config).get("model_type") in _ONE_MORE


def _check(tree: xr.DataTree, found: _Found) -> None:
    """Refuse an unembedding that is not of the model of a store."""
    n_tokens, hidden = found.rows.shape
    widths = set()
    for name in schema.sae_names(tree):
        features = tree["saes"].children[name].children.get("features")
        if features is not None and "hidden" in features.sizes:
            widths.add(features.sizes["hidden"])
    if hidden not in widths:
        listed = ", ".join(map(str, sorted(widths))) or "no SAE"
        turned = "it lies the other way round, transpose it"
        how = turned if n_tokens in widths else "give that of its own model"
        raise DataValueError(
            f"{found.where}: got {n_tokens} tokens by {hidden} dimensions, expected dimensions of an SAE of the store:"
            f" {listed}; {how}"
        )
    if "tokens" in tree.children:
        token_id = tree.children["tokens"].to_dataset(inherit=False)["token_id"]
        last = int(token_id.max()) if token_id.size else -1
        if last >= n_tokens:
            raise DataValueError(
                f"{found.where}: got {n_tokens} tokens, and the text of the store has token {last}; give its own model"
            )
    n_bad = int((~np.isfinite(found.rows.data)).any(axis=1).sum())
    if n_bad:
        raise DataValueError(
            f"{found.where}: got {n_bad:,} of {n_tokens:,} rows with NaN or infinite values; give whole weights"
        )
