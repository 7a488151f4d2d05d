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
from saegeom_data.metrics.brain._shared.affinities import least_blocks
from saegeom_data.metrics.brain._shared.packed_occurrence import packed
from saegeom_data.metrics.brain.lobe_function._compared import (
    OF_LENGTHS,
    OF_LENGTHS_ALONE,
    OF_LENGTHS_UNTRAINED,
    TOLD_BY_LENGTH,
)
from saegeom_data.metrics.brain.lobe_function._gains import compared, nothing_compared, told
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
    n_halvings: int,
    types: tuple[str, ...],
    n_permutations: int,
    seed: int,
) -> xr.Dataset:
    """Outputs over ``block_length``: V of lobes of the SAE, of word pieces and of an untrained SAE in such blocks.

    ``find`` finds lobes of packed occurrence, given ``which`` half and ``min_blocks``. Codes are read once, for short
    blocks: longer ones are these joined. NaN where there are no codes, or no sequence is as long.
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
    document, kind = sae[schema.short_document.name], sae[schema.short_document_type.name]
    halves = tuple(short_halves(document, kind, halving) for halving in range(n_halvings))
    short = Blocks(halves, document, kind, types, find, n_lobes, min_blocks=0, seed=seed)
    measure = partial(_at, sae, sides, short, n_permutations)
    return lazy.stacked([measure(length) for length in block_lengths], "block_length")


def _nothing(of: xr.DataArray, n_counts: int) -> xr.Dataset:
    compute, outputs = partial(_absent, n_counts=n_counts), _results_alone(n_counts)
    alone = lazy.whole(compute, of, outputs=outputs, memory=lazy.Memory(), work=lazy.Work(calls=20))
    return _joined(
        nothing_compared(OF_LENGTHS, of, n_counts), nothing_compared(OF_LENGTHS_UNTRAINED, of, n_counts), alone
    )


def _results_alone(n_counts: int) -> dict[str, lazy.Result]:
    return {
        name: lazy.Result(dims, (n_counts,) * len(dims))
        for name in OF_LENGTHS_ALONE
        for dims in [BY_NAME[name].dims[1:]]
    }


def _at(sae: xr.Dataset, sides: Sequence[_Packed], short: Blocks, n_permutations: int, block_length: int) -> xr.Dataset:
    """Outputs at one block length."""
    place, token_id = sae[schema.short_place.name], sae[schema.short_token_id.name]
    n, n_joined, n_counts = sides[0].n_features, block_length // SHORT_LENGTH, len(short.n_lobes)
    n_blocks = place.size // n_joined
    if not n_blocks:
        return _nothing(place, n_counts)
    # Blocks are the same ones on every side.
    held = [[side.joined(place, half, n_joined) for half in short.halves] for side in sides]
    blocks = Blocks(
        tuple(joined.half for joined in held[0]),
        short.document,
        short.document_type,
        short.types,
        short.find,
        short.n_lobes,
        least_blocks(n_blocks, n),
        short.seed,
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


def _absent(of: Array, *, n_counts: int) -> lazy.Arrays:
    return {name: np.full(result.shape, np.nan) for name, result in _results_alone(n_counts).items()}
