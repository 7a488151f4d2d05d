"""Modularity of communities of features that fire independently, with the margins of the data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Memory, Result
from saegeom_data.metrics._statistics.p_values import summary_of
from saegeom_data.metrics.brain.coactivation_graph._communities import largest_modularity
from saegeom_data.metrics.brain.coactivation_graph._outputs import BY_NAME, OF_NULL
from saegeom_data.metrics.nulls import fixed_margins
from saegeom_data.metrics.nulls.fixed_margins import draw_bits, draw_bytes, fit_occurrence
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


def independent_firing(
    found: xr.Dataset,
    held: xr.Dataset,
    is_masked: xr.DataArray,
    strongest: Callable[[xr.Dataset], xr.Dataset],
    *,
    n_redraws: int,
    min_blocks: int,
    resolution: float,
    n_seeds: int,
    seed: int,
) -> xr.Dataset:
    """Mean, standard deviation and p of ``found.modularity`` among draws of ``fixed_margins``; NaN without draws.

    Each draw gets a graph by ``strongest`` and as many starts as the data, so that it differs in its occurrence alone.
    """
    n, n_words = held.sizes["features"], held.sizes["words"]
    fitted = lazy.whole(
        fit_occurrence,
        *(held.bits, is_masked),
        outputs={"block_logit": Result(("bits",), (64 * n_words,)), "feature_logit": Result(("features",), (n,))},
        memory=Memory(finish=8 * n * n_words + 16 * 2**22 + 300 * 64 * n_words),
    )
    outputs = {
        "bits": Result(("features", "words"), (n, n_words), "uint64"),
        "first_word": Result(("bounds",), (2,), "int64"),
        "n_blocks": Result(("groups",), (1,), "int64"),
    }
    draws = []
    for draw in range(n_redraws):
        drawn = lazy.whole(
            partial(_drawn, draw=draw, min_blocks=min_blocks, seed=seed),
            *(fitted.block_logit, fitted.feature_logit, held.n_blocks),
            outputs=outputs,
            memory=Memory(finish=2 * draw_bytes(n, 64 * n_words), lower="n_redraws to 0"),
        )
        edges = strongest(drawn)
        value = lazy.whole(
            partial(largest_modularity, resolution=resolution, n_seeds=n_seeds, seed=seed),
            *(edges.affinity, edges.neighbour),
            outputs={"modularity": Result()},
            memory=Memory(finish=80 * n * edges.sizes["order"]),
        )
        draws.append(value.modularity)
    return lazy.whole(
        _summary,
        *(found.modularity, *draws),
        outputs={name: BY_NAME[name].result({}) for name in OF_NULL},
        memory=Memory(),
    )


def _drawn(
    block_logit: Array, feature_logit: Array, n_blocks: Array, *, draw: int, min_blocks: int, seed: int
) -> lazy.Arrays:
    """Occurrence of one draw, as packed occurrence is held; features that are masked in the data are never on."""
    total, live = int(n_blocks.sum()), np.flatnonzero(~np.isnan(feature_logit))
    bits = np.zeros((len(feature_logit), len(block_logit) // 64), np.uint64)
    # Which bits are blocks depends on how the data is chunked; their order does not.
    block_logit = block_logit[~np.isnan(block_logit)]
    rng = stream(fixed_margins.LABEL, seed, draw)
    words = draw_bits(block_logit, feature_logit[live], min_blocks, total - min_blocks, rng)
    bits[live, : words.shape[1]] = words
    return {"bits": bits, "first_word": [0, bits.shape[1]], "n_blocks": [total]}


def _summary(value: Array, *draws: Array) -> lazy.Arrays:
    """Mean, standard deviation and p of one value among draws, all scalars."""
    if not draws:
        return dict.fromkeys(OF_NULL, np.nan)
    return dict(zip(OF_NULL, summary_of(np.asarray(value), np.array(draws)), strict=True))
