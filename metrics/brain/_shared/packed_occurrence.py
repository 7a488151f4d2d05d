"""Occurrence packed to bits, once for all metrics that count pairs of features."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Result
from saegeom_data.metrics._kernels.bits import WORD, pack
from saegeom_data.metrics._statistics.bit_counts import n_active
from saegeom_data.metrics.brain._shared.document_halves import document_halves
from saegeom_data.metrics.brain._shared.works import packed_work
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


def packed(occurrence: xr.DataArray, group: xr.DataArray | None = None, n_groups: int = 1) -> xr.Dataset:
    """Pack occurrence (blocks, features) to bits, the blocks of each group to words of their own.

    Parameters
    ----------
    occurrence
        Booleans, lazy or not.
    group
        Group (blocks) of each block, from 0; all are of group 0 by default.
    n_groups
        Number of groups.

    Returns
    -------
    xarray.Dataset
        ``bits`` (features, words) uint64; ``first_word`` (bounds): words of group g are those from ``first_word[g]`` to
        ``first_word[g + 1]``; ``n_blocks_active`` (features) and ``n_blocks`` (groups). Lazy if an input is.
    """
    n_blocks, n_features = occurrence.shape
    lengths = packed_lengths(occurrence)
    # Which block is of which group is not known yet: each chunk may end in a part of a word for every group.
    n_words = sum((length + (WORD - 1) * n_groups) // WORD for length in lengths)
    size = 8 * n_words * n_features
    longest = max(lengths, default=0)
    # Pieces are passed on, not copied, so that all that wait are the bits once.
    waits = max(1, (len(lengths) - 1).bit_length()) + 1
    memory = lazy.Memory(task=2 * longest * n_features, partial=-(-size // waits), finish=4096 * n_words)
    outputs = {
        "bits": Result(("features", "words"), (n_features, n_words), "uint64"),
        "first_word": Result(("bounds",), (n_groups + 1,), "int64"),
        "n_blocks_active": Result(("features",), (n_features,), "int32"),
        "n_blocks": Result(("groups",), (n_groups,), "int64"),
    }
    chunk = partial(_pack, n_groups=n_groups)
    arrays = (occurrence,) if group is None else (occurrence, group)
    finish, work = partial(_laid_out, n_words=n_words), packed_work(n_blocks, n_features)
    return lazy.rows(chunk, _joined, finish, *arrays, outputs=outputs, memory=memory, work=work)


def packed_lengths(occurrence: xr.DataArray) -> tuple[int, ...]:
    """Blocks of each chunk of occurrence (blocks, features): each begins a word for each group when it is packed."""
    return occurrence.chunks[0] if occurrence.chunks is not None else (occurrence.shape[0],)


def packed_halves(sae: xr.Dataset) -> xr.Dataset:
    """Bits as :func:`packed` gives them, with the blocks of each half of the documents as a group."""
    return packed(sae.occurrence, document_halves(sae), 2)


def words_of(bits: Array, first_word: Array, which: int | None) -> Array:
    """Bits (features, words) of one group, or of all."""
    first, last = (first_word[0], first_word[-1]) if which is None else first_word[which : which + 2]
    return np.asarray(bits[:, first:last])


def _pack(start: int, occurrence: Array, group: Array | None = None, *, n_groups: int) -> list[list[tuple[Array, int]]]:
    """For each group the pieces that it consists of: bits and number of blocks."""
    if group is None:
        return [[(pack(occurrence), len(occurrence))]]
    chosen = (occurrence[group == index] for index in range(n_groups))
    return [[(pack(rows), len(rows))] for rows in chosen]


def _joined(partials: Sequence[list[list[tuple[Array, int]]]]) -> list[list[tuple[Array, int]]]:
    """Pieces of each group, in the order of the chunks."""
    return [[piece for pieces in same for piece in pieces] for same in zip(*partials, strict=True)]


def _laid_out(groups: list[list[tuple[Array, int]]], *, n_words: int) -> lazy.Arrays:
    """Pieces side by side, group after group, as :func:`packed` gives them; words past the last bound are 0."""
    bits = np.zeros((len(groups[0][0][0]), n_words), np.uint64)
    bounds, at = [0], 0
    for pieces in groups:
        for piece, _ in pieces:
            bits[:, at : at + piece.shape[1]] = piece
            at += piece.shape[1]
        bounds.append(at)
    lengths = [sum(length for _, length in pieces) for pieces in groups]
    return {"bits": bits, "first_word": bounds, "n_blocks_active": n_active(bits), "n_blocks": lengths}
