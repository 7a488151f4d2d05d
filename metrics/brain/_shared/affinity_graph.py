"""The graph of each feature's strongest affinities, for widths whose matrix of affinities does not fit memory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Result
from saegeom_data.metrics._kernels.bits import count, count_bytes
from saegeom_data.metrics._kernels.nearest import Neighbours, merged
from saegeom_data.metrics._kernels.nearest_search import insert, keep_range
from saegeom_data.metrics._statistics.bit_counts import n_active
from saegeom_data.metrics.brain._shared.affinities import KERNELS, TERMS, Kind, is_masked
from saegeom_data.metrics.brain._shared.packed_occurrence import words_of
from saegeom_data.metrics.brain._shared.works import affinity_work
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import scipy.sparse as sp
    import xarray as xr


# Rows of a tile whose affinities are in double precision at a time.
_SLAB = 256


def strongest_affinities(
    held: xr.Dataset, *, which: int | None = None, kind: Kind, n_neighbours: int, min_blocks: int
) -> xr.Dataset:
    """For each feature the others of largest positive affinity, found tile by tile over all pairs.

    Parameters
    ----------
    held
        What :func:`~.packed_occurrence.packed` gives.
    which
        Group of blocks to count; all by default.
    kind, min_blocks
        Affinity and masks; see :func:`affinity`.
    n_neighbours
        Number of others.

    Returns
    -------
    xarray.Dataset
        ``affinity`` (features, order), descending, 0 past the last, and ``neighbour`` (features, order), -1 past the
        last; equal affinities stand by index. ``is_masked`` (features).
    """
    n, n_words = held.sizes["features"], held.sizes["words"]
    chosen = lazy.whole(
        partial(_chosen, which=which, min_blocks=min_blocks),
        bits=held.bits,
        first_word=held.first_word,
        n_blocks=held.n_blocks,
        outputs={
            "bits": Result(("features", "words"), (n, n_words), "uint64"),
            "n_blocks": Result((), (), "int64"),
            "is_masked": Result(("features",), (n,), "bool"),
        },
        memory=lazy.Memory(),
        work=lazy.Work(passes=40 * n * n_words, calls=60),
    )
    size = lazy.row_block_size(n, 8 * n_words)
    slab = min(size, _SLAB)
    found = lazy.pairs(
        partial(_within, kind=kind, n_neighbours=n_neighbours, min_blocks=min_blocks),
        partial(_between, kind=kind, min_blocks=min_blocks),
        merged,
        _joined,
        chosen.bits,
        also=[chosen.n_blocks],
        outputs={
            "affinity": Result(("features", "order"), (n, n_neighbours)),
            "neighbour": Result(("features", "order"), (n, n_neighbours), "int64"),
        },
        memory=lazy.Memory(
            task=count_bytes(slab, size, n_words) + 8 * slab * size * TERMS.get(kind, 4) + 64 * size * n_neighbours,
            partial=16 * n * n_neighbours,
        ),
        # Each pair is offered to both of its features.
        work=affinity_work(n, n_words, kind) + lazy.Work(steps=3 * n**2),
    )
    return found.assign(is_masked=chosen.is_masked)


def affinity_graph(affinity: Array, neighbour: Array) -> sp.csr_array:
    """Symmetric matrix (features, features) of affinities that are among the strongest of either feature."""
    import scipy.sparse as sp

    n = len(affinity)
    row, column = np.nonzero(neighbour >= 0)
    matrix = sp.csr_array((affinity[row, column], (row, neighbour[row, column])), shape=(n, n))
    # An edge listed from one side only is kept: spectral methods need a symmetric matrix.
    return sp.csr_array(matrix.maximum(matrix.T))


def _chosen(bits: Array, first_word: Array, n_blocks: Array, *, which: int | None, min_blocks: int) -> lazy.Arrays:
    """Bits (features, words) of the group of blocks that is counted, the number of its blocks, and masks (features)."""
    total = int(n_blocks.sum() if which is None else n_blocks[which])
    words = words_of(bits, first_word, which)
    masked = is_masked(n_active(words), total, min_blocks)
    if which is not None:
        # How many words the group has is not known before it is computed, but shapes are: the rest stays 0.
        whole = np.zeros_like(bits)
        whole[:, : words.shape[1]] = words
        bits = whole
    return {"bits": bits, "n_blocks": total, "is_masked": masked}


def _within(start: int, bits: Array, n_blocks: Array, *, kind: Kind, n_neighbours: int, min_blocks: int) -> Neighbours:
    """Strongest affinities (rows, neighbours) of rows of one block with each other, as negative distances."""
    found = Neighbours(np.full((len(bits), n_neighbours), np.inf), np.full((len(bits), n_neighbours), -1))
    for first in range(0, len(bits), _SLAB):
        rows = bits[first : first + _SLAB]
        values = _distances(rows, bits, int(n_blocks), kind, min_blocks)
        # No feature is a neighbour of its own.
        values[np.arange(len(rows)), first + np.arange(len(rows))] = np.inf
        _offer(values, start, found.distance[first : first + _SLAB], found.index[first : first + _SLAB])
    return found


def _between(
    start: int,
    bits: Array,
    known: Neighbours,
    other_start: int,
    others: Array,
    other_known: Neighbours,
    n_blocks: Array,
    *,
    kind: Kind,
    min_blocks: int,
) -> tuple[Neighbours, Neighbours]:
    """What rows of two blocks gain from each other, (rows, neighbours) either way.

    What is ``known`` already bounds the search: only what is nearer than the last of it is inserted.
    """
    gained, other_gained = (Neighbours(side.distance.copy(), side.index.copy()) for side in (known, other_known))
    for first in range(0, len(bits), _SLAB):
        values = _distances(bits[first : first + _SLAB], others, int(n_blocks), kind, min_blocks)
        _offer(values, other_start, gained.distance[first : first + _SLAB], gained.index[first : first + _SLAB])
        _offer(np.ascontiguousarray(values.T), start + first, other_gained.distance, other_gained.index)
    # What was known goes: tiles are merged, and would count it again.
    keep_range(gained.distance, gained.index, other_start, other_start + len(others))
    keep_range(other_gained.distance, other_gained.index, start, start + len(bits))
    return gained, other_gained


def _distances(bits: Array, others: Array, n_blocks: int, kind: Kind, min_blocks: int) -> Array:
    """Affinities with the sign turned, so that the strongest come first; infinite where there is no edge."""
    active, other_active = n_active(bits), n_active(others)
    # Masked features would divide by zero; what they give is replaced.
    with np.errstate(divide="ignore", invalid="ignore"):
        values = KERNELS[kind](
            count(bits, others).astype(float), active[:, None].astype(float), other_active[None].astype(float),
            float(n_blocks),
        )  # fmt: skip
    values[is_masked(active, n_blocks, min_blocks)] = 0
    values[:, is_masked(other_active, n_blocks, min_blocks)] = 0
    # Negative ones are no ties: a spectral embedding needs weights of at least 0, and features that avoid each other
    # have none.
    return np.where(values > 0, -values, np.inf)


def _joined(parts: Any) -> lazy.Arrays:
    """``affinity`` and ``neighbour`` (features, order) of all blocks, with the sign of affinities turned back."""
    distance = np.concatenate([part.distance for part in parts])
    index = np.concatenate([part.index for part in parts])
    return {"affinity": np.where(np.isfinite(distance), -distance, 0.0), "neighbour": index}


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _offer(values: Array, start: int, distances: Array, indices: Array) -> None:
    """Insert values (rows, columns) of features from ``start`` into lists (rows, neighbours), ascending, in place."""
    last = distances.shape[1] - 1
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            # Asked here, as most values are beyond the last and a call for each would take most of the time.
            if values[row, column] <= distances[row, last] and values[row, column] < np.inf:
                insert(distances, indices, row, values[row, column], start + column)
