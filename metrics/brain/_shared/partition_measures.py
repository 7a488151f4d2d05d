"""How far two partitions of features agree, for many permutations at once."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._statistics.agreement import Adjustment, entropy
from saegeom_data.metrics._statistics.neighbours import degrees
from saegeom_data.metrics.nulls.label_permutation import permutations_within
from saegeom_data.typing import Array


def partition_measures(lobe: Array, spatial: Array, edges: Array) -> Array:
    """AMI, modularity and neighbour agreement (3,)."""
    return np.asarray(PartitionMeasures(lobe, spatial, edges)(unmoved(len(lobe)))[0])


def permuted_ami(first: Array, second: Array, n_permutations: int, rng: np.random.Generator) -> tuple[float, Array]:
    """AMI of two partitions (members), and its draws (n_permutations,) with the first permuted among all members."""
    measure = PartitionMeasures(first, second, np.zeros((2, 0), np.int64))
    batches = permutations_within(np.zeros(len(first), int), n_permutations, rng)
    draws = np.concatenate([measure(order)[:, 0] for order in batches])
    return float(measure(unmoved(len(first)))[0, 0]), draws


class PartitionMeasures:
    """AMI, modularity and neighbour agreement (permutations, 3) of lobes permuted by an order (permutations, n)."""

    def __init__(self, lobe: Array, spatial: Array, edges: Array) -> None:
        self.lobe, self.spatial = lobe.astype(np.int32), spatial.astype(np.int32)
        # Edges by columns, which are left of more, would be compiled for apart.
        self.edges = np.ascontiguousarray(edges)
        self.rows, self.columns = np.bincount(lobe), np.bincount(spatial)
        self.adjust = Adjustment(self.rows, self.columns)
        self.degree = degrees(edges, len(lobe))
        # What each further member of a cell adds to its n ln n: one pass over members gives mutual information.
        count = np.arange(1, len(lobe) + 1)
        self.gain = np.diff(count * np.log(count), prepend=0.0)
        self.gain = np.append(0.0, self.gain)

    def __call__(self, order: Array) -> Array:
        from saegeom_data.metrics._kernels.permutations import partition_sums

        n, n_edges = len(self.lobe), max(self.edges.shape[1], 1)
        shape = (len(self.rows), len(self.columns))
        sums = partition_sums(order, self.lobe, self.spatial, *shape, self.edges, self.degree, self.gain)
        # MI is what both entropies leave over that of the table, which is ln n less the mean of ln over members' cells.
        information = entropy(self.rows) + entropy(self.columns) - np.log(n) + sums[:, 0] / n
        agreement = sums[:, 1] / n_edges
        return np.stack([self.adjust(information), agreement - sums[:, 2] / (2 * n_edges) ** 2, agreement], axis=1)


def unmoved(n: int) -> Array:
    """The order (1, n) that permutes nothing."""
    return np.arange(n)[None]
