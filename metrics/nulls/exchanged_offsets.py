"""Directions whose offsets from the centre of their cluster are exchanged between clusters.

Kept are the centres, the sizes of clusters, and the distribution of offsets whatever it is: heavy tails, or an axis
along which members of all clusters differ. Gone is which offset stands at which cluster, and beside which others.
"""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.typing import Array

LABEL = "exchanged_offsets"


def offsets_from_centres(rows: Array, cluster: Array) -> tuple[Array, Array]:
    """Centre and offset (n, hidden) of each of ``rows`` (n, hidden) in its ``cluster`` (n,).

    For a cluster of m rows with the mean c, the offset of x is (x - c) sqrt(m / (m - 1)): the factor makes up for c
    being fitted to its members. A row that is a cluster by itself has the offset 0, and comes last. The others stand in
    order of their product with the mean of all rows.
    """
    size = np.bincount(cluster)
    mean = np.zeros((len(size), rows.shape[1]))
    np.add.at(mean, cluster, rows)
    mean /= size[:, None]
    centre, size = mean[cluster], size[cluster]
    offset = (rows - centre) * np.sqrt(size / np.maximum(size - 1, 1))[:, None]
    offset[size == 1] = 0
    # An order that follows from the rows, so that their own does not change what is drawn. By length the two members of
    # a cluster would tie.
    order = np.lexsort((rows @ rows.mean(axis=0), size == 1))
    return centre[order], offset[order]


def exchanged_rows(centre: Array, offset: Array, rng: np.random.Generator) -> Array | None:
    """Rows (n, hidden) of unit norm: each ``centre`` with the ``offset`` of another row, both (n, hidden).

    Rows whose offset is 0 stay where they are. None if a row has no direction then.
    """
    moved = np.arange(len(offset))
    n_moved = int(np.count_nonzero(row_norms(offset)))
    moved[:n_moved] = rng.permutation(n_moved)
    rows = centre + offset[moved]
    norm = row_norms(rows)
    if not norm.all():
        return None
    return np.asarray(rows / norm[:, None])
