"""Whether features that fire together also lie near each other: function against geometry."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from saegeom_data import blocks, schema
from saegeom_data.blocks import Result
from saegeom_data.declare import Anchor, Output, metric
from saegeom_data.testing import simulate_sae

from ._classification import classify_positions
from ._neighbours import unit_rows
from ._packed import packed_halves
from ._partitions import MEASURES, compare_partitions
from ._spectral import lobe_counts, n_components
from .affinity import Kind
from .lobes import PhiShift, cluster_embedding, find_lobes, half_agreement, padded_embedding

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[Any]]

_NULLS = ("label_permutation", "frequency_stratified")
_MEASURES = {
    "ami": "adjusted mutual information of lobes and spatial clusters, 0 by chance, at most 1",
    "modularity": "Newman's Q of lobes on the graph of nearest decoder rows, at most 1; larger is more modular",
    "neighbour_agreement": "share of nearest-neighbour edges that stay in one lobe, in [0, 1]",
    "balanced_accuracy": "mean recall of lobes predicted from decoder rows out of fold, 1 / n_lobes by chance",
}


def _outputs_of(measure: str, description: str) -> tuple[Output, ...]:
    ladder = ("null", "n_lobes")
    return (
        Output(measure, ("n_lobes",), "1", description),
        Output(f"{measure}_low", ("n_lobes",), "1", f"lower end of the 95 percent jackknife interval of {measure}"),
        Output(f"{measure}_high", ("n_lobes",), "1", f"upper end of the 95 percent jackknife interval of {measure}"),
        Output(f"{measure}_null_mean", ladder, "1", f"mean of {measure} under each null"),
        Output(f"{measure}_null_sd", ladder, "1", f"standard deviation of {measure} under each null"),
        Output(f"{measure}_p", ladder, "1", f"one-sided permutation p of {measure}, at least 1 / (n_permutations + 1)"),
    )


_GEOMETRIC = tuple(
    f"{measure}{suffix}" for measure in MEASURES for suffix in ("", "_low", "_high", "_null_mean", "_null_sd", "_p")
)


@metric(
    version=1,
    scale="brain",
    inputs=(schema.decoder, schema.occurrence, schema.block_document, schema.block_document_type),
    outputs=(
        *(output for measure, text in _MEASURES.items() for output in _outputs_of(measure, text)),
        Output("balanced_accuracy_published", ("n_lobes",), "1", "as published: last fifth of rows, no class weights"),
        Output(
            "ami_split_half", ("n_lobes",), "1", "adjusted mutual information of lobes of two halves of the documents"
        ),
        Output("lobe", ("n_lobes", "features"), "1", "lobe of each feature, 0 the largest; -1 for masked features", -1),
        Output("spatial_cluster", ("n_lobes", "features"), "1", "cluster of each decoder row; -1 if masked", -1),
        Output(
            "n_features_used", (), "count", "features that fire in some but not all blocks and have a decoder row", -1
        ),
    ),
    invariances={
        "rotation": (*_GEOMETRIC, "ami_split_half", "lobe", "spatial_cluster", "n_features_used"),
        "scale": (*_GEOMETRIC, "ami_split_half", "lobe", "spatial_cluster", "n_features_used"),
        "permutation": ("n_features_used",),
    },
    pattern="rows",
    reference="Li et al. 2025, section 4",
    quick={"n_lobes": (2, 3), "n_permutations": 50, "n_seeds": 3},
    anchors=(
        Anchor(
            "lobes planted in function and geometry alike",
            partial(simulate_sae, n_features=80, n_blocks=240, n_lobes=2, geometry_strength=3.0, function_strength=1.0),
            {"ami": (1.0, 1e-9), "balanced_accuracy": (1.0, 1e-9), "ami_split_half": (1.0, 1e-9)},
            {"n_lobes": (2,), "n_permutations": 20},
        ),
    ),
)
def lobe_modularity(
    sae: xr.Dataset,
    *,
    kind: Kind = "phi",
    n_lobes: tuple[int, ...] | None = None,
    phi_shift: PhiShift = "shift",
    n_permutations: Annotated[int, Field(ge=1)] = 1000,
    n_neighbours: Annotated[int, Field(ge=1)] = 10,
    n_strata: Annotated[int, Field(ge=1)] | None = None,
    n_folds: Annotated[int, Field(ge=2)] = 5,
    n_seeds: Annotated[int, Field(ge=1)] = 10,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    """Test whether lobes, found from co-occurrence alone, are also places in decoder space.

    Spatial clusters come from the code that finds lobes, on the angular similarity 1 - arccos(cos) / pi of decoder
    rows. Four measures for each number of lobes: ``ami``, (MI - E[MI]) / (mean entropy - E[MI]) between lobes and as
    many spatial clusters; ``balanced_accuracy`` of a class-weighted logistic regression (L2, C = 1, unit rows) from
    position to lobe, out of stratified folds; and on the graph that joins rows to their nearest by cosine, with m edges
    of which e_c lie inside lobe c of summed degree d_c, ``neighbour_agreement`` = sum_c e_c / m and ``modularity`` =
    sum_c (e_c / m - (d_c / 2m)^2).

    Parameters
    ----------
    sae
        ``decoder`` (features, hidden); ``occurrence`` (blocks, features); ``document``, ``document_type`` (blocks).
    kind, phi_shift
        Affinity; see :func:`affinity` and :func:`lobes`.
    n_lobes
        Numbers of lobes; by default 2, 3, 4, 8, 16 up to an eighth of the features.
    n_permutations
        Draws of each null.
    n_neighbours
        Nearest rows that each row is joined to.
    n_strata
        Strata of equal size, by firing rate, of the null ``frequency_stratified``; by default one for each 20 features.
        Wider strata leave some of the firing rate uncontrolled, and with many features that little becomes significant.
    n_folds
        Folds of the logistic regression.
    n_seeds
        Starts of each k-means.
    seed
        Seed of starts, folds, permutations and jackknife groups.

    Returns
    -------
    xarray.Dataset
        Each measure (n_lobes) with ``_low`` and ``_high``, and along ``null`` its ``_null_mean``, ``_null_sd`` and
        ``_p``; ``balanced_accuracy_published``; ``ami_split_half``; ``lobe``, ``spatial_cluster`` (n_lobes, features);
        ``n_features_used``.

    Raises
    ------
    ParameterError
        If a number of lobes is below 2 or above an eighth of the features, or neighbours or strata exceed the features.
    DataValueError
        If there is one document only, or too few features fire in some but not all blocks; raised when computed.

    Notes
    -----
    Nulls: ``label_permutation`` permutes the lobes of features; ``frequency_stratified`` only among features of like
    firing rate, which keeps an agreement that is there merely because both sides follow the measured firing rate. (A
    spectrum-matched cloud draws exchangeable rows and gives the same null as ``label_permutation``.) p = (b + 1) /
    (n_permutations + 1). For ``balanced_accuracy`` held-out labels are permuted against fixed predictions inside each
    fold, exact given the training labels; folds are combined by twice the median of their p-values, at most 1, which is
    valid under any dependence and so conservative. ``ami_split_half`` is no null but a ceiling: how far lobes agree
    with themselves.

    Intervals are delete-one-group jackknives over 20 random groups of features with partitions, predictions and graph
    held fixed: they cover which features were sampled, not clustering anew, other documents or other SAEs, and are
    short for ``balanced_accuracy``, as other features would also have trained another model (about 80 percent at chance
    level with 100 features). Near chance level the p-value is the better guide.

    Invariant under rotation and scaling of the decoder, but for ``balanced_accuracy``, whose optimiser stops early.
    Cost: four eigen-decompositions, n_folds + 1 regressions for each number of lobes, and n_permutations passes over
    the edges; memory of about 60 bytes for each pair of features.

    Examples
    --------
    >>> from saegeom_data.testing import simulate_sae
    >>> sae = simulate_sae(n_features=80, n_blocks=240, n_lobes=2, geometry_strength=2.0, function_strength=0.9)
    >>> result = lobe_modularity(sae, n_lobes=(2,), n_permutations=99)
    >>> float(result.ami_p.sel(null="label_permutation", n_lobes=2))
    0.01
    """
    counts = lobe_counts(n_lobes, sae.sizes["features"], at_most=16)
    held = packed_halves(sae)
    find = partial(find_lobes, held, kind=kind, n_lobes=counts, phi_shift=phi_shift, n_seeds=n_seeds, seed=seed)
    found = find()
    space = _spatial_clusters(sae.decoder, found.is_masked, counts, n_seeds=n_seeds, seed=seed)
    n, rows = sae.sizes["features"], 8 * sae.decoder.size
    inputs = (sae.decoder, held.n_blocks_active, found.lobe, space.lobe)
    compare = partial(
        compare_partitions, n_neighbours=n_neighbours, n_permutations=n_permutations, n_strata=n_strata, seed=seed
    )
    classify = partial(classify_positions, n_folds=n_folds, n_permutations=n_permutations, n_strata=n_strata, seed=seed)
    compared = blocks.whole(
        compare,
        *inputs,
        outputs=_results(MEASURES, len(counts)) | {"n_features_used": _COUNT},
        memory=blocks.Memory(finish=rows + 32 * n * (1024 + n_permutations)),
    )
    classified = blocks.whole(
        classify,
        *inputs,
        outputs=_results(("balanced_accuracy",), len(counts)) | {"balanced_accuracy_published": _by_lobes(len(counts))},
        memory=blocks.Memory(finish=3 * rows + 24 * n * n_permutations),
    )
    halves = half_agreement(find(which=0).lobe, find(which=1).lobe)
    result = compared.assign(classified.variables).assign(ami_split_half=halves.variable)
    result = result.assign(lobe=found.lobe.variable, spatial_cluster=space.lobe.variable)
    return result.assign_coords(n_lobes=list(counts), null=list(_NULLS))


_COUNT = Result((), (), "int64")


def _by_lobes(n: int) -> Result:
    return Result(("n_lobes",), (n,))


def _results(measures: tuple[str, ...], n: int) -> dict[str, Result]:
    """Results of each measure, in the order of :func:`_outputs_of`."""
    ladder = Result(("null", "n_lobes"), (len(_NULLS), n))
    return {
        f"{measure}{suffix}": ladder if suffix in ("_null_mean", "_null_sd", "_p") else _by_lobes(n)
        for measure in measures
        for suffix in ("", "_low", "_high", "_null_mean", "_null_sd", "_p")
    }


def _spatial_clusters(
    decoder: xr.DataArray, is_masked: xr.DataArray, n_lobes: tuple[int, ...], *, n_seeds: int, seed: int
) -> xr.Dataset:
    n = decoder.sizes["features"]
    size = n_components(n_lobes, n)
    outputs = {
        "embedding": Result(("features", "components"), (n, size)),
        "eigenvalue": Result(("components",), (size,)),
    }
    memory = blocks.Memory(finish=24 * n**2 + 24 * decoder.size)
    compute = partial(_angular_embedding, n_components=size)
    embedded = blocks.whole(compute, decoder, is_masked, outputs=outputs, memory=memory)
    return cluster_embedding(embedded.embedding, n_lobes=n_lobes, n_seeds=n_seeds, seed=seed)


def _angular_embedding(decoder: Array, is_masked: Array, *, n_components: int) -> blocks.Arrays:
    unit = unit_rows(decoder)
    keep = np.flatnonzero(~is_masked & unit.any(axis=1))
    cosine = unit[keep] @ unit[keep].T
    similarity = 1 - np.arccos(np.clip(cosine, -1, 1, out=cosine), out=cosine) / np.pi
    return padded_embedding(similarity, keep, len(decoder), n_components)
