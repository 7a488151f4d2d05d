"""Copies among features: of a decoder row, or in what they fire in. They count once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.declare.output import Output
from saegeom_data.lazy import Memory, Result, Work, ordering
from saegeom_data.metrics._shared.distinct_rows import distinct_rows
from saegeom_data.metrics._statistics.bit_counts import n_active
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


def merged(description: str) -> Output:
    """Declare the number of features that are copies.

    Examples
    --------
    >>> merged("features whose row copies that of an earlier one, merged into it").name
    'n_merged'
    """
    return Output("n_merged", (), "count", description, 0, dtype="int64", bounds=(0, None), label="copies merged")


def copied_rows(decoder: xr.DataArray) -> xr.Dataset:
    """``is_kept`` (features), False for rows whose direction copies that of an earlier one to 1e-7, and ``n_merged``.

    Rows of zero norm are no copies, and are kept.
    """
    found = distinct_rows(decoder)
    return found.assign(is_kept=found.is_kept | (found.norm == 0))[["is_kept", "n_copies"]].rename(n_copies="n_merged")


def copied_firing(held: xr.Dataset, min_blocks: int) -> xr.Dataset:
    """``is_kept`` (features), False for features on in exactly the blocks of an earlier one, and ``n_merged``.

    Features on, or off, in fewer than ``min_blocks`` blocks are no copies: no affinity of theirs is used.
    """
    n, n_words = held.sizes["features"], held.sizes["words"]
    return lazy.whole(
        partial(_copied_firing, min_blocks=min_blocks),
        held.bits,
        held.n_blocks,
        outputs={"is_kept": Result(("features",), (n,), "bool"), "n_merged": Result(dtype="int64")},
        memory=Memory(finish=3 * 8 * n * n_words),
        work=Work(passes=50 * n * n_words, sorting=10 * ordering(n), calls=100),
    )


def without(held: xr.Dataset, is_kept: xr.DataArray) -> xr.Dataset:
    """Packed occurrence in which features that are not kept never fire, so that they are masked as silent ones are."""
    n, n_words = held.sizes["features"], held.sizes["words"]
    silenced = lazy.whole(
        _silenced,
        bits=held.bits,
        n_blocks_active=held.n_blocks_active,
        is_kept=is_kept,
        outputs={
            "bits": Result(("features", "words"), (n, n_words), "uint64"),
            "n_blocks_active": Result(("features",), (n,), "int32"),
        },
        memory=Memory(finish=8 * n * n_words),
        work=Work(passes=24 * n * n_words, calls=20),
    )
    return held.assign(silenced.variables)


def _copied_firing(bits: Array, n_blocks: Array, *, min_blocks: int) -> lazy.Arrays:
    """Which features (features,) are the first of their bits (features, words), and how many are not."""
    active = n_active(bits)
    used = np.flatnonzero((active >= min_blocks) & (active <= n_blocks.sum() - min_blocks))
    is_kept = np.ones(len(bits), bool)
    if len(used):
        # Each row as one value, so that rows are sorted as wholes and not column by column.
        rows = np.ascontiguousarray(bits[used]).view(np.dtype((np.void, 8 * bits.shape[1]))).ravel()
        is_kept[used] = False
        is_kept[used[np.unique(rows, return_index=True)[1]]] = True
    return {"is_kept": is_kept, "n_merged": np.count_nonzero(~is_kept)}


def _silenced(bits: Array, n_blocks_active: Array, is_kept: Array) -> lazy.Arrays:
    return {"bits": bits * is_kept[:, None].astype(np.uint64), "n_blocks_active": n_blocks_active * is_kept}
