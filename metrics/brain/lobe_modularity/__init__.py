"""Whether features that fire together also lie near each other: function against geometry."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.claim import Null
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.metrics._statistics.spectral import lobe_counts
from saegeom_data.metrics.brain._shared.affinities import Kind, least_blocks
from saegeom_data.metrics.brain._shared.copies import copied_rows, without
from saegeom_data.metrics.brain._shared.find_lobes import PhiShift, find_lobes, half_agreement
from saegeom_data.metrics.brain._shared.packed_occurrence import packed_halves
from saegeom_data.metrics.brain.lobe_modularity._correction import corrected_agreement
from saegeom_data.metrics.brain.lobe_modularity._outputs import OF_CORRECTED, OUTPUTS
from saegeom_data.metrics.brain.lobe_modularity._settings import Settings
from saegeom_data.metrics.brain.lobe_modularity._spatial_clusters import nearest_features, spatial_clusters
from saegeom_data.metrics.brain.lobe_modularity._surrogate_tasks import Sides
from saegeom_data.metrics.brain.lobe_modularity._tests import ladder
from saegeom_data.metrics.brain.lobe_modularity._within_type import lobes_within, packed_types
from saegeom_data.metrics.brain.lobe_modularity.guidance import GUIDANCE
from saegeom_data.metrics.nulls import fixed_margins, frequency_stratified, label_permutation, places_redrawn
from saegeom_data.testing.simulate import simulate_sae

if TYPE_CHECKING:
    import xarray as xr


NULLS = (
    Null(label_permutation.LABEL, "lobes shuffled among features", "n_permutations"),
    Null(frequency_stratified.LABEL, "lobes shuffled among features of like firing rate", "n_permutations"),
    Null(fixed_margins.LABEL, "lobes of occurrence redrawn with the same margins", "n_redraws", is_dear=True),
    Null(places_redrawn.LABEL, "clusters of Gaussian rows of the same covariance", "n_redraws", is_dear=True),
)
# Regressions on positions are in single precision, which a rotation rounds anew.
_UNCHANGED = tuple(output.name for output in OUTPUTS if not output.name.startswith("balanced_accuracy"))


@metric(
    version=5,
    scale="brain",
    inputs=(schema.decoder, schema.occurrence, schema.block_document),
    optional=(schema.block_document_type,),
    outputs=OUTPUTS,
    invariances={
        "rotation": _UNCHANGED,
        "scale": _UNCHANGED,
        "permutation": ("n_features_used", "n_features_mantel"),
    },
    pattern="whole",
    reference="Li et al. 2025, section 4",
    nulls=NULLS,
    presentation="saegeom_data.metrics.brain.lobe_modularity.presentation:PRESENTATION",
    quick={"n_lobes": (2, 3), "n_permutations": 50, "n_redraws": 3, "n_seeds": 3},
    anchors=(
        Anchor(
            "lobes planted in function and geometry alike",
            partial(simulate_sae, n_features=80, n_blocks=240, n_lobes=2, geometry_strength=3.0, function_strength=1.0),
            {"ami": (1.0, 1e-9), "balanced_accuracy": (1.0, 1e-9), "ami_split_half": (1.0, 1e-9)},
            {"n_lobes": (2,), "n_permutations": 20, "n_redraws": 2},
        ),
    ),
    guidance=GUIDANCE,
)
def lobe_modularity(
    sae: xr.Dataset,
    *,
    kind: Kind = "phi",
    n_lobes: tuple[int, ...] | None = None,
    phi_shift: PhiShift = "shift",
    min_blocks: Annotated[int, Field(ge=1)] | None = None,
    document_types: tuple[str, ...] | None = None,
    n_permutations: Annotated[int, Field(ge=1)] = 1000,
    n_redraws: Annotated[int, Field(ge=0)] = 19,
    n_neighbours: Annotated[int, Field(ge=1)] = 10,
    n_strata: Annotated[int, Field(ge=1)] | None = None,
    n_folds: Annotated[int, Field(ge=2)] = 5,
    n_mantel_features: Annotated[int, Field(ge=8)] = 1024,
    n_seeds: Annotated[int, Field(ge=1)] = 10,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    """Test whether lobes, found from co-occurrence alone, are also places in decoder space.

    Spatial clusters come from the code that finds lobes, on the angular similarity 1 - arccos(cos) / pi of decoder
    rows. For each number of lobes: ``ami``, (MI - E[MI]) / (mean entropy - E[MI]) between lobes and as many spatial
    clusters; ``balanced_accuracy`` of a class-weighted logistic regression (L2, C = 1, unit rows) from position to
    lobe, out of stratified folds; and on the graph that joins rows to their nearest by cosine, with m edges of which
    e_c lie inside lobe c of summed degree d_c, ``neighbour_agreement`` = sum_c e_c / m and ``modularity`` =
    sum_c (e_c / m - (d_c / 2m)^2). Without clusters: ``mantel``, Spearman's correlation over pairs of features of
    affinity with cosine, and ``mantel_partial``, that of what a linear model of the firing rates leaves of both ranks
    (1, s, d, s^2, d^2, s d for s the sum and d the absolute difference of the two log rates).

    Parameters
    ----------
    sae
        ``decoder`` (features, hidden); ``occurrence`` (blocks, features); ``document`` and, if there are types,
        ``document_type`` (blocks).
    kind, phi_shift, min_blocks
        Affinity, and which features are masked; see :func:`affinity` and :func:`lobes`.
    document_types
        Names of all types, where there are types. By default the attribute ``document_types`` of the dataset, or else
        the types themselves where they are held in memory.
    n_lobes
        Numbers of lobes; by default 2, 3, 4, 8, 16 up to an eighth of the features.
    n_permutations
        Draws of each null that permutes.
    n_redraws
        Draws of each null that redraws, which clusters anew for each draw; 0 leaves these two out.
    n_neighbours
        Nearest rows that each row is joined to.
    n_strata
        Strata of equal size, by firing rate, of the null ``frequency_stratified``; by default one for each 20 features,
        and for each 5 in tests over pairs. Wider strata leave some of the firing rate uncontrolled, and with many
        features, or pairs, that little becomes significant.
    n_folds
        Folds of the logistic regression.
    n_mantel_features
        Most features whose pairs ``mantel`` and ``mantel_partial`` are over: all, or as many drawn at random.
    n_seeds
        Starts of each k-means.
    seed
        Seed of starts, folds, permutations, redraws, subsets and jackknife groups. Every draw has a stream of its own.

    Returns
    -------
    xarray.Dataset
        Each measure (n_lobes; scalar without clusters) with ``_low`` and ``_high``, and along ``null`` its
        ``_null_mean``, ``_null_sd`` and ``_p``; over all numbers of lobes ``ami_any_p``, ``ami_within_type_any_p``
        (null), and the number where it is farthest above the null, ``_any_n_lobes``; ``ami_split_half``,
        ``spatial_seed_agreement`` and ``ami_corrected`` (n_lobes) with ``_low`` and ``_high``;
        ``balanced_accuracy_published``; ``lobe``, ``lobe_within_type``, ``spatial_cluster`` (n_lobes, features);
        ``n_features_used``, ``n_features_mantel``, ``n_merged``.

    Raises
    ------
    ParameterError
        If a number of lobes is below 2 or above an eighth of the features, neighbours or strata exceed the features, or
        types of documents are unknown and lazy.
    DataValueError
        If there is one document only, or too few features fire in some but not all blocks; raised when computed.

    Notes
    -----
    Nulls: ``label_permutation``, ``frequency_stratified``, ``fixed_margins`` and ``places_redrawn``. What each keeps,
    what ``ami_any_p``, ``ami_within_type`` and ``ami_corrected`` are, intervals, the published choices and the cost are
    on its page of the guide: ``saegeom guide lobe_modularity``.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> sae = simulate_sae(n_features=80, n_blocks=240, n_lobes=2, geometry_strength=2.0, function_strength=0.9)
    >>> result = lobe_modularity(sae, n_lobes=(2,), n_permutations=99, n_redraws=4)
    >>> result.ami_p.sel(n_lobes=2).values.tolist()
    [0.01, 0.01, 0.2, 0.2]
    """
    n_features = sae.sizes["features"]
    counts = lobe_counts(n_lobes, n_features, at_most=16)
    min_blocks = min_blocks or least_blocks(*sae.occurrence.shape)
    settings = Settings(kind, counts, phi_shift, min_blocks, n_neighbours, n_folds, n_seeds, seed)
    copies = copied_rows(sae.decoder)
    packed = packed_halves(sae)
    held = without(packed, copies.is_kept)
    find = partial(
        find_lobes, packed, kind=kind, n_lobes=counts, phi_shift=phi_shift, n_seeds=n_seeds, seed=seed,
        min_blocks=min_blocks, is_kept=copies.is_kept,
    )  # fmt: skip
    found = find()
    space = spatial_clusters(sae.decoder, found.is_masked, n_lobes=counts, n_seeds=n_seeds, seed=seed)
    near = nearest_features(sae.decoder, found.is_masked, n_neighbours)
    typed = packed_types(sae, document_types, copies.is_kept)
    within = lobes_within(typed, found.lobe, settings)
    measured = ladder(
        Sides(sae.decoder, held, typed, found, within, space, near),
        n_permutations=n_permutations,
        n_redraws=n_redraws,
        n_strata=n_strata,
        n_most=n_mantel_features,
        settings=settings,
    )
    halves = half_agreement(find(which=0).lobe, find(which=1).lobe)
    corrected = lazy.whole(
        corrected_agreement,
        value=measured.ami,
        low=measured.ami_low,
        high=measured.ami_high,
        halves=halves,
        starts=space.agreement,
        outputs={output.name: output.result({"n_lobes": len(counts)}) for output in OF_CORRECTED},
        memory=lazy.Memory(),
        work=lazy.Work(calls=50),
    )
    return (
        measured.assign(corrected.variables)
        .assign(
            ami_split_half=halves.variable,
            spatial_seed_agreement=space.agreement.variable,
            lobe=found.lobe.variable,
            lobe_within_type=within.variable,
            spatial_cluster=space.lobe.variable,
            n_merged=copies.n_merged.variable,
        )
        .assign_coords(n_lobes=list(counts))
    )
