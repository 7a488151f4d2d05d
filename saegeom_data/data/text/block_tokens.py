"""The text beside occurrence and codes: which tokens blocks consist of, and where each token stands."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.data.text.text_blocks import TextBlocks, block_of
from saegeom_data.errors import DataValueError
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

_BLOCK = "block"


def block_token_id(tokens: xr.Dataset, occurrence: xr.Dataset, blocks: TextBlocks | None = None) -> xr.DataArray | None:
    """Vocabulary index of each token of each block (blocks, places); -1 for what is not known.

    Parameters
    ----------
    tokens
        ``token_id`` and ``is_special`` (tokens); where ``blocks`` are not given also ``block``, the place of the
        token's block among those of ``occurrence``. Special tokens are left out.
    occurrence
        The occurrence group, with its attribute ``block_length``.
    blocks
        How the text was cut, if occurrence is derived from codes.

    Returns
    -------
    xarray.DataArray or None
        None where the store does not say which tokens are in which block.
    """
    length = occurrence.attrs.get("block_length")
    if not isinstance(length, int | np.integer) or "token_id" not in tokens or "is_special" not in tokens:
        return None
    n_blocks = occurrence.sizes["blocks"]
    outputs = {"block_token_id": lazy.Result(("blocks", "places"), (n_blocks, int(length)), "int32")}
    memory = lazy.Memory(finish=40 * tokens.sizes["tokens"])
    work = lazy.Work(steps=30 * tokens.sizes["tokens"], calls=100)
    if blocks is not None:
        place = partial(_by_bounds, first=blocks.first, stop=blocks.stop, n_places=int(length))
        found = lazy.whole(place, tokens.token_id, tokens.is_special, outputs=outputs, memory=memory, work=work)
    elif _BLOCK in tokens:
        place = partial(_by_number, n_blocks=n_blocks, n_places=int(length))
        found = lazy.whole(
            place,
            token_id=tokens.token_id,
            is_special=tokens.is_special,
            block=tokens[_BLOCK],
            outputs=outputs,
            memory=memory,
            work=work,
        )
    else:
        return None
    return found["block_token_id"]


def text_tokens(tree: xr.DataTree) -> dict[str, xr.DataArray]:
    """Tokens of a store, with their documents and positions, and types of documents: ``schema.TEXT``.

    Lazy: never read at once, however small, as whoever selects an SAE may not want it. Empty where there is no text.
    """
    if not {"tokens", "documents"} <= set(tree.children):
        return {}
    tokens, documents = (tree.children[group].to_dataset(inherit=False) for group in ("tokens", "documents"))
    held = {
        "token_id": tokens.get("token_id"),
        "token_document": tokens.get("document"),
        "token_position": tokens.get("position"),
        "token_is_special": tokens.get("is_special"),
        "type_of_document": documents.get("document_type"),
    }
    return {name: array.chunk() if array.chunks is None else array for name, array in held.items() if array is not None}


def _by_bounds(token_id: Array, is_special: Array, *, first: Array, stop: Array, n_places: int) -> lazy.Arrays:
    block = block_of(np.arange(len(token_id)), first, stop)
    return _by_number(token_id, is_special, block, n_blocks=len(first), n_places=n_places)


def _by_number(token_id: Array, is_special: Array, block: Array, *, n_blocks: int, n_places: int) -> lazy.Arrays:
    """Tokens (blocks, places) of each block, in the order of the text, from the block (tokens) of each; -1 for none."""
    kept = np.flatnonzero(~is_special & (block >= 0))
    # Stable, so that tokens of a block stay in order, wherever they stand.
    kept = kept[np.argsort(block[kept], kind="stable")]
    of = block[kept]
    if len(of) and of[-1] >= n_blocks:
        raise DataValueError(f"tokens/block: got {of[-1]}, expected less than the {n_blocks} blocks of occurrence")
    # Blocks are in order: less the place where its block begins, a place counts within it.
    place = np.arange(len(of)) - np.searchsorted(of, of)
    if len(of) and place.max() >= n_places:
        raise DataValueError(
            f"tokens/block: got {place.max() + 1} tokens of block {of[place.argmax()]}, expected at most "
            f"{n_places}, its block_length"
        )
    found = np.full((n_blocks, n_places), -1, np.int32)
    found[of, place] = token_id[kept]
    return {"block_token_id": found}
