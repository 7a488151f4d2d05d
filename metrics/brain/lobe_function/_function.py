"""What lobes are on in, and whether types or lobes that are shuffled tell as much; numpy in, numpy out."""

from __future__ import annotations

from typing import Any

import numpy as np

from saegeom_data import lazy
from saegeom_data.errors import DataValueError
from saegeom_data.metrics._statistics.p_values import summary_of
from saegeom_data.metrics.brain._shared.document_types import type_index
from saegeom_data.metrics.brain.lobe_function._association import (
    Documents,
    association,
    cramers_v,
    enrichment,
    mean_interval,
    won,
)
from saegeom_data.metrics.brain.lobe_function._features_on import columns_of, features_on
from saegeom_data.metrics.nulls import frequency_stratified
from saegeom_data.metrics.nulls.label_permutation import permutations_within
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array


def shuffled_lobes(
    lobe: Array, n_active: Array, is_masked: Array, *, n_lobes: int, n_draws: int, seed: int
) -> lazy.Arrays:
    """Lobes and draws of them (divisions, features): those of the data, then every draw of each number of lobes.

    In a draw lobes (n_lobes, features) are permuted among features of like firing rate. Too few features for
    ``n_lobes`` lobes are an error.
    """
    n = np.count_nonzero(~is_masked)
    if n < 2 * n_lobes:
        raise DataValueError(
            f"occurrence: got {n} features that fire in some but not all blocks of half of the documents, expected at "
            f"least {2 * n_lobes} for {n_lobes} lobes; name smaller n_lobes or give more blocks"
        )
    drawn = []
    for draw in range(n_draws):
        for labels in lobe:
            keep = np.flatnonzero(labels >= 0)
            rng = stream("lobe_shuffles", seed, int(labels.max(initial=-1)) + 1, draw)
            moved = labels.copy()
            if len(keep):
                strata = frequency_stratified.rank_strata(n_active[keep], None)
                (order,) = permutations_within(strata, 1, rng)
                moved[keep] = labels[keep[order[0]]]
            drawn.append(moved)
    return {"lobe": np.concatenate([lobe, np.reshape(drawn, (-1, lobe.shape[1])).astype(lobe.dtype)])}


def measured(
    bits: Array,
    first_word: Array,
    document: Array,
    document_type: Array,
    half: Array,
    lobe: Array,
    *,
    n_lobes: tuple[int, ...],
    types: tuple[str, ...],
    lengths: tuple[int, ...],
    n_permutations: int,
    seed: int,
) -> lazy.Arrays:
    """Function of lobes from packed occurrence, where ``lobe`` is what :func:`shuffled_lobes` gives."""
    # Lobes were found on half 0: on the same documents they would win their types by selection alone.
    rows = np.flatnonzero(half == 1)
    label, n_types = type_index(document_type, types)[rows], len(types)
    documents = Documents.of(document[rows], label, n_types, stream("document_groups", seed))
    divisions = columns_of(lobe, features_on(bits, first_word, half, 1, lobe, lengths))
    n_counts, width = len(n_lobes), max(n_lobes)
    shape = (n_counts, width, n_types)
    found: dict[str, Any] = {
        f"{name}{end}": np.full(shape, np.nan)
        for name in ("winner_share", "enrichment")
        for end in ("", "_low", "_high")
    }
    found["winner_share_published"] = np.full(shape, np.nan)
    tested = []
    for row, (counts, size) in enumerate(divisions[:n_counts]):
        # Features that all fire alike have no lobes.
        if not len(size):
            tested.append(dict(_UNTESTED))
            continue
        level = enrichment(counts, size)
        wins = won(level)
        for name, values in (("winner_share", wins), ("enrichment", level)):
            for end, part in zip(("", "_low", "_high"), mean_interval(documents, values), strict=True):
                found[f"{name}{end}"][row, : len(size)] = part
        # As published: a share of members favours lobes whose features fire often.
        found["winner_share_published"][row, : len(size)] = mean_interval(documents, won(counts / size))[0]
        # Divisions come draw by draw, each with all numbers of lobes: every n_counts-th is of this one.
        shuffled = divisions[n_counts + row :: n_counts]
        tested.append(_tested(documents, wins, [won(enrichment(*each)) for each in shuffled], n_permutations, seed))
    for end in ("low", "high"):
        # An interval by Student's t knows nothing of the range of a share.
        np.clip(found[f"winner_share_{end}"], 0.0, 1.0, out=found[f"winner_share_{end}"])
    of_all = {name: np.stack([test[name] for test in tested], axis=-1) for name in tested[0]}
    return found | of_all | {"n_blocks_measured": np.bincount(label, minlength=n_types)}


_UNTESTED = {"cramers_v": np.nan} | {f"cramers_v_{name}": np.full(2, np.nan) for name in ("null_mean", "null_sd", "p")}


def _tested(documents: Documents, wins: Array, shuffled: list[Array], n_permutations: int, seed: int) -> dict[str, Any]:
    """Cramer's V of one number of lobes, and along the nulls mean, standard deviation and p.

    ``wins`` and each of ``shuffled`` are 1 (blocks, lobes) where a lobe wins.
    """
    by_document = documents.summed(wins)
    value, _ = association(documents, by_document)
    # By number of lobes, so that a result does not depend on which other numbers are asked for.
    rng = stream("type_permutations", seed, wins.shape[1])
    orders = (rng.permutation(len(by_document)) for _ in range(n_permutations))
    # Whole documents change types, since the blocks of one document are no independent cases.
    of_types = cramers_v(np.stack([documents.indicator[order].T @ by_document for order in orders]))
    of_lobes = np.array([association(documents, documents.summed(draw))[0] for draw in shuffled])
    nulls = [summary_of(np.array(value), draws) if len(draws) else np.full(3, np.nan) for draws in (of_types, of_lobes)]
    mean, sd, p = np.transpose(nulls)
    return {
        "cramers_v": value,
        "cramers_v_null_mean": mean,
        "cramers_v_null_sd": sd,
        "cramers_v_p": p,
    }
