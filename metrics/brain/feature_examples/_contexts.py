"""Tokens and texts around the places of examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saegeom_data import lazy
from saegeom_data.metrics.brain._shared.vocabulary_texts import joined_texts, texts
from saegeom_data.typing import Array


def context_chunk(
    start: int, token_id: Array, document: Array, position: Array, place: Array, *, n_before: int, n_after: int
) -> Array:
    """Tokens of contexts (features, examples, places) that lie in a block of tokens; -1 for all others.

    A token is of the context of another if it is of its document, and as far from it in its sequence as in the text.
    """
    token, of_document, of_position = place[..., None]
    offset = np.arange(-n_before, n_after + 1)
    at = token + offset - start
    inside = (token >= 0) & (at >= 0) & (at < len(token_id))
    found = np.full(at.shape, -1, np.int32)
    where = at[inside]
    distance = np.broadcast_to(of_position + offset, at.shape)[inside]
    same = (document[where] == np.broadcast_to(of_document, at.shape)[inside]) & (position[where] == distance)
    found[inside] = np.where(same, token_id[where], -1)
    return found


def merged_contexts(parts: Sequence[Array]) -> Array:
    # Each token of the text lies in one block, so that at most one part has it.
    return np.asarray(np.maximum.reduce(list(parts)))


def as_contexts(context: Array) -> lazy.Arrays:
    return {"context_token_id": context}


def as_words(
    context: Array,
    place: Array,
    type_of_document: Array,
    vocabulary: Array | None = None,
    *,
    n_before: int,
) -> lazy.Arrays:
    """Types and texts (features, examples) of examples; texts are empty without a vocabulary."""
    types = {"type_of_example": texts(place[1], type_of_document)}
    parts = {
        "text_before": context[..., :n_before],
        "text": context[..., n_before : n_before + 1],
        "text_after": context[..., n_before + 1 :],
    }
    return types | {name: joined_texts(tokens, vocabulary) for name, tokens in parts.items()}
