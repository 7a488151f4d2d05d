"""Lobes: groups of features that fire together, found from co-occurrence alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from saegeom_data.data import schema
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.declare.output import Output
from saegeom_data.metrics._statistics.spectral import lobe_counts
from saegeom_data.metrics.brain._shared.affinities import Kind, least_blocks
from saegeom_data.metrics.brain._shared.find_lobes import PhiShift, eigengap, find_lobes, half_agreement
from saegeom_data.metrics.brain._shared.packed_occurrence import packed_halves
from saegeom_data.metrics.brain.lobes.guidance import GUIDANCE
from saegeom_data.testing.simulate import simulate_sae

if TYPE_CHECKING:
    import xarray as xr


@metric(
    version=3,
    scale="brain",
    inputs=(schema.occurrence, schema.block_document),
    optional=(schema.block_document_type,),
    outputs=(
        Output(
            "lobe",
            ("n_lobes", "features"),
            "1",
            "lobe of each feature, 0 the largest; -1 for masked features",
            -1,
            dtype="int64",
            bounds=(-1, None),
        ),
        Output(
            "seed_agreement",
            ("n_lobes",),
            "1",
            "mean adjusted Rand index of pairs of k-means starts, at most 1; NaN for one start",
            bounds=(None, 1),
            direction="higher",
            label="agreement of starts",
        ),
        Output(
            "half_agreement",
            ("n_lobes",),
            "1",
            "adjusted mutual information of lobes of two halves of documents",
            bounds=(None, 1),
            direction="higher",
            label="agreement of halves of the documents",
        ),
        Output(
            "eigengap",
            ("n_lobes",),
            "1",
            "gap after as many eigenvalues as lobes; larger means better separated",
            bounds=(0, 2),
            direction="higher",
        ),
        Output(
            "eigenvalue",
            ("components",),
            "1",
            "leading eigenvalues of the normalised affinity, in [-1, 1]",
            bounds=(-1, 1),
        ),
    ),
    invariances={
        "rotation": ("lobe", "seed_agreement", "half_agreement", "eigengap", "eigenvalue"),
        "permutation": ("eigengap", "eigenvalue"),
        "scale": ("lobe", "seed_agreement", "half_agreement", "eigengap", "eigenvalue"),
    },
    pattern="whole",
    reference="Li et al. 2025, section 4",
    presentation="saegeom_data.metrics.brain.lobes.presentation:PRESENTATION",
    quick={"n_lobes": (2, 3), "n_seeds": 3},
    anchors=(
        Anchor(
            "planted lobes are found from every start",
            partial(simulate_sae, n_features=60, n_lobes=3, function_strength=1.0, n_blocks=240),
            {"seed_agreement": (1.0, 1e-12), "half_agreement": (1.0, 1e-9)},
            {"n_lobes": (3,)},
        ),
    ),
    guidance=GUIDANCE,
)
def lobes(
    sae: xr.Dataset,
    *,
    kind: Kind = "phi",
    n_lobes: tuple[int, ...] | None = None,
    phi_shift: PhiShift = "shift",
    min_blocks: Annotated[int, Field(ge=1)] | None = None,
    n_neighbours: Annotated[int, Field(ge=1)] | None = None,
    n_seeds: Annotated[int, Field(ge=1)] = 10,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    """Group features into lobes that fire together, by spectral clustering of their affinity.

    With A the affinity without its diagonal and D its row sums, the leading k eigenvectors of D^-1/2 A D^-1/2, each row
    over the square root of its degree, are clustered by k-means. One eigen-decomposition serves every k.

    Parameters
    ----------
    sae
        ``occurrence`` (blocks, features); ``document`` and, if there are types, ``document_type`` (blocks). Positions
        of features play no part.
    kind
        Affinity; see :func:`affinity`.
    n_lobes
        Numbers of lobes to find. By default 2, 3, 4, 8, 16, ..., 1024 up to an eighth of the features.
    phi_shift
        How the affinities that can be negative, phi and npmi, are made non-negative. ``"shift"`` adds 1, as the authors
        do: the weights stay linear in phi, so features that avoid each other are held apart, and degrees are nearly
        equal, so no rare feature is split off alone. ``"clip"`` sets negative values to 0: avoidance counts no more
        than independence, while the positive half of the sampling noise stays.
    min_blocks
        Features on, or off, in fewer blocks than this are masked. By default the least number m for which two features
        on in the same m of T blocks, and in no others, are significant among all pairs of n features at a level of 5
        percent: C(T, m) >= 10 n (n - 1), for instance 3 for 1,536 features in 3,773 blocks. With less, three features
        on in one shared block make a lobe. Blocks of one document are alike, so longer documents need more.
    n_neighbours
        If given, only so many of the largest positive affinities of each feature are kept, as a sparse graph: for
        widths whose matrix of affinities does not fit memory, which phi with ``"shift"`` can do without (see Notes).
        Affinities are then not shifted.
    n_seeds
        Starts of k-means; the one of least inertia is kept.
    seed
        Seed of the starts.

    Returns
    -------
    xarray.Dataset
        ``lobe`` (n_lobes, features), by descending size, -1 for features that are masked or have no affinity to others;
        ``seed_agreement``, ``half_agreement`` and ``eigengap`` (n_lobes); ``eigenvalue`` (components), descending.

    Raises
    ------
    ParameterError
        If a count is below 2 or above an eighth of the features.
    DataValueError
        If there is one document only, or too few features fire in some but not all blocks; raised when computed.

    Notes
    -----
    There are no lobes, and all labels are -1 and agreements NaN, where affinities have no structure of that many parts:
    if all features fire alike, say, or as many pairs in any way. Then the eigenvalue after the last one used equals it,
    and eigenvectors would be those of rounding. Halves that have no unmasked feature in common agree by NaN.

    Does not depend on the decoder. Eigenvalues do not depend on the order of features; labels do only through the
    k-means starts. ``half_agreement`` says how far the lobes come back when they are found on other documents: on each
    of two halves of those of each type. Cost: counts of pairs and an eigen-decomposition, for all documents and for
    each half; memory of 8 bytes for each pair of features, and twice that up to 4,096 features. With more
    than 16,384 features and phi with ``"shift"`` the matrix is never made, as products with it are found from bits: it
    takes features * blocks / 8 bytes and 600 vectors in single precision (7,400 for 1,024 lobes, which are asked for by
    default), in time in proportion to the features that fire in a block.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> sae = simulate_sae(n_features=60, n_lobes=2, function_strength=0.9)
    >>> lobes(sae, n_lobes=(2,)).lobe.dims
    ('n_lobes', 'features')
    """
    counts = lobe_counts(n_lobes, sae.sizes["features"])
    find = partial(
        find_lobes, packed_halves(sae), kind=kind, n_lobes=counts, phi_shift=phi_shift, n_seeds=n_seeds, seed=seed,
        min_blocks=min_blocks or least_blocks(*sae.occurrence.shape), n_neighbours=n_neighbours,
    )  # fmt: skip
    result = find().drop_vars("is_masked")
    return result.assign(
        half_agreement=half_agreement(find(which=0).lobe, find(which=1).lobe).variable,
        eigengap=eigengap(result.eigenvalue, counts).variable,
    )
