"""How far lobes and document types go together in shorter and longer blocks of the same text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.data.text.short_blocks import SHORT_LENGTH
from saegeom_data.errors import ParameterError
from saegeom_data.metrics._statistics.bit_counts import n_active
from saegeom_data.metrics._statistics.jackknife import jackknife_interval
from saegeom_data.metrics.brain._shared.affinities import least_blocks
from saegeom_data.metrics.brain._shared.document_types import type_index
from saegeom_data.metrics.brain._shared.packed_occurrence import packed, words_of
from saegeom_data.metrics.brain.lobe_function._association import (
    Documents,
    association,
    cramers_v,
    enrichment,
    function_work,
    won,
)
from saegeom_data.metrics.brain.lobe_function._compared import (
    OF_LENGTHS,
    OF_LENGTHS_ALONE,
    OF_LENGTHS_UNTRAINED,
)
from saegeom_data.metrics.brain.lobe_function._features_on import columns_of
from saegeom_data.metrics.brain.lobe_function._function import gains
from saegeom_data.metrics.brain.lobe_function._outputs import BY_NAME
from saegeom_data.metrics.brain.lobe_function._short_blocks import (
    first_of,
    joined_blocks,
    joined_tokens,
    short_halves,
    unpacked,
)
from saegeom_data.metrics.brain.lobe_function._word_pieces import pieces_on, word_pieces
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

_NAMES = (
    *OF_LENGTHS.outputs.values(),
    *OF_LENGTHS_UNTRAINED.outputs.values(),
    OF_LENGTHS.n_blocks,
    *OF_LENGTHS_ALONE,
)
_SLICE = 1024


@dataclass(frozen=True)
class _Packed:
    """Occurrence in short blocks as bits, and how many short blocks each chunk had that was packed."""

    held: xr.Dataset
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, occurrence: xr.DataArray) -> _Packed:
        lengths = occurrence.chunks[0] if occurrence.chunks is not None else (occurrence.shape[0],)
        return cls(packed(occurrence), lengths)

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.held.sizes["features"])

    def joined(self, place: xr.DataArray, half: xr.DataArray, n_joined: int) -> xr.Dataset:
        """Occurrence in blocks of so many short ones."""
        return joined_blocks(self.held, place, half, n_joined=n_joined, lengths=self.lengths)


def check_lengths(lengths: tuple[int, ...]) -> None:
    """Raise :class:`ParameterError` unless block lengths are different multiples of the tokens of a short block."""
    for length in lengths:
        if length < 1 or length % SHORT_LENGTH:
            raise ParameterError(
                f"block_lengths: got {length}, expected multiples of {SHORT_LENGTH}, such as {SHORT_LENGTH} and "
                f"{2 * SHORT_LENGTH}"
            )
    if len(set(lengths)) < len(lengths):
        raise ParameterError(f"block_lengths: got {lengths}, expected different numbers")


def by_length(
    sae: xr.Dataset,
    find: Callable[..., xr.Dataset],
    *,
    block_lengths: tuple[int, ...],
    n_lobes: tuple[int, ...],
    types: tuple[str, ...],
    n_permutations: int,
    seed: int,
) -> xr.Dataset:
    """Outputs over ``block_length``: V of lobes of the SAE, of word pieces and of an untrained SAE in such blocks.

    ``find`` finds lobes of packed occurrence, given ``min_blocks``. Codes are read once, for short blocks: longer ones
    are these joined. NaN where there are no codes, or no sequence is as long.
    """
    known = all(variable.name in sae.variables for variable in schema.SHORT_BLOCKS)
    if not known:
        return lazy.stacked([_nothing(sae.document, len(n_lobes)) for _ in block_lengths], "block_length")
    # The SAE itself comes first.
    sides = [
        _Packed.of(sae[variable.name])
        for variable in (schema.short_occurrence, schema.short_untrained_occurrence)
        if variable.name in sae.variables
    ]
    half = short_halves(sae[schema.short_document.name], sae[schema.short_document_type.name])
    measure = partial(_at, sae, sides, half, find, n_lobes, types, n_permutations, seed)
    return lazy.stacked([measure(length) for length in block_lengths], "block_length")


def _results(n_counts: int) -> dict[str, lazy.Result]:
    """Dims and shapes of the outputs at one block length."""
    found = {name: BY_NAME[name].result({"n_lobes": n_counts, "block_length": 1}) for name in _NAMES}
    return {name: lazy.Result(whole.dims[1:], whole.shape[1:], whole.dtype) for name, whole in found.items()}


def _nothing(of: xr.DataArray, n_counts: int) -> xr.Dataset:
    compute, work = partial(_absent, n_counts=n_counts), lazy.Work(calls=20)
    return lazy.whole(compute, of, outputs=_results(n_counts), memory=lazy.Memory(), work=work)


def _at(
    sae: xr.Dataset,
    sides: Sequence[_Packed],
    half: xr.DataArray,
    find: Callable[..., xr.Dataset],
    n_lobes: tuple[int, ...],
    types: tuple[str, ...],
    n_permutations: int,
    seed: int,
    block_length: int,
) -> xr.Dataset:
    """Outputs at one block length."""
    document, kind, place, token_id = (
        sae[variable.name]
        for variable in (
            schema.short_document, schema.short_document_type, schema.short_place, schema.short_token_id,
        )
    )  # fmt: skip
    n, n_joined = sides[0].n_features, block_length // SHORT_LENGTH
    n_blocks = place.size // n_joined
    if not n_blocks:
        return _nothing(place, len(n_lobes))
    min_blocks, n_columns = least_blocks(n_blocks, n), sum(n_lobes)
    joined = [side.joined(place, half, n_joined) for side in sides]
    blocks = joined[0]
    tokens = joined_tokens(token_id, place, n_joined)
    # Part of the text has few blocks, in which about half of all features, and of words, fire often enough.
    lobes = [
        find(held, min_blocks=min_blocks, n_likely=side.n_features // 2).lobe
        for side, held in zip(sides, joined, strict=True)
    ]
    pieces = word_pieces(tokens, blocks.half, n, min_blocks)
    pieces = pieces.assign(lobe=find(pieces, min_blocks=min_blocks, n_likely=n // 2).lobe)
    on_pieces = pieces_on(tokens, blocks.half, pieces, n_columns)
    n_all = sum(side.n_features for side in sides)
    return lazy.whole(
        partial(_measured, n_joined=n_joined, types=types, n_permutations=n_permutations, seed=seed),
        bits=[held.bits for held in joined],
        # Blocks are the same ones on every side, and so are the words that hold them.
        first_word=blocks.first_word,
        n_blocks=blocks.n_blocks,
        lobe=lobes,
        on_pieces=on_pieces,
        lobe_of_piece=pieces.lobe,
        place=place,
        half=half,
        document=document,
        document_type=kind,
        outputs=_results(len(n_lobes)),
        memory=lazy.Memory(
            finish=40 * (1 + len(sides)) * n_blocks * n_columns + 5 * _SLICE * (n_blocks + 64) + 40 * place.size
        ),
        # Features on in each lobe are counted from bits in single precision.
        work=lazy.Work(products=n_all * n_blocks * n_columns / 4, passes=10 * n_all * n_blocks, steps=300 * place.size)
        + lazy.total(
            function_work(n_blocks, count, len(types), n_permutations, 1 + 2 * len(sides)) for count in n_lobes
        ),
    )


def _measured(
    bits: Sequence[Array],
    first_word: Array,
    n_blocks: Array,
    lobe: Sequence[Array],
    on_pieces: Array,
    lobe_of_piece: Array,
    place: Array,
    half: Array,
    document: Array,
    document_type: Array,
    *,
    n_joined: int,
    types: tuple[str, ...],
    n_permutations: int,
    seed: int,
) -> lazy.Arrays:
    """Outputs at one block length, from packed occurrence of both halves and lobes that were found on half 0.

    ``bits`` and ``lobe`` are those of the SAE and, where it has codes, of the untrained one beside it.
    """
    first = first_of(place, n_joined)
    measured = np.flatnonzero(half[first] == 1)
    found = {**_absent(place, n_counts=len(lobe[0])), OF_LENGTHS.n_blocks: len(measured)}
    if not len(measured):
        return found
    found["median_share_on"] = _median_share(bits[0], int(n_blocks.sum()))
    rows = first[measured]
    documents = Documents.of(
        document[rows], type_index(document_type, types)[rows], len(types), stream("document_groups", seed)
    )
    side, *untrained = (
        columns_of(labels, _count_on(words_of(words, first_word, 1), int(n_blocks[1]), labels))
        for words, labels in zip(bits, lobe, strict=True)
    )
    beside = columns_of(lobe_of_piece, on_pieces[measured])
    found |= OF_LENGTHS.named(gains(documents, side, beside))
    for other in untrained:
        found |= OF_LENGTHS_UNTRAINED.named(gains(documents, side, other))
    for row, (on, size) in enumerate(side):
        if len(size) < 2:
            continue
        wins = documents.summed(won(enrichment(on, size)))
        value, left_out = association(documents, wins)
        found["cramers_v_by_length"][row] = value
        # A jackknife of one group has no spread.
        if len(left_out) > 1:
            ends = np.clip(jackknife_interval(np.array(value), left_out), 0.0, 1.0)
            found["cramers_v_by_length_low"][row], found["cramers_v_by_length_high"][row] = ends
        # A stream for each length and number of lobes: adding one leaves the numbers of the others.
        rng = stream("length_permutations", seed, n_joined, len(size))
        orders = (rng.permutation(len(wins)) for _ in range(n_permutations))
        chance = cramers_v(np.stack([documents.indicator[order].T @ wins for order in orders]))
        found["cramers_v_by_length_null_mean"][row] = chance.mean()
    return found


def _count_on(words: Array, n_blocks: int, lobe: Array) -> Array:
    """Features on (blocks, columns) in each lobe of each division ``lobe`` (divisions, features), from their bits."""
    member = np.concatenate(
        [(labels[:, None] == np.arange(labels.max() + 1)).astype(np.float32) for labels in lobe], axis=1
    )
    on = np.zeros((n_blocks, member.shape[1]), np.float32)
    for low in range(0, len(words), _SLICE):
        # A slice of features at a time: unpacked, all would take eight times the bytes of their bits or more.
        bits = unpacked(words[low : low + _SLICE])[:, :n_blocks]
        on += bits.T.astype(np.float32) @ member[low : low + _SLICE]
    return on


def _median_share(bits: Array, n_blocks: int) -> float:
    """Median, over features on in any block, of the share of blocks that they are on in; NaN where none is."""
    count = n_active(bits)
    return float(np.median(count[count > 0])) / n_blocks if count.any() else np.nan


def _absent(of: Array, *, n_counts: int) -> lazy.Arrays:
    """NaN for every output, and no blocks."""
    nothing = {name: np.full(n_counts, np.nan) for name in OF_LENGTHS_ALONE}
    compared = OF_LENGTHS.absent(n_counts) | OF_LENGTHS_UNTRAINED.absent(n_counts)
    return compared | nothing | {"median_share_on": np.full((), np.nan)}
