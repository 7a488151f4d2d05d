"""How lobes lie in decoder space: against spatial clusters, and on the graph of nearest neighbours."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._statistics.jackknife import N_GROUPS, balanced_groups, jackknife_interval
from saegeom_data.metrics._statistics.neighbours import edges_of
from saegeom_data.metrics._statistics.p_values import summary_of
from saegeom_data.metrics.brain._shared.partition_measures import PartitionMeasures, partition_measures, unmoved
from saegeom_data.metrics.nulls import frequency_stratified, label_permutation
from saegeom_data.metrics.nulls.label_permutation import permutations_within
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

# Nulls that permute features; the place of each counts its streams.
PERMUTED = (label_permutation.LABEL, frequency_stratified.LABEL)


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
    # By null and number of lobes, so that a result does not depend on which others are asked for.
    rng = stream("partition_permutations", seed, PERMUTED.index(null), int(lobe.max()) + 1)
    measure = PartitionMeasures(lobe, spatial, edges)
    groups = strata(null, n_active[keep], n_strata)
    draws = np.concatenate([measure(order) for order in permutations_within(groups, n_permutations, rng)])
    return {"summary": summary_of(measure(unmoved(len(keep)))[0], draws.T)}


def strata(null: str, rate: Array, n_strata: int | None) -> Array:
    """Within which groups of features a null of ``PERMUTED`` permutes: all are one, or those of like firing rate."""
    if null == label_permutation.LABEL:
        return np.zeros(len(rate), int)
    return frequency_stratified.rank_strata(rate, n_strata)


def compared(nearest: Array, *labels: Array) -> Array:
    """Features that have a list of neighbours and a label in every partition."""
    return np.flatnonzero(np.all([nearest[:, 0] >= 0, *(partition >= 0 for partition in labels)], axis=0))


def within(nearest: Array, keep: Array) -> Array:
    """Lists of the features ``keep`` as indices that count these alone; -1 for others."""
    place = np.full(len(nearest), -1)
    place[keep] = np.arange(len(keep))
    return np.asarray(place[nearest[keep]])


def _without(lobe: Array, spatial: Array, edges: Array, left_out: Array) -> Array:
    """The measures with some features, and their edges, left out."""
    keep = ~left_out
    # Edges of what is left out go, but neighbours are not looked for anew: the graph is held fixed.
    index = np.cumsum(keep) - 1
    return partition_measures(lobe[keep], spatial[keep], index[edges[:, keep[edges].all(axis=0)]])
