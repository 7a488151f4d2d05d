"""How lobes lie in decoder space: against spatial clusters, and on the graph of nearest neighbours."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._statistics.agreement import Adjustment, entropy
from saegeom_data.metrics._statistics.jackknife import N_GROUPS, balanced_groups, jackknife_interval
from saegeom_data.metrics._statistics.neighbours import degrees, edges_of
from saegeom_data.metrics._statistics.p_values import summary_of
from saegeom_data.metrics.nulls import frequency_stratified, label_permutation
from saegeom_data.metrics.nulls.label_permutation import permutations_within
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

# Nulls that permute features; the place of each counts its streams.
PERMUTED = (label_permutation.LABEL, frequency_stratified.LABEL)
MEASURES = ("ami", "modularity", "neighbour_agreement")


def partition_values(nearest: Array, lobe: Array, spatial: Array, *, seed: int) -> dict[str, Array]:
    """Value, low and high end (statistic, measure) of each measure for one number of lobes.

    ``nearest`` (features, neighbours) lists features, and ``lobe`` and ``spatial`` (features) hold labels; -1 for
    features that are not compared.
    """
    keep = compared(nearest, lobe, spatial)
    lobe, spatial, edges = lobe[keep], spatial[keep], edges_of(within(nearest, keep))
    groups = balanced_groups(len(keep), N_GROUPS, stream("partition_groups", seed))
    value = partition_measures(lobe, spatial, edges)
    left_out = np.stack([_without(lobe, spatial, edges, groups == group) for group in np.unique(groups)], axis=1)
    return {"value": np.stack([value, *jackknife_interval(value, left_out)])}


def partition_null(
    nearest: Array,
    n_active: Array,
    lobe: Array,
    spatial: Array,
    *,
    null: str,
    n_permutations: int,
    n_strata: int | None,
    seed: int,
) -> dict[str, Array]:
    """Mean, standard deviation and p (statistic, measure) of each measure with lobes permuted, for one number."""
    keep = compared(nearest, lobe, spatial)
    lobe, spatial, edges = lobe[keep], spatial[keep], edges_of(within(nearest, keep))
    rng = stream("partition_permutations", seed, PERMUTED.index(null), int(lobe.max()) + 1)
    measure = _Measures(lobe, spatial, edges)
    groups = strata(null, n_active[keep], n_strata)
    draws = np.concatenate([measure(order) for order in permutations_within(groups, n_permutations, rng)])
    return {"summary": summary_of(measure(_unmoved(len(keep)))[0], draws.T)}


def partition_measures(lobe: Array, spatial: Array, edges: Array) -> Array:
    """AMI, modularity and neighbour agreement (3,)."""
    return np.asarray(_Measures(lobe, spatial, edges)(_unmoved(len(lobe)))[0])


def permuted_ami(first: Array, second: Array, n_permutations: int, rng: np.random.Generator) -> tuple[float, Array]:
    """AMI of two partitions (members), and its draws (n_permutations,) with the first permuted among all members."""
    measure = _Measures(first, second, np.zeros((2, 0), np.int64))
    batches = permutations_within(np.zeros(len(first), int), n_permutations, rng)
    draws = np.concatenate([measure(order)[:, 0] for order in batches])
    return float(measure(_unmoved(len(first)))[0, 0]), draws


def strata(null: str, rate: Array, n_strata: int | None) -> Array:
    """Within which groups of features a null of ``PERMUTED`` permutes: all are one, or those of like firing rate."""
    if null == label_permutation.LABEL:
        return np.zeros(len(rate), int)
    return frequency_stratified.rank_strata(rate, n_strata)


def compared(nearest: Array, *labels: Array) -> Array:
    """Features that have a list of neighbours and a label in every partition."""
    return np.flatnonzero(np.all([nearest[:, 0] >= 0, *(one >= 0 for one in labels)], axis=0))


def within(nearest: Array, keep: Array) -> Array:
    """Lists of the features ``keep`` as indices that count these alone; -1 for others."""
    place = np.full(len(nearest), -1)
    place[keep] = np.arange(len(keep))
    return np.asarray(place[nearest[keep]])


class _Measures:
    """AMI, modularity and neighbour agreement (permutations, 3) of lobes permuted by an order (permutations, n)."""

    def __init__(self, lobe: Array, spatial: Array, edges: Array) -> None:
        self.lobe, self.spatial, self.edges = lobe.astype(np.int32), spatial.astype(np.int32), edges
        self.rows, self.columns = np.bincount(lobe), np.bincount(spatial)
        self.adjust = Adjustment(self.rows, self.columns)
        self.degree = degrees(edges, len(lobe))
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


def _unmoved(n: int) -> Array:
    return np.arange(n)[None]


def _without(lobe: Array, spatial: Array, edges: Array, left_out: Array) -> Array:
    """The measures with some features, and their edges, left out."""
    keep = ~left_out
    index = np.cumsum(keep) - 1
    return partition_measures(lobe[keep], spatial[keep], index[edges[:, keep[edges].all(axis=0)]])
