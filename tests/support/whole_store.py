"""A store with every group and every variable of format 1, of values that are the same for ever.

``python tests/support/whole_store.py FOLDER`` writes it. ``tests/data/format_1.zarr.zip`` was written so once, and is
not written again: it stands for stores that people have.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import xarray as xr

SIZES = {
    "features": 6, "hidden": 4, "blocks": 5, "documents": 3, "tokens": 10, "vocabulary_tokens": 7,
    "unembedded_tokens": 7, "pairs": 4,
    "feature_bounds": 7, "labels": 2, "token_texts": 3,
    "row_bounds": 11, "nonzeros": 10, "features_other": 6, "sites": 2,
}  # fmt: skip
NO_SCORE = np.nan


def _numbers(*dims: str, dtype: str = "float32", below: int = 9) -> tuple[tuple[str, ...], Any]:
    """Values that differ from place to place, and from dtype to dtype are exact."""
    shape = tuple(SIZES[dim] for dim in dims)
    return dims, (np.arange(np.prod(shape)).reshape(shape) % below).astype(dtype)


def _texts(dim: str, word: str, kinds: int) -> tuple[str, Any]:
    return dim, np.array([f"{word} {i % kinds}" for i in range(SIZES[dim])], np.dtypes.StringDType())


def _features(*, sites: bool = False, **attrs: str) -> xr.Dataset:
    over = ("sites",) if sites else ()
    decoder = np.eye(6, 4) + np.eye(6, 4, -4) + 0.5 * np.eye(6, 4, 1)
    decoder = np.stack([decoder, -decoder], axis=1) if sites else decoder
    weights = {"decoder": (("features", *over, "hidden"), decoder.astype("float32"))}
    per_feature = ("encoder_bias", "threshold", "gate_bias", "magnitude_bias", "log_magnitude", "scaling_factor")
    place: dict[str, Any] = {"site": "blocks.3.hook_resid_post", "layer": 3}
    if sites:
        names = np.array(["blocks.3.hook_resid_post", "blocks.4.hook_resid_post"], np.dtypes.StringDType())
        place = {"site": ("sites", names), "layer": ("sites", np.array([3, 4]))}
    ends = {f"{end}_{what}": f"{end} {what}" for end in ("input", "output") for what in ("hook", "module")}
    ends |= {"source_input": "resid", "source_output": "resid"}
    return xr.Dataset(
        weights
        | {"encoder": _numbers("features", "hidden"), "decoder_bias": _numbers(*over, "hidden")}
        | {name: _numbers("features") for name in per_feature},
        coords={**place, "width": 6, "l0": 1.5},
        attrs={"model": "gpt2", "architecture": "gated", "decoder_norm": "raw", **ends, **attrs},
    )


def _codes() -> xr.Dataset:
    return xr.Dataset(
        {
            "data": ("nonzeros", np.arange(1, 11, dtype="float32")),
            "indices": ("nonzeros", np.array([0, 1, 2, 3, 4, 5, 0, 1, 2, 3], "int32")),
            "indptr": ("row_bounds", np.arange(11)),
        },
        attrs={"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [10, 6]},
    )


def _occurrence() -> xr.Dataset:
    return xr.Dataset(
        {
            "occurrence": (("blocks", "features"), np.arange(30).reshape(5, 6) % 3 == 0),
            "document": ("blocks", np.array([0, 0, 1, 1, 2], "int32")),
            "document_type": ("blocks", np.array(["a", "a", "b", "b", "a"], np.dtypes.StringDType())),
        },
        attrs={"threshold": 0.0, "block_length": 2},
    )


def _cooccurrence() -> xr.Dataset:
    fired = _occurrence().occurrence.values.astype("int32")
    both = fired.T @ fired
    return xr.Dataset(
        {"n_blocks_both": (("features", "features_other"), both), "n_blocks_active": ("features", both.diagonal())},
        attrs={"threshold": 0.0, "block_length": 2},
    )


def _labels() -> xr.Dataset:
    return xr.Dataset(
        {
            "label_start": ("feature_bounds", np.array([0, 0, 1, 1, 2, 2, 2])),
            "description": _texts("labels", "rivers", 2),
            "explainer": _texts("labels", "somebody", 1),
            "score": ("labels", np.array([0.75, NO_SCORE])),
            "scorer": _texts("labels", "detection", 1),
            "source": ("labels", np.array([0, 0], "int32")),
        },
        attrs={"sources": '[{"url": "mine.csv", "sha256": "' + "0" * 64 + '", "date": "2026-01-31"}]'},
    )


def _examples() -> xr.Dataset:
    nothing = np.nan
    return xr.Dataset(
        {
            "example_start": ("feature_bounds", np.array([0, 0, 1, 1, 3, 3, 3])),
            "token_start": ("example_bounds", np.array([0, 2, 3, 6])),
            "source": ("examples", np.array([0, 0, 0], "int32")),
            "bin_low": ("examples", np.array([0.5, nothing, 1], "float32")),
            "bin_high": ("examples", np.array([1.5, nothing, 4], "float32")),
            "bin_share": ("examples", np.array([0.25, nothing, 0.125], "float32")),
            "attributed": ("examples", np.array([-1, -1, 2], "int32")),
            "token": ("example_tokens", np.array([0, 1, 1, 0, 2, 1], "int32")),
            "activation": ("example_tokens", np.array([0, 1.5, 2, 0, 0.25, 3], "float32")),
            "attribution": ("example_tokens", np.array([*[nothing] * 3, 0.5, -0.25, 0], "float32")),
            "token_text": _texts("token_texts", "token", 3),
        },
        attrs={"sources": '[{"url": "mine.json", "sha256": "' + "0" * 64 + '", "date": "2026-01-31"}]'},
    )


def _relations() -> xr.Dataset:
    counted = ("length_difference", "last_token_length_difference", "source_token_count", "target_token_count")
    named = ("source_last_token_id", "target_last_token_id", "source_frequency_rank", "target_frequency_rank")
    return xr.Dataset(
        {"relation": _texts("pairs", "relation", 2), "source": _texts("pairs", "from", 4)}
        | {"target": _texts("pairs", "to", 4)}
        | {name: _numbers("pairs", dtype="int32") for name in (*counted, *named)}
        | {f"{end}_language": _texts("pairs", "language", 1) for end in ("source", "target")}
    )


def whole_store() -> xr.DataTree:
    """The tree, in memory."""
    activations = {f"{end}_activation": _numbers("pairs", "hidden", dtype="float16") for end in ("source", "target")}
    root = {"format_version": 1, "title": "Every group of format 1", "license": "CC0-1.0"}
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs=root),
            "/documents": xr.Dataset(
                {"document_id": _texts("documents", "document", 3), "document_type": _texts("documents", "type", 2)}
            ),
            "/tokens": xr.Dataset(
                {
                    "token_id": _numbers("tokens", dtype="int32", below=7),
                    "document": ("tokens", np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2], "int32")),
                    "position": _numbers("tokens", dtype="int32", below=2),
                    "is_special": ("tokens", np.zeros(10, bool)),
                }
            ),
            "/vocabulary": xr.Dataset({"text": _texts("vocabulary_tokens", "word", 7)}),
            "/unembedding": xr.Dataset({"unembedding": _numbers("unembedded_tokens", "hidden", dtype="float16")}),
            "/activations/blocks.3.hook_resid_post": xr.Dataset(
                {"activation": _numbers("tokens", "hidden", dtype="float16")},
                attrs={"model": "gpt2", "source_dtype": "float32"},
            ),
            "/saes/layer_3/features": _features(),
            "/saes/layer_3/codes": _codes(),
            "/saes/layer_3/occurrence": _occurrence(),
            "/saes/layer_3/cooccurrence": _cooccurrence(),
            "/saes/layer_3/labels": _labels(),
            "/saes/layer_3/examples": _examples(),
            "/saes/crosscoder/features": _features(sites=True),
            "/untrained/layer_3/features": _features(untrained="random unit directions"),
            "/untrained/layer_3/codes": _codes(),
            "/untrained/layer_3/occurrence": _occurrence(),
            "/relations": _relations(),
            "/relations/hidden_state_3": xr.Dataset(
                activations, coords={"site": "hidden_state_3", "layer": 3}, attrs={"model": "gpt2"}
            ),
        }
    )


if __name__ == "__main__":
    from saegeom_data.data.write import write_tree

    write_tree(whole_store(), sys.argv[1])
