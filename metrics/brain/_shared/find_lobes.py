"""Lobes by spectral clustering of co-occurrence, for the metrics that need them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Result
from saegeom_data.metrics._statistics.agreement import (
    adjusted_mutual_information,
    contingency,
    mean_mutual_information,
    mean_rand_index,
)
from saegeom_data.metrics._statistics.bit_counts import n_active
from saegeom_data.metrics._statistics.spectral import (
    check_enough,
    cluster,
    cluster_bytes,
    embed,
    embed_bytes,
    embed_graph,
    graph_bytes,
    is_small,
    largest_small,
    matrix_dtype,
    n_components,
)
from saegeom_data.metrics._statistics.works import agreement_work, bits_work, clusters_work, embed_work, graph_work
from saegeom_data.metrics.brain._shared.affinities import Kind, affinity_matrix, affinity_matrix_bytes, is_masked
from saegeom_data.metrics.brain._shared.affinity_graph import affinity_graph, strongest_affinities
from saegeom_data.metrics.brain._shared.copies import without
from saegeom_data.metrics.brain._shared.correlations import embed_shifted_phi, embed_shifted_phi_bytes
from saegeom_data.metrics.brain._shared.packed_occurrence import words_of
from saegeom_data.metrics.brain._shared.works import affinity_work
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


PhiShift = Literal["shift", "clip"]
_EMBEDDED = ("embedding", "eigenvalue", "is_masked")


def find_lobes(
    held: xr.Dataset,
    *,
    which: int | None = None,
    kind: Kind,
    n_lobes: tuple[int, ...],
    phi_shift: PhiShift,
    n_seeds: int,
    seed: int,
    min_blocks: int,
    n_neighbours: int | None = None,
    n_likely: int | None = None,
    is_kept: xr.DataArray | None = None,
    is_shared: bool = True,
) -> xr.Dataset:
    """Lobes, as :func:`lobes` gives them, of packed occurrence: of one half of the documents, or of all.

    ``held`` is what :func:`~.packed_occurrence.packed_halves` gives. Also returns ``is_masked`` (features). Where too
    few features fire, that is an error for all documents, while a half of them has no lobes: label -1 everywhere.
    ``n_likely`` is how many features likely fire often enough, by which work is stated; all by default. Features that
    are not ``is_kept`` (features) take no part, as those that never fire; of a graph of ``n_neighbours`` all do.
    Lobes that no other metric asks for need not be ``is_shared``.
    """
    # Of all features, as masks are known only once occurrence is read, and shapes are stated before.
    size = n_components(n_lobes, held.sizes["features"], is_shared=is_shared)
    if n_neighbours is None:
        embedded = _embedded_matrix(held, which, kind, phi_shift, min_blocks, size, n_likely, is_kept)
    else:
        embedded = _embedded_graph(held, which, kind, n_neighbours, min_blocks, size)
    found = cluster_embedding(embedded, n_lobes=n_lobes, n_seeds=n_seeds, seed=seed, is_required=which is None).rename(
        agreement="seed_agreement"
    )
    return found.assign(eigenvalue=embedded.eigenvalue, is_masked=embedded.is_masked)


def _embedded_matrix(
    held: xr.Dataset,
    which: int | None,
    kind: Kind,
    phi_shift: PhiShift,
    min_blocks: int,
    size: int,
    n_likely: int | None,
    is_kept: xr.DataArray | None,
) -> xr.Dataset:
    """``embedding`` (features, components) from the whole matrix of affinities, as one task; two if some may go."""
    n, n_words = held.sizes["features"], held.sizes["words"]
    # The other affinities are never negative, and a shift would only add noise to every pair.
    shift = phi_shift if kind in SIGNED else None
    compute = partial(embed_bits, which=which, kind=kind, n_components=size, min_blocks=min_blocks, shift=shift)
    lower = "the width by n_neighbours, such as 32, which keeps the strongest affinities alone"
    if _is_wide(n, kind, shift):
        lower = "n_lobes"
    memory = lazy.Memory(finish=8 * n * n_words + embed_bits_bytes(n, n_words, size, kind, shift), lower=lower)

    def embedded(compute: Callable[..., lazy.Arrays], held: xr.Dataset, work: lazy.Work, **also: Any) -> xr.Dataset:
        bits = {name: held[name] for name in ("bits", "first_word", "n_blocks")}
        return lazy.whole(compute, **bits, **also, outputs=_embedding_results(n, size), memory=memory, work=work)

    found = embedded(compute, held, embed_bits_work(n, n_words, size, kind, shift, n_likely=n_likely))
    if is_kept is None:
        return found
    # Copies are rare, and metrics that look for none need the embedding of all features: without copies it serves here.
    of_all = [found[name] for name in _EMBEDDED]
    return embedded(
        partial(_embed_kept, embed=compute), without(held, is_kept), lazy.Work(calls=20), is_kept=is_kept, of_all=of_all
    )


def _embedded_graph(
    held: xr.Dataset, which: int | None, kind: Kind, n_neighbours: int, min_blocks: int, size: int
) -> xr.Dataset:
    """``embedding`` (features, components) from each feature's strongest affinities alone."""
    n = held.sizes["features"]
    edges = strongest_affinities(held, which=which, kind=kind, n_neighbours=n_neighbours, min_blocks=min_blocks)
    memory = lazy.Memory(
        finish=60 * n * n_neighbours + graph_bytes(n, 2 * n * n_neighbours, size, 8), lower="n_neighbours or n_lobes"
    )
    compute, outputs = partial(_embed_graph, n_components=size), _embedding_results(n, size)
    work = graph_work(n, 2 * n * n_neighbours, size)
    return lazy.whole(compute, edges.affinity, edges.neighbour, outputs=outputs, memory=memory, work=work)


