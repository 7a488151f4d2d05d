"""How far lobes and document types go together in shorter and longer blocks of the same text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.data.text.short_blocks import SHORT_LENGTH
from saegeom_data.errors import ParameterError
from saegeom_data.metrics._statistics.bit_counts import n_active
from saegeom_data.metrics.brain._shared.affinities import least_blocks
from saegeom_data.metrics.brain._shared.packed_occurrence import packed, packed_lengths
from saegeom_data.metrics.brain.lobe_function._compared import (
    OF_LENGTHS,
    OF_LENGTHS_ALONE,
    OF_LENGTHS_UNTRAINED,
    TOLD_BY_LENGTH,
)
from saegeom_data.metrics.brain.lobe_function._gains import compared, nothing, nothing_compared, told
from saegeom_data.metrics.brain.lobe_function._outputs import BY_NAME
from saegeom_data.metrics.brain.lobe_function._short_blocks import (
    first_blocks,
    joined_blocks,
    joined_tokens,
    short_halves,
)
from saegeom_data.metrics.brain.lobe_function._ways import Blocks, ways_of_features, ways_of_pieces
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class _Packed:
    """Occurrence in short blocks as bits, and how many short blocks each chunk had that was packed."""

    held: xr.Dataset
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, occurrence: xr.DataArray) -> _Packed:
        return cls(packed(occurrence), packed_lengths(occurrence))

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


def by_length(sae: xr.Dataset, blocks: Blocks, *, block_lengths: tuple[int, ...], n_permutations: int) -> xr.Dataset:
    """Outputs over ``block_length``: V of lobes of the SAE, of word pieces and of an untrained SAE in such blocks.

    ``blocks`` are those of the occurrence, of which types, halvings and lobes are taken. Codes are read once, for short
    blocks: longer ones are these joined. NaN where there are no codes, or no sequence is as long.
    """
    known = all(variable.name in sae.variables for variable in schema.SHORT_BLOCKS)
    if not known:
        return lazy.stacked([_nothing(sae.document, len(blocks.n_lobes)) for _ in block_lengths], "block_length")
    # The SAE itself comes first.
    sides = [
        _Packed.of(sae[variable.name])
        for variable in (schema.short_occurrence, schema.short_untrained_occurrence)
        if variable.name in sae.variables
    ]
    document, kind = sae[schema.short_document.name], sae[schema.short_document_type.name]
    halves = tuple(short_halves(document, kind, halving) for halving in range(len(blocks.halves)))
    short = replace(blocks, halves=halves, document=document, document_type=kind)
    measure = partial(_at, sae, sides, short, n_permutations)
    return lazy.stacked([measure(length) for length in block_lengths], "block_length")


def _nothing(of: xr.DataArray, n_counts: int) -> xr.Dataset:
    alone = {
        name: lazy.Result(dims, (n_counts,) * len(dims))
        for name, dims in ((name, BY_NAME[name].dims[1:]) for name in OF_LENGTHS_ALONE)
    }
    text, untrained = (nothing_compared(names, of, n_counts) for names in (OF_LENGTHS, OF_LENGTHS_UNTRAINED))
    return _joined(text, untrained, nothing(of, alone))


def _at(sae: xr.Dataset, sides: Sequence[_Packed], short: Blocks, n_permutations: int, block_length: int) -> xr.Dataset:
    """Outputs at one block length."""
    place, token_id = sae[schema.short_place.name], sae[schema.short_token_id.name]
    n, n_joined, n_counts = sides[0].n_features, block_length // SHORT_LENGTH, len(short.n_lobes)
    n_blocks = place.size // n_joined
    if not n_blocks:
        return _nothing(place, n_counts)
    # Blocks are the same ones on every side.
    held = [[side.joined(place, half, n_joined) for half in short.halves] for side in sides]
    blocks = replace(
        short,
        halves=tuple(joined.half for joined in held[0]),
        min_blocks=least_blocks(n_blocks, n),
        first=first_blocks(place, n_joined),
        n_joined=n_joined,
    )
    side, *untrained = (
        # Part of the text has few blocks, in which about half of all features, and of words, fire often enough.
        ways_of_features(
            blocks,
            joined,
            (n_blocks,),
            n_likely=packed_side.n_features // 2,
            n_permutations=n_permutations if packed_side is sides[0] else 0,
        )
        for packed_side, joined in zip(sides, held, strict=True)
    )
    pieces = ways_of_pieces(blocks, joined_tokens(token_id, place, n_joined), n)
    if untrained:
        beside = compared(OF_LENGTHS_UNTRAINED, side, untrained[0])
    else:
        beside = nothing_compared(OF_LENGTHS_UNTRAINED, place, n_counts)
    share = lazy.whole(
        _median_share,
        held[0][0].bits,
        held[0][0].n_blocks,
        outputs={"median_share_on": lazy.Result()},
        memory=lazy.Memory(finish=16 * n),
        work=lazy.Work(passes=n * n_blocks, calls=20),
    )
    alone = told(side, TOLD_BY_LENGTH).assign(
        cramers_v_by_length_null_mean=side[0].null_mean, median_share_on=share.median_share_on
    )
    return _joined(compared(OF_LENGTHS, side, pieces), beside, alone)


def _joined(text: xr.Dataset, untrained: xr.Dataset, alone: xr.Dataset) -> xr.Dataset:
    """All outputs at one block length. Both comparisons are of the same blocks, which are counted with the first."""
    return text.assign({name: untrained[name] for name in OF_LENGTHS_UNTRAINED.outputs.values()}).assign(
        alone.variables
    )


def _median_share(bits: Array, n_blocks: Array) -> lazy.Arrays:
    """Median, over features on in any block, of the share of blocks that they are on in; NaN where none is."""
    count = n_active(bits)
    found = float(np.median(count[count > 0])) / int(n_blocks.sum()) if count.any() else np.nan
    return {"median_share_on": np.array(found)}
