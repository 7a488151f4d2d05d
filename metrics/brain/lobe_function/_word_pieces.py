"""Word pieces of the text in place of features: a bag of words for each block, without a model or an SAE."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Memory, Result, Work, ordering
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

_WORD = 64


def text_halves(half: xr.DataArray, token_id: xr.DataArray) -> xr.DataArray:
    """Half (blocks) of each block whose text is known, -1 for all others."""
    outputs = {"half": Result(("blocks",), half.shape, "int8")}
    memory, work = Memory(finish=token_id.size), Work(passes=10 * token_id.size, calls=20)
    return lazy.whole(_text_halves, half, token_id, outputs=outputs, memory=memory, work=work)["half"]


def word_pieces(token_id: xr.DataArray, half: xr.DataArray, n_pieces: int, min_blocks: int) -> xr.Dataset:
    """Occurrence of word pieces on half 0, packed as that of features.

    Parameters
    ----------
    token_id
        Tokens (blocks, places) of each block; -1 for none.
    half
        Half (blocks) of each block; -1 for those that do not count.
    n_pieces
        Word pieces to take: as many as there are features, those on in most blocks of half 0. Pieces on, or off, in
        fewer than ``min_blocks`` of these are passed over, as such features are.

    Returns
    -------
    xarray.Dataset
        ``piece`` (features), -1 past the last; ``bits`` (features, words), ``first_word``, ``n_blocks`` of half 0.
    """
    n_words = -(-half.size // _WORD)
    outputs = {
        "piece": Result(("features",), (n_pieces,), "int64"),
        "bits": Result(("features", "words"), (n_pieces, n_words), "uint64"),
        "first_word": Result(("bounds",), (2,), "int64"),
        "n_blocks": Result(("groups",), (1,), "int64"),
    }
    return lazy.whole(
        partial(_packed, n_pieces=n_pieces, min_blocks=min_blocks),
        token_id,
        half,
        outputs=outputs,
        memory=Memory(finish=64 * token_id.size),
        work=_distinct_work(token_id.size),
    )


def pieces_on(token_id: xr.DataArray, half: xr.DataArray, found: xr.Dataset, n_columns: int) -> xr.DataArray:
    """Word pieces on in each block of half 1 (blocks, columns), lobe by lobe, as ``features_on`` of features."""
    outputs = {"on": Result(("blocks", "columns"), (half.size, n_columns), "int32")}
    return lazy.whole(
        partial(_pieces_on, n_columns=n_columns),
        token_id=token_id,
        half=half,
        piece=found.piece,
        lobe=found.lobe,
        outputs=outputs,
        memory=Memory(finish=64 * token_id.size),
        work=_distinct_work(token_id.size),
    )["on"]


def _distinct_work(n_tokens: int) -> Work:
    """What it takes to find and count the distinct tokens of each block of one half of so many tokens."""
    return Work(sorting=ordering(n_tokens), steps=15 * n_tokens, calls=200)


def _text_halves(half: Array, token_id: Array) -> lazy.Arrays:
    return {"half": np.where((token_id >= 0).any(axis=1), half, -1)}


def _distinct(token_id: Array, rows: Array) -> tuple[Array, Array]:
    """Place among ``rows`` and token of each token of these blocks, each token of a block once."""
    place, column = np.nonzero(token_id[rows] >= 0)
    token = token_id[rows[place], column].astype(np.int64)
    # Both in one number: distinct numbers are found much faster than distinct rows of two.
    width = int(token.max(initial=0)) + 1
    place, token = np.divmod(np.unique(place * width + token), width)
    return place, token


def _packed(token_id: Array, half: Array, *, n_pieces: int, min_blocks: int) -> lazy.Arrays:
    """What :func:`word_pieces` returns, from tokens (blocks, places) and half (blocks)."""
    rows = np.flatnonzero(half == 0)
    place, token = _distinct(token_id, rows)
    names, index, count = np.unique(token, return_inverse=True, return_counts=True)
    usable = np.flatnonzero((count >= min_blocks) & (count <= len(rows) - min_blocks))
    # Equal counts by index of the vocabulary, whatever the order of the text.
    chosen = usable[np.argsort(-count[usable], kind="stable")][:n_pieces]
    row_of = np.full(len(names), -1)
    row_of[chosen] = np.arange(len(chosen))
    row = row_of[index]
    place, row = place[row >= 0], row[row >= 0]
    piece = np.full(n_pieces, -1, np.int64)
    piece[: len(chosen)] = names[chosen]
    bits = np.zeros((n_pieces, -(-len(half) // _WORD)), np.uint64)
    # Unbuffered: many entries go into the same word, and of a plain assignment one would stay.
    np.bitwise_or.at(bits, (row, place // _WORD), np.uint64(1) << (place % _WORD).astype(np.uint64))
    return {"piece": piece, "bits": bits, "first_word": [0, bits.shape[1]], "n_blocks": [len(rows)]}


def _pieces_on(token_id: Array, half: Array, piece: Array, lobe: Array, *, n_columns: int) -> lazy.Arrays:
    """Word pieces on (blocks, columns) in lobes (divisions, features) of pieces (features)."""
    on = np.zeros((len(half), n_columns), np.int32)
    rows = np.flatnonzero(half == 1)
    place, token = _distinct(token_id, rows)
    known = np.flatnonzero(piece >= 0)
    order = known[np.argsort(piece[known])]
    if not len(order):
        return {"on": on}
    # A token after the last piece is held against that, and is not equal to it.
    at = np.minimum(np.searchsorted(piece[order], token), len(order) - 1)
    is_known = piece[order][at] == token
    place, feature = place[is_known], order[at[is_known]]
    first = 0
    for labels in lobe:
        label = labels[feature]
        np.add.at(on, (rows[place[label >= 0]], first + label[label >= 0]), 1)
        first += int(labels.max()) + 1
    return {"on": on}
