"""Communities of the graph of features that fire together, beside spectral lobes of the same features."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.metric import Anchor, Output, metric
from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics._statistics.agreement import adjusted_rand_index
from saegeom_data.metrics._statistics.p_values import tail
from saegeom_data.metrics._statistics.spectral import by_size, lobe_counts
from saegeom_data.metrics.brain._shared.affinities import Kind, least_blocks
from saegeom_data.metrics.brain._shared.affinity_graph import affinity_graph, strongest_affinities
from saegeom_data.metrics.brain._shared.find_lobes import PhiShift, find_lobes, half_agreement
from saegeom_data.metrics.brain._shared.packed_occurrence import packed_halves
from saegeom_data.metrics.brain._shared.partition_measures import permuted_ami
from saegeom_data.metrics.nulls.streams import drawn_seeds, stream
from saegeom_data.testing.simulate import simulate_sae
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


_OUTPUTS = (
    Output(
        "community",
        ("features",),
        "1",
        "community of each feature, 0 the largest; -1 without any edge",
        -1,
        dtype="int64",
        bounds=(-1, None),
    ),
    Output(
        "n_communities",
        (),
        "count",
        "communities of two features or more",
        -1,
        dtype="int64",
        bounds=(0, None),
        label="communities",
    ),
    Output(
        "modularity",
        (),
        "1",
        "Newman's modularity of the communities on their own graph, at most 1",
        bounds=(None, 1),
        direction="higher",
    ),
    Output(
        "seed_agreement",
        (),
        "1",
        "mean adjusted Rand index of pairs of starts, at most 1",
        bounds=(None, 1),
        direction="higher",
        label="agreement of starts",
    ),
    Output(
        "half_agreement",
        (),
        "1",
        "adjusted mutual information of communities of two halves of documents",
        bounds=(None, 1),
        direction="higher",
        label="agreement of halves of the documents",
    ),
    Output(
        "ami",
        ("n_lobes",),
        "1",
        "adjusted mutual information of communities and spectral lobes, 0 by chance",
        bounds=(None, 1),
        direction="higher",
        label="AMI",
    ),
    Output(
        "ami_null_mean",
        ("n_lobes",),
        "1",
        "mean of ami with lobes permuted among features",
        label="AMI, mean of the null",
    ),
    Output(
        "ami_null_sd",
        ("n_lobes",),
        "1",
        "standard deviation of ami under the same null",
        bounds=(0, None),
        label="AMI, spread of the null",
    ),
    Output(
        "ami_p",
        ("n_lobes",),
        "1",
        "one-sided permutation p of ami, at least 1 / (n_permutations + 1)",
        bounds=(0, 1),
        label="p of the AMI",
    ),
    Output(
        "lobe",
        ("n_lobes", "features"),
        "1",
        "spectral lobe of each feature; -1 for masked features",
        -1,
        dtype="int64",
        bounds=(-1, None),
    ),
    Output("degree", ("features",), "count", "edges at each feature", -1, dtype="int64", bounds=(0, None)),
    Output("n_edges", (), "count", "edges of the graph", -1, dtype="int64", bounds=(0, None), label="edges"),
)
_BY_NAME = {output.name: output for output in _OUTPUTS}
_OF_GRAPH = ("community", "degree", "modularity", "seed_agreement", "n_communities", "n_edges")
_OF_LOBES = ("ami", "ami_null_mean", "ami_null_sd", "ami_p")


@metric(
    version=1,
    scale="brain",
    inputs=(schema.occurrence, schema.block_document, schema.block_document_type),
    outputs=_OUTPUTS,
    invariances={"rotation": tuple(_BY_NAME), "scale": tuple(_BY_NAME), "permutation": ("n_edges",)},
    pattern="pairs",
    reference="Clarke, Bhatnagar and Bloom 2024; Traag, Waltman and van Eck 2019 (Leiden); Li et al. 2025, section 4",
    presentation="saegeom_data.metrics.brain.coactivation_graph.presentation:PRESENTATION",
    quick={"n_lobes": (2, 3), "n_seeds": 3, "n_permutations": 50},
    anchors=(
        Anchor(
            "planted lobes are the communities",
            partial(simulate_sae, n_features=80, n_lobes=2, function_strength=1.0, n_blocks=240),
            {"n_communities": (2, 0), "ami": (1.0, 1e-9), "half_agreement": (1.0, 1e-9)},
            {"n_lobes": (2,), "n_permutations": 20},
        ),
    ),
)
def coactivation_graph(
    sae: xr.Dataset,
    *,
    kind: Kind = "phi",
    n_neighbours: Annotated[int, Field(ge=1)] = 10,
    resolution: Annotated[float, Field(gt=0)] = 1.0,
    n_lobes: tuple[int, ...] | None = None,
    phi_shift: PhiShift = "shift",
    min_blocks: Annotated[int, Field(ge=1)] | None = None,
    n_permutations: Annotated[int, Field(ge=1)] = 1000,
    n_seeds: Annotated[int, Field(ge=1)] = 10,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    """Find communities of the co-activation graph, and how far they are the spectral lobes.

    Each feature is joined to the ``n_neighbours`` others of largest positive affinity, either way; edges weigh as much
    as the affinity. Leiden's algorithm maximises modularity, sum_c (e_c / m - resolution (d_c / 2m)^2) for weight m in
    all, e_c inside community c and d_c at its members. It chooses the number of communities by itself, and knows
    nothing of eigenvectors: where ``ami`` is low, the lobes depend on the method.

    Parameters
    ----------
    sae
        ``occurrence`` (blocks, features); ``document``, ``document_type`` (blocks).
    kind, phi_shift, min_blocks
        Affinity; see :func:`affinity` and :func:`lobes`. Edges have positive affinity, so the graph needs no shift.
    n_neighbours
        Strongest affinities of each feature that are kept.
    resolution
        Larger values give more and smaller communities.
    n_lobes
        Numbers of spectral lobes to compare with; by default as in :func:`lobes`, up to 16.
    n_permutations
        Draws of the null.
    n_seeds
        Starts of Leiden's algorithm; the one of largest modularity is kept.
    seed
        Seed of starts and permutations.

    Returns
    -------
    xarray.Dataset
        ``community`` and ``degree`` (features); ``n_communities``, ``modularity``, ``seed_agreement``,
        ``half_agreement``, ``n_edges``; ``ami`` with null and p (n_lobes); ``lobe`` (n_lobes, features).

    Raises
    ------
    ParameterError
        If neighbours are not fewer than the features, or a number of lobes does not fit.
    DataValueError
        If no two features fire together more often than by chance, or there is one document only; raised when computed.

    Notes
    -----
    The null permutes lobes among features: it holds when the two partitions have nothing to do with each other, so a
    small p says little where both are made from one table of counts; read ``ami`` against ``half_agreement``, which is
    how far communities agree with themselves on other documents. Modularity of a sparse random graph is well above 0.
    Cost: counts of all pairs three times, tile by tile, so that the graph of a width is found whose matrix does not fit
    memory; the lobes beside it need that matrix.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> result = coactivation_graph(simulate_sae(n_features=80, n_lobes=2, function_strength=0.9), n_lobes=(2,))
    >>> int(result.n_communities), float(result.ami_p[0]) < 0.01
    (2, True)
    """
    n = sae.sizes["features"]
    if n_neighbours >= n:
        raise ParameterError(f"n_neighbours: got {n_neighbours}, expected at most {n - 1} for {n} features")
    counts = lobe_counts(n_lobes, n, at_most=16)
    held, min_blocks = packed_halves(sae), min_blocks or least_blocks(*sae.occurrence.shape)
    strongest = partial(strongest_affinities, held, kind=kind, n_neighbours=n_neighbours, min_blocks=min_blocks)
    lobes = find_lobes(
        held, kind=kind, n_lobes=counts, phi_shift=phi_shift, n_seeds=n_seeds, seed=seed, min_blocks=min_blocks
    )
    find = partial(_communities, resolution=resolution, n_seeds=n_seeds, seed=seed)
    of_graph = {name: _BY_NAME[name].result({"features": n}) for name in _OF_GRAPH}
    found, first, second = (
        lazy.whole(
            find, edges.affinity, edges.neighbour, outputs=of_graph, memory=lazy.Memory(finish=80 * n * n_neighbours)
        )
        for edges in (strongest(), strongest(which=0), strongest(which=1))
    )  # fmt: skip
    halves = half_agreement(*(half.community.expand_dims("n_lobes") for half in (first, second)))
    compared = lazy.whole(
        partial(_compared, n_permutations=n_permutations, seed=seed),
        found.community,
        lobes.lobe,
        outputs={name: _BY_NAME[name].result({"n_lobes": len(counts)}) for name in _OF_LOBES},
        memory=lazy.Memory(finish=2**27),
    )
    result = found.assign(compared.variables).assign(half_agreement=halves.variable[0]).assign(lobe=lobes.lobe.variable)
    return result.assign_coords(n_lobes=list(counts))


def _communities(affinity: Array, neighbour: Array, *, resolution: float, n_seeds: int, seed: int) -> lazy.Arrays:
    """Communities (features) of largest modularity over starts of Leiden's algorithm, and how far starts agree.

    ``affinity`` and ``neighbour`` (features, order) are the strongest affinities of each feature; -1 for none.
    """
    import scipy.sparse as sp
    from sknetwork.clustering import Leiden, get_modularity

    # A matrix and no sparse array: scikit-network takes only these.
    graph = sp.csr_matrix(affinity_graph(affinity, neighbour))
    degree = np.diff(graph.indptr)
    joined = np.flatnonzero(degree)
    if not len(joined):
        raise DataValueError(
            "occurrence: got no two features of positive affinity, expected some that fire together; give more blocks"
        )
    # Features without an edge would each be a community of its own.
    inside = graph[joined][:, joined]
    starts = [
        Leiden(resolution=resolution, shuffle_nodes=True, random_state=start_seed).fit_predict(inside)
        for start_seed in drawn_seeds("leiden", seed, size=n_seeds)
    ]
    value = [float(get_modularity(inside, start, resolution=resolution)) for start in starts]
    agreement = [
        adjusted_rand_index(start, other, int(max(start.max(), other.max())) + 1)
        for start, other in combinations(starts, 2)
    ]
    community = np.full(len(degree), -1)
    community[joined] = by_size(starts[int(np.argmax(value))])
    return {
        "community": community,
        "degree": degree,
        # The matrix is symmetric and holds each edge twice; features alone are no communities.
        "n_edges": graph.nnz // 2,
        "n_communities": np.count_nonzero(np.bincount(community[joined]) > 1),
        "modularity": max(value),
        "seed_agreement": np.mean(agreement) if agreement else 1.0,
    }


def _compared(community: Array, lobe: Array, *, n_permutations: int, seed: int) -> lazy.Arrays:
    """AMI (n_lobes) of communities (features) with lobes (n_lobes, features), and its permutation null."""
    # Which features are masked does not depend on the number of lobes.
    keep = np.flatnonzero((community >= 0) & (lobe[0] >= 0))
    values, draws = [], []
    for labels in lobe[:, keep]:
        # By number of lobes, so that a result does not depend on which other numbers are asked for.
        rng = stream("community_permutations", seed, int(labels.max()) + 1)
        value, drawn = permuted_ami(labels, community[keep], n_permutations, rng)
        values.append(value)
        draws.append(drawn)
    return {
        "ami": values,
        "ami_null_mean": [null.mean() for null in draws],
        "ami_null_sd": [null.std() for null in draws],
        "ami_p": [tail(value, null) for value, null in zip(values, draws, strict=True)],
    }
