"""What lobes do: on which types of document their features are on, in documents that did not serve to find them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.data import schema
from saegeom_data.declare.metric import Anchor, Output, metric
from saegeom_data.errors import ParameterError
from saegeom_data.lazy import Result
from saegeom_data.metrics._statistics.jackknife import N_GROUPS, balanced_groups, jackknife_interval
from saegeom_data.metrics._statistics.p_values import tail
from saegeom_data.metrics._statistics.spectral import lobe_counts
from saegeom_data.metrics.brain._shared.affinities import Kind, least_blocks
from saegeom_data.metrics.brain._shared.document_halves import document_halves
from saegeom_data.metrics.brain._shared.document_types import document_types as known_types
from saegeom_data.metrics.brain._shared.document_types import type_index
from saegeom_data.metrics.brain._shared.find_lobes import PhiShift, find_lobes
from saegeom_data.metrics.brain._shared.packed_occurrence import packed_halves
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.testing.simulate import simulate_sae
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


# Blocks in single precision at a time: sums of 0 and 1 that are exact.
_SLICE = 1024
_BY_LOBE = ("n_lobes", "lobes", "document_type")
_OUTPUTS = (
    Output(
        "winner_share",
        _BY_LOBE,
        "1",
        "share of a type's blocks in which the lobe is enriched most, in [0, 1]",
        bounds=(0, 1),
        direction="higher",
        label="blocks won",
    ),
    Output(
        "winner_share_published",
        _BY_LOBE,
        "1",
        "the same by raw share of the lobe's features, as published",
        bounds=(0, 1),
        direction="higher",
        label="blocks won, as published",
    ),
    Output(
        "enrichment",
        _BY_LOBE,
        "nats",
        "mean log-odds of the lobe's features over its own base rate; 0 is none",
        direction="higher",
    ),
    Output(
        "margin",
        ("n_lobes", "document_type"),
        "1",
        "winner share of the first lobe less the second, in [0, 1]",
        bounds=(0, 1),
        direction="higher",
    ),
    Output(
        "cramers_v",
        ("n_lobes",),
        "1",
        "association of winning lobe and document type, in [0, 1]",
        bounds=(0, 1),
        direction="higher",
        label="Cramér's V",
    ),
    Output(
        "cramers_v_low",
        ("n_lobes",),
        "1",
        "lower end of the 95 percent jackknife interval of cramers_v",
        bounds=(0, 1),
        label="Cramér's V, lower end",
    ),
    Output(
        "cramers_v_high",
        ("n_lobes",),
        "1",
        "upper end of the 95 percent jackknife interval of cramers_v",
        bounds=(0, 1),
        label="Cramér's V, upper end",
    ),
    Output(
        "cramers_v_null_mean",
        ("n_lobes",),
        "1",
        "mean of cramers_v with types permuted among documents",
        bounds=(0, 1),
        label="Cramér's V, mean of the null",
    ),
    Output(
        "cramers_v_null_sd",
        ("n_lobes",),
        "1",
        "standard deviation of cramers_v under the same null",
        bounds=(0, None),
        label="Cramér's V, spread of the null",
    ),
    Output(
        "cramers_v_p",
        ("n_lobes",),
        "1",
        "permutation p of cramers_v, at least 1 / (n_permutations + 1)",
        bounds=(0, 1),
        label="p of Cramér's V",
    ),
    Output(
        "lobe",
        ("n_lobes", "features"),
        "1",
        "lobe of each feature, 0 the largest; -1 for masked features",
        -1,
        dtype="int64",
        bounds=(-1, None),
    ),
    Output(
        "n_blocks_measured",
        ("document_type",),
        "count",
        "blocks of each type that function is measured on",
        -1,
        dtype="int64",
        bounds=(0, None),
        label="blocks measured",
    ),
)
_ALL = tuple(output.name for output in _OUTPUTS)


@metric(
    version=2,
    scale="brain",
    inputs=(schema.occurrence, schema.block_document, schema.block_document_type),
    outputs=_OUTPUTS,
    invariances={"rotation": _ALL, "scale": _ALL, "permutation": ("n_blocks_measured",)},
    pattern="whole",
    reference="Li et al. 2025, section 4",
    presentation="saegeom_data.metrics.brain.lobe_function.presentation:PRESENTATION",
    quick={"n_permutations": 50, "n_seeds": 3},
    anchors=(
        Anchor(
            "each lobe planted on one type",
            partial(simulate_sae, n_features=80, n_blocks=240, n_lobes=2, function_strength=1.0),
            {"cramers_v": (1.0, 1e-9)},
            {"n_lobes": (2,), "n_permutations": 20},
        ),
    ),
)
def lobe_function(
    sae: xr.Dataset,
    *,
    kind: Kind = "phi",
    n_lobes: tuple[int, ...] = (2, 3),
    phi_shift: PhiShift = "shift",
    document_types: tuple[str, ...] | None = None,
    n_permutations: Annotated[int, Field(ge=1)] = 1000,
    n_seeds: Annotated[int, Field(ge=1)] = 10,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    """Measure which types of document each lobe is on in, on documents that did not serve to find the lobes.

    Lobes are found on one half of the documents of each type; the rest happens on the other half. With c of the m
    features of lobe l on in a block, and p_l the share on over all blocks, enrichment is e = ln((c + 1/2) / (m - c +
    1/2)) - ln(p_l / (1 - p_l)), and the lobe of largest e wins the block. The published winner is the lobe of largest c
    / m, which favours lobes of frequent features. Cramer's V of the table of blocks by winning lobe and type is
    sqrt(chi2 / (blocks (min(rows, columns) - 1))) over its rows and columns that are not empty.

    Parameters
    ----------
    sae
        ``occurrence`` (blocks, features); ``document``, ``document_type`` (blocks).
    kind, phi_shift
        Affinity; see :func:`affinity` and :func:`lobes`.
    n_lobes
        Numbers of lobes.
    document_types
        Names of all types. By default the attribute ``document_types`` of the dataset, or else the types themselves
        where they are held in memory.
    n_permutations
        Draws of the null, in which types are permuted among documents: blocks of one document are not independent.
    n_seeds
        Starts of each k-means.
    seed
        Seed of starts, permutations and jackknife groups.

    Returns
    -------
    xarray.Dataset
        ``winner_share``, ``winner_share_published``, ``enrichment`` (n_lobes, lobes, document_type), NaN for lobes
        beyond the count and types without blocks; ``margin`` (n_lobes, document_type); ``cramers_v`` (n_lobes) with
        interval, null and p; ``lobe`` (n_lobes, features); ``n_blocks_measured`` (document_type).

    Raises
    ------
    ParameterError
        If there are fewer than two types, the types are unknown and lazy, or a number of lobes does not fit.
    DataValueError
        If there is one document only, a document has two types, or a type is not among ``document_types``; raised when
        computed.

    Notes
    -----
    Does not depend on the decoder. The interval of ``cramers_v`` leaves out one of 20 groups of measured documents at a
    time and covers the choice of those documents, with lobes held fixed. V is above 0 by chance, so read it against
    ``cramers_v_null_mean``. Cost: that of :func:`lobes` on half of the blocks, and a second pass over them;
    memory of 4 bytes beside for each block and lobe.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_sae
    >>> sae = simulate_sae(n_features=80, n_blocks=240, n_lobes=2, function_strength=0.9)
    >>> result = lobe_function(sae, n_lobes=(2,), n_permutations=99)
    >>> result.winner_share.sel(document_type="type 0").max().item()
    1.0
    """
    counts = lobe_counts(n_lobes, sae.sizes["features"])
    types = known_types(sae, document_types)
    if len(types) < 2:
        raise ParameterError(f"document_types: got {types}, expected at least 2 different types to tell lobes apart by")
    half = document_halves(sae)
    found = find_lobes(
        packed_halves(sae), which=0, kind=kind, n_lobes=counts, phi_shift=phi_shift, n_seeds=n_seeds, seed=seed,
        min_blocks=least_blocks(*sae.occurrence.shape),
    )  # fmt: skip
    # Lobes must be known before features on are counted: the blocks are read a second time rather than held.
    on = _features_on(sae.occurrence, found.lobe, sum(counts))
    measured = lazy.whole(
        partial(_measure, types=types, n_permutations=n_permutations, seed=seed),
        *(on, sae.document, sae.document_type, half, found.lobe),
        outputs=_results(counts, len(types)),
        memory=lazy.Memory(finish=40 * sae.sizes["blocks"] * max(counts)),
    )
    result = measured.assign(lobe=found.lobe.variable)
    return result.assign_coords(n_lobes=list(counts), document_type=np.array(types, dtype=object))


def _features_on(occurrence: xr.DataArray, lobe: xr.DataArray, n_columns: int) -> xr.DataArray:
    """Features on in each block (blocks, columns) for each lobe of the first count, then of the second, and so on."""
    n_blocks, n = occurrence.shape
    result = Result(("blocks", "columns"), (n_blocks, n_columns), "int32")
    found = lazy.rows(
        partial(_count_on, n_columns=n_columns),
        _concatenated,
        _named,
        lazy.again(occurrence, lobe),
        also=[lobe],
        outputs={"on": result},
        memory=lazy.Memory(task=4 * n * (_SLICE + n_columns) + 4 * _SLICE * n_columns, partial=result.nbytes),
    )
    return found["on"]


def _count_on(start: int, occurrence: Array, lobe: Array, *, n_columns: int) -> Array:
    """Features on (blocks, columns) in each lobe: occurrence times the indicator of membership (features, columns)."""
    member = np.concatenate(
        [(labels[:, None] == np.arange(labels.max() + 1)).astype(np.float32) for labels in lobe], axis=1
    )
    # k-means may leave fewer lobes than were asked for.
    member = np.pad(member, ((0, 0), (0, n_columns - member.shape[1])))
    # In single precision, which BLAS multiplies fastest: sums of 0 and 1 are exact in it up to 2 ** 24.
    slices = [occurrence[first : first + _SLICE] for first in range(0, len(occurrence), _SLICE)]
    return np.concatenate([(rows.astype(np.float32) @ member).astype(np.int32) for rows in slices])


def _concatenated(partials: Sequence[Array]) -> Array:
    """Counts (blocks, columns) of all chunks, one after the other."""
    return np.concatenate(list(partials))


def _named(values: Array) -> lazy.Arrays:
    return {"on": values}


def _results(n_lobes: tuple[int, ...], n_types: int) -> dict[str, Result]:
    sizes = {"n_lobes": len(n_lobes), "lobes": max(n_lobes), "document_type": n_types}
    return {output.name: output.result(sizes) for output in _OUTPUTS if output.name != "lobe"}


def _measure(
    on: Array,
    document: Array,
    document_type: Array,
    half: Array,
    lobe: Array,
    *,
    types: tuple[str, ...],
    n_permutations: int,
    seed: int,
) -> lazy.Arrays:
    """What :func:`lobe_function` returns but for the lobes, from features on (blocks, columns) in blocks of half 1."""
    # Lobes were found on half 0: on the same documents they would win their types by selection alone.
    rows = np.flatnonzero(half == 1)
    label = type_index(document_type, types)[rows]
    _, first, member = np.unique(document[rows], return_index=True, return_inverse=True)
    n_types, width = len(types), int(lobe.max()) + 1
    values: dict[str, Any] = {
        name: np.full((len(lobe), width, n_types), np.nan)
        for name in ("winner_share", "winner_share_published", "enrichment")
    }
    association = []
    sizes = [np.bincount(labels[labels >= 0]).astype(float) for labels in lobe]
    starts = np.cumsum([0, *(len(size) for size in sizes)])
    for row, size in enumerate(sizes):
        share = on[rows, starts[row] : starts[row] + len(size)].astype(float)
        enrichment = _enrichment(share, size)
        winner = enrichment.argmax(axis=1)
        values["winner_share"][row, : len(size)] = _mean_by_type(np.eye(len(size))[winner], label, n_types)
        # As published: a share of members favours lobes whose features fire often.
        raw = np.eye(len(size))[(share / size).argmax(axis=1)]
        values["winner_share_published"][row, : len(size)] = _mean_by_type(raw, label, n_types)
        values["enrichment"][row, : len(size)] = _mean_by_type(enrichment, label, n_types)
        association.append(_association(winner, len(size), member, label[first], n_types, n_permutations, seed))
    # Lobes beyond the count win nothing, so that they never come second before one that does.
    ordered = np.sort(np.nan_to_num(values["winner_share"], nan=0.0), axis=1)
    n_measured = np.bincount(label, minlength=n_types)
    margin = np.where(n_measured > 0, ordered[:, -1] - ordered[:, -2], np.nan)
    tested = {name: np.array([test[name] for test in association]) for name in association[0]}
    return values | tested | {"margin": margin, "n_blocks_measured": n_measured}


def _enrichment(on: Array, size: Array) -> Array:
    """ln((c + 1/2) / (m - c + 1/2)) - ln(p / (1 - p)) (blocks, lobes) for c of a lobe's m features on.

    p is the share on over all blocks, of (blocks m + 1) with half of one on, so that no logarithm is of 0.
    """
    base = (on.sum(axis=0) + 0.5) / (len(on) * size + 1)
    return np.asarray(np.log((on + 0.5) / (size - on + 0.5)) - np.log(base / (1 - base)))


def _mean_by_type(values: Array, label: Array, n_types: int) -> Array:
    """Mean of values (blocks, lobes) over the blocks of each type: (lobes, types), NaN for types without blocks."""
    indicator = label[:, None] == np.arange(n_types)
    count = indicator.sum(axis=0)
    total = values.T @ indicator
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def _association(
    winner: Array, n_lobes: int, member: Array, type_of: Array, n_types: int, n_permutations: int, seed: int
) -> dict[str, Any]:
    """Cramer's V with interval, null and p; ``member`` is each block's document, ``type_of`` each document's type."""
    # By number of lobes, so that a result does not depend on which other numbers are asked for.
    rng = stream("type_permutations", seed, n_lobes)
    # By document and not by block: what is permuted, and left out, are documents.
    wins = np.zeros((len(type_of), n_lobes))
    np.add.at(wins, (member, winner), 1)
    indicator = (type_of[:, None] == np.arange(n_types)).astype(float)
    value = cramers_v(indicator.T @ wins)
    shuffled = (rng.permutation(len(type_of)) for _ in range(n_permutations))
    draws = cramers_v(np.stack([indicator[order].T @ wins for order in shuffled]))
    groups = balanced_groups(len(type_of), N_GROUPS, rng)
    kept = [groups != group for group in np.unique(groups)]
    low, high = np.full(2, np.nan)
    if len(kept) > 1:
        interval = jackknife_interval(value, cramers_v(np.stack([indicator[keep].T @ wins[keep] for keep in kept])))
        low, high = np.clip(interval, 0.0, 1.0)
    return {
        "cramers_v": value,
        "cramers_v_low": low,
        "cramers_v_high": high,
        "cramers_v_null_mean": draws.mean(),
        "cramers_v_null_sd": draws.std(),
        "cramers_v_p": tail(value, draws),
    }


def cramers_v(table: Array) -> Array:
    """Cramer's V of tables (..., rows, columns); empty rows and columns do not count, a single one left gives 0."""
    rows, columns = table.sum(axis=-1, keepdims=True), table.sum(axis=-2, keepdims=True)
    total = table.sum(axis=(-2, -1))
    expected = rows * columns / total[..., None, None]
    ratio = np.divide((table - expected) ** 2, expected, out=np.zeros_like(expected), where=expected > 0)
    smaller = np.minimum((rows > 0).sum(axis=(-2, -1)), (columns > 0).sum(axis=(-2, -1))) - 1
    return np.asarray(np.sqrt(ratio.sum(axis=(-2, -1)) / (total * np.maximum(smaller, 1))))
