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
    for _, labels, places, edges in _pairings(nearest, lobe, typed, spatial):
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
    """Draws (n_lobes, draw, measure) of each measure with lobes permuted; NaN for a number of which there are none.

    ``lobe``, ``typed`` and ``spatial`` are (n_lobes, features). A draw permutes features alike for every number of
    lobes, so that the largest over all numbers has draws too.
    """
    draws = np.full((len(lobe), 2, n_permutations, 3), np.nan)
    # To permute features takes longer than to measure what comes of it: once for all partitions of the same features.
    alike: dict[bytes, list[tuple[Array, PartitionMeasures, Array]]] = {}
    for of_number, *partitions in zip(draws, lobe, typed, spatial, strict=True):
        for of_pairing, (keep, *pairing) in zip(of_number, _pairings(nearest, *partitions), strict=True):
            if len(keep) >= _LEAST_MEMBERS:
                alike.setdefault(keep.tobytes(), []).append((keep, PartitionMeasures(*pairing), of_pairing))
    for members in alike.values():
        rng = stream("partition_permutations", seed, PERMUTED.index(null))
        groups, n_done = strata(null, n_active[members[0][0]], n_strata), 0
        for orders in permutations_within(groups, n_permutations, rng):
            for _, measure, found in members:
                found[n_done : n_done + len(orders)] = measure(orders)
            n_done += len(orders)
    return {"draws": joined_measures(draws[:, 0], draws[:, 1])}


def joined_measures(of_lobes: Array, of_typed: Array) -> Array:
    """The measures of lobes (..., 3), and of those within document types (..., 3) the agreement alone: (..., 4)."""
    return np.concatenate([of_lobes, of_typed[..., :1]], axis=-1)


def _pairings(nearest: Array, lobe: Array, typed: Array, spatial: Array) -> Iterator[tuple[Array, Array, Array, Array]]:
    """Features (members,) that either kind of lobes has, their labels and spatial clusters, and edges (2, edges)."""
    keep = compared(nearest, lobe, spatial)
    yield keep, lobe[keep], spatial[keep], edges_of(within(nearest, keep))
    keep = compared(nearest, typed, spatial)
    yield keep, typed[keep], spatial[keep], np.zeros((2, 0), np.int64)


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
