"""Modularity of communities of features that fire independently, with the margins of the data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Memory, Result, Work
from saegeom_data.metrics._statistics.p_values import summary_of
from saegeom_data.metrics._statistics.works import trades_work
from saegeom_data.metrics.brain.coactivation_graph._communities import communities_work, largest_modularity
from saegeom_data.metrics.brain.coactivation_graph._outputs import BY_NAME, OF_NULL
from saegeom_data.metrics.nulls import fixed_margins
from saegeom_data.metrics.nulls.fixed_margins import traded_bytes
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
    resolution: float,
    n_seeds: int,
    seed: int,
) -> xr.Dataset:
    """Mean, standard deviation and p of ``found.modularity`` among draws of ``fixed_margins``; NaN without draws.

    Each draw gets a graph by ``strongest`` and as many starts as the data, so that it differs in its occurrence alone.
    """
    n, n_words = held.sizes["features"], held.sizes["words"]
    outputs = {
        "bits": Result(("features", "words"), (n, n_words), "uint64"),
        "first_word": Result(("bounds",), (2,), "int64"),
        "n_blocks": Result(("groups",), (1,), "int64"),
    }
    memory = Memory(finish=2 * traded_bytes(n, n_words), lower="n_redraws to 0")
    # What data and draws are all as far from, so that they are exchangeable.
    common = lazy.whole(
        partial(_common, seed=seed),
        held.bits,
        is_masked,
        outputs={"bits": outputs["bits"]},
        memory=memory,
        work=trades_work(n, n_words),
    )
    draws = []
    for draw in range(n_redraws):
        drawn = lazy.whole(
            partial(_drawn, draw=draw, seed=seed),
            bits=common.bits,
            is_masked=is_masked,
            n_blocks=held.n_blocks,
            outputs=outputs,
            memory=memory,
            work=trades_work(n, n_words),
        )
        edges = strongest(drawn)
        value = lazy.whole(
            partial(largest_modularity, resolution=resolution, n_seeds=n_seeds, seed=seed),
            edges.affinity,
            edges.neighbour,
            outputs={"modularity": Result()},
            memory=Memory(finish=80 * n * edges.sizes["order"]),
            work=communities_work(n, edges.sizes["order"], n_seeds),
        )
        draws.append(value.modularity)
    return lazy.whole(
        _summary,
        found.modularity,
        draws=draws,
        outputs={name: BY_NAME[name].result({}) for name in OF_NULL},
        memory=Memory(),
        work=Work(calls=100),
    )


def _common(bits: Array, is_masked: Array, *, seed: int) -> lazy.Arrays:
    """The arrangement that data and draws are all as many trades away from."""
    return {"bits": fixed_margins.traded_live(bits, is_masked, stream("fixed_margins_common", seed))}


def _drawn(bits: Array, is_masked: Array, n_blocks: Array, *, draw: int, seed: int) -> lazy.Arrays:
    """Occurrence of one draw, as packed occurrence is held; features that are masked in the data are never on."""
    words = fixed_margins.traded_live(bits, is_masked, stream(fixed_margins.LABEL, seed, draw))
    return {"bits": words, "first_word": [0, words.shape[1]], "n_blocks": [int(n_blocks.sum())]}


def _summary(value: Array, draws: list[Array]) -> lazy.Arrays:
    """Mean, standard deviation and p of one value among draws, all scalars."""
    if not draws:
        return dict.fromkeys(OF_NULL, np.nan)
    return dict(zip(OF_NULL, summary_of(np.asarray(value), np.array(draws)), strict=True))
