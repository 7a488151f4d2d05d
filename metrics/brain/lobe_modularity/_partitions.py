"""How lobes lie in decoder space: against spatial clusters, and on the graph of nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from saegeom_data.metrics._statistics.agreement import chance_deviation
from saegeom_data.metrics._statistics.jackknife import N_GROUPS, balanced_groups, jackknife_interval
from saegeom_data.metrics._statistics.neighbours import edges_of
from saegeom_data.metrics.brain._shared.partition_measures import PartitionMeasures, partition_measures
from saegeom_data.metrics.nulls import frequency_stratified, label_permutation
from saegeom_data.metrics.nulls.label_permutation import permutations_within
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

# Fewer features have no partition.
_LEAST_MEMBERS = 2
# Nulls that permute features; the place of each counts its streams.
PERMUTED = (label_permutation.LABEL, frequency_stratified.LABEL)


def partition_values(nearest: Array, lobe: Array, typed: Array, spatial: Array, *, seed: int) -> dict[str, Array]:
    """Value, low and high end (statistic, measure) of each measure for one number of lobes; NaN if there are none.

    ``nearest`` (features, neighbours) lists features, and ``lobe``, ``typed`` and ``spatial`` (features) hold labels:
    of lobes, of lobes within document types and of spatial clusters; -1 for features that are not compared.
    """
    values = []
    for labels, places, edges in _pairings(nearest, lobe, typed, spatial):
        if len(labels) < _LEAST_MEMBERS:
            values.append(np.full((3, 3), np.nan))
            continue
        groups = balanced_groups(len(labels), N_GROUPS, stream("partition_groups", seed))
        value = partition_measures(labels, places, edges)
        left_out = np.stack([_without(labels, places, edges, groups == group) for group in np.unique(groups)], axis=1)
        # Near independence AMI is of second order in the members, and a jackknife now and then finds hardly any spread.
        least = np.array([chance_deviation(labels, places), 0.0, 0.0])
        values.append(np.stack([value, *jackknife_interval(value, left_out, least)]))
    return {"value": joined_measures(*values)}


def partition_null(
    nearest: Array,
    n_active: Array,
    lobe: Array,
    typed: Array,
    spatial: Array,
    *,
    null: str,
    n_permutations: int,
    n_strata: int | None,
    seed: int,
) -> dict[str, Array]:
    """Draws (draw, measure) of each measure with lobes permuted, for one number of them; NaN if there are none.

    A draw permutes features alike for every number of lobes, so that the largest over all numbers has draws too.
    """
    values = []
    keeps = (compared(nearest, labels, spatial) for labels in (lobe, typed))
    for keep, (labels, places, edges) in zip(keeps, _pairings(nearest, lobe, typed, spatial), strict=True):
        if len(keep) < _LEAST_MEMBERS:
            values.append(np.full((n_permutations, 3), np.nan))
            continue
        rng = stream("partition_permutations", seed, PERMUTED.index(null))
        measure, groups = PartitionMeasures(labels, places, edges), strata(null, n_active[keep], n_strata)
        orders = permutations_within(groups, n_permutations, rng)
        values.append(np.concatenate([measure(order) for order in orders]))
    return {"draws": joined_measures(*values)}


def joined_measures(of_lobes: Array, of_typed: Array) -> Array:
    """The measures of lobes (..., 3), and of those within document types (..., 3) the agreement alone: (..., 4)."""
    return np.concatenate([of_lobes, of_typed[..., :1]], axis=-1)


def _pairings(nearest: Array, lobe: Array, typed: Array, spatial: Array) -> Iterator[tuple[Array, Array, Array]]:
    """Labels, spatial clusters (members,) and edges (2, edges) of the features that both kinds of lobes have."""
    keep = compared(nearest, lobe, spatial)
    yield lobe[keep], spatial[keep], edges_of(within(nearest, keep))
    keep = compared(nearest, typed, spatial)
    yield typed[keep], spatial[keep], np.zeros((2, 0), np.int64)


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
