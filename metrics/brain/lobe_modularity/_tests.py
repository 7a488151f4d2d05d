"""The null ladder as tasks: one for each measure, number of lobes, null and redraw, and one that gathers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from saegeom_data import lazy
from saegeom_data.lazy import Memory, Result, Work
from saegeom_data.metrics._statistics.jackknife import N_GROUPS
from saegeom_data.metrics._statistics.p_values import summary_of
from saegeom_data.metrics._statistics.works import permuted_work
from saegeom_data.metrics.brain._shared.affinities import affinity_matrix_bytes
from saegeom_data.metrics.brain._shared.works import accuracy_work, affinity_work, measures_work
from saegeom_data.metrics.brain.lobe_modularity._any_number import any_number
from saegeom_data.metrics.brain.lobe_modularity._mantel import (
    correlations_bytes,
    mantel_null,
    mantel_null_work,
    mantel_pairs,
    mantel_values,
    mantel_work,
)
from saegeom_data.metrics.brain.lobe_modularity._outputs import (
    ANY_NUMBER,
    BY_LOBES,
    MANTEL,
    N_FEATURES_USED,
    NULL_STATISTICS,
    OF_ANY_NUMBER,
    OF_MEASURES,
    PARTITION_MEASURES,
    STATISTICS,
    name_of,
)
from saegeom_data.metrics.brain.lobe_modularity._partitions import (
    PERMUTED,
    compared,
    partition_null,
    partition_values,
)
from saegeom_data.metrics.brain.lobe_modularity._position_accuracy import classification_bytes, classify_positions
from saegeom_data.metrics.brain.lobe_modularity._settings import Settings
from saegeom_data.metrics.brain.lobe_modularity._surrogate_tasks import (
    Sides,
    margins_by_type_draws,
    margins_draws,
    places_draws,
)
from saegeom_data.metrics.brain.lobe_modularity._surrogates import REDRAWN
from saegeom_data.metrics.nulls import fixed_margins
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


# A batch of permutations, of 2 ** 22 indices, and what is made of it.
_BATCH_BYTES = 3 * 8 * 2**22


def ladder(
    sides: Sides, *, n_permutations: int, n_redraws: int, n_strata: int | None, n_most: int, settings: Settings
) -> xr.Dataset:
    """All measures with interval and nulls, as :func:`lobe_modularity` gives them; pairs of ``n_most`` features."""
    permute = {"n_permutations": n_permutations, "n_strata": n_strata, "seed": settings.seed}
    partitions = _partitions(sides, permute)
    accuracy = _accuracy(sides, permute | {"n_folds": settings.n_folds})
    pairs = _pairs(sides, n_most, settings)
    mantel = _mantel(pairs, sides.near.n_features_used, permute)
    nulls: tuple[str, ...] = PERMUTED
    redrawn: dict[str, xr.DataArray] = {}
    if n_redraws:
        nulls = (*PERMUTED, *REDRAWN)
        draws = [
            draw for of_null in (margins_draws, places_draws) for draw in of_null(sides, pairs, n_redraws, settings)
        ]
        typed = margins_by_type_draws(sides, n_redraws, settings)
        of_draws = lazy.stacked(draws, "draw")
        redrawn = {
            "redrawn_measures": of_draws.measures,
            "redrawn_mantel": of_draws.mantel,
            "redrawn_within": lazy.stacked(typed, "draw").ami,
        }
    sizes = {"n_lobes": len(settings.n_lobes), "null": len(nulls)}
    outputs = {output.name: output.result(sizes) for output in (*OF_MEASURES, *OF_ANY_NUMBER, N_FEATURES_USED)}
    gathered = lazy.whole(
        partial(_gathered, n_lobes=settings.n_lobes),
        value=partitions.value,
        permuted=partitions.draws,
        accuracy=accuracy.value,
        accuracy_summary=accuracy.summary,
        mantel=mantel.value,
        mantel_summary=mantel.summary,
        nearest=sides.near.nearest,
        lobe=sides.found.lobe,
        spatial=sides.space.lobe,
        **redrawn,
        outputs=outputs,
        memory=Memory(finish=4 * partitions.draws.nbytes),
        work=Work(passes=10 * partitions.draws.nbytes, calls=5000),
    )
    return gathered.assign(
        balanced_accuracy_published=accuracy.published.variable, n_features_mantel=pairs.n_features_mantel.variable
    ).assign_coords(null=list(nulls))


def _by_count(sides: Sides, task: Callable[[xr.DataArray, xr.DataArray, xr.DataArray], xr.Dataset]) -> xr.Dataset:
    """Datasets of a task of both kinds of lobes and the clusters of each number, side by side."""
    # Their coordinate n_lobes would be in the way of the dimension of that name along which results are stacked.
    partitions = (sides.found.lobe, sides.within, sides.space.lobe)
    found, typed, space = (partition.drop_vars("n_lobes", errors="ignore") for partition in partitions)
    return lazy.stacked([task(found[i], typed[i], space[i]) for i in range(len(found))], "n_lobes")


def _partitions(sides: Sides, permute: Mapping[str, Any]) -> xr.Dataset:
    """Value (n_lobes, ...) and nulls by permutation (null, n_lobes, ...) of the measures of two partitions."""
    near, active = sides.near.nearest, sides.held.n_blocks_active
    (n, n_neighbours), counts = near.shape, sides.found["n_lobes"].values.tolist()
    one = measures_work(n, max(counts), n_neighbours)
    value = {"value": Result(("statistic", "measure"), (3, len(PARTITION_MEASURES)))}
    shape = (len(counts), permute["n_permutations"], len(PARTITION_MEASURES))
    draws = {"draws": Result(("n_lobes", "draw", "measure"), shape)}
    # Edges of each number of lobes, more while pairs are sorted out, and a batch of permutations.
    memory = Memory(finish=(4 + 2 * len(counts)) * near.nbytes + _BATCH_BYTES)

    def measured(lobe: xr.DataArray, typed: xr.DataArray, spatial: xr.DataArray) -> xr.Dataset:
        compute = partial(partition_values, seed=permute["seed"])
        given = {"nearest": near, "lobe": lobe, "typed": typed, "spatial": spatial}
        # The value and the jackknife of lobes and of lobes within types.
        return lazy.whole(compute, **given, outputs=value, memory=memory, work=2 * (N_GROUPS + 2) * one)

    # Features are permuted once for lobes and once for lobes within types, and measured for each number of them.
    # Edges are passed over by vector instructions.
    of_number = 2 * one + Work(steps=(8 + 0.3 * n_neighbours) * n * permute["n_permutations"])
    work = 2 * permuted_work(n, permute["n_permutations"]) + len(counts) * of_number
    nulls = [
        lazy.whole(
            partial(partition_null, null=null, **permute),
            nearest=near,
            n_active=active,
            lobe=sides.found.lobe,
            typed=sides.within,
            spatial=sides.space.lobe,
            outputs=draws,
            memory=memory,
            work=work,
        )
        for null in PERMUTED
    ]
    return _by_count(sides, measured).assign(lazy.stacked(nulls, "null").variables)


def _accuracy(sides: Sides, options: Mapping[str, Any]) -> xr.Dataset:
    """Balanced accuracy with its nulls (n_lobes, ...), one task for each number of lobes."""
    n, hidden = sides.decoder.shape
    most = int(sides.found["n_lobes"].values.max())
    memory = Memory(finish=classification_bytes(n, hidden, most) + _BATCH_BYTES)
    outputs = {
        "value": Result(("statistic",), (3,)),
        "summary": Result(("null", "statistic"), (len(PERMUTED), 3)),
        "published": Result(),
    }

    # One more regression is the published one, by scikit-learn.
    work = accuracy_work(n, hidden, most, options["n_folds"] + 1) + Work(calls=10_000)
    work += Work(steps=2 * 12 * n * options["n_permutations"])

    def classified(lobe: xr.DataArray, _: xr.DataArray, spatial: xr.DataArray) -> xr.Dataset:
        return lazy.whole(
            partial(classify_positions, **options),
            decoder=sides.decoder,
            nearest=sides.near.nearest,
            n_active=sides.held.n_blocks_active,
            lobe=lobe,
            spatial=spatial,
            outputs=outputs,
            memory=memory,
            work=work,
        )

    return _by_count(sides, classified)


def _pairs(sides: Sides, n_most: int, settings: Settings) -> xr.Dataset:
    """Affinities and cosines (members, members_other) of the features whose pairs are correlated."""
    held, (n_features, hidden) = sides.held, sides.decoder.shape
    n, n_words = min(n_most, n_features), held.sizes["words"]
    outputs = {
        "affinity": Result(("members", "members_other"), (n, n)),
        "cosine": Result(("members", "members_other"), (n, n)),
        "rate": Result(("members",), (n,)),
        "chosen": Result(("members",), (n,), "int64"),
        "n_features_mantel": Result((), (), "int64"),
    }
    counted = 8 * n * n_words + affinity_matrix_bytes(n, n_words, 8, kind=settings.kind)
    memory = Memory(finish=counted + 24 * n * hidden + 24 * n**2, lower="n_mantel_features")
    compute = partial(mantel_pairs, kind=settings.kind, n_most=n, seed=settings.seed)
    return lazy.whole(
        compute,
        decoder=sides.decoder,
        bits=held.bits,
        n_blocks=held.n_blocks,
        nearest=sides.near.nearest,
        outputs=outputs,
        memory=memory,
        work=affinity_work(n, n_words, settings.kind) + Work(products=n**2 * hidden, passes=100 * n**2),
    )


def _mantel(pairs: xr.Dataset, n_features: xr.DataArray, permute: Mapping[str, Any]) -> xr.Dataset:
    """Values and nulls (statistic, measure) of both correlations over pairs."""
    memory = Memory(finish=correlations_bytes(pairs.sizes["members"]) + 2 * _BATCH_BYTES, lower="n_mantel_features")
    result = Result(("statistic", "measure"), (3, len(MANTEL)))
    given = {"affinity": pairs.affinity, "cosine": pairs.cosine, "rate": pairs.rate}
    compute = partial(mantel_values, seed=permute["seed"])
    n = pairs.sizes["members"]
    values = lazy.whole(compute, **given, outputs={"value": result}, memory=memory, work=mantel_work(n))
    nulls = [
        lazy.whole(
            partial(mantel_null, null=null, **permute),
            **given,
            n_features=n_features,
            outputs={"summary": result},
            memory=memory,
            work=mantel_null_work(n, permute["n_permutations"]),
        )
        for null in PERMUTED
    ]
    return values.assign(lazy.stacked(nulls, "null").variables)


def _gathered(
    value: Array,
    permuted: Array,
    accuracy: Array,
    accuracy_summary: Array,
    mantel: Array,
    mantel_summary: Array,
    nearest: Array,
    lobe: Array,
    spatial: Array,
    *,
    n_lobes: tuple[int, ...],
    **redrawn: Array,
) -> lazy.Arrays:
    """Values of all tasks by name; last axes are (statistic, measure), but for accuracy, which is one measure.

    ``permuted`` are draws (null, n_lobes, draw, measure) of all measures but accuracy. ``redrawn`` is what
    :func:`_by_null` takes, or nothing.
    """
    # Measures in the order of BY_LOBES: accuracy comes last.
    values = np.concatenate([value, accuracy[:, :, None]], axis=-1)
    drawn = [np.moveaxis(draws, 1, -1) for draws in permuted]
    summaries = np.stack([summary_of(value[:, 0], draws).transpose(1, 0, 2) for draws in drawn])
    summaries = np.concatenate([summaries, accuracy_summary.swapaxes(0, 1)[..., None]], axis=-1)
    if redrawn:
        measures, of_pairs = _by_null(**redrawn)
        # Accuracy comes last and is left out here too: permutations have summaries of it and no draws.
        drawn += [draws[:, :-1] for draws in measures]
        summaries = np.concatenate([summaries, summary_of(values[:, 0], measures).transpose(1, 2, 0, 3)])
        mantel_summary = np.concatenate([mantel_summary, summary_of(mantel[0], of_pairs).transpose(1, 0, 2)])
    used = [len(compared(nearest, labels, clusters)) for labels, clusters in zip(lobe, spatial, strict=True)]
    found: dict[str, Any] = {"n_features_used": max(used)}
    for names, of_value, of_null in ((BY_LOBES, values, summaries), (MANTEL, mantel, mantel_summary)):
        for column, measure in enumerate(names):
            found |= {name_of(measure, kind): of_value[..., row, column] for row, kind in enumerate(STATISTICS)}
            found |= {name_of(measure, kind): of_null[..., row, column] for row, kind in enumerate(NULL_STATISTICS)}
    for measure in ANY_NUMBER:
        column = BY_LOBES.index(measure)
        over = [any_number(values[:, 0, column], draws[:, column], n_lobes) for draws in drawn]
        found |= {f"{measure}_any_{kind}": np.array([result[kind] for result in over]) for kind in ("p", "n_lobes")}
    return found


def _by_null(redrawn_measures: Array, redrawn_mantel: Array, redrawn_within: Array) -> tuple[Array, Array]:
    """Redraws (null, n_lobes, measure, draw) and (null, measure of pairs, draw), from draws one after the other.

    All draws (draw, n_lobes, measure) of one null lie before those of the next; those of lobes within types (draw,
    n_lobes) are of ``fixed_margins`` alone.
    """
    by_null, of_pairs = (
        np.moveaxis(np.stack(np.split(values, len(REDRAWN))), 1, -1) for values in (redrawn_measures, redrawn_mantel)
    )
    # Places redrawn give theirs among their measures; only trades within types are draws of their own.
    by_null[REDRAWN.index(fixed_margins.LABEL), :, BY_LOBES.index("ami_within_type")] = redrawn_within.T
    return by_null, of_pairs
