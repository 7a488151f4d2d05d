"""Co-occurrence of features: in how many blocks two of them are on together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.declare.output import Output
from saegeom_data.metrics._kernels.bits import count, count_bytes
from saegeom_data.metrics._statistics.works import counting_work
from saegeom_data.metrics.brain._shared.packed_occurrence import packed
from saegeom_data.metrics.brain.cooccurrence.guidance import GUIDANCE
from saegeom_data.testing.simulate import simulate_sae
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


def _always_on() -> xr.Dataset:
    sae = simulate_sae(n_features=20, n_blocks=12)
    return sae.assign(occurrence=sae.occurrence | True)


_OUTPUTS = (
    Output(
        "n_blocks_both",
        ("features", "features_other"),
        "count",
        "blocks in which both features are on",
        -1,
        dtype="int32",
        bounds=(0, None),
        label="blocks with both on",
    ),
    Output(
        "n_blocks_active",
        ("features",),
        "count",
        "blocks in which the feature is on",
        -1,
        dtype="int32",
        bounds=(0, None),
        label="blocks with the feature on",
    ),
    Output("n_blocks", (), "count", "blocks", -1, dtype="int64", bounds=(0, None), label="blocks"),
)
_BY_NAME = {output.name: output for output in _OUTPUTS}


@metric(
    version=1,
    scale="brain",
    inputs=(schema.occurrence,),
    outputs=_OUTPUTS,
    invariances={"rotation": tuple(_BY_NAME), "permutation": ("n_blocks",), "scale": tuple(_BY_NAME)},
    pattern="pairs",
    reference="Li et al. 2025, section 4",
    presentation="saegeom_data.metrics.brain.cooccurrence.presentation:PRESENTATION",
    anchors=(
        Anchor("every feature on in every block", _always_on, {"n_blocks_both": (12, 0), "n_blocks_active": (12, 0)}),
    ),
    guidance=GUIDANCE,
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
    Counts do not depend on the decoder, on the order of the blocks, or on how they are chunked. The blocks are read
    once and packed to bits (blocks x features / 8 bytes, held); each tile of pairs takes an AND and a count of bits for
    each 64 blocks and pair. ``n_blocks_both`` is lazy in tiles of at most a block of data each, so that a matrix larger
    than memory is written tile by tile with ``to_zarr``, or by a run.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> result = cooccurrence(simulate_sae(n_features=50, n_blocks=90))
    >>> int(result.n_blocks), bool((result.n_blocks_both.values.diagonal() == result.n_blocks_active).all())
    (90, True)
    """
    held = packed(sae.occurrence)
    n = sae.sizes["features"]
    side = lazy.tile_size(n, 8 * held.sizes["words"], 4)
    both = lazy.tiles(
        _tile,
        held.bits,
        result=_BY_NAME["n_blocks_both"].result({"features": n, "features_other": n}),
        memory=lazy.Memory(task=count_bytes(side, side, held.sizes["words"])),
        work=counting_work(n, held.sizes["words"]),
        name="n_blocks_both",
    )
    return held[["n_blocks_active"]].assign(n_blocks_both=both, n_blocks=held.n_blocks.variable[0].astype("int64"))


def _tile(start: int, bits: Array, other_start: int, others: Array) -> Array:
    """n_ij (rows, columns) of features of two blocks of bits."""
    # A tile on the diagonal is symmetric, and half of it need not be counted.
    return count(bits) if start == other_start else count(bits, others)
