"""Search of all pairs of directions for the largest absolute cosine, and for those above thresholds."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Memory, Result
from saegeom_data.metrics._shared.directions import directions
from saegeom_data.metrics.galaxy._shared.cosines import Coherence, search_bytes, search_pairs, search_work
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class _Found:
    """What some pairs have: their coherence, and numbers of them above thresholds."""

    coherence: Coherence
    above: Array


def search_all_pairs(decoder: xr.DataArray, is_kept: xr.DataArray, threshold: tuple[float, ...]) -> xr.Dataset:
    """``coherence``, ``coherence_pair`` (end) that has it, and ``n_pairs_above`` (threshold) of the rows' directions.

    Rows of zero norm, and those that ``is_kept`` (features) leaves out, are in no pair; with fewer than two others
    coherence is NaN and the pair -1.
    """

    n, hidden = decoder.shape
    # lazy.pairs cuts blocks by the same rule, whatever the chunks of the decoder.
    size = lazy.row_block_size(n, decoder.nbytes // n)
    return lazy.pairs(
        functools.partial(_within, threshold=threshold),
        functools.partial(_between, threshold=threshold),
        _merged,
        _total,
        lazy.again(decoder, is_kept),
        also=(is_kept,),
        outputs={
            "coherence": Result(),
            "coherence_pair": Result(("end",), (2,), "int64"),
            "n_pairs_above": Result(("threshold",), (len(threshold),), "int64"),
        },
        memory=Memory(task=search_bytes(size, hidden, len(threshold))),
        work=search_work(n, hidden, len(threshold)),
    )


def _within(start: int, block: Array, is_kept: Array, *, threshold: tuple[float, ...]) -> _Found:
    """Coherence and counts of pairs within one block (rows, hidden)."""
    rows, used = directions(block, is_kept[start : start + len(block)])
    side = rows, start + used
    return _Found(*search_pairs(side, side, Coherence(), threshold))


def _between(
    start: int,
    block: Array,
    known: _Found,
    other_start: int,
    other: Array,
    other_known: _Found,
    is_kept: Array,
    *,
    threshold: tuple[float, ...],
) -> tuple[_Found, _Found]:
    """Coherence and counts of pairs of rows of two blocks, where ``known`` bounds the search for the coherence."""
    rows, used = directions(block, is_kept[start : start + len(block)])
    other_rows, other_used = directions(other, is_kept[other_start : other_start + len(other)])
    sides = (rows, start + used), (other_rows, other_start + other_used)
    # Each pair is counted for one of its two blocks, so the other gets nothing.
    return (
        _Found(*search_pairs(*sides, known.coherence, threshold)),
        _Found(Coherence(), np.zeros(len(threshold), np.int64)),
    )


def _merged(parts: Sequence[_Found]) -> _Found:
    """Largest coherence of some parts, and the sum of their counts (threshold,)."""
    coherence = Coherence().largest(*(part.coherence for part in parts))
    return _Found(coherence, np.sum([part.above for part in parts], axis=0))


def _total(parts: Sequence[_Found]) -> lazy.Arrays:
    """Outputs from the parts of all blocks; a coherence of -1 is one of no pair."""
    found = _merged(parts)
    coherence = found.coherence
    return {
        "coherence": coherence.cosine if coherence.cosine >= 0 else np.nan,
        "coherence_pair": coherence.pair,
        "n_pairs_above": found.above,
    }