def _embedding_results(n: int, size: int) -> dict[str, Result]:
    """Shapes of what either way of embedding gives."""
    return {
        "embedding": Result(("features", "components"), (n, size)),
        "eigenvalue": Result(("components",), (size,)),
        "is_masked": Result(("features",), (n,), "bool"),
    }


def half_agreement(first: xr.DataArray, second: xr.DataArray) -> xr.DataArray:
    """Adjusted mutual information (n_lobes) of the lobes of two halves, over features that neither masks."""
    outputs = {"half_agreement": Result(("n_lobes",), (first.sizes["n_lobes"],))}
    work = lazy.total(agreement_work(first.sizes["features"], count) for count in first["n_lobes"].values.tolist())
    found = lazy.whole(_half_agreement, first, second, outputs=outputs, memory=lazy.Memory(), work=work)
    return found["half_agreement"]


def eigengap(eigenvalue: xr.DataArray, n_lobes: tuple[int, ...]) -> xr.DataArray:
    """lambda_k - lambda_{k+1} (n_lobes) for each number k of lobes, of eigenvalues (components), descending."""
    outputs, work = {"eigengap": Result(("n_lobes",), (len(n_lobes),))}, lazy.Work(calls=20)
    compute = partial(_eigengap, n_lobes=n_lobes)
    return lazy.whole(compute, eigenvalue, outputs=outputs, memory=lazy.Memory(), work=work)["eigengap"]


def cluster_embedding(
    embedded: xr.Dataset,
    *,
    n_lobes: tuple[int, ...],
    n_seeds: int,
    seed: int,
    is_required: bool = True,
    agreement: Callable[[Array], float] = mean_rand_index,
) -> xr.Dataset:
    """``lobe`` (n_lobes, features) and the starts' ``agreement`` (n_lobes) for each of several counts.

    ``embedded`` has ``embedding`` (features, components), whose rows of NaN get label -1, and ``eigenvalue``
    (components). With too few other rows all get -1, unless lobes are required, which is then an error.
    """
    embedding, eigenvalue = embedded.embedding, embedded.eigenvalue
    n = embedding.sizes["features"]
    outputs = {"lobe": Result(("features",), (n,), "int64"), "agreement": Result()}

    def clustered(count: int) -> xr.Dataset:
        memory = lazy.Memory(finish=cluster_bytes(n, (count,), embedding.dtype.itemsize), lower="n_lobes")
        compute = partial(
            _cluster, count=count, n_seeds=n_seeds, seed=seed, is_required=is_required, agreement=agreement
        )
        work = clusters_work(n, count, n_seeds, by_information=agreement is mean_mutual_information)
        return lazy.whole(compute, embedding, eigenvalue, outputs=outputs, memory=memory, work=work)

    # One task for each count: metrics that ask for some of the same counts share them.
    return lazy.stacked([clustered(count) for count in n_lobes], "n_lobes").assign_coords(n_lobes=list(n_lobes))


SIGNED = ("phi", "npmi")
# Features up to which the matrix of affinities, of 1 GiB then, is faster to multiply with than bits are.
_MATRIX_UP_TO = 16_384


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
) -> lazy.Arrays:
    """Spectral embedding, eigenvalues and masks of features, from packed occurrence or one group of its blocks."""
    words = words_of(bits, first_word, which)
    total = int(n_blocks.sum() if which is None else n_blocks[which])
    masked = is_masked(n_active(words), total, min_blocks)
    keep = np.flatnonzero(~masked)
    # By the number of all features, not of those kept: memory was stated before masks were known.
    if _is_wide(len(bits), kind, shift) and not is_small(len(keep), n_components):
        found = embed_shifted_phi(words[keep], total, n_components)
        return {**placed_embedding(found, keep, len(bits), n_components), "is_masked": masked}
    weights = affinity_matrix(words[keep], total, kind=kind, dtype=matrix_dtype(len(bits)))
    if shift == "shift":
        weights += 1
    elif shift == "clip":
        np.maximum(weights, 0, out=weights)
    return {**padded_embedding(weights, keep, len(bits), n_components), "is_masked": masked}


