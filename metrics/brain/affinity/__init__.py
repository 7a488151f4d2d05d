"""Affinity of features: how much more often than by chance, or how nearly always, two of them are on together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.declare.output import Output
from saegeom_data.metrics._kernels.bits import count, count_bytes
from saegeom_data.metrics._statistics.bit_counts import n_active
from saegeom_data.metrics.brain._shared.affinities import KERNELS, TERMS, Kind, is_masked, least_blocks
from saegeom_data.metrics.brain._shared.packed_occurrence import packed
from saegeom_data.metrics.brain._shared.works import affinity_work
from saegeom_data.metrics.brain.affinity.guidance import GUIDANCE
from saegeom_data.testing.simulate import simulate_sae
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


def _twins() -> xr.Dataset:
    """All features fire in the same blocks."""
    sae = simulate_sae(n_features=20, n_blocks=12)
    return sae.assign(occurrence=sae.occurrence.copy(data=np.repeat(np.arange(12)[:, None] % 2 == 0, 20, axis=1)))


_OUTPUTS = (
    Output(
        "affinity",
        ("features", "features_other"),
        "1",
        "affinity; NaN for masked features",
        bounds=(-1, 1),
        direction="higher",
    ),
    Output(
        "is_masked",
        ("features",),
        "1",
        "whether the feature is rare or saturated",
        True,
        dtype="bool",
        label="masked",
    ),
    Output(
        "n_rare",
        (),
        "count",
        "features on in fewer than min_blocks blocks, masked",
        -1,
        dtype="int64",
        bounds=(0, None),
        label="rare features",
    ),
    Output(
        "n_saturated",
        (),
        "count",
        "features off in fewer than min_blocks blocks, and not rare, masked",
        -1,
        dtype="int64",
        bounds=(0, None),
        label="saturated features",
    ),
)
_BY_NAME = {output.name: output for output in _OUTPUTS}


@metric(
    version=3,
    scale="brain",
    inputs=(schema.occurrence,),
    outputs=_OUTPUTS,
    invariances={"rotation": tuple(_BY_NAME), "permutation": ("n_rare", "n_saturated"), "scale": tuple(_BY_NAME)},
    pattern="pairs",
    reference="Li et al. 2025, section 4 and appendix A",
    presentation="saegeom_data.metrics.brain.affinity.presentation:PRESENTATION",
    anchors=(
        Anchor("features that fire in the same blocks", _twins, {"affinity": (1.0, 1e-12), "n_rare": (0, 0)}),
        Anchor(
            "and their mutual information, in a half of the blocks",
            _twins,
            {"affinity": (np.log(2), 1e-12)},
            {"kind": "mutual_information"},
        ),
    ),
    guidance=GUIDANCE,
)
def affinity(
    sae: xr.Dataset, *, kind: Kind = "phi", min_blocks: Annotated[int, Field(ge=1)] | None = None
) -> xr.Dataset:
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
    min_blocks
        Features are masked that are on, or off, in fewer blocks than this; by default as in :func:`lobes`.

    Returns
    -------
    xarray.Dataset
        ``affinity`` (features, features_other), symmetric, pure numbers (nats for ``mutual_information``);
        ``is_masked`` (features), true for masked features, whose rows and columns are NaN; ``n_rare``, ``n_saturated``.

    Notes
    -----
    Does not depend on the decoder. Arithmetic is float64: the int64 product under the root of phi overflows past
    110,217 blocks. Cost: that of :func:`cooccurrence`, and the formula once for each pair. ``affinity`` is lazy in
    tiles, which are written one by one.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> result = affinity(simulate_sae(n_features=50), kind="jaccard")
    >>> float(result.affinity[3, 3]), int(result.n_rare), int(result.n_saturated)
    (1.0, 0, 0)
    """
    held, min_blocks = packed(sae.occurrence), min_blocks or least_blocks(*sae.occurrence.shape)
    n, n_words = sae.sizes["features"], held.sizes["words"]
    side = lazy.tile_size(n, 8 * n_words, 8)
    values = lazy.tiles(
        partial(_tile, kind=kind, min_blocks=min_blocks),
        held.bits,
        held.n_blocks,
        result=_BY_NAME["affinity"].result({"features": n, "features_other": n}),
        memory=lazy.Memory(task=count_bytes(side, side, n_words) + 8 * side**2 * TERMS.get(kind, 4)),
        work=affinity_work(n, n_words, kind),
        name="affinity",
    )
    masked = lazy.whole(
        partial(_masks, min_blocks=min_blocks),
        held.n_blocks_active,
        held.n_blocks,
        outputs={name: _BY_NAME[name].result({"features": n}) for name in ("is_masked", "n_rare", "n_saturated")},
        memory=lazy.Memory(),
        work=lazy.Work(calls=60),
    )
    return masked.assign(affinity=values)


def _masks(active: Array, n_blocks: Array, *, min_blocks: int) -> lazy.Arrays:
    """Masks (features), and how many are rare and how many saturated; a feature that is both counts as rare."""
    total = int(n_blocks.sum())
    rare = active < min_blocks
    masked = is_masked(active, total, min_blocks)
    return {"is_masked": masked, "n_rare": rare.sum(), "n_saturated": (masked & ~rare).sum()}


def _tile(
    start: int, bits: Array, other_start: int, others: Array, n_blocks: Array, *, kind: Kind, min_blocks: int
) -> Array:
    """Affinities (rows, columns) of features of two blocks of bits; NaN for masked features."""
    total = int(n_blocks.sum())
    active, other_active = n_active(bits), n_active(others)
    both = (count(bits) if start == other_start else count(bits, others)).astype(float)
    # Masked features would divide by zero; what they give is replaced.
    with np.errstate(divide="ignore", invalid="ignore"):
        values = KERNELS[kind](both, active[:, None].astype(float), other_active[None].astype(float), float(total))
    values[is_masked(active, total, min_blocks)] = np.nan
    values[:, is_masked(other_active, total, min_blocks)] = np.nan
    return values
