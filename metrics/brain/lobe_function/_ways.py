"""Lobes of either half of the documents, measured on the other, in several halvings: of features and of word pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Memory, Result, Work
from saegeom_data.metrics._statistics.jackknife import N_GROUPS
from saegeom_data.metrics.brain._shared.document_types import type_index
from saegeom_data.metrics.brain.lobe_function._association import (
    Documents,
    association,
    cramers_v,
    enrichment,
    function_work,
    won,
)
from saegeom_data.metrics.brain.lobe_function._features_on import Division, columns_of, features_on, on_bytes, on_work
from saegeom_data.metrics.brain.lobe_function._word_pieces import pieces_on, word_pieces
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Blocks:
    """Blocks whose documents are halved in several ways, and how lobes of them are found and measured.

    ``halves`` has the half (blocks) of each block for each halving, 0 or 1, or -1 for those that do not count; ``find``
    finds lobes of packed occurrence, given ``which`` half and ``min_blocks``. ``document`` and ``document_type`` are
    those of blocks, or, where blocks are ``n_joined`` short ones, of short blocks (short_blocks), of which ``first``
    (blocks) begins each block.
    """

    halves: tuple[xr.DataArray, ...]
    document: xr.DataArray
    document_type: xr.DataArray
    types: tuple[str, ...]
    find: Callable[..., xr.Dataset]
    n_lobes: tuple[int, ...]
    min_blocks: int
    seed: int
    first: xr.DataArray | None = None
    n_joined: int = 0

    @property
    def size(self) -> int:
        """Number of blocks."""
        return int(self.halves[0].size)

    @property
    def named(self) -> dict[str, xr.DataArray | list[xr.DataArray]]:
        """What tells the documents of blocks, as arguments of a task."""
        first = [] if self.first is None else [self.first]
        return {"document": self.document, "document_type": self.document_type, "first": first}


def ways_of_features(
    blocks: Blocks,
    held: Sequence[xr.Dataset],
    lengths: tuple[int, ...],
    *,
    n_likely: int | None = None,
    n_permutations: int = 0,
) -> list[xr.Dataset]:
    """What lobes of features tell, for each halving and either half that they are found on: found, then measured.

    Parameters
    ----------
    held
        Occurrence packed by each of ``blocks.halves``, in chunks of ``lengths`` blocks.
    n_likely
        How many features likely fire often enough, by which work is stated.
    n_permutations
        Permutations of types among documents, of the first way alone.

    Returns
    -------
    list of xarray.Dataset
        ``value`` (n_lobes), Cramer's V, NaN without lobes; ``left_out`` (n_lobes, groups), with each group of documents
        left out, NaN past the last; ``null_mean`` (n_lobes); ``n_blocks`` and ``n_documents`` that are measured; and
        ``lobe`` (n_lobes, features) and ``is_masked`` (features) of the lobes found.
    """
    n, n_columns = held[0].sizes["features"], sum(blocks.n_lobes)
    found = []
    for halving, (half, packed) in enumerate(zip(blocks.halves, held, strict=True)):
        for which in (0, 1):
            n_drawn = 0 if halving or which else n_permutations
            lobes = blocks.find(packed, which=which, min_blocks=blocks.min_blocks, n_likely=n_likely)
            compute = partial(
                _of_features,
                which=1 - which,
                lengths=lengths,
                types=blocks.types,
                n_permutations=n_drawn,
                n_joined=blocks.n_joined,
                seed=blocks.seed,
            )
            way = lazy.whole(
                compute,
                bits=packed.bits,
                first_word=packed.first_word,
                half=half,
                lobe=lobes.lobe,
                **blocks.named,
                outputs=_results(len(blocks.n_lobes)),
                memory=Memory(finish=on_bytes(blocks.size, n_columns)),
                work=on_work(n, blocks.size, n_columns) + _work(blocks, n_drawn),
            )
            found.append(way.assign(lobe=lobes.lobe.variable, is_masked=lobes.is_masked.variable))
    return found


def ways_of_pieces(blocks: Blocks, token_id: xr.DataArray, n_pieces: int) -> list[xr.Dataset]:
    """The same of lobes of ``n_pieces`` word pieces, those of ``token_id`` (blocks, places) frequent on that half."""
    found = []
    for half in blocks.halves:
        for way in (half, _swapped(half)):
            pieces = word_pieces(token_id, way, n_pieces, blocks.min_blocks)
            # Of words, fewer are in so many blocks.
            lobes = blocks.find(pieces, which=0, min_blocks=blocks.min_blocks, n_likely=n_pieces // 2)
            pieces = pieces.assign(lobe=lobes.lobe)
            found.append(
                lazy.whole(
                    partial(_of_pieces, types=blocks.types, seed=blocks.seed),
                    on=pieces_on(token_id, way, pieces, sum(blocks.n_lobes)),
                    half=way,
                    lobe=pieces.lobe,
                    **blocks.named,
                    outputs=_results(len(blocks.n_lobes)),
                    memory=Memory(finish=40 * blocks.size * sum(blocks.n_lobes)),
                    work=_work(blocks, 0),
                )
            )
    return found


def _work(blocks: Blocks, n_permutations: int) -> Work:
    n_types = len(blocks.types)
    return lazy.total(function_work(blocks.size, count, n_types, n_permutations, 1) for count in blocks.n_lobes)


def _results(n_counts: int) -> dict[str, Result]:
    return {
        "value": Result(("n_lobes",), (n_counts,)),
        "left_out": Result(("n_lobes", "groups"), (n_counts, N_GROUPS)),
        "null_mean": Result(("n_lobes",), (n_counts,)),
        "n_blocks": Result((), (), "int64"),
        "n_documents": Result((), (), "int64"),
    }


def _swapped(half: xr.DataArray) -> xr.DataArray:
    """Half 1 for 0 and 0 for 1; blocks that do not count stay."""
    outputs = {"half": Result(("blocks",), half.shape, "int8")}
    compute, memory, work = _swap, Memory(finish=2 * half.size), Work(passes=2 * half.size, calls=10)
    return lazy.whole(compute, half, outputs=outputs, memory=memory, work=work)["half"]


def _swap(half: Array) -> lazy.Arrays:
    return {"half": np.where(half < 0, half, 1 - half)}


def _of_features(
    bits: Array,
    first_word: Array,
    half: Array,
    lobe: Array,
    document: Array,
    document_type: Array,
    first: list[Array],
    *,
    which: int,
    lengths: tuple[int, ...],
    types: tuple[str, ...],
    n_permutations: int,
    n_joined: int,
    seed: int,
) -> lazy.Arrays:
    """What lobes (n_lobes, features) tell in the blocks of half ``which``, from the bits of both halves."""
    rows = _rows(half, which, first)
    on = features_on(bits, first_word, half, which, lobe, lengths)
    return _told(columns_of(lobe, on), document[rows], document_type[rows], types, n_permutations, n_joined, seed)


def _of_pieces(
    on: Array,
    half: Array,
    lobe: Array,
    document: Array,
    document_type: Array,
    first: list[Array],
    *,
    types: tuple[str, ...],
    seed: int,
) -> lazy.Arrays:
    """The same in the blocks of half 1, from word pieces on (blocks, columns)."""
    rows = _rows(half, 1, first)
    return _told(columns_of(lobe, on[half == 1]), document[rows], document_type[rows], types, 0, 0, seed)


def _rows(half: Array, which: int, first: list[Array]) -> Array:
    """Where the documents of the blocks of one half stand: at these blocks, or at the short ones that begin them."""
    rows = np.flatnonzero(half == which)
    return np.asarray(first[0][rows]) if first else rows


def _told(
    divisions: Sequence[Division],
    document: Array,
    document_type: Array,
    types: tuple[str, ...],
    n_permutations: int,
    n_joined: int,
    seed: int,
) -> lazy.Arrays:
    """Association of types and lobes in measured blocks, of the document and type (blocks) of each.

    For each division, and as :func:`ways_of_features` gives it.
    """
    value, chance = np.full(len(divisions), np.nan), np.full(len(divisions), np.nan)
    left_out = np.full((len(divisions), N_GROUPS), np.nan)
    found = {"value": value, "left_out": left_out, "null_mean": chance, "n_blocks": len(document), "n_documents": 0}
    if not len(document):
        return found
    # One stream for all sides: each group of documents is left out of all of them at once.
    label = type_index(document_type, types)
    documents = Documents.of(document, label, len(types), stream("document_groups", seed))
    found["n_documents"] = len(documents.groups)
    for row, (on, size) in enumerate(divisions):
        # A side in which too few are on for so many lobes has none.
        if len(size) < 2:
            continue
        wins = documents.summed(won(enrichment(on, size)))
        value[row], left = association(documents, wins)
        # A group of all documents leaves nothing.
        if len(left) > 1:
            left_out[row, : len(left)] = left
        if n_permutations:
            # A stream for each length and number of lobes: adding one leaves the numbers of the others.
            rng = stream("length_permutations", seed, n_joined, len(size))
            orders = (rng.permutation(len(wins)) for _ in range(n_permutations))
            chance[row] = cramers_v(np.stack([documents.indicator[order].T @ wins for order in orders])).mean()
    return found
