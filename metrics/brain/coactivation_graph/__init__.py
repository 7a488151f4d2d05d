"""Communities of the graph of features that fire together, beside spectral lobes of the same features."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.claim import Null
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.errors import ParameterError
from saegeom_data.metrics._statistics.spectral import lobe_counts
from saegeom_data.metrics.brain._shared.affinities import Kind, least_blocks
from saegeom_data.metrics.brain._shared.affinity_graph import strongest_affinities
from saegeom_data.metrics.brain._shared.copies import copied_firing, without
from saegeom_data.metrics.brain._shared.find_lobes import PhiShift, find_lobes
from saegeom_data.metrics.brain._shared.packed_occurrence import packed_halves
from saegeom_data.metrics.brain.coactivation_graph._agreement import agreement, agreements_work
from saegeom_data.metrics.brain.coactivation_graph._communities import communities, communities_work
from saegeom_data.metrics.brain.coactivation_graph._independent_firing import independent_firing
from saegeom_data.metrics.brain.coactivation_graph._outputs import BY_NAME, OF_GRAPH, OF_HALVES, OUTPUTS
from saegeom_data.metrics.brain.coactivation_graph.guidance import GUIDANCE
from saegeom_data.metrics.nulls import fixed_margins, label_permutation
from saegeom_data.testing.simulate import simulate_sae

if TYPE_CHECKING:
    import xarray as xr


@metric(
    version=3,
    scale="brain",
    inputs=(schema.occurrence, schema.block_document, schema.block_document_type),
    outputs=OUTPUTS,
    invariances={"rotation": tuple(BY_NAME), "scale": tuple(BY_NAME), "permutation": ("n_edges",)},
    pattern="pairs",
    reference="Clarke, Bhatnagar and Bloom 2024; Traag, Waltman and van Eck 2019 (Leiden); Li et al. 2025, section 4",
    presentation="saegeom_data.metrics.brain.coactivation_graph.presentation:PRESENTATION",
    quick={"n_lobes": (2, 3), "n_seeds": 3, "n_permutations": 50, "n_redraws": 3},
    nulls=(
        Null(fixed_margins.LABEL, "occurrence redrawn with the same margins", "n_redraws", is_dear=True),
        Null(label_permutation.LABEL, "lobes shuffled among features", "n_permutations"),
    ),
    anchors=(
        Anchor(
            "planted lobes are the communities",
            partial(simulate_sae, n_features=80, n_lobes=2, function_strength=1.0, n_blocks=240),
            {
                "n_communities": (2, 0),
                "ami": (1.0, 1e-9),
                "half_agreement": (1.0, 1e-9),
                "relative_agreement": (1.0, 1e-9),
            },
            {"n_lobes": (2,), "n_permutations": 20, "n_redraws": 2},
        ),
    ),
    guidance=GUIDANCE,
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
    n_redraws: Annotated[int, Field(ge=0)] = 19,
    n_seeds: Annotated[int, Field(ge=1)] = 10,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    """Find communities of the co-activation graph, and how far they are the spectral lobes.

    Each feature is joined to the ``n_neighbours`` others of largest positive affinity, either way; edges weigh as much
    as the affinity. Leiden's algorithm maximises modularity, sum_c (e_c / m - resolution (d_c / 2m)^2) for weight m in
    all, e_c inside community c and d_c at its members. It chooses the number of communities by itself, and knows
    nothing of eigenvectors: where lobes and communities differ, lobes depend on the method.

    How far they agree is told across halves of the documents: communities of one half with lobes of the other, which
    share no count, over how far either comes back. With AMI for adjusted mutual information, c and l for communities
    and lobes, ``relative_agreement`` = (AMI(c1, l2) + AMI(c2, l1)) / 2 / sqrt(AMI(c1, c2) AMI(l1, l2)).

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
        Draws of the null ``label_permutation``.
    n_redraws
        Draws of the null ``fixed_margins``; 0 leaves it out.
    n_seeds
        Starts of Leiden's algorithm; the one of largest modularity is kept. Draws of the null have as many.
    seed
        Seed of starts, redraws, permutations and jackknife groups.

    Returns
    -------
    xarray.Dataset
        ``community`` and ``degree`` (features), -1 and 0 for copies; ``n_communities``, ``n_edges``, ``n_merged``,
        ``seed_agreement``, ``half_agreement``;
        ``modularity`` with null and p; ``ami``, ``lobe_half_agreement``, ``ami_across`` with null and p,
        ``relative_agreement`` with interval (n_lobes); ``lobe`` (n_lobes, features).

    Raises
    ------
    ParameterError
        If neighbours are not fewer than the features, or a number of lobes does not fit.
    DataValueError
        If no two features fire together more often than by chance, or there is one document only; raised when computed.

    Notes
    -----
    Features on in exactly the same blocks are copies as far as firing tells: they would be communities by construction,
    and no null keeps them. They are merged into the first, and ``n_merged`` counts the others.

    Nulls, each with p = (b + 1) / (draws + 1), one-sided:

    ``fixed_margins``, of ``modularity``
        Occurrence redrawn among all arrangements in which every block has as many features on, and every feature as
        many blocks, as in the data; its graph and communities are found as those of the data. Exact where features fire
        independently with the odds exp(a_b + b_i) for block b and feature i. The strongest of many affinities by chance
        give a modularity well above 0 (0.2 to 0.4).
    ``label_permutation``, of ``ami_across``
        Lobes permuted among features, those of both halves alike: exact if communities of some documents tell nothing
        of the lobes of others.

    The interval of ``relative_agreement`` leaves out one of 20 random groups of features at a time, with all partitions
    held fixed: it covers which features were sampled, not clustering anew or other documents. Cost: counts of all
    pairs n_redraws + 3 times, tile by tile, so that the graph of a width is found whose matrix does not fit memory, and
    n_seeds starts for each; the lobes beside it need that matrix, three times.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> result = coactivation_graph(simulate_sae(n_features=80, n_lobes=2, function_strength=0.9), n_lobes=(2,))
    >>> int(result.n_communities), float(result.modularity_p), float(result.ami_across_p[0]) < 0.01
    (2, 0.05, True)
    """
    n = sae.sizes["features"]
    if n_neighbours >= n:
        raise ParameterError(f"n_neighbours: got {n_neighbours}, expected at most {n - 1} for {n} features")
    counts = lobe_counts(n_lobes, n, at_most=16)
    packed, min_blocks = packed_halves(sae), min_blocks or least_blocks(*sae.occurrence.shape)
    copies = copied_firing(packed, min_blocks)
    held = without(packed, copies.is_kept)
    strongest = partial(strongest_affinities, kind=kind, n_neighbours=n_neighbours, min_blocks=min_blocks)
    lobes = [
        find_lobes(
            packed, which=which, kind=kind, n_lobes=counts, phi_shift=phi_shift, n_seeds=n_seeds, seed=seed,
            min_blocks=min_blocks, is_kept=copies.is_kept,
        )
        for which in (None, 0, 1)
    ]  # fmt: skip
    edges = [strongest(held, which=which) for which in (None, 0, 1)]
    found, *halves = (
        lazy.whole(
            partial(communities, resolution=resolution, n_seeds=n_seeds, seed=seed),
            graph.affinity,
            graph.neighbour,
            outputs={name: BY_NAME[name].result({"features": n}) for name in OF_GRAPH},
            memory=lazy.Memory(finish=80 * n * n_neighbours),
            work=communities_work(n, n_neighbours, n_seeds),
        )
        for graph in edges
    )
    redrawn = independent_firing(
        found, held, edges[0].is_masked, strongest, n_redraws=n_redraws, resolution=resolution, n_seeds=n_seeds,
        seed=seed,
    )  # fmt: skip
    compared = lazy.whole(
        partial(agreement, n_permutations=n_permutations, seed=seed),
        community=found.community,
        lobe=lobes[0].lobe,
        community_first=halves[0].community,
        community_second=halves[1].community,
        lobe_first=lobes[1].lobe,
        lobe_second=lobes[2].lobe,
        outputs={name: BY_NAME[name].result({"n_lobes": len(counts)}) for name in OF_HALVES},
        memory=lazy.Memory(finish=2**27),
        work=len(counts) * agreements_work(n, max(counts), n_permutations),
    )
    result = found.assign(redrawn.variables).assign(compared.variables)
    result = result.assign(lobe=lobes[0].lobe.variable, n_merged=copies.n_merged.variable)
    return result.assign_coords(n_lobes=list(counts))
