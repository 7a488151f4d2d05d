"""Short blocks of the text: what longer blocks are made of, so that one pass over the codes serves every length."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saegeom_data.data import schema
from saegeom_data.data.block_tokens import block_token_id
from saegeom_data.data.occurrence import occurrence_in_blocks
from saegeom_data.data.text_blocks import TextBlocks, cut_blocks
from saegeom_data.errors import ParameterError

if TYPE_CHECKING:
    import xarray as xr

# Tokens of a short block, special ones not counted.
SHORT_LENGTH = 64


def cut_short(tokens: xr.Dataset, documents: xr.Dataset) -> TextBlocks | None:
    """Cut a text into short blocks; None where no sequence is as long as one."""
    try:
        return cut_blocks(tokens, documents, block_length=SHORT_LENGTH)
    except ParameterError:
        return None


def short_blocks(
    codes: xr.Dataset, tokens: xr.Dataset, blocks: TextBlocks, *, threshold: float, where: str
) -> dict[str, xr.DataArray]:
    """Variables of the short blocks of an SAE, by name.

    Parameters
    ----------
    codes
        The CSR group of the SAE.
    tokens
        ``token_id`` and ``is_special`` (tokens).
    blocks
        What :func:`cut_short` gives.
    threshold
        Activation above which a feature fires.
    where
        Path of the codes, by which errors name them.

    Returns
    -------
    dict
        Occurrence and tokens, lazy; document, document type and place in its sequence of each block.
    """
    import xarray as xr

    found = occurrence_in_blocks(codes, blocks, threshold=threshold, where=where)
    token_id = block_token_id(tokens, found, blocks)
    if token_id is None:
        return {}
    values = (found.occurrence, found.document, found.document_type, xr.DataArray(blocks.place), token_id)
    return {
        variable.name: xr.DataArray(value.data, dims=variable.dims)
        for variable, value in zip(schema.SHORT_BLOCKS, values, strict=True)
    }
