"""Steps of the search: of the data, of surrogates of both null models, and of what surrogates are made from."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Memory, Result, Work
from saegeom_data.metrics._shared.directions import directions
from saegeom_data.metrics.atom.crystal_search._clusters import cluster_bytes, clustering_work, clusters_of
from saegeom_data.metrics.atom.crystal_search._families import chance_agreement, strongest_ties
from saegeom_data.metrics.atom.crystal_search._quadruples import (
    EXCLUDED,
    KINDS,
    MOST,
    Quadruples,
    find_quadruples,
    mutual_pairs,
    quadruples_work,
    search_bytes,
)
from saegeom_data.metrics.nulls import exchanged_offsets, spectrum_matched
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


def pair_numbers(corner: Array, n: int) -> Array:
    """Numbers (quadruples, 2) of the two pairs of ``corner`` (quadruples, 4): a n + b for rows a < b of n."""
    first, second = corner[:, :2], corner[:, 2:]
    return np.stack([side.min(axis=1) * n + side.max(axis=1) for side in (first, second)], axis=1).astype(np.int64)


def data_quadruples(rows: xr.DataArray, near: xr.Dataset, *, k: int, least: float) -> xr.Dataset:
    """Quadruples of the data, in arrays of fixed size: ``corner``, ``score`` (cosine and residual) and ``counts``."""
    n, hidden = rows.shape
    return lazy.whole(
        functools.partial(_searched, k=k, least=least),
        # Once neighbours are known, so that rows are not held while these are looked for.
        decoder=lazy.again(rows, near.distance),
        distance=near.distance,
        neighbour=near.neighbour,
        outputs={
            "corner": Result(("quadruple", "place"), (len(KINDS) * MOST, 4), "int64"),
            "score": Result(("quadruple", "score"), (len(KINDS) * MOST, 2)),
            "counts": Result(("count",), (2 + len(EXCLUDED),), "int64"),
        },
        memory=Memory(finish=2 * 8 * n * hidden + _searching(n, hidden, k), lower="n_samples"),
        work=quadruples_work(n, hidden, k),
    )


def _searching(n: int, hidden: int, k: int) -> int:
    return 3 * 8 * n * k + search_bytes(n * k // 2, hidden)


def _searched(decoder: Array, distance: Array, neighbour: Array, *, k: int, least: float) -> lazy.Arrays:
    unit, used = directions(decoder)
    rows = unit
    if len(used) < len(decoder):
        # Rows of 0 keep their places, so that neighbours and corners are numbered alike.
        rows = np.zeros(decoder.shape)
        rows[used] = unit
    found = find_quadruples(rows, mutual_pairs(distance, neighbour, k), least)
    size = len(KINDS) * MOST
    corner, score = np.full((size, 4), -1), np.full((size, 2), np.nan)
    corner[: len(found.corner)] = found.corner
    # Arrays have a fixed size, because how many quadruples there are is known only now.
    score[: len(found.cosine)] = np.stack([found.cosine, found.residual], axis=1)
    return {"corner": corner, "score": score, "counts": [len(found.cosine), found.n_pairs, *found.n_excluded]}


# Centres and offsets of clusters made straight, and as they are: each null is right where the other is not.
PARTS = ("centre", "offset", "plain_centre", "plain_offset")


def cluster_parts(rows: xr.DataArray, distance: xr.DataArray, is_kept: xr.DataArray, k: int) -> xr.Dataset:
    """``centre`` and ``offset`` (features, hidden) of the directions, for :func:`exchanged_rows`; ``n_clusters``.

    Those of the rows that ``is_kept`` (features) marks come first.
    """
    from saegeom_data.metrics._kernels.nearest import nearest_bytes

    n, hidden = rows.shape
    finding = nearest_bytes(n, hidden, k) + 4 * 16 * n * k
    return lazy.whole(
        functools.partial(_clustered, k=k),
        lazy.again(rows, distance),
        is_kept,
        outputs={name: Result(("features", "hidden"), (n, hidden)) for name in PARTS}
        | {"n_clusters": Result((), (), "int64")},
        memory=Memory(finish=3 * 8 * n * hidden + cluster_bytes(n, hidden) + finding, lower="n_samples"),
        work=clustering_work(n, hidden, k),
    )


def _clustered(decoder: Array, is_kept: Array, *, k: int) -> lazy.Arrays:
    unit, used = directions(decoder, is_kept)
    found = {name: np.zeros(decoder.shape) for name in PARTS}
    cluster = np.empty(0, np.int64)
    if len(used):
        cluster = clusters_of(unit, k)
        for is_straight, names in ((True, PARTS[:2]), (False, PARTS[2:])):
            parts = exchanged_offsets.offsets_from_centres(unit, cluster, is_straight=is_straight)
            for name, part in zip(names, parts, strict=True):
                found[name][: len(used)] = part
    return found | {"n_clusters": np.count_nonzero(np.bincount(cluster) > 1)}


def surrogate_ties(
    label: str,
    n_used: xr.DataArray,
    given: Mapping[str, xr.DataArray],
    shape: tuple[int, int],
    draw: int,
    *,
    k: int,
    least: float,
    seed: int,
) -> xr.Dataset:
    """What one surrogate of a null model says: ties by kind, its chance agreement by kind, and its number of pairs.

    ``given`` is what the null model keeps of the ``n_used`` rows in use: spectrum and mean, or :data:`PARTS`.
    """
    from saegeom_data.metrics._kernels.nearest import nearest_bytes, nearest_work

    n, hidden = shape
    searching = max(nearest_bytes(n, hidden, k) + 4 * 16 * n * k, search_bytes(n * k // 2, hidden))
    size = (len(KINDS), MOST)
    work = nearest_work(n, hidden, k) + quadruples_work(n, hidden, k) + Work(passes=60 * n * hidden, calls=3000)
    if label == spectrum_matched.LABEL:
        work += Work(normals=n * hidden) + spectrum_matched.matching_work(n, hidden)
    else:
        # Clusters made straight, and as they are.
        work *= 2
    return lazy.whole(
        functools.partial(_SURROGATES[label], draw=draw, k=k, least=least, seed=seed),
        n_used=n_used,
        **given,
        outputs={
            "tie_pair": Result(("kind", "tie", "pair"), (*size, 2), "int64"),
            "tie_agreement": Result(("kind", "tie"), size),
            "chance": Result(("kind",), (len(KINDS),)),
            "n_pairs": Result(),
        },
        memory=Memory(finish=2 * 8 * n * hidden + max(3 * 8 * hidden**2, searching), lower="n_samples"),
        work=work,
    )


def _matched(n_used: Array, spectrum: Array, mean: Array, *, draw: int, k: int, least: float, seed: int) -> lazy.Arrays:
    n = int(n_used)
    rng = stream(spectrum_matched.LABEL, seed, draw)
    return _ties_of(spectrum_matched.matched_rows(n, spectrum, mean, rng) if n >= 2 else None, k, least)


def _exchanged(
    n_used: Array,
    centre: Array,
    offset: Array,
    plain_centre: Array,
    plain_offset: Array,
    *,
    draw: int,
    k: int,
    least: float,
    seed: int,
) -> lazy.Arrays:
    """Ties of two clouds, of straight clusters and of clusters as they are, as of one: the higher score counts."""
    n = int(n_used)
    if n < 2:
        return _ties_of(None, k, least)
    straight, plain = (
        _ties_of(
            exchanged_offsets.exchanged_rows(centres[:n], offsets[:n], stream(exchanged_offsets.LABEL, seed, draw)),
            k,
            least,
        )
        for centres, offsets in ((centre, offset), (plain_centre, plain_offset))
    )
    agreement = np.concatenate([straight["tie_agreement"], plain["tie_agreement"]], axis=1)
    # Pairs of the second cloud get numbers that no pair of the first has.
    numbers = np.where(plain["tie_pair"] < 0, -1, plain["tie_pair"] + n * n)
    pair = np.concatenate([straight["tie_pair"], numbers], axis=1)
    # Stable, so that of equal agreements the order does not depend on the sort.
    order = np.argsort(-agreement, axis=1, kind="stable")[:, :MOST]
    return {
        "tie_pair": np.take_along_axis(pair, order[..., None], axis=1),
        "tie_agreement": np.take_along_axis(agreement, order, axis=1),
        "chance": np.maximum(straight["chance"], plain["chance"]),
        "n_pairs": (straight["n_pairs"] + plain["n_pairs"]) / 2,
    }


_SURROGATES: dict[str, Callable[..., lazy.Arrays]] = {
    spectrum_matched.LABEL: _matched,
    exchanged_offsets.LABEL: _exchanged,
}


def _ties_of(rows: Array | None, k: int, least: float) -> lazy.Arrays:
    """Ties of a surrogate, padded with -1 and -inf; its agreements are NaN where it could not be drawn."""
    from saegeom_data.metrics._kernels.nearest import nearest

    size = (len(KINDS), MOST)
    pair, agreement, chance = np.full((*size, 2), -1), np.full(size, -np.inf), np.full(len(KINDS), np.nan)
    if rows is None:
        return {"tie_pair": pair, "tie_agreement": agreement, "chance": chance, "n_pairs": np.nan}
    near = nearest(rows, k)
    found = find_quadruples(rows, mutual_pairs(near.distance, near.index, k), least, is_counted=False)
    for place, kind in enumerate(KINDS):
        ranked = found.ranked(kind, least)
        descending = found.agreement(kind)[ranked]
        ties = strongest_ties(pair_numbers(found.corner[ranked], len(rows)), descending)
        pair[place, : len(ties.pair)] = ties.pair
        agreement[place, : len(ties.pair)] = ties.agreement
        chance[place] = chance_agreement(descending, found.n_pairs, least)
    return {"tie_pair": pair, "tie_agreement": agreement, "chance": chance, "n_pairs": found.n_pairs}


def quadruples_of(corner: Array, score: Array, counts: Array) -> Quadruples:
    """Quadruples of :func:`data_quadruples`, without what pads them."""
    n_found, n_pairs, *n_excluded = counts.tolist()
    return Quadruples(corner[:n_found], score[:n_found, 0], score[:n_found, 1], n_pairs, np.array(n_excluded))
