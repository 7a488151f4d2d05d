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

from ._affinity_graph import affinity_graph, strongest_affinities
from ._agreement import adjusted_mutual_information, contingency
from ._packed import n_active, packed_halves, words_of
from ._spectral import (
    cluster,
    cluster_bytes,
    embed,
    embed_bytes,
    embed_graph,
    graph_bytes,
    lobe_counts,
    matrix_dtype,
    n_components,
)
from .affinity import Kind, affinity_matrix, affinity_matrix_bytes, is_masked

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[Any]]
PhiShift = Literal["shift", "clip"]


@metric(
    version=2,
    scale="brain",
    inputs=(schema.occurrence, schema.block_document, schema.block_document_type),
    outputs=(
        Output("lobe", ("n_lobes", "features"), "1", "lobe of each feature, 0 the largest; -1 for masked features", -1),
        Output("seed_agreement", ("n_lobes",), "1", "mean adjusted Rand index of pairs of k-means starts, at most 1"),
        Output("half_agreement", ("n_lobes",), "1", "adjusted mutual information of lobes of two halves of documents"),
        Output("eigengap", ("n_lobes",), "1", "gap after as many eigenvalues as lobes; larger means better separated"),
        Output("eigenvalue", ("components",), "1", "leading eigenvalues of the normalised affinity, in [-1, 1]"),
    ),
    invariances={
        "rotation": ("lobe", "seed_agreement", "half_agreement", "eigengap", "eigenvalue"),
        "permutation": ("eigengap", "eigenvalue"),
        "scale": ("lobe", "seed_agreement", "half_agreement", "eigengap", "eigenvalue"),
    },
    pattern="whole",
    reference="Li et al. 2025, section 4",
    quick={"n_lobes": (2, 3), "n_seeds": 3},
    anchors=(
        Anchor(
            "planted lobes are found from every start",
            partial(simulate_sae, n_features=60, n_lobes=3, function_strength=1.0, n_blocks=240),
            {"seed_agreement": (1.0, 1e-12), "half_agreement": (1.0, 1e-9)},
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
    min_blocks: Annotated[int, Field(ge=1)] = 1,
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
        ``occurrence`` (blocks, features); ``document``, ``document_type`` (blocks). Positions of features play no part.
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
        Features on, or off, in fewer blocks than this are masked.
    n_neighbours
        If given, only so many of the largest positive affinities of each feature are kept, as a sparse graph: for
        widths whose matrix of affinities does not fit memory. Affinities are then not shifted.
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
    Does not depend on the decoder. Eigenvalues do not depend on the order of features; labels do only through the
    k-means starts. ``half_agreement`` says how far the lobes come back when they are found on other documents: on each
    of two halves of those of each type. Cost: counts of pairs and an eigen-decomposition, for all documents and for
    each half; memory of 8 bytes for each pair of features, and twice that up to 4,096 features.

    Examples
    --------
    >>> from saegeom_data.testing import simulate_sae
    >>> sae = simulate_sae(n_features=60, n_lobes=2, function_strength=0.9)
    >>> lobes(sae, n_lobes=(2,)).lobe.dims
    ('n_lobes', 'features')
    """
    counts = lobe_counts(n_lobes, sae.sizes["features"])
    find = partial(
        find_lobes, packed_halves(sae), kind=kind, n_lobes=counts, phi_shift=phi_shift, n_seeds=n_seeds, seed=seed,
        min_blocks=min_blocks, n_neighbours=n_neighbours,
    )  # fmt: skip
    result = find().drop_vars("is_masked")
    return result.assign(half_agreement=half_agreement(find(which=0).lobe, find(which=1).lobe).variable)


def find_lobes(
    held: xr.Dataset,
    *,
    which: int | None = None,
    kind: Kind,
    n_lobes: tuple[int, ...],
    phi_shift: PhiShift,
    n_seeds: int,
    seed: int,
    min_blocks: int = 1,
    n_neighbours: int | None = None,
) -> xr.Dataset:
    """Lobes, as :func:`lobes` gives them, of packed occurrence: of one half of the documents, or of all.

    ``held`` is what :func:`~._packed.packed_halves` gives. Also returns ``is_masked`` (features).
    """
    size = n_components(n_lobes, held.sizes["features"])
    if n_neighbours is None:
        embedded = _embedded_matrix(held, which, kind, phi_shift, min_blocks, size)
    else:
        embedded = _embedded_graph(held, which, kind, n_neighbours, min_blocks, size)
    found = cluster_embedding(embedded.embedding, n_lobes=n_lobes, n_seeds=n_seeds, seed=seed)
    gap = blocks.whole(
        partial(_eigengap, n_lobes=n_lobes),
        embedded.eigenvalue,
        outputs={"eigengap": Result(("n_lobes",), (len(n_lobes),))},
        memory=blocks.Memory(),
    )
    return found.assign(eigengap=gap.eigengap, eigenvalue=embedded.eigenvalue, is_masked=embedded.is_masked)


def _embedded_matrix(
    held: xr.Dataset, which: int | None, kind: Kind, phi_shift: PhiShift, min_blocks: int, size: int
) -> xr.Dataset:
    n, n_words = held.sizes["features"], held.sizes["words"]
    itemsize = matrix_dtype(n).itemsize
    shift = phi_shift if kind in SIGNED else None
    compute = partial(embed_bits, which=which, kind=kind, n_components=size, min_blocks=min_blocks, shift=shift)
    matrix = affinity_matrix_bytes(n, n_words, itemsize, kind=kind)
    memory = blocks.Memory(
        finish=8 * n * n_words + matrix + embed_bytes(n, size, itemsize),
        lower="the width by n_neighbours, such as 32, which keeps the strongest affinities alone",
    )
    inputs = (held.bits, held.first_word, held.n_blocks)
    return blocks.whole(compute, *inputs, outputs=_embedding_results(n, size), memory=memory)


def _embedded_graph(
    held: xr.Dataset, which: int | None, kind: Kind, n_neighbours: int, min_blocks: int, size: int
) -> xr.Dataset:
    n = held.sizes["features"]
    edges = strongest_affinities(held, which=which, kind=kind, n_neighbours=n_neighbours, min_blocks=min_blocks)
    memory = blocks.Memory(
        finish=60 * n * n_neighbours + graph_bytes(n, 2 * n * n_neighbours, size, 8), lower="n_neighbours or n_lobes"
    )
    inputs = (edges.affinity, edges.neighbour)
    compute = partial(_embed_graph, n_components=size)
    return blocks.whole(compute, *inputs, outputs=_embedding_results(n, size), memory=memory)


def _embedding_results(n: int, size: int) -> dict[str, Result]:
    return {
        "embedding": Result(("features", "components"), (n, size)),
        "eigenvalue": Result(("components",), (size,)),
        "is_masked": Result(("features",), (n,), "bool"),
    }


def half_agreement(first: xr.DataArray, second: xr.DataArray) -> xr.DataArray:
    """Adjusted mutual information (n_lobes) of the lobes of two halves, over features that neither masks."""
    outputs = {"half_agreement": Result(("n_lobes",), (first.sizes["n_lobes"],))}
    return blocks.whole(_half_agreement, first, second, outputs=outputs, memory=blocks.Memory())["half_agreement"]


def cluster_embedding(embedding: xr.DataArray, *, n_lobes: tuple[int, ...], n_seeds: int, seed: int) -> xr.Dataset:
    """Cluster rows of an embedding (features, components) for each of several counts; rows of NaN get -1."""
    n = embedding.sizes["features"]
    outputs = {"lobe": Result(("features",), (n,), "int64"), "seed_agreement": Result()}

    def clustered(count: int) -> xr.Dataset:
        memory = blocks.Memory(finish=cluster_bytes(n, (count,), embedding.dtype.itemsize), lower="n_lobes")
        compute = partial(_cluster, count=count, n_seeds=n_seeds, seed=seed)
        return blocks.whole(compute, embedding, outputs=outputs, memory=memory)

    # One task for each count: metrics that ask for some of the same counts share them.
    return blocks.stacked([clustered(count) for count in n_lobes], "n_lobes").assign_coords(n_lobes=list(n_lobes))


SIGNED = ("phi", "npmi")


def embed_bits(
    bits: Array,
    first_word: Array,
    n_blocks: Array,
    *,
    which: int | None,
    kind: Kind,
    n_components: int,
    min_blocks: int,
    shift: PhiShift | None,
) -> blocks.Arrays:
    """Spectral embedding, eigenvalues and masks of features, from packed occurrence or one group of its blocks."""
    words = words_of(bits, first_word, which)
    total = int(n_blocks.sum() if which is None else n_blocks[which])
    masked = is_masked(n_active(words), total, min_blocks)
    keep = np.flatnonzero(~masked)
    weights = affinity_matrix(words[keep], total, kind=kind, dtype=matrix_dtype(len(bits)))
    if shift == "shift":
        weights += 1
    elif shift == "clip":
        np.maximum(weights, 0, out=weights)
    return {**padded_embedding(weights, keep, len(bits), n_components), "is_masked": masked}


def _embed_graph(affinity: Array, neighbour: Array, *, n_components: int) -> blocks.Arrays:
    graph = affinity_graph(affinity, neighbour)
    masked = np.diff(graph.indptr) == 0
    keep = np.flatnonzero(~masked)
    return {**padded_embedding(graph[keep][:, keep], keep, len(masked), n_components), "is_masked": masked}


def padded_embedding(weights: Any, keep: Array, n_features: int, n_components: int) -> blocks.Arrays:
    """Embedding of the features ``keep`` with rows of NaN for all others, and eigenvalues with NaN past the last.

    ``weights`` are a matrix, which is overwritten, or a sparse graph.
    """
    embedding = np.full((n_features, n_components), np.nan)
    eigenvalue = np.full(n_components, np.nan)
    if len(keep):
        solve = embed if isinstance(weights, np.ndarray) else embed_graph
        value, vector = solve(weights, n_components)
        embedding[keep] = np.pad(vector, ((0, 0), (0, n_components - len(value))))
        eigenvalue[: len(value)] = value
    return {"embedding": embedding, "eigenvalue": eigenvalue}


def _cluster(embedding: Array, *, count: int, n_seeds: int, seed: int) -> blocks.Arrays:
    labels, agreement = cluster(embedding, (count,), n_seeds, seed)
    return {"lobe": labels[0], "seed_agreement": agreement[0]}


def _half_agreement(first: Array, second: Array) -> blocks.Arrays:
    keep = (first[0] >= 0) & (second[0] >= 0)
    tables = [contingency(a[keep], b[keep], (a.max() + 1, b.max() + 1)) for a, b in zip(first, second, strict=True)]
    return {"half_agreement": np.array([adjusted_mutual_information(table) for table in tables])}


def _eigengap(eigenvalue: Array, *, n_lobes: tuple[int, ...]) -> blocks.Arrays:
    count = np.array(n_lobes)
    return {"eigengap": eigenvalue[count - 1] - eigenvalue[count]}
