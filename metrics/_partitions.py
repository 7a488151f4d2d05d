"""How lobes lie in decoder space: against spatial clusters, and on the graph of nearest neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._agreement import Adjustment, contingency, mutual_information
from ._neighbours import degrees, expected_agreement, neighbour_agreement, neighbour_graph, unit_rows
from ._resampling import N_GROUPS, balanced_groups, null_summary
from .nulls import permutations_within, rank_strata

Array = np.ndarray[Any, np.dtype[Any]]

MEASURES = ("ami", "modularity", "neighbour_agreement")


def compare_partitions(
    decoder: Array,
    n_active: Array,
    lobe: Array,
    spatial: Array,
    *,
    n_neighbours: int,
    n_permutations: int,
    n_strata: int | None,
    seed: int,
) -> dict[str, Any]:
    """Each measure (counts) with interval, null and p, from lobes and spatial clusters (counts, features)."""
    keep = np.flatnonzero((lobe[0] >= 0) & (spatial[0] >= 0))
    lobe, spatial = lobe[:, keep], spatial[:, keep]
    edges = neighbour_graph(unit_rows(decoder[keep]), n_neighbours)
    rng = np.random.default_rng([seed, 1])
    groups = balanced_groups(len(keep), N_GROUPS, rng)
    strata = (np.zeros(len(keep), int), rank_strata(n_active[keep], n_strata))
    observed = [_measure(one, one[None], other, edges)[:, 0] for one, other in zip(lobe, spatial, strict=True)]
    draws = np.empty((len(strata), len(lobe), 3, n_permutations))
    for level, stratum in enumerate(strata):
        start = 0
        for permuted in permutations_within(
            stratum, n_permutations, rng, max(edges.shape[1], int(lobe.max() + 1) ** 2)
        ):
            for row, (one, other) in enumerate(zip(lobe, spatial, strict=True)):
                draws[level, row, :, start : start + len(permuted)] = _measure(one, one[permuted], other, edges)
            start += len(permuted)
    left_out = [_left_out(one, other, edges, groups) for one, other in zip(lobe, spatial, strict=True)]
    values: dict[str, Any] = {"n_features_used": len(keep)}
    for index, measure in enumerate(MEASURES):
        value = np.array([one[index] for one in observed])
        values |= null_summary(measure, value, np.stack([one[index] for one in left_out]), draws[:, :, index])
    return values


def _measure(lobe: Array, permuted: Array, spatial: Array, edges: Array) -> Array:
    """AMI, modularity and neighbour agreement (3, permutations) of permuted lobes (permutations, members)."""
    n_labels = int(lobe.max()) + 1
    shape = (n_labels, int(spatial.max()) + 1)
    adjust = Adjustment(contingency(lobe, spatial, shape))
    agreement = neighbour_agreement(permuted, edges)
    expected = expected_agreement(permuted, degrees(edges, len(lobe)), n_labels)
    return np.stack(
        [adjust(mutual_information(contingency(permuted, spatial, shape))), agreement - expected, agreement]
    )


def _left_out(lobe: Array, spatial: Array, edges: Array, groups: Array) -> Array:
    """The three measures (3, groups) with the features of each group, and their edges, left out."""
    columns = []
    for group in np.unique(groups):
        keep = groups != group
        index = np.cumsum(keep) - 1
        inside = index[edges[:, keep[edges].all(axis=0)]]
        columns.append(_measure(lobe[keep], lobe[keep][None], spatial[keep], inside)[:, 0])
    return np.stack(columns, axis=1)
