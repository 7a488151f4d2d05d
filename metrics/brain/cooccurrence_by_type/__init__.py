"""Co-occurrence of features inside the documents of each type."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.declare.output import Output
from saegeom_data.lazy import Result
from saegeom_data.metrics._kernels.bits import count, count_bytes
from saegeom_data.metrics._statistics.bit_counts import n_active
from saegeom_data.metrics._statistics.works import counting_work
from saegeom_data.metrics.brain._shared.document_types import document_types as known_types
from saegeom_data.metrics.brain._shared.document_types import type_index
from saegeom_data.metrics.brain._shared.packed_occurrence import packed, words_of
from saegeom_data.metrics.brain.cooccurrence_by_type.guidance import GUIDANCE
from saegeom_data.testing.simulate import simulate_sae
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


_OUTPUTS = (
    Output(
        "n_blocks_both",
        ("document_type", "features", "features_other"),
        "count",
        "blocks of the type in which both features are on",
        -1,
        dtype="int32",
        bounds=(0, None),
        label="blocks with both on",
    ),
    Output(
        "n_blocks_active",
        ("document_type", "features"),
        "count",
        "blocks of the type where the feature is on",
        -1,
        dtype="int64",
        bounds=(0, None),
        label="blocks with the feature on",
    ),
    Output(
        "n_blocks",
        ("document_type",),
        "count",
        "blocks of the type",
        -1,
        dtype="int64",
        bounds=(0, None),
        label="blocks",
    ),
)
_BY_NAME = {output.name: output for output in _OUTPUTS}


def _always_on() -> xr.Dataset:
    sae = simulate_sae(n_features=20, n_blocks=12, n_lobes=2)
    return sae.assign(occurrence=sae.occurrence | True)


@metric(
    version=1,
    scale="brain",
    inputs=(schema.occurrence, schema.block_document_type),
    outputs=_OUTPUTS,
    invariances={"rotation": tuple(_BY_NAME), "permutation": ("n_blocks",), "scale": tuple(_BY_NAME)},
    pattern="pairs",
    reference="Li et al. 2025, section 4",
    presentation="saegeom_data.metrics.brain.cooccurrence_by_type.presentation:PRESENTATION",
    anchors=(
        Anchor(
            "every feature on in every block",
            _always_on,
            {"n_blocks_both": (6, 0), "n_blocks_active": (6, 0), "n_blocks": (6, 0)},
        ),
    ),
    guidance=GUIDANCE,
)
def cooccurrence_by_type(sae: xr.Dataset, *, document_types: tuple[str, ...] | None = None) -> xr.Dataset:
    """Count the blocks of each document type in which two features are on together.

    With x_bi = 1 where feature i fires anywhere in block b, and b running over the T_t blocks of documents of type t:
    n_tij = sum_b x_bi x_bj and n_ti = n_tii. Over all types they add up to the counts of :func:`cooccurrence`. Counts
    within a type tell features that fire together because both are of a genre from those that do so inside it.

    Parameters
    ----------
    sae
        ``occurrence`` (blocks, features) and ``document_type`` (blocks).
    document_types
        Names of all types. By default the attribute ``document_types`` of the dataset, or else the types themselves
        where they are held in memory.

    Returns
    -------
    xarray.Dataset
        ``n_blocks_both`` (document_type, features, features_other), symmetric in the last two, with ``n_blocks_active``
        (document_type, features) on its diagonals, and ``n_blocks`` (document_type). Exact integers in [0, n_blocks].

    Raises
    ------
    ParameterError
        If the types are unknown and lazy, or one is named twice.
    DataValueError
        If a block is of a type that is not among ``document_types``; raised when computed.

    Notes
    -----
    Cost and memory are those of :func:`cooccurrence`, but for the result, which is as many times as large as there are
    types, and for the blocks of each type that fill no word of 64. It is lazy in tiles that hold all types.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> result = cooccurrence_by_type(simulate_sae(n_features=50, n_blocks=90, n_lobes=2))
    >>> dict(zip(result.document_type.values.tolist(), result.n_blocks.values.tolist(), strict=True))
    {'type 0': 45, 'type 1': 45}
    """
    types = known_types(sae, document_types)
    n, n_types = sae.sizes["features"], len(types)
    group = lazy.whole(
        partial(_groups, types=types),
        sae.document_type,
        outputs={"group": Result(("blocks",), (sae.sizes["blocks"],), "int64")},
        memory=lazy.Memory(finish=150 * sae.sizes["blocks"]),
        work=lazy.Work(steps=500 * sae.sizes["blocks"], calls=200),
    )
    held = packed(sae.occurrence, group.group, n_types)
    n_words = held.sizes["words"]
    side = lazy.tile_size(n, 8 * n_words, 4 * n_types)
    sizes = {"document_type": n_types, "features": n, "features_other": n}
    both = lazy.tiles(
        partial(_tile, n_types=n_types),
        held.bits,
        held.first_word,
        result=_BY_NAME["n_blocks_both"].result(sizes),
        memory=lazy.Memory(task=count_bytes(side, side, n_words)),
        work=counting_work(n, n_words) + (n_types - 1) * counting_work(n, 0),
        name="n_blocks_both",
    )
    active = lazy.whole(
        partial(_active, n_types=n_types),
        held.bits,
        held.first_word,
        outputs={"n_blocks_active": _BY_NAME["n_blocks_active"].result(sizes)},
        memory=lazy.Memory(finish=4096 * n_words),
        work=lazy.Work(passes=24 * n * n_words, calls=30 * n_types),
    )
    result = active.assign(n_blocks_both=both, n_blocks=("document_type", held.n_blocks.data))
    return result.assign_coords(document_type=np.array(types, dtype=object))


def _groups(document_type: Array, *, types: tuple[str, ...]) -> lazy.Arrays:
    """Index of the type of each block (blocks,)."""
    return {"group": type_index(document_type, types)}


def _active(bits: Array, first_word: Array, *, n_types: int) -> lazy.Arrays:
    """n_ti (types, features)."""
    return {"n_blocks_active": np.stack([n_active(words_of(bits, first_word, index)) for index in range(n_types)])}


def _tile(start: int, bits: Array, other_start: int, others: Array, first_word: Array, *, n_types: int) -> Array:
    """n_tij (types, rows, columns) of features of two blocks of bits."""
    of_types = []
    for index in range(n_types):
        words = words_of(bits, first_word, index)
        of_types.append(count(words) if start == other_start else count(words, words_of(others, first_word, index)))
    return np.stack(of_types)
