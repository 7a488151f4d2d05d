"""Sizes that configurations state, by the format that writes them; decoders are held against them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saegeom_data.checkpoints.checkpoint import Candidate, Checkpoint
from saegeom_data.checkpoints.shapes import oriented


@dataclass(frozen=True)
class _Stated:
    """Files beside the weights, the table in them, and its keys; of several keys of one size the first counts."""

    files: tuple[str, ...]
    features: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    table: str | None = None


_STATED: Mapping[str, tuple[_Stated, ...]] = {
    # A transcoder writes d_out units and reads d_in.
    "saelens": (_Stated(("cfg.json",), ("d_sae",), ("d_out", "d_in")),),
    "sparsify": (_Stated(("cfg.json",), ("num_latents",), ("d_in",)),),
    "dictionary-learning": (
        _Stated(("config.json", "../config.json"), ("dict_size",), ("activation_dim",), table="trainer"),
    ),
    "llama-scope": (_Stated(("../hyperparams.json", "hyperparams.json"), ("d_sae",), ("d_model",)),),
    "gemma-scope-2": (_Stated(("config.json",), ("width",)),),
    "arrays": (
        _Stated(("cfg.json",), ("d_sae", "num_latents"), ("d_out", "d_in")),
        _Stated(("config.json", "../config.json"), ("dict_size",), ("activation_dim",), table="trainer"),
        _Stated(("config.json",), ("d_sae", "dict_size", "width"), ("d_in", "activation_dim")),
    ),
}


def stated_sizes(candidate: Candidate, format: str) -> tuple[dict[str, int], str]:
    """Return ``features`` and ``hidden`` as far as a configuration states them, and the name of its file."""
    for stated in _STATED.get(format, ()):
        config = candidate.config(*stated.files)
        table = config if stated.table is None else config.get(stated.table)
        if isinstance(table, dict):
            sizes = {"features": _first(table, stated.features), "hidden": _first(table, stated.hidden)}
            found = {dim: size for dim, size in sizes.items() if size is not None}
            if found:
                return found, next(file for file in stated.files if candidate.has(file))
    return {}, ""


def _first(table: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    # Zero stands for a size that follows from others.
    sizes = (table.get(key) for key in keys)
    return next((size for size in sizes if isinstance(size, int) and not isinstance(size, bool) and size > 0), None)


def size_problems(candidate: Candidate, format: str, checkpoint: Checkpoint) -> Iterator[str]:
    """Say where a decoder is of other sizes than the configuration beside it states."""
    sizes, file = stated_sizes(candidate, format)
    # What lies beside plain arrays need not be theirs, unless it speaks of features and hidden units both.
    if format == "arrays" and len(sizes) < 2:
        return
    features, hidden = oriented(checkpoint.parts["decoder"])
    decoder = checkpoint.parts["decoder"]
    if format == "gemma-scope-2" and decoder.site_axis is not None and "features" in sizes:
        # The width is that of all files, of which each has the features that read one of the sites.
        n_files = decoder.n_sites + decoder.first_site
        sizes["features"] = sizes["features"] // n_files if sizes["features"] % n_files == 0 else sizes["features"]
    expected = sizes.get("features", features), sizes.get("hidden", hidden)
    if expected != (features, hidden):
        turned = "; it lies the other way round" if expected == (hidden, features) else ""
        yield (
            f"decoder has {features:,} features x {hidden:,} hidden, expected {expected[0]:,} x {expected[1]:,} by"
            f" {file}{turned}"
        )
