"""Co-occurrence of features: in how many blocks two of them are on together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data import blocks, schema
from saegeom_data.blocks import Result
from saegeom_data.declare import Anchor, Output, metric
from saegeom_data.testing import simulate_sae

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[Any]]

# A float32 sum of 0/1 products is exact up to 2 ** 24 blocks; far smaller slices keep the float32 copy of them small.
_SLICE = 2**14


def _always_on() -> xr.Dataset:
    sae = simulate_sae(n_features=20, n_blocks=12)
    return sae.assign(occurrence=sae.occurrence | True)


@metric(
    version=1,
    scale="brain",
    inputs=(schema.occurrence,),
    outputs=(
        Output("n_blocks_both", ("features", "features_other"), "count", "blocks in which both features are on", -1),
        Output("n_blocks_active", ("features",), "count", "blocks in which the feature is on", -1),
        Output("n_blocks", (), "count", "blocks", -1),
    ),
    invariances={
        "rotation": ("n_blocks_both", "n_blocks_active", "n_blocks"),
        "permutation": ("n_blocks",),
        "scale": ("n_blocks_both", "n_blocks_active", "n_blocks"),
    },
    pattern="rows",
    reference="Li et al. 2025, section 4",
    anchors=(
        Anchor("every feature on in every block", _always_on, {"n_blocks_both": (12, 0), "n_blocks_active": (12, 0)}),
    ),
)
def cooccurrence(sae: xr.Dataset) -> xr.Dataset:
    """Count the blocks in which two features are on together.

    With x_bi = 1 where feature i fires anywhere in block b: n_ij = sum_b x_bi x_bj, n_i = n_ii, and T blocks in all.

    Parameters
    ----------
    sae
        ``occurrence`` (blocks, features).

    Returns
    -------
    xarray.Dataset
        ``n_blocks_both`` (features, features_other), symmetric with ``n_blocks_active`` (features) on its diagonal, and
        the scalar ``n_blocks``. Exact integers in [0, n_blocks].

    Notes
    -----
    Counts do not depend on the decoder, on the order of the blocks, or on how they are chunked. Cost: one matrix
    product of blocks x features squared / 2 in one pass over the blocks; memory of 8 bytes for each pair of features
    and for each chunk in flight.

    Examples
    --------
    >>> from saegeom_data.testing import simulate_sae
    >>> result = cooccurrence(simulate_sae(n_features=50, n_blocks=90))
    >>> int(result.n_blocks), bool((result.n_blocks_both.values.diagonal() == result.n_blocks_active).all())
    (90, True)
    """
    return _reduce(_count, sae.occurrence)


def cooccurrence_of_half(sae: xr.Dataset, half: xr.DataArray, which: int) -> xr.Dataset:
    """Counts as :func:`cooccurrence` gives them over the blocks where ``half`` (blocks) equals ``which``."""
    return _reduce(partial(_count_half, which=which), sae.occurrence, half)


def _reduce(chunk: Any, occurrence: xr.DataArray, *others: xr.DataArray) -> xr.Dataset:
    n = occurrence.sizes["features"]
    outputs = {
        "n_blocks_both": Result(("features", "features_other"), (n, n), "int32"),
        "n_blocks_active": Result(("features",), (n,), "int32"),
        "n_blocks": Result((), (), "int64"),
    }
    # Counts, the product in single precision and its integers; and a slice of the blocks in single precision.
    memory = blocks.Memory(task=8 * n**2 + 4 * n * min(_SLICE, occurrence.sizes["blocks"]), partial=4 * n**2)
    return blocks.rows(chunk, _add, _named, occurrence, *others, outputs=outputs, memory=memory)


def _count(start: int, occurrence: Array) -> tuple[Array, int]:
    both = np.zeros((occurrence.shape[1],) * 2, np.int32)
    for first in range(0, len(occurrence), _SLICE):
        on = occurrence[first : first + _SLICE].astype(np.float32)
        both += (on.T @ on).astype(np.int32)
    return both, len(occurrence)


def _count_half(start: int, occurrence: Array, half: Array, *, which: int) -> tuple[Array, int]:
    return _count(start, occurrence[half == which])


def _add(partials: Sequence[tuple[Array, int]]) -> tuple[Array, int]:
    both = partials[0][0].copy()
    for other, _ in partials[1:]:
        both += other
    return both, sum(n for _, n in partials)


def _named(total: tuple[Array, int]) -> blocks.Arrays:
    both, n_blocks = total
    return {"n_blocks_both": both, "n_blocks_active": both.diagonal(), "n_blocks": n_blocks}
