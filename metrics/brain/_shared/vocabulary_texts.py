"""Texts of tokens, where a vocabulary is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


def vocabulary_of(sae: xr.Dataset) -> dict[str, Any]:
    """The vocabulary of an SAE's text as a named input of a step; none where it is not known."""
    return {"vocabulary": sae["vocabulary_token"]} if "vocabulary_token" in sae else {}


def texts(token_id: Array, vocabulary: Array | None) -> Array:
    """Text of each token (...) of any shape; empty for -1, for what the vocabulary does not hold, and without one."""
    if vocabulary is None:
        return np.full(token_id.shape, "", dtype=object)
    # With the empty text behind the last, which is what unknown tokens look up.
    held = np.array([*map(str, vocabulary), ""], dtype=object)
    known = (token_id >= 0) & (token_id < len(vocabulary))
    return np.asarray(held[np.where(known, token_id, len(vocabulary))])


def joined_texts(token_id: Array, vocabulary: Array | None) -> Array:
    """Running text of tokens along the last axis (..., places), of the shape of the others."""
    if vocabulary is None or not token_id.shape[-1]:
        return np.full(token_id.shape[:-1], "", dtype=object)
    pieces = texts(token_id, vocabulary)
    whole = pieces[..., 0].copy()
    for place in range(1, token_id.shape[-1]):
        whole += pieces[..., place]
    return np.asarray(whole)
