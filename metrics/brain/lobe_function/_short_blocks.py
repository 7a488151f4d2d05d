"""Blocks of any length from short blocks: features on in any of the short ones that are joined, and their tokens."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.errors import DataValueError
from saegeom_data.lazy import Memory, Result, Work
from saegeom_data.metrics._kernels.bits import WORD, pack
from saegeom_data.metrics.brain._shared.document_halves import halves
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

# Features whose bits are bytes at a time.
_SLICE = 64


def short_halves(document: xr.DataArray, document_type: xr.DataArray, halving: int) -> xr.DataArray:
    """Half, 0 or 1, of the document of each short block (short_blocks), in one of the halvings of ``document_halves``.

    -1 for all where there is one document only.
    """
    outputs = {"half": Result(("short_blocks",), document.shape, "int8")}
    memory, work = Memory(finish=150 * document.size), Work(steps=500 * document.size, calls=300)
    compute = partial(_short_halves, halving=halving)
    return lazy.whole(compute, document, document_type, outputs=outputs, memory=memory, work=work)["half"]


def joined_blocks(
    held: xr.Dataset, place: xr.DataArray, half: xr.DataArray, *, n_joined: int, lengths: tuple[int, ...]
) -> xr.Dataset:
    """Occurrence in blocks of ``n_joined`` short ones, packed as that of the halves of documents.

    Parameters
    ----------
    held
        ``bits`` (features, words) of short blocks, packed as one group.
    place, half
        Place in its sequence, from 0, and half of each short block (short_blocks).
    n_joined
        Short blocks of a block. A sequence's last blocks that are not whole are left out.
    lengths
        Short blocks of each chunk that was packed: each begins a word.

    Returns
    -------
    xarray.Dataset
        ``bits`` (features, words), ``first_word`` (bounds), ``n_blocks`` (groups); and ``half`` (blocks) of each block
        in the order of the text, -1 past the last.
    """
    n, n_blocks = held.sizes["features"], place.size // n_joined
    # Either half may end in a part of a word.
    n_words = (n_blocks + 2 * (WORD - 1)) // WORD
    outputs = {
        "bits": Result(("features", "words"), (n, n_words), "uint64"),
        "first_word": Result(("bounds",), (3,), "int64"),
        "n_blocks": Result(("groups",), (2,), "int64"),
        "half": Result(("blocks",), (n_blocks,), "int8"),
    }
    compute = partial(_joined, n_joined=n_joined, lengths=lengths, n_words=n_words, n_total=n_blocks)
    memory = Memory(finish=3 * _SLICE * place.size + 40 * place.size, lower="block_lengths")
    # Bits become bytes, of which those that are joined are gathered and packed again.
    work = Work(passes=200 * place.size, steps=6 * n * place.size, calls=200)
    return lazy.whole(compute, bits=held.bits, place=place, half=half, outputs=outputs, memory=memory, work=work)


def joined_tokens(token_id: xr.DataArray, place: xr.DataArray, n_joined: int) -> xr.DataArray:
    """Tokens (blocks, places) of blocks of ``n_joined`` short ones, -1 past the last block."""
    n_blocks, n_places = place.size // n_joined, n_joined * token_id.shape[1]
    outputs = {"token_id": Result(("blocks", "places"), (n_blocks, n_places), "int32")}
    compute = partial(_joined_tokens, n_joined=n_joined, n_total=n_blocks)
    memory, work = Memory(finish=8 * token_id.size), Work(passes=40 * token_id.size, calls=50)
    return lazy.whole(compute, token_id, place, outputs=outputs, memory=memory, work=work)["token_id"]


def first_blocks(place: xr.DataArray, n_joined: int) -> xr.DataArray:
    """First short block (blocks) of each block of ``n_joined`` short ones, 0 past the last block."""
    n_blocks = place.size // n_joined
    outputs = {"first": Result(("blocks",), (n_blocks,), "int64")}
    compute = partial(_first_blocks, n_joined=n_joined, n_total=n_blocks)
    memory, work = Memory(finish=40 * place.size), Work(passes=40 * place.size, calls=20)
    return lazy.whole(compute, place, outputs=outputs, memory=memory, work=work)["first"]


def first_of(place: Array, n_joined: int) -> Array:
    """First short block (blocks) of each whole block, from the place in its sequence (short_blocks) of each.

    Short blocks of a sequence stand together in order, so that a block is whole where the short block n_joined - 1
    further on is as much further on in its sequence.
    """
    start = np.flatnonzero(place % n_joined == 0)
    start = start[start + n_joined <= len(place)]
    is_whole = place[start + n_joined - 1] == place[start] + n_joined - 1
    return np.asarray(start[is_whole])


def unpacked(bits: Array) -> Array:
    """Bits (features, words) as bytes 0 or 1 (features, 64 words)."""
    return np.asarray(np.unpackbits(np.ascontiguousarray(bits).view(np.uint8), axis=1, bitorder="little"))


def _short_halves(document: Array, document_type: Array, *, halving: int) -> lazy.Arrays:
    try:
        return halves(document, document_type, halving=halving)
    # One document of the text has no other to be measured on, while the stored occurrence may be of many.
    except DataValueError:
        return {"half": np.full(len(document), -1)}


def _joined(
    bits: Array, place: Array, half: Array, *, n_joined: int, lengths: tuple[int, ...], n_words: int, n_total: int
) -> lazy.Arrays:
    """What :func:`joined_blocks` returns, in numpy."""
    first = first_of(place, n_joined)
    starts = np.cumsum([0, *(-(-length // WORD) * WORD for length in lengths)])
    bit = np.concatenate([start + np.arange(length) for start, length in zip(starts, lengths, strict=False)])
    members = [bit[first[half[first] == index, None] + np.arange(n_joined)] for index in (0, 1)]
    bounds = np.cumsum([0, *(-(-len(rows) // WORD) for rows in members)])
    found = np.zeros((len(bits), n_words), np.uint64)
    for low in range(0, len(bits), _SLICE):
        on = unpacked(bits[low : low + _SLICE])
        for rows, start, stop in zip(members, bounds[:-1], bounds[1:], strict=True):
            found[low : low + _SLICE, start:stop] = pack(np.asarray(on[:, rows].any(axis=2)).T)
    of_block = np.full(n_total, -1)
    of_block[: len(first)] = half[first]
    return {"bits": found, "first_word": bounds, "n_blocks": [len(rows) for rows in members], "half": of_block}


def _first_blocks(place: Array, *, n_joined: int, n_total: int) -> lazy.Arrays:
    found = np.zeros(n_total, np.int64)
    first = first_of(place, n_joined)
    found[: len(first)] = first
    return {"first": found}


def _joined_tokens(token_id: Array, place: Array, *, n_joined: int, n_total: int) -> lazy.Arrays:
    first = first_of(place, n_joined)
    found = np.full((n_total, n_joined * token_id.shape[1]), -1, np.int32)
    found[: len(first)] = token_id[first[:, None] + np.arange(n_joined)].reshape(len(first), found.shape[1])
    return {"token_id": found}
