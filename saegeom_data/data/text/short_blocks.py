"""Short blocks of the text: what longer blocks are made of, so that one pass over the codes serves every length."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data.data import schema
from saegeom_data.data.occurrence import occurrence_in_blocks
from saegeom_data.data.text.block_tokens import block_token_id
from saegeom_data.data.text.text_blocks import TextBlocks, cut_blocks
from saegeom_data.errors import ParameterError

if TYPE_CHECKING:
    import xarray as xr

# Tokens of a short block, special ones not counted.
SHORT_LENGTH = 64


def cut_short(tokens: xr.Dataset, documents: xr.Dataset) -> TextBlocks | None:
    """Cut a text into short blocks; None where no sequence is as long as one."""
    try:
        return cut_blocks(tokens, documents, block_length=SHORT_LENGTH)
    # No sequence is long enough, which is no mistake of whoever asks for something else.
    except ParameterError:
        return None


def most_short_blocks(tokens: xr.Dataset) -> TextBlocks | None:
    """As many short blocks as a text can have, for a plan: nothing is read, and what they are of means nothing."""
    n_blocks = tokens.sizes["tokens"] // SHORT_LENGTH
    if not n_blocks:
        return None
    first = SHORT_LENGTH * np.arange(n_blocks)
    none, nothing = np.zeros(n_blocks, np.int64), np.full(n_blocks, "", object)
    attrs = {"block_length": SHORT_LENGTH}
    return TextBlocks(first, first + SHORT_LENGTH, none[:0], none, nothing, none, tokens.sizes["tokens"], attrs)


def short_blocks_of(
    tree: xr.DataTree, name: str, cut: Callable[[], TextBlocks | None], threshold: float
) -> dict[str, xr.DataArray]:
    """Variables of the short blocks of an SAE, by name.

    Parameters
    ----------
    tree
        A store.
    name
        Name of the SAE.
    cut
        Gives what :func:`cut_short` does of the store's text; called if the SAE has codes.
    threshold
        Activation above which a feature fires.

    Returns
    -------
    dict
        Occurrence and tokens, lazy; document, document type and place in its sequence of each block. Empty without
        codes and text, and where no sequence is as long as a short block.
    """
    import xarray as xr

    sae = tree.children["saes"].children[name]
    if "codes" not in sae.children or not {"tokens", "documents"} <= set(tree.children):
        return {}
    blocks = cut()
    if blocks is None:
        return {}
    codes, tokens = (group.to_dataset(inherit=False) for group in (sae.children["codes"], tree.children["tokens"]))
    found = occurrence_in_blocks(codes, blocks, threshold=threshold, where=f"/saes/{name}/codes")
    token_id = block_token_id(tokens, found, blocks)
    if token_id is None:
        return {}
    values = (found.occurrence, found.document, found.document_type, xr.DataArray(blocks.place), token_id)
    return {
        variable.name: xr.DataArray(value.data, dims=variable.dims)
        for variable, value in zip(schema.SHORT_BLOCKS, values, strict=True)
    }
