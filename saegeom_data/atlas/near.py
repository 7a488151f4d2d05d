"""The nearest other features of each: by the cosine of decoder rows, and by firing in the same blocks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.atlas.facts import Firing, Near
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

# Features on in fewer blocks than this fire together with others by chance.
LEAST_BLOCKS = 5


def nearest_by_cosine(decoder: xr.DataArray, k: int) -> Near:
    """The k others of largest cosine of each row, with it; every pair of rows is visited once, tile by tile.

    Examples
    --------
    >>> import xarray as xr
    >>> rows = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> near = nearest_by_cosine(xr.DataArray(rows, dims=("features", "hidden")), 1)
    >>> near.index[:, 0].tolist(), near.value[:, 0].round(2).tolist()
    ([1, 0, 1], [0.8, 0.8, 0.6])
    """
    from saegeom_data.metrics._shared.directions import cosine_neighbours

    return Near(*cosine_neighbours(decoder, k))


def firing_and_nearest(sae: xr.Dataset, k: int) -> tuple[Firing, Near | None]:
    """Blocks of each document type in which features fire, and the k others of largest positive phi of each.

    Phi is the correlation of two features over blocks. Features on or off in fewer than 5 blocks have no neighbours.
    Occurrence is read once, and packed to bits; pairs are counted tile by tile.
    """
    import xarray as xr

    from saegeom_data.metrics.brain._shared.affinity_graph import strongest_affinities
    from saegeom_data.metrics.brain._shared.document_types import document_types, type_index
    from saegeom_data.metrics.brain._shared.packed_occurrence import packed

    types = document_types(sae, None)
    of_type = type_index(sae.document_type.values.astype(object), types)
    counted = _active(sae.occurrence, xr.DataArray(of_type, dims="blocks"), len(types))
    if k:
        held = packed(sae.occurrence)
        near = strongest_affinities(held, kind="phi", n_neighbours=k, min_blocks=LEAST_BLOCKS)
        counted = counted.assign(affinity=near.affinity, neighbour=near.neighbour)
    counted = counted.compute()
    firing = Firing(types, np.bincount(of_type, minlength=len(types)), counted.active.values)
    return firing, Near(counted.neighbour.values, counted.affinity.values) if k else None


def _active(occurrence: xr.DataArray, of_type: xr.DataArray, n_types: int) -> xr.Dataset:
    """``active`` (types, features): blocks of each type in which each feature fires; lazy if occurrence is."""
    n = occurrence.shape[1]
    return lazy.rows(
        partial(_count, n_types=n_types),
        sum,
        _as_outputs,
        occurrence,
        of_type,
        outputs={"active": lazy.Result(("types", "features"), (n_types, n), "int64")},
        memory=lazy.Memory(task=8 * n * n_types, partial=8 * n * n_types, finish=0),
    )


def _as_outputs(active: Array) -> lazy.Arrays:
    return {"active": active}


def _count(start: int, occurrence: Array, of_type: Array, *, n_types: int) -> Array:
    """Count for each type (types, features) the blocks (blocks, features) that are on."""
    return np.stack([occurrence[of_type == index].sum(axis=0, dtype=np.int64) for index in range(n_types)])
