"""The ways in which a metric touches data: nothing else in this package talks to dask graphs.

``rows`` reduces blocks of rows with ``chunk -> combine -> finalize``; ``pairs`` visits every pair of rows once, tile by
tile, and reduces per row; ``tiles`` lays what pairs give out as a lazy matrix, to be written tile by tile; ``whole``
gathers small inputs and calls a function once; ``stacked`` puts results of such calls side by side. All give lazy
outputs when an input is lazy and computed ones when all inputs are held in memory. ``again`` reads data a second time
instead of holding it; ``each`` runs threads inside one task. Each stage says what memory it takes and what it computes
(``Work``), which the planner (:mod:`saegeom_data.engine.planner`) adds up.
"""

from saegeom_data.lazy.finite_values import guard_finite
from saegeom_data.lazy.graph import (
    BLOCK_BYTES,
    Arrays,
    Memory,
    Result,
    Stage,
    block_bytes,
    find_stages,
)
from saegeom_data.lazy.pairs import pairs, row_block_size
from saegeom_data.lazy.rows import rows, stacked, whole
from saegeom_data.lazy.second_reading import again
from saegeom_data.lazy.threads import each, n_threads
from saegeom_data.lazy.tiles import SIDE, tile_size, tiles
from saegeom_data.lazy.work import KINDS, Work, eigen, ordering, total

__all__ = [
    "BLOCK_BYTES",
    "KINDS",
    "SIDE",
    "Arrays",
    "Memory",
    "Result",
    "Stage",
    "Work",
    "again",
    "block_bytes",
    "each",
    "eigen",
    "find_stages",
    "guard_finite",
    "n_threads",
    "ordering",
    "pairs",
    "row_block_size",
    "rows",
    "stacked",
    "tile_size",
    "tiles",
    "total",
    "whole",
]
