"""Lobes: groups of features that fire together, found from co-occurrence alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from saegeom_data import blocks, schema
from saegeom_data.blocks import Result
from saegeom_data.declare import Anchor, Output, metric
from saegeom_data.testing import simulate_sae

from ._spectral import cluster, embed, lobe_counts, n_components
from .affinity import Kind, affinity_of
from .cooccurrence import cooccurrence

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[Any]]
PhiShift = Literal["shift", "clip"]


@metric(
    version=1,
    scale="brain",
    inputs=(schema.occurrence,),
    outputs=(
        Output("lobe", ("n_lobes", "features"), "1", "lobe of each feature, 0 the largest; -1 for masked features", -1),
        Output("seed_agreement", ("n_lobes",), "1", "mean adjusted Rand index of pairs of k-means starts, at most 1"),
        Output("eigengap", ("n_lobes",), "1", "gap after as many eigenvalues as lobes; larger means better separated"),
        Output("eigenvalue", ("components",), "1", "leading eigenvalues of the normalised affinity, in [-1, 1]"),
    ),
    invariances={
        "rotation": ("lobe", "seed_agreement", "eigengap", "eigenvalue"),
        "permutation": ("eigengap", "eigenvalue"),
        "scale": ("lobe", "seed_agreement", "eigengap", "eigenvalue"),
    },
    pattern="rows",
    reference="Li et al. 2025, section 4",
    quick={"n_lobes": (2, 3), "n_seeds": 3},
    anchors=(
        Anchor(
            "planted lobes are found from every start",
            partial(simulate_sae, n_features=60, n_lobes=3, function_strength=1.0, n_blocks=240),
            {"seed_agreement": (1.0, 1e-12)},
            {"n_lobes": (3,)},
        ),
    ),
)
def lobes(
    sae: xr.Dataset,
    *,
    kind: Kind = "phi",
    n_lobes: tuple[int, ...] | None = None,
    phi_shift: PhiShift = "shift",
    n_seeds: Annotated[int, Field(ge=1)] = 10,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    """Group features into lobes that fire together, by spectral clustering of their affinity.

    With A the affinity without its diagonal and D its row sums, the leading k eigenvectors of D^-1/2 A D^-1/2, each row
    over the square root of its degree, are clustered by k-means. One eigen-decomposition serves every k.

    Parameters
    ----------
    sae
        ``occurrence`` (blocks, features). Positions of features play no part.
    kind
        Affinity; see :func:`affinity`.
    n_lobes
        Numbers of lobes to find. By default 2, 3, 4, 8, 16, ..., 1024 up to an eighth of the features.
    phi_shift
        How the affinities that can be negative, phi and npmi, are made non-negative. ``"shift"`` adds 1, as the authors
        do: the weights stay linear in phi, so features that avoid each other are held apart, and degrees are nearly
        equal, so no rare feature is split off alone. ``"clip"`` sets negative values to 0: avoidance counts no more
        than independence, while the positive half of the sampling noise stays.
    n_seeds
        Starts of k-means; the one of least inertia is kept.
    seed
        Seed of the starts.

    Returns
    -------
    xarray.Dataset
        ``lobe`` (n_lobes, features), by descending size, -1 for features that are on in no block or in all;
        ``seed_agreement`` and ``eigengap`` (n_lobes); ``eigenvalue`` (components), descending.

    Raises
    ------
    ParameterError
        If a count is below 2 or above an eighth of the features.
    DataValueError
        If too few features fire in some but not all blocks; raised when computed.

    Notes
    -----
    Does not depend on the decoder. Eigenvalues do not depend on the order of features; labels do only through the
    k-means starts. Cost: that of :func:`cooccurrence`, plus an eigen-decomposition (cubic in features up to 4,096, a
    Lanczos iteration above); memory of about 40 bytes for each pair of features.

    Examples
    --------
    >>> from saegeom_data.testing import simulate_sae
    >>> sae = simulate_sae(n_features=60, n_lobes=2, function_strength=0.9)
    >>> lobes(sae, n_lobes=(2,)).lobe.dims
    ('n_lobes', 'features')
    """
    counts = lobe_counts(n_lobes, sae.sizes["features"])
    result = find_lobes(
        cooccurrence.function(sae), kind=kind, n_lobes=counts, phi_shift=phi_shift, n_seeds=n_seeds, seed=seed
    )
    return result.drop_vars("is_masked")


def find_lobes(
    counts: xr.Dataset, *, kind: Kind, n_lobes: tuple[int, ...], phi_shift: PhiShift, n_seeds: int, seed: int
) -> xr.Dataset:
    """Lobes, as :func:`lobes` gives them, of co-occurrence counts; with ``is_masked`` (features)."""
    n = counts.sizes["features"]
    size = n_components(n_lobes, n)
    affinity = affinity_of(counts, kind=kind)
    embedded = blocks.whole(
        partial(_embed, n_components=size, shift=phi_shift if kind in _SIGNED else None),
        affinity.affinity,
        affinity.is_masked,
        outputs={
            "embedding": Result(("features", "components"), (n, size)),
            "eigenvalue": Result(("components",), (size,)),
        },
        memory=blocks.Memory(finish=18 * n**2),
    )
    found = cluster_embedding(embedded.embedding, n_lobes=n_lobes, n_seeds=n_seeds, seed=seed)
    gap = blocks.whole(
        partial(_eigengap, n_lobes=n_lobes),
        embedded.eigenvalue,
        outputs={"eigengap": Result(("n_lobes",), (len(n_lobes),))},
        memory=blocks.Memory(),
    )
    return found.assign(eigengap=gap.eigengap, eigenvalue=embedded.eigenvalue, is_masked=affinity.is_masked)


def cluster_embedding(embedding: xr.DataArray, *, n_lobes: tuple[int, ...], n_seeds: int, seed: int) -> xr.Dataset:
    """Cluster rows of an embedding (features, components) for each of several counts; rows of NaN get -1."""
    outputs = {
        "lobe": Result(("n_lobes", "features"), (len(n_lobes), embedding.sizes["features"]), "int64"),
        "seed_agreement": Result(("n_lobes",), (len(n_lobes),)),
    }
    memory = blocks.Memory(finish=4 * embedding.nbytes)
    compute = partial(_cluster, n_lobes=n_lobes, n_seeds=n_seeds, seed=seed)
    found = blocks.whole(compute, embedding, outputs=outputs, memory=memory)
    return found.assign_coords(n_lobes=list(n_lobes))


_SIGNED = ("phi", "npmi")


def _embed(affinity: Array, is_masked: Array, *, n_components: int, shift: PhiShift | None) -> blocks.Arrays:
    keep = np.flatnonzero(~is_masked)
    weights = affinity[np.ix_(keep, keep)]
    if shift == "shift":
        weights += 1
    elif shift == "clip":
        np.maximum(weights, 0, out=weights)
    return padded_embedding(weights, keep, len(affinity), n_components)


def padded_embedding(weights: Array, keep: Array, n_features: int, n_components: int) -> blocks.Arrays:
    """Embedding of the features ``keep`` with rows of NaN for all others, and eigenvalues with NaN past the last."""
    embedding = np.full((n_features, n_components), np.nan)
    eigenvalue = np.full(n_components, np.nan)
    if len(keep):
        value, vector = embed(weights, n_components)
        embedding[keep] = np.pad(vector, ((0, 0), (0, n_components - len(value))))
        eigenvalue[: len(value)] = value
    return {"embedding": embedding, "eigenvalue": eigenvalue}


def _cluster(embedding: Array, *, n_lobes: tuple[int, ...], n_seeds: int, seed: int) -> blocks.Arrays:
    labels, agreement = cluster(embedding, n_lobes, n_seeds, seed)
    return {"lobe": labels, "seed_agreement": agreement}


def _eigengap(eigenvalue: Array, *, n_lobes: tuple[int, ...]) -> blocks.Arrays:
    count = np.array(n_lobes)
    return {"eigengap": eigenvalue[count - 1] - eigenvalue[count]}
