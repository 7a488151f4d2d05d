"""Codes beside their text: which features fire on which tokens, read in pieces that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from saegeom_data.data.codes import codes_pieces, codes_shape, known_features
from saegeom_data.errors import DataValueError
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

# Entries that a task holds at a time; sorting them takes some ten times their bytes.
ENTRIES_AT_ONCE = 2**20
ENTRY_BYTES = 160


class Fired(NamedTuple):
    """Entries of codes above a threshold: row in a block of tokens, feature and activation, in the order of rows."""

    row: Array
    feature: Array
    value: Array


def codes_beside(sae: xr.Dataset) -> xr.Dataset:
    """Codes of an SAE, one row for each token of its text.

    Raises
    ------
    DataValueError
        If the shape of the codes is not known, or is not that of the text.
    """
    shape = sae["indptr"].attrs.get("shape")
    # None of the arrays tells how many features there are: those past the last that fires would be lost.
    if shape is None and "width" in sae.coords:
        shape = [sae.sizes["row_bounds"] - 1, int(sae.coords["width"])]
    if shape is None:
        raise DataValueError("indptr@shape: missing; give it the shape of the codes, [tokens, features]")
    codes = sae[["data", "indices", "indptr"]].drop_attrs(deep=False).assign_attrs(shape=shape)
    n_tokens, n_features = codes_shape(codes)
    if n_tokens != sae.sizes["tokens"]:
        raise DataValueError(f"codes: got {n_tokens} tokens, expected {sae.sizes['tokens']}, those of the text")
    if not n_features:
        raise DataValueError("codes: got 0 features, expected at least 1")
    return codes


def fired_pieces(codes: xr.Dataset, start: int, is_special: Array, threshold: float) -> Iterator[Fired]:
    """Yield what fires on the tokens from ``start`` on that are not special, at most a million entries at a time.

    Parameters
    ----------
    codes
        As :func:`codes_beside` gives them.
    start
        First token of the block.
    is_special
        (tokens of the block,) bool.
    threshold
        Activation above which a feature fires.

    Raises
    ------
    DataValueError
        If an entry names no feature, or bounds do not rise.
    """
    n_features = int(codes.attrs["shape"][1])
    for piece in codes_pieces(codes, start, start + len(is_special), ENTRIES_AT_ONCE):
        feature = known_features(piece, n_features)
        row = np.repeat(np.arange(len(piece.bounds) - 1), np.diff(piece.bounds)) + (piece.start - start)
        on = (piece.data > threshold) & ~is_special[row]
        yield Fired(row[on], feature[on].astype(np.int64), piece.data[on].astype(np.float64))


def checked_documents(document: Array, n_documents: int) -> Array:
    """Documents of a block of tokens as they are, after a check that all are there.

    Raises
    ------
    DataValueError
        If one is not.
    """
    if len(document) and not 0 <= document.min() <= document.max() < n_documents:
        got = f"{document.min()} to {document.max()}"
        raise DataValueError(f"token_document: got {got}, expected 0 to {n_documents - 1}; fix the index")
    return document
