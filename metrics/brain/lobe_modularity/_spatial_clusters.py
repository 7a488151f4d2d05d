"""Where features lie: clusters of decoder rows, their nearest neighbours, and clouds with the same spectrum."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Memory, Result, eigen
from saegeom_data.metrics._kernels.nearest import nearest_bytes, nearest_work
from saegeom_data.metrics._shared.directions import principal
from saegeom_data.metrics._statistics.agreement import mean_mutual_information
from saegeom_data.metrics._statistics.moments import moments_work, row_moments
from saegeom_data.metrics._statistics.neighbours import nearest_rows
from saegeom_data.metrics._statistics.spectral import embed_bytes, matrix_dtype, n_components
from saegeom_data.metrics._statistics.unit_rows import unit_rows
from saegeom_data.metrics._statistics.works import embed_work, similarity_work
from saegeom_data.metrics.brain._shared.find_lobes import cluster_embedding, padded_embedding
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


def spatial_clusters(
    decoder: xr.DataArray, is_masked: xr.DataArray, *, n_lobes: tuple[int, ...], n_seeds: int, seed: int
) -> xr.Dataset:
    """Clusters ``lobe`` (n_lobes, features) of decoder rows; -1 for masked features and rows of zero norm.

    ``agreement`` (n_lobes) is the mean adjusted mutual information of pairs of starts.
    """
    n = decoder.sizes["features"]
    size = n_components(n_lobes, n, is_shared=False)
    outputs = {
        "embedding": Result(("features", "components"), (n, size)),
        "eigenvalue": Result(("components",), (size,)),
    }
    # Rows in double precision twice and in single once, then their similarities, which embedding overwrites.
    itemsize = matrix_dtype(n).itemsize
    memory = Memory(finish=24 * decoder.size + similarity_bytes(n) + embed_bytes(n, size, itemsize))
    embedded = lazy.whole(
        partial(_embed, n_components=size),
        decoder,
        is_masked,
        outputs=outputs,
        memory=memory,
        work=similarity_work(*decoder.shape) + embed_work(n, size, itemsize),
    )
    return cluster_embedding(embedded, n_lobes=n_lobes, n_seeds=n_seeds, seed=seed, agreement=mean_mutual_information)


def _embed(decoder: Array, is_masked: Array, *, n_components: int) -> lazy.Arrays:
    """Spectral embedding (features, components) by angular similarity; NaN for masked features and zero rows."""
    unit = unit_rows(decoder)
    keep = np.flatnonzero(~is_masked & unit.any(axis=1))
    return padded_embedding(angular_similarity(unit[keep]), keep, len(decoder), n_components)


def angular_similarity(unit: Array) -> Array:
    """1 - arccos(cos) / pi of pairs of unit rows."""
    # In place from here on: a second matrix of pairs is what memory would not hold.
    rows = unit.astype(matrix_dtype(len(unit)), copy=False)
    similarity = rows @ rows.T
    # Rounding takes the cosine of equal rows past 1, where there is no angle.
    np.arccos(np.clip(similarity, -1, 1, out=similarity), out=similarity)
    similarity /= -np.pi
    similarity += 1
    return np.asarray(similarity)


def similarity_bytes(n: int) -> int:
    """Bytes of a matrix of similarities."""
    return matrix_dtype(n).itemsize * n**2


def nearest_features(decoder: xr.DataArray, is_masked: xr.DataArray, n_neighbours: int) -> xr.Dataset:
    """Nearest other features by cosine: ``nearest`` (features, neighbours), -1 in the rows of those not compared.

    Features are compared that are not masked and have a row; ``n_features_used`` is their number.
    """
    n, hidden = decoder.shape
    outputs = {
        "nearest": Result(("features", "neighbours"), (n, n_neighbours), "int64"),
        "n_features_used": Result((), (), "int64"),
    }
    memory = Memory(finish=24 * decoder.size + nearest_bytes(n, hidden, n_neighbours))
    find = partial(_nearest, n_neighbours=n_neighbours)
    work = nearest_work(n, hidden, n_neighbours)
    return lazy.whole(find, decoder, is_masked, outputs=outputs, memory=memory, work=work)


def _nearest(decoder: Array, is_masked: Array, *, n_neighbours: int) -> lazy.Arrays:
    """Indices (features, neighbours) of the rows of largest cosine, in the numbers of all features."""
    unit = unit_rows(decoder)
    keep = np.flatnonzero(~is_masked & unit.any(axis=1))
    nearest = np.full((len(decoder), n_neighbours), -1)
    nearest[keep] = keep[nearest_rows(unit[keep], n_neighbours)]
    return {"nearest": nearest, "n_features_used": len(keep)}


def principal_moments(decoder: xr.DataArray, nearest: xr.DataArray) -> xr.Dataset:
    """``spectrum`` and ``principal_mean`` (hidden) along principal axes of the unit rows that are compared."""
    hidden = decoder.shape[1]
    outputs = {name: Result(("hidden",), (hidden,)) for name in ("spectrum", "principal_mean")}
    memory = Memory(finish=16 * decoder.size + 4 * 8 * hidden**2)
    work = moments_work(*decoder.shape) + eigen(hidden)
    return lazy.whole(_moments, decoder, nearest, outputs=outputs, memory=memory, work=work)


def _moments(decoder: Array, nearest: Array) -> lazy.Arrays:
    """Eigenvalues (hidden) of the unit rows' covariance, and coordinates (hidden) of their mean on its axes."""
    found = principal(row_moments(unit_rows(decoder[nearest[:, 0] >= 0])))
    return {name: found[name] for name in ("spectrum", "principal_mean")}
