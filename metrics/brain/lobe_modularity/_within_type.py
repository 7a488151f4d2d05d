"""Lobes of what document types leave of firing: from the partial correlation of features given the type of a block."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Memory, Result, Work
from saegeom_data.metrics._statistics.bit_counts import n_active
from saegeom_data.metrics._statistics.spectral import embed_bytes, matrix_dtype
from saegeom_data.metrics._statistics.works import embed_work
from saegeom_data.metrics.brain._shared.affinities import affinity_matrix_bytes, fill_by_counts
from saegeom_data.metrics.brain._shared.copies import without
from saegeom_data.metrics.brain._shared.document_types import document_types, type_index
from saegeom_data.metrics.brain._shared.find_lobes import PhiShift, cluster_embedding, padded_embedding
from saegeom_data.metrics.brain._shared.packed_occurrence import packed, words_of
from saegeom_data.metrics.brain._shared.works import affinity_work
from saegeom_data.metrics.brain.lobe_modularity._settings import Settings
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


def packed_types(sae: xr.Dataset, given: tuple[str, ...] | None, is_kept: xr.DataArray) -> xr.Dataset | None:
    """Bits as :func:`~.packed_occurrence.packed` gives them, with the blocks of each document type as a group.

    Features that are not kept never fire. None if blocks have no types.
    """
    if "document_type" not in sae.variables:
        return None
    types = document_types(sae, given)
    outputs = {"type": Result(("blocks",), (sae.sizes["blocks"],), "int64")}
    memory = Memory(finish=150 * sae.sizes["blocks"])
    work = Work(steps=500 * sae.sizes["blocks"], calls=200)
    index = lazy.whole(partial(_type_of, types=types), sae.document_type, outputs=outputs, memory=memory, work=work)
    return without(packed(sae.occurrence, index["type"], len(types)), is_kept)


def lobes_within(typed: xr.Dataset | None, lobe: xr.DataArray, settings: Settings) -> xr.DataArray:
    """Lobes (n_lobes, features) as those of ``lobe`` are found, of what types leave of firing; -1 without types."""
    import xarray as xr

    if typed is None:
        return xr.full_like(lobe, -1)
    found = embedded_within(
        typed,
        phi_shift=settings.phi_shift,
        min_blocks=settings.min_blocks,
        n_components=settings.n_components(lobe.sizes["features"]),
    )
    # Where types explain all firing there is nothing to find lobes in, which is no error.
    return cluster_embedding(
        found, n_lobes=settings.n_lobes, n_seeds=settings.n_seeds, seed=settings.seed, is_required=False
    )["lobe"]


def embedded_within(typed: xr.Dataset, *, phi_shift: PhiShift, min_blocks: int, n_components: int) -> xr.Dataset:
    """``embedding`` (features, components) and ``eigenvalue`` (components) of the affinity within document types."""
    n, n_words = typed.sizes["features"], typed.sizes["words"]
    itemsize = matrix_dtype(n).itemsize
    outputs = {
        "embedding": Result(("features", "components"), (n, n_components)),
        "eigenvalue": Result(("components",), (n_components,)),
    }
    matrix = affinity_matrix_bytes(n, n_words, itemsize, kind="phi") + 8 * n * typed.sizes["groups"]
    memory = Memory(finish=8 * n * n_words + matrix + embed_bytes(n, n_components, itemsize))
    compute = partial(embed_within, phi_shift=phi_shift, min_blocks=min_blocks, n_components=n_components)
    return lazy.whole(
        compute,
        bits=typed.bits,
        first_word=typed.first_word,
        n_blocks=typed.n_blocks,
        outputs=outputs,
        memory=memory,
        work=within_work(n, n_words, n_components),
    )


def within_work(n: int, n_words: int, n_components: int) -> Work:
    """What :func:`embed_within` of n features computes."""
    return affinity_work(n, n_words, "phi") + embed_work(n, n_components, matrix_dtype(n).itemsize)


def embed_within(
    bits: Array, first_word: Array, n_blocks: Array, *, phi_shift: PhiShift, min_blocks: int, n_components: int
) -> lazy.Arrays:
    """Spectral embedding and eigenvalues by :func:`phi_within`, of features whose firing types leave free.

    ``bits`` (features, words) hold the ``n_blocks`` (types) of one type after the other, from ``first_word`` on.
    """
    on = np.stack([n_active(words_of(bits, first_word, t)) for t in range(len(n_blocks))], axis=1).astype(float)
    total = float(n_blocks.sum())
    # As many blocks as min_blocks, or all but as many, have this variance where there is one type.
    keep = np.flatnonzero(left_by_types(on, n_blocks) >= min_blocks * (1 - min_blocks / total) - 1e-9)
    weights = phi_within(words_of(bits, first_word, None)[keep], on[keep], n_blocks, dtype=matrix_dtype(len(bits)))
    if phi_shift == "shift":
        weights += 1
    else:
        np.maximum(weights, 0, out=weights)
    return padded_embedding(weights, keep, len(bits), n_components)


def left_by_types(on: Array, n_blocks: Array) -> Array:
    """What types leave of the variance of each feature, times blocks: sum_t n_it (1 - n_it / T_t), (features,)."""
    return np.asarray((on * (1 - on / np.maximum(n_blocks, 1))).sum(axis=1))


def phi_within(bits: Array, on: Array, n_blocks: Array, *, dtype: Any = np.float64) -> Array:
    """Correlation (features, features) of firing given the document type.

    With n_ij blocks with both on, n_it of the T_t blocks of type t with i on, and s_ij = n_ij - sum_t n_it n_jt / T_t,
    which is the covariance within types over all blocks, it is s_ij / sqrt(s_ii s_jj). ``bits`` (features, words) hold
    all blocks, ``on`` (features, types) n_it, and ``n_blocks`` (types) T_t.
    """
    n = len(bits)
    values = np.empty((n, n), dtype)
    scaled = on / np.sqrt(np.maximum(n_blocks, 1))
    root = np.sqrt(left_by_types(on, n_blocks))

    def correlations(tile: Array, rows: slice, columns: slice) -> Array:
        tile -= scaled[rows] @ scaled[columns].T
        tile /= root[rows, None]
        tile /= root[columns]
        # Rounding may leave a little more than 1 of two features that fire alike.
        return np.clip(tile, -1, 1, out=tile)

    fill_by_counts(values, bits, correlations)
    return values


def _type_of(document_type: Array, *, types: tuple[str, ...]) -> lazy.Arrays:
    return {"type": type_index(document_type, types)}
