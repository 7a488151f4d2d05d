"""Directions whose offsets from the centre of their cluster are exchanged between clusters.

Kept are the centres, the sizes of clusters, and the distribution of offsets whatever it is: heavy tails, or an axis
along which members of all clusters differ. Gone is which offset stands at which cluster, and beside which others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.typing import Array

LABEL = "exchanged_offsets"

_ROUNDS = 3
# Share of the mean variance that is added to that along each axis, as few members settle a variance badly.
_DAMPING = 0.05
# Factors of rows, at most and at least; beyond these a row is at right angles to its centre.
_LONGEST = 5.0


@dataclass(frozen=True)
class Straight:
    """Rows times factors, by which clusters that are stretched along a common axis are straight.

    ``centre`` and ``offset`` (n, hidden) of each row add up to the row times its factor; ``whitening`` (hidden, hidden)
    is symmetric and maps offsets to nearly unit variance along all axes. It is the identity where all offsets are 0.
    """

    centre: Array
    offset: Array
    whitening: Array


def straightened(rows: Array, cluster: Array) -> Straight:
    """Scale unit ``rows`` (n, hidden) so that their offsets in their ``cluster`` (n,) are as likely as can be.

    Members c + z e of a cluster with a common axis e, divided to norm 1, lie on an arc, whose offsets turn as one goes
    along it, and turn otherwise at another centre: exchanged, they would agree less than they do. With the covariance
    S of offsets s x - m from the means m of clusters, and P = (S + 0.05 tr S / hidden)^-1, a row x gets the factor
    s = x' P m / x' P x that makes (s x - m)' P (s x - m) least. Means are brought to one length m' P m, and all this
    is done three times, from s = 1 and P = 1.
    """
    size = np.bincount(cluster)
    factor, whitening = np.ones(len(rows)), np.eye(rows.shape[1])
    mean = _means(rows, cluster, size)
    for _ in range(_ROUNDS):
        scale = 1 / _or_one(row_norms(mean @ whitening))
        # Centres have norm 1 on average, so that factors are about 1.
        scale /= (row_norms(mean) * scale).mean() or 1.0
        mean, factor = mean * scale[:, None], factor * scale[cluster]
        offset = factor[:, None] * rows - mean[cluster]
        # Each fitted mean takes one degree of freedom.
        variance, axes = np.linalg.eigh(offset.T @ offset / max(len(rows) - len(size), 1))
        if variance[-1] <= 0:
            break
        whitening = (axes / np.sqrt(np.maximum(variance, 0) + _DAMPING * variance.mean())) @ axes.T
        white = rows @ whitening
        along = np.einsum("ij,ij->i", white, (mean @ whitening)[cluster]) / np.einsum("ij,ij->i", white, white)
        factor = np.clip(along, 1 / _LONGEST, _LONGEST)
        mean = _means(factor[:, None] * rows, cluster, size)
    return Straight(mean[cluster], factor[:, None] * rows - mean[cluster], whitening)


def straightening_bytes(n: int, hidden: int) -> int:
    """Bytes that :func:`straightened` takes beside the rows, its result included."""
    return 5 * 8 * n * hidden + 6 * 8 * hidden**2


def offsets_from_centres(rows: Array, cluster: Array, *, is_straight: bool = True) -> tuple[Array, Array]:
    """Centre and offset (n, hidden) of each of unit ``rows`` (n, hidden) in its ``cluster`` (n,).

    For a cluster of m rows s x with the mean c, straightened or with s = 1, the offset is
    (s x - c) sqrt(m / (m - 1)): the factor makes up for c being fitted to its members. A row that is a cluster by
    itself has the offset 0, and comes last. The others stand in order of their product with the mean of all rows.
    """
    size = np.bincount(cluster)
    if is_straight:
        straight = straightened(rows, cluster)
        centre, offset = straight.centre, straight.offset
    else:
        centre = _means(rows, cluster, size)[cluster]
        offset = rows - centre
    size = size[cluster]
    offset = offset * np.sqrt(size / np.maximum(size - 1, 1))[:, None]
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


def _means(rows: Array, cluster: Array, size: Array) -> Array:
    """Mean (clusters, hidden) of the rows of each cluster."""
    total = np.zeros((len(size), rows.shape[1]))
    np.add.at(total, cluster, rows)
    return np.asarray(total / size[:, None])


def _or_one(length: Array) -> Array:
    """Lengths, 1 in place of 0."""
    return np.where(length > 0, length, 1.0)