def embed_bits_bytes(n: int, n_words: int, n_components: int, kind: Kind, shift: PhiShift | None) -> int:
    """Peak memory of :func:`embed_bits` beside the bits of the features that it keeps, with its result."""
    itemsize = matrix_dtype(n).itemsize

    def by_matrix(n_kept: int) -> int:
        return affinity_matrix_bytes(n_kept, n_words, itemsize, kind=kind) + embed_bytes(n_kept, n_components, itemsize)

    if not _is_wide(n, kind, shift):
        return by_matrix(n)
    # Where so few features fire that it is small, the matrix is made.
    return max(by_matrix(largest_small(n_components)), embed_shifted_phi_bytes(n, n_words, n_components))


def embed_bits_work(
    n: int, n_words: int, n_components: int, kind: Kind, shift: PhiShift | None, *, n_likely: int | None = None
) -> lazy.Work:
    """What :func:`embed_bits` of n features computes, of which ``n_likely`` likely fire often enough."""
    n_kept = n_likely or n
    if _is_wide(n, kind, shift):
        return bits_work(n_kept, n_words, n_components)
    return affinity_work(n_kept, n_words, kind) + embed_work(n_kept, n_components, matrix_dtype(n).itemsize)


def _is_wide(n: int, kind: Kind, shift: PhiShift | None) -> bool:
    """Whether features are so many that their affinities are multiplied with, but not held."""
    return kind == "phi" and shift == "shift" and n > _MATRIX_UP_TO


def _embed_kept(
    bits: Array,
    first_word: Array,
    n_blocks: Array,
    is_kept: Array,
    of_all: list[Array],
    *,
    embed: Callable[..., lazy.Arrays],
) -> lazy.Arrays:
    """What :func:`embed_bits` gives of all features where all are kept, and else of ``bits`` without the others."""
    if is_kept.all():
        return dict(zip(_EMBEDDED, of_all, strict=True))
    return embed(bits, first_word, n_blocks)


def _embed_graph(affinity: Array, neighbour: Array, *, n_components: int) -> lazy.Arrays:
    """Spectral embedding (features, components) of the graph of strongest affinities, of features that have an edge."""
    graph = affinity_graph(affinity, neighbour)
    # A feature that no other has among its strongest, and that has none itself, has no place in the graph.
    masked = np.diff(graph.indptr) == 0
    keep = np.flatnonzero(~masked)
    return {**padded_embedding(graph[keep][:, keep], keep, len(masked), n_components), "is_masked": masked}


def padded_embedding(weights: Any, keep: Array, n_features: int, n_components: int) -> lazy.Arrays:
    """Embedding of the features ``keep`` with rows of NaN for all others, and eigenvalues with NaN past the last.

    ``weights`` are a matrix, which is overwritten, or a sparse graph.
    """
    solve = embed if isinstance(weights, np.ndarray) else embed_graph
    found = solve(weights, n_components) if len(keep) else (np.zeros(0), np.zeros((0, 0)))
    return placed_embedding(found, keep, n_features, n_components)


def placed_embedding(found: tuple[Array, Array], keep: Array, n_features: int, n_components: int) -> lazy.Arrays:
    """Eigenvalues and embedding of the features ``keep``, padded as by :func:`padded_embedding`."""
    # Fewer features than components may be left, but shapes were stated before masks were known.
    embedding = np.full((n_features, n_components), np.nan)
    eigenvalue = np.full(n_components, np.nan)
    value, vector = found
    embedding[keep] = np.pad(vector, ((0, 0), (0, n_components - len(value))))
    eigenvalue[: len(value)] = value
    return {"embedding": embedding, "eigenvalue": eigenvalue}


def _cluster(
    embedding: Array,
    eigenvalue: Array,
    *,
    count: int,
    n_seeds: int,
    seed: int,
    is_required: bool,
    agreement: Callable[[Array], float],
) -> lazy.Arrays:
    """Lobes (features,) for one count, and how far starts of k-means agree."""
    if is_required:
        check_enough(embedding, (count,))
    labels, agreements = cluster(embedding, eigenvalue, (count,), n_seeds, seed, agreement)
    return {"lobe": labels[0], "agreement": agreements[0]}


def _half_agreement(first: Array, second: Array) -> lazy.Arrays:
    """Adjusted mutual information (n_lobes) of labels (n_lobes, features), -1 where masked; NaN of no features."""
    shape, values = (int(first.max()) + 1, int(second.max()) + 1), []
    for labels, others in zip(first, second, strict=True):
        # A feature may fire often enough in one half of the documents and not in the other.
        keep = (labels >= 0) & (others >= 0)
        values.append(adjusted_mutual_information(contingency(labels[keep], others[keep], shape)))
    return {"half_agreement": np.array(values)}


def _eigengap(eigenvalue: Array, *, n_lobes: tuple[int, ...]) -> lazy.Arrays:
    # Entry k - 1 is the k-th eigenvalue, so entry k is the one after the gap.
    count = np.array(n_lobes)
    return {"eigengap": eigenvalue[count - 1] - eigenvalue[count]}
