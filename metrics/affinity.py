"""Affinity of features: how much more often than by chance, or how nearly always, two of them are on together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from saegeom_data import blocks, schema
from saegeom_data.blocks import Result
from saegeom_data.declare import Anchor, Output, metric
from saegeom_data.testing import simulate_sae

from .cooccurrence import cooccurrence

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[Any]]
Kind = Literal["simple_matching", "jaccard", "dice", "overlap", "phi", "npmi", "mutual_information"]


def _twins() -> xr.Dataset:
    """All features fire in the same blocks."""
    sae = simulate_sae(n_features=20, n_blocks=12)
    return sae.assign(occurrence=sae.occurrence.copy(data=np.repeat(np.arange(12)[:, None] % 2 == 0, 20, axis=1)))


@metric(
    version=1,
    scale="brain",
    inputs=(schema.occurrence,),
    outputs=(
        Output("affinity", ("features", "features_other"), "1", "affinity; NaN for masked features"),
        Output("is_masked", ("features",), "1", "whether the feature is on in no block or in every block", True),
        Output("n_masked", (), "count", "masked features", -1),
    ),
    invariances={
        "rotation": ("affinity", "is_masked", "n_masked"),
        "permutation": ("n_masked",),
        "scale": ("affinity", "is_masked", "n_masked"),
    },
    pattern="rows",
    reference="Li et al. 2025, section 4 and appendix A",
    anchors=(
        Anchor("features that fire in the same blocks", _twins, {"affinity": (1.0, 1e-12), "n_masked": (0, 0)}),
        Anchor(
            "and their mutual information, in a half of the blocks",
            _twins,
            {"affinity": (np.log(2), 1e-12)},
            {"kind": "mutual_information"},
        ),
    ),
)
def affinity(sae: xr.Dataset, *, kind: Kind = "phi") -> xr.Dataset:
    """Affinity of each pair of features, from the blocks in which they are on together.

    With n_ij blocks with both on, n_i with i on, T blocks, m11 = n_ij, m10 = n_i - n_ij, m01 = n_j - n_ij,
    m00 = T - n_i - n_j + n_ij:

    ====================  ================================================================  =========
    kind                  formula                                                           range
    ====================  ================================================================  =========
    simple_matching       (m11 + m00) / T                                                   [0, 1]
    jaccard               n_ij / (n_i + n_j - n_ij)                                         [0, 1]
    dice                  2 n_ij / (n_i + n_j)                                              [0, 1]
    overlap               n_ij / min(n_i, n_j)                                              [0, 1]
    phi                   (m11 m00 - m10 m01) / sqrt(n_i (T - n_i) n_j (T - n_j))           [-1, 1]
    npmi                  ln(n_ij T / (n_i n_j)) / -ln(n_ij / T), -1 where n_ij = 0         [-1, 1]
    mutual_information    sum over the four cells of m / T ln(m T / (product of margins))   [0, ln 2]
    ====================  ================================================================  =========

    Parameters
    ----------
    sae
        ``occurrence`` (blocks, features).
    kind
        Which affinity. Larger is more alike; only ``phi``, ``npmi`` and ``mutual_information`` allow for how often each
        feature fires, and ``mutual_information`` does not tell attraction from avoidance.

    Returns
    -------
    xarray.Dataset
        ``affinity`` (features, features_other), symmetric, pure numbers (nats for ``mutual_information``);
        ``is_masked`` (features), true for features that are on in no block or in all blocks, whose rows are NaN;
        ``n_masked``.

    Notes
    -----
    Does not depend on the decoder. Arithmetic is float64: the int64 product under the root of phi overflows past
    110,217 blocks. Cost: that of :func:`cooccurrence`; memory of about 40 bytes for each pair of features.

    Examples
    --------
    >>> from saegeom_data.testing import simulate_sae
    >>> result = affinity(simulate_sae(n_features=50), kind="jaccard")
    >>> float(result.affinity[3, 3]), int(result.n_masked)
    (1.0, 0)
    """
    return affinity_of(cooccurrence.function(sae), kind=kind)


def affinity_of(counts: xr.Dataset, *, kind: Kind) -> xr.Dataset:
    """Affinity, as :func:`affinity` gives it, of counts as :func:`~.cooccurrence.cooccurrence` gives them."""
    n = counts.sizes["features"]
    outputs = {
        "affinity": Result(("features", "features_other"), (n, n)),
        "is_masked": Result(("features",), (n,), "bool"),
        "n_masked": Result((), (), "int64"),
    }
    names = ("n_blocks_both", "n_blocks_active", "n_blocks")
    # Beside the affinity itself: the counts in double precision and the terms of the formula.
    memory = blocks.Memory(finish=8 * n**2 * _TERMS.get(kind, 4))
    compute = partial(_masked_affinity, kind=kind)
    return blocks.whole(compute, *(counts[name] for name in names), outputs=outputs, memory=memory)


def _masked_affinity(n_both: Array, n_active: Array, n_blocks: Array, *, kind: Kind) -> blocks.Arrays:
    total = float(n_blocks)
    is_masked = (n_active == 0) | (n_active == total)
    keep = np.flatnonzero(~is_masked)
    values = np.full(n_both.shape, np.nan)
    active = n_active[keep].astype(float)
    kernel = _KERNELS[kind]
    values[np.ix_(keep, keep)] = kernel(n_both[np.ix_(keep, keep)].astype(float), active[:, None], active[None], total)
    return {"affinity": values, "is_masked": is_masked, "n_masked": is_masked.sum()}


def _simple_matching(both: Array, row: Array, column: Array, total: float) -> Array:
    return np.asarray((total - row - column + 2 * both) / total)


def _jaccard(both: Array, row: Array, column: Array, total: float) -> Array:
    return np.asarray(both / (row + column - both))


def _dice(both: Array, row: Array, column: Array, total: float) -> Array:
    return np.asarray(2 * both / (row + column))


def _overlap(both: Array, row: Array, column: Array, total: float) -> Array:
    return np.asarray(both / np.minimum(row, column))


def _phi(both: Array, row: Array, column: Array, total: float) -> Array:
    root = np.sqrt(row * (total - row)) * np.sqrt(column * (total - column))
    return np.asarray((both * total - row * column) / root)


def _npmi(both: Array, row: Array, column: Array, total: float) -> Array:
    never = both == 0
    both = np.where(never, 1, both)
    values = np.log(both * total / (row * column)) / -np.log(both / total)
    values[never] = -1
    return np.asarray(values)


def _mutual_information(both: Array, row: Array, column: Array, total: float) -> Array:
    values = np.zeros_like(both)
    for cell, first, second in (
        (both, row, column),
        (row - both, row, total - column),
        (column - both, total - row, column),
        (total - row - column + both, total - row, total - column),
    ):
        values += cell / total * np.log(np.where(cell > 0, cell, 1) * np.where(cell > 0, total / (first * second), 1))
    return np.asarray(np.maximum(values, 0))


_TERMS = {"npmi": 5, "mutual_information": 10}
_KERNELS = {
    "simple_matching": _simple_matching,
    "jaccard": _jaccard,
    "dice": _dice,
    "overlap": _overlap,
    "phi": _phi,
    "npmi": _npmi,
    "mutual_information": _mutual_information,
}
