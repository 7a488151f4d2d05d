"""Communities of a graph of strongest affinities: the best of several starts of Leiden's algorithm."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.errors import DataValueError
from saegeom_data.metrics._statistics.agreement import adjusted_rand_index
from saegeom_data.metrics._statistics.spectral import by_size
from saegeom_data.metrics.brain._shared.affinity_graph import affinity_graph
from saegeom_data.metrics.brain.coactivation_graph._leiden import leiden, leiden_work, modularity
from saegeom_data.metrics.nulls.streams import drawn_seeds
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import scipy.sparse as sp


def communities(affinity: Array, neighbour: Array, *, resolution: float, n_seeds: int, seed: int) -> lazy.Arrays:
    """Communities (features) of largest modularity over starts of Leiden's algorithm, and how far starts agree.

    ``affinity`` and ``neighbour`` (features, order) are the strongest affinities of each feature; -1 for none.
    """
    graph = affinity_graph(affinity, neighbour)
    degree = np.diff(graph.indptr)
    joined = np.flatnonzero(degree)
    if not len(joined):
        raise DataValueError(
            "occurrence: got no two features of positive affinity, expected some that fire together; give more blocks"
        )
    found, value = _starts(graph[joined][:, joined], resolution, n_seeds, seed)
    agreement = [
        adjusted_rand_index(start, other, int(max(start.max(), other.max())) + 1)
        for start, other in combinations(found, 2)
    ]
    community = np.full(len(degree), -1)
    community[joined] = by_size(found[int(np.argmax(value))])
    return {
        "community": community,
        "degree": degree,
        # The matrix is symmetric and holds each edge twice; features alone are no communities.
        "n_edges": graph.nnz // 2,
        "n_communities": np.count_nonzero(np.bincount(community[joined]) > 1),
        "modularity": max(value),
        "seed_agreement": np.mean(agreement) if agreement else 1.0,
    }


def largest_modularity(affinity: Array, neighbour: Array, *, resolution: float, n_seeds: int, seed: int) -> lazy.Arrays:
    """Largest modularity over the same starts as in :func:`communities`; NaN of a graph without edges."""
    graph = affinity_graph(affinity, neighbour)
    joined = np.flatnonzero(np.diff(graph.indptr))
    if not len(joined):
        return {"modularity": np.nan}
    return {"modularity": max(_starts(graph[joined][:, joined], resolution, n_seeds, seed)[1])}


def communities_work(n: int, n_neighbours: int, n_seeds: int) -> lazy.Work:
    """What either computes on the graph of n features: starts, the modularity of each, and how far they agree."""
    start = leiden_work(n, n * n_neighbours) + lazy.Work(calls=300)
    return n_seeds * start + n_seeds * (n_seeds - 1) / 2 * lazy.Work(steps=5 * n, calls=60)


def _starts(graph: sp.csr_array, resolution: float, n_seeds: int, seed: int) -> tuple[list[Array], list[float]]:
    """Communities (nodes) of each start on a graph whose nodes all have an edge, and their modularity."""
    # A node without an edge would be a community of its own, which is why there are none.
    found = [leiden(graph, resolution=resolution, seed=start) for start in drawn_seeds("leiden", seed, size=n_seeds)]
    return found, [modularity(graph, community, resolution=resolution) for community in found]
