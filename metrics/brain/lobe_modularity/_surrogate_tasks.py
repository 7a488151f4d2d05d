"""Tasks of the nulls that redraw one side: one for each draw, and what all draws of a null share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Memory, Result, Work
from saegeom_data.metrics._kernels.nearest import nearest_bytes, nearest_work
from saegeom_data.metrics._statistics.spectral import embed_bytes, matrix_dtype
from saegeom_data.metrics._statistics.works import (
    agreement_work,
    clusters_work,
    embed_work,
    ranks_work,
    similarity_work,
    trades_work,
)
from saegeom_data.metrics.brain._shared.affinities import affinity_matrix_bytes
from saegeom_data.metrics.brain._shared.find_lobes import embed_bits_bytes, embed_bits_work
from saegeom_data.metrics.brain._shared.works import accuracy_work, affinity_work, measures_work
from saegeom_data.metrics.brain.lobe_modularity._mantel import correlations_bytes, correlations_work
from saegeom_data.metrics.brain.lobe_modularity._outputs import BY_LOBES, MANTEL
from saegeom_data.metrics.brain.lobe_modularity._position_accuracy import classification_bytes
from saegeom_data.metrics.brain.lobe_modularity._settings import Settings
from saegeom_data.metrics.brain.lobe_modularity._spatial_clusters import principal_moments, similarity_bytes
from saegeom_data.metrics.brain.lobe_modularity._surrogates import (
    common_margins,
    common_margins_by_type,
    margins_by_type_draw,
    margins_draw,
    places_draw,
)
from saegeom_data.metrics.brain.lobe_modularity._within_type import within_work
from saegeom_data.metrics.nulls.fixed_margins import traded_bytes
from saegeom_data.metrics.nulls.spectrum_matched import matching_work

if TYPE_CHECKING:
    import xarray as xr

_LOWER = "n_redraws to 0"


@dataclass(frozen=True)
class Sides:
    """What is compared: packed occurrence, its lobes, decoder rows, their clusters, and the nearest of each.

    ``typed`` is occurrence packed by document type, or None without types; ``within`` (n_lobes, features) are lobes
    within types, -1 without.
    """

    decoder: xr.DataArray
    held: xr.Dataset
    typed: xr.Dataset | None
    found: xr.Dataset
    within: xr.DataArray
    space: xr.Dataset
    near: xr.Dataset


def margins_draws(sides: Sides, pairs: xr.Dataset, n_redraws: int, settings: Settings) -> list[xr.Dataset]:
    """Measures of each draw of ``fixed_margins``."""
    held, (n, hidden) = sides.held, sides.decoder.shape
    n_words = held.sizes["words"]
    trades = 2 * traded_bytes(n, n_words)
    common = lazy.whole(
        partial(common_margins, seed=settings.seed),
        held.bits,
        sides.found.is_masked,
        outputs={"bits": Result(("features", "words"), (n, n_words), "uint64")},
        memory=Memory(finish=trades, lower=_LOWER),
        work=trades_work(n, n_words),
    )
    n_pairs, of_lobes = pairs.sizes["members"], (n, n_words, settings.n_components(n), settings.kind, settings.shift)
    lobes = 8 * n * n_words + embed_bits_bytes(*of_lobes)
    regressions = classification_bytes(n, hidden, max(settings.n_lobes))
    correlations = affinity_matrix_bytes(n_pairs, n_words, 8, kind=settings.kind) + correlations_bytes(n_pairs)
    # One after the other, so that the largest of them counts.
    memory = Memory(finish=trades + max(lobes, regressions, correlations), lower=_LOWER)
    work = trades_work(n, n_words) + embed_bits_work(*of_lobes)
    work += _measuring(n, hidden, settings) + affinity_work(n_pairs, n_words, settings.kind) + _of_pairs(n_pairs)
    return [
        lazy.whole(
            partial(margins_draw, draw=draw, settings=settings),
            common=common.bits,
            is_masked=sides.found.is_masked,
            n_blocks=held.n_blocks,
            decoder=sides.decoder,
            nearest=sides.near.nearest,
            spatial=sides.space.lobe,
            cosine=pairs.cosine,
            chosen=pairs.chosen,
            outputs=_results(settings),
            memory=memory,
            work=work,
        )
        for draw in range(n_redraws)
    ]


def margins_by_type_draws(sides: Sides, n_redraws: int, settings: Settings) -> list[xr.Dataset]:
    """``ami`` (n_lobes) of each draw of ``fixed_margins`` within document types; NaN without types."""
    result = {"ami": Result(("n_lobes",), (len(settings.n_lobes),))}
    if sides.typed is None:
        import xarray as xr

        return [xr.Dataset({"ami": ("n_lobes", np.full(len(settings.n_lobes), np.nan))})] * n_redraws
    typed, n = sides.typed, sides.decoder.shape[0]
    n_words, itemsize = typed.sizes["words"], matrix_dtype(n).itemsize
    trades = 3 * traded_bytes(n, n_words)
    common = lazy.whole(
        partial(common_margins_by_type, seed=settings.seed),
        bits=typed.bits,
        first_word=typed.first_word,
        is_masked=sides.found.is_masked,
        outputs={"bits": Result(("features", "words"), (n, n_words), "uint64")},
        memory=Memory(finish=trades, lower=_LOWER),
        work=trades_work(n, n_words),
    )
    matrix = affinity_matrix_bytes(n, n_words, itemsize, kind="phi")
    matrix += embed_bytes(n, settings.n_components(n), itemsize)
    memory = Memory(finish=trades + matrix, lower=_LOWER)
    work = trades_work(n, n_words) + within_work(n, n_words, settings.n_components(n))
    work += lazy.total(
        clusters_work(n, count, settings.n_seeds) + agreement_work(n, count) for count in settings.n_lobes
    )
    return [
        lazy.whole(
            partial(margins_by_type_draw, draw=draw, settings=settings),
            common=common.bits,
            first_word=typed.first_word,
            n_blocks=typed.n_blocks,
            is_masked=sides.found.is_masked,
            nearest=sides.near.nearest,
            spatial=sides.space.lobe,
            outputs=result,
            memory=memory,
            work=work,
        )
        for draw in range(n_redraws)
    ]


def places_draws(sides: Sides, pairs: xr.Dataset, n_redraws: int, settings: Settings) -> list[xr.Dataset]:
    """Measures of each draw of ``places_redrawn``."""
    n, hidden = sides.decoder.shape
    moments = principal_moments(sides.decoder, sides.near.nearest)
    clusters = 2 * similarity_bytes(n)
    clusters += embed_bytes(n, settings.n_components(n), matrix_dtype(n).itemsize)
    regressions = classification_bytes(n, hidden, max(settings.n_lobes))
    search = nearest_bytes(n, hidden, settings.n_neighbours)
    # Rows of the cloud in double precision, and copies; what else is needed is needed one after the other.
    memory = Memory(finish=24 * n * hidden + max(clusters, regressions, search), lower=_LOWER)
    n_pairs, size = pairs.sizes["members"], settings.n_components(n)
    work = Work(normals=n * hidden) + matching_work(n, hidden) + similarity_work(n, hidden)
    work += embed_work(n, size, matrix_dtype(n).itemsize) + nearest_work(n, hidden, settings.n_neighbours)
    work += _measuring(n, hidden, settings) + Work(products=n_pairs**2 * hidden) + _of_pairs(n_pairs)
    return [
        lazy.whole(
            partial(places_draw, draw=draw, settings=settings),
            spectrum=moments.spectrum,
            mean=moments.principal_mean,
            nearest=sides.near.nearest,
            lobe=sides.found.lobe,
            typed=sides.within,
            affinity=pairs.affinity,
            rate=pairs.rate,
            chosen=pairs.chosen,
            outputs=_results(settings),
            memory=memory,
            work=work,
        )
        for draw in range(n_redraws)
    ]


def _measuring(n: int, hidden: int, settings: Settings) -> Work:
    """Clusters of a draw of each number, and all that is measured of them."""
    return lazy.total(
        clusters_work(n, count, settings.n_seeds)
        + measures_work(n, count, settings.n_neighbours)
        + accuracy_work(n, hidden, count, settings.n_folds)
        for count in settings.n_lobes
    )


def _of_pairs(n: int) -> Work:
    """Correlations over the pairs of n features of a draw, whose ranks are found first."""
    return correlations_work(n) + 2 * ranks_work(n**2 // 2)


def _results(settings: Settings) -> dict[str, Result]:
    """Shapes of what one draw gives."""
    return {
        "measures": Result(("n_lobes", "measure"), (len(settings.n_lobes), len(BY_LOBES))),
        "mantel": Result(("measure_of_pairs",), (len(MANTEL),)),
    }
