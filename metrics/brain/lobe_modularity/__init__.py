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
    Null(fixed_margins.LABEL, "lobes of occurrence redrawn with the same margins", "n_redraws"),
    Null(places_redrawn.LABEL, "clusters of Gaussian rows of the same covariance", "n_redraws"),
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
    Rows whose directions agree to 1e-7 are copies, which fire together and lie together by construction. They are
    merged into the first: the others have label -1 and take part in nothing, and ``n_merged`` counts them.

    Nulls, each with p = (b + 1) / (draws + 1), one-sided:

    ``label_permutation``
        Lobes (for ``mantel``, rows and columns of the affinity) permuted among features: exact, but anything that both
        sides follow, such as how often a feature fires, shows as agreement.
    ``frequency_stratified``
        The same among features of like firing rate, which keeps an agreement that is there merely because both sides
        follow the measured firing rate.
    ``fixed_margins``
        Occurrence redrawn among all arrangements in which every block has as many features on, and every feature as
        many blocks, as in the data; lobes are found in it anew and compared with the real places. It keeps what
        activity and rates alone do to affinities: since blocks differ in activity, all features fire together to some
        degree. Exact where features fire independently with the odds exp(a_b + b_i) for block b and feature i. For
        ``ami_within_type`` margins are kept within each type. Sizes of lobes are redrawn too: NaN for
        ``neighbour_agreement``, which follows them.
    ``places_redrawn``
        Decoder rows replaced by Gaussian ones of unit norm with the mean and covariance of the unit rows, clustered
        anew, and compared with the real lobes. Its rows are exchangeable, so it asks what ``label_permutation`` asks,
        but with sizes of clusters and a graph that the spectrum alone would give. NaN where rows are too few, or in too
        narrow a cone, to have such moments.

    For ``balanced_accuracy`` permutations move held-out labels against fixed predictions inside each fold, exact given
    the training labels; folds are combined by twice the median of their p-values, at most 1, which is valid under any
    dependence and so conservative. Redraws fit new classifiers. The p of a redrawn null compares one value with
    n_redraws others: 19 draws cannot go below 0.05.

    ``ami_any_p`` asks once whether lobes and clusters agree at any number of lobes. Each draw of a null is one
    surrogate for all numbers, and with the mean m_k and standard deviation s_k of the data and all draws together, p is
    the share in which max_k (AMI_k - m_k) / s_k is at least that of the data: exact as far as p of one number is, and
    with nothing to correct for the choice of a number.

    ``ami_within_type`` is ``ami`` with lobes found from the correlation of features given the type of document,
    s_ij / sqrt(s_ii s_jj) for s_ij = n_ij - sum_t n_it n_jt / T_t, whatever ``kind`` is: it tells whether features that
    fire together within one type of text lie together, where ``ami`` may follow from topic or genre alone. Covariances
    are pooled over types, so that all blocks serve one set of lobes, and types with few blocks weigh little; lobes of
    each type apart would be as many partitions, each of fewer blocks. A feature is masked whose variance within types
    is below that of one on in ``min_blocks`` blocks.

    ``ami_corrected`` = ami / sqrt(ami_split_half * spatial_seed_agreement) allows for lobes that other documents would
    not give, and clusters that other starts would not: it is 1 if both are one grouping seen through such noise. Halves
    have half of the documents, and a start is not the best of all, so that both reliabilities are rather too low, and
    it is an upper estimate. Its interval holds them fixed; its p is that of ``ami``. NaN where a reliability is not
    positive, or there is one start. ``ami_split_half`` is no null but a ceiling: how far lobes agree with themselves.

    ``mantel_partial`` is tested within strata and by ``fixed_margins`` alone, and NaN under the others: what a model of
    the rates leaves of the ranks still has a spread that follows them, which permutations among all features break up,
    so that they reject where rates drive both sides.

    Where no lobes are found (see :func:`lobes`), or no clusters, all that compares them is NaN. A lobe of one member is
    never predicted right and takes part in all else; if both partitions put all features in one class, ``ami`` is 1;
    where affinities or cosines are all equal, or the rates explain them all, the correlation and its p are NaN.

    Intervals are delete-one-group jackknives over 20 random groups of features with partitions, predictions and graph
    held fixed (ranks and what rates leave of them are taken anew): they are of which features were sampled, not of
    clustering anew, other documents or other SAEs. Those of AMI are no shorter than independent partitions with a and b
    classes give, sqrt(2 (a - 1)(b - 1)) / 2n nats before adjustment: near independence AMI is of second order in the
    features, and a jackknife finds least spread where AMI is least. Those of ``balanced_accuracy`` are short, as other
    features would also have trained another model (about 80 percent at chance level with 100 features). Near chance
    level the p-value is the better guide.

    As published: occurrence of activations above 1 in full blocks of 256 tokens, at most three a document
    (:func:`saegeom_data.occurrence_from_codes` with ``threshold=1``), ``kind="phi"``, ``phi_shift="shift"``,
    n_lobes 2 to 1024 in powers of 2, ``n_permutations=100``, ``n_redraws=0``, ``n_seeds=1``, ``seed=42`` (of our
    streams), which gives ``ami``; and ``balanced_accuracy_published``: rows as they are, the last fifth of them
    predicted from the others, no class weights, the optimiser's default tolerance. That tolerance is of gradients that
    shrink with the number of lobes, so that with hundreds of lobes current scikit-learn hardly moves from the start;
    ``balanced_accuracy`` is fitted until it has converged.

    Invariant under rotation and scaling of the decoder, but for ``balanced_accuracy``, which is fitted in single
    precision. Cost: five eigen-decompositions, n_folds + 1 regressions for each number of lobes, n_permutations passes
    over the edges and over the pairs of ``mantel``; and for each draw of a redrawn null one or two eigen-decompositions
    and n_folds regressions for each number of lobes, besides all pairs of features counted or compared anew. Every
    number of lobes, null and draw is a task of its own. Memory of each draw in work: about 60 bytes for each pair of
    features up to 2,048 of them, 16 above.

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
    held = without(packed_halves(sae), copies.is_kept)
    find = partial(
        find_lobes, held, kind=kind, n_lobes=counts, phi_shift=phi_shift, n_seeds=n_seeds, seed=seed,
        min_blocks=min_blocks,
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
