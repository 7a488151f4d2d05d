"""From quadruples of the data and ties of surrogates to families with p, q, direction and nuisances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from saegeom_data import lazy
from saegeom_data.metrics._shared.directions import drawn_index
from saegeom_data.metrics._statistics.p_values import tail
from saegeom_data.metrics._statistics.unit_rows import row_norms, unit_rows
from saegeom_data.metrics.atom.crystal_search._false_discovery import q_values
from saegeom_data.metrics.atom.crystal_search._families import Families, Ties, families_of, strongest_ties
from saegeom_data.metrics.atom.crystal_search._nuisances import NUISANCES, follows, oriented, told_apart
from saegeom_data.metrics.atom.crystal_search._quadruples import KINDS, Quadruples
from saegeom_data.metrics.atom.crystal_search._search import pair_numbers, quadruples_of
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array


@dataclass(frozen=True)
class Options:
    """Parameters that say what is found and listed, and how features were drawn."""

    rate: float
    least: float
    n_best: int
    n_pairs_listed: int
    n_features: int
    n_samples: int | None
    n_nulls: int
    seed: int


@dataclass(frozen=True)
class Surrogate:
    """Ties of one surrogate (kind, tie, pair), their agreements (kind, tie), and what chance agrees to (kind,)."""

    tie_pair: Array
    tie_agreement: Array
    chance: Array

    def ties(self, place: int) -> Ties:
        """Ties of one kind, without what pads them."""
        pair, agreement = self.tie_pair[place], self.tie_agreement[place]
        kept = np.isfinite(agreement)
        return Ties(pair[kept], agreement[kept])


@dataclass(frozen=True)
class Draws:
    """Surrogates of each null model: families (null, draw) at a floor, as scores and largest numbers of pairs."""

    score: list[list[Array]]
    n_pairs: Array
    is_drawn: Array

    @property
    def highest(self) -> Array:
        """Highest score (null, draw); 0 where there is no family."""
        return np.array([[score.max(initial=0.0) for score in draws] for draws in self.score])


def judged(
    decoder: Array,
    corner: Array,
    score: Array,
    counts: Array,
    n_used: Array,
    n_zero: Array,
    n_clusters: Array,
    n_active: Array,
    mean_position: Array,
    *,
    tie_pair: list[Array],
    tie_agreement: list[Array],
    chance: list[Array],
    n_pairs: list[Array],
    options: Options,
) -> lazy.Arrays:
    """All outputs. Lists have an array for each surrogate of each null model, one null model after the other."""
    found = quadruples_of(corner, score, counts)
    surrogates = [Surrogate(*parts) for parts in zip(tie_pair, tie_agreement, chance, strict=True)]
    n_draws = len(surrogates) // options.n_nulls
    by_null = [surrogates[null * n_draws :][:n_draws] for null in range(options.n_nulls)]
    norm = row_norms(decoder)
    # A mean position of -1 says that the feature fires nowhere.
    position = np.where(mean_position < 0, np.nan, mean_position)
    nuisance = np.stack([told_apart(norm), np.asarray(n_active, float), position])
    by_kind = [_of_kind(decoder, found, by_null, place, nuisance, options) for place in range(len(KINDS))]
    # Numbers that are over null models, or nuisances, have the kind behind these.
    last = {name: _kind_axis(name) for name in by_kind[0]}
    return {name: np.stack([numbers[name] for numbers in by_kind], axis=last[name]) for name in by_kind[0]} | {
        "n_pairs": found.n_pairs,
        "n_pairs_null_mean": np.array(n_pairs, float).reshape(options.n_nulls, n_draws).mean(axis=1),
        "n_clusters": n_clusters,
        "n_excluded": found.n_excluded,
        "n_features_used": n_used,
        "n_features_dropped": n_zero,
        "n_merged": len(decoder) - int(n_used) - int(n_zero),
    }


def _kind_axis(name: str) -> int:
    over = ("largest_score_null_mean", "largest_score_p", "largest_pairs_null_mean", "family_p", "family_q")
    return int(name in over or name.startswith("nuisance"))


def _of_kind(
    decoder: Array,
    found: Quadruples,
    by_null: list[list[Surrogate]],
    place: int,
    nuisance: Array,
    options: Options,
) -> dict[str, Any]:
    """All outputs of one kind."""
    kind = KINDS[place]
    chance = np.array([[surrogate.chance[place] for surrogate in surrogates] for surrogates in by_null])
    # The median is of surrogates of one null model: what is chance under any of them is chance. A null model that
    # cannot be drawn says nothing.
    known = ~np.isnan(chance).any(axis=1)
    floor = max([options.least, *np.median(chance[known], axis=1)]) if known.any() else options.least
    draws = _surrogate_families(by_null, place, floor, known)
    ranked = found.ranked(kind, floor)
    agreement, number = found.agreement(kind)[ranked], pair_numbers(found.corner[ranked], len(decoder))
    ties = strongest_ties(number, agreement)
    families = families_of(ties, floor)
    p, q = _p_and_q(families.score, draws)
    # Not found under a null model without draws, whose q is NaN: nothing is beyond every null model then.
    is_found = (q <= options.rate).all(axis=0)
    largest = np.bincount(families.family).max(initial=0)
    return {
        "n_families": np.count_nonzero(is_found),
        "n_candidates": len(families.score),
        "n_quadruples": len(ranked),
        "floor": floor,
        "largest_score": families.score.max(initial=0.0),
        "largest_score_null_mean": np.where(known, draws.highest.mean(axis=1), np.nan),
        "largest_score_p": np.where(known, tail(families.score.max(initial=0.0), draws.highest), np.nan),
        "largest_pairs": largest,
        "largest_pairs_null_mean": np.where(known, draws.n_pairs.mean(axis=1), np.nan),
        "family_p": _padded(p, options.n_best),
        "family_q": _padded(q, options.n_best),
        **_listed(decoder, families, ties, (number, agreement), place, nuisance, options),
    }


def _surrogate_families(by_null: list[list[Surrogate]], place: int, floor: float, known: Array) -> Draws:
    scores, largest = [], []
    for surrogates in by_null:
        families = [families_of(surrogate.ties(place), floor) for surrogate in surrogates]
        scores.append([entry.score for entry in families])
        largest.append([np.bincount(entry.family).max(initial=0) for entry in families])
    return Draws(scores, np.array(largest), known)


def _p_and_q(score: Array, draws: Draws) -> tuple[Array, Array]:
    """P and q (null, families) of families by their ``score`` (families,); NaN under null models without draws.

    q of the first is its p, and no other q is below that: (1 + b) / (S + 1) for b of S surrogates.
    """
    p, q = np.full((2, len(draws.score), len(score)), np.nan)
    for null in np.flatnonzero(draws.is_drawn):
        surrogates = draws.score[null]
        padded = np.full((len(surrogates), max(1, *map(len, surrogates), 1)), -np.inf)
        for row, scores in zip(padded, surrogates, strict=True):
            # Surrogates have families in unequal numbers; what pads them is below every score.
            row[: len(scores)] = scores
        p[null] = tail(score, np.broadcast_to(draws.highest[null], (len(score), len(surrogates))))
        q[null] = q_values(score, padded)
        # A family is found only where the highest score is, which is judged by its p: one rule for both.
        q[null] = np.maximum(q[null], p[null, :1])
        q[null, :1] = p[null, :1]
    return p, q


def _listed(
    decoder: Array,
    families: Families,
    ties: Ties,
    quadruples: tuple[Array, Array],
    place: int,
    nuisance: Array,
    options: Options,
) -> dict[str, Any]:
    """What is said of each family of those with the highest scores, and its pairs."""
    n = len(decoder)
    number, agreement = quadruples
    drawn = drawn_index(options.n_features, options.n_samples, options.seed)
    family_of = dict(zip(families.pair.tolist(), families.family.tolist(), strict=True))
    member = np.array([family_of[pair] for pair in number[:, 0].tolist()], np.int64)
    n_best = min(len(families.score), options.n_best)
    rise, rise_p = np.full((2, len(NUISANCES), options.n_best), np.nan)
    share, direction = np.full(options.n_best, np.nan), np.full((options.n_best, decoder.shape[1]), np.nan)
    n_features = np.zeros(options.n_best, np.int64)
    best = np.full(options.n_best, np.nan)
    pairs, owner = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
    # A stream for each nuisance, so that what one draws does not depend on which others are known.
    rngs = [stream("family_nuisances", options.seed, index, place) for index in range(len(NUISANCES))]
    for index in range(n_best):
        pair = _in_order(ties, families.pair[families.family == index], n)
        unit = unit_rows(decoder[pair.ravel()]).reshape(*pair.shape, -1)
        offset, middle = unit[:, 1] - unit[:, 0], unit.mean(axis=(0, 1))
        direction[index], sign, share[index] = oriented(offset, middle)
        # Pairs come as smaller and larger number: turned, all point along the direction of their family.
        pair = np.where(sign[:, None] < 0, pair[:, ::-1], pair)
        n_features[index] = len(np.unique(pair))
        best[index] = agreement[member == index].max()
        for number_of, rng in enumerate(rngs):
            rise[number_of, index], rise_p[number_of, index] = follows(nuisance[number_of], pair, rng)
        pairs.append(pair)
        owner.append(np.full(len(pair), index))
    most = options.n_pairs_listed
    every, owners = np.concatenate(pairs)[:most], np.concatenate(owner)[:most]
    # Families are numbered by score, the highest first, so the first n_best are those that are listed.
    size = np.bincount(families.family, minlength=n_best)[:n_best]
    n_quadruples = np.bincount(member, minlength=n_best)[:n_best]
    return {
        "family_score": _padded(families.score, options.n_best),
        "family_pairs": _padded(size, options.n_best, 0),
        "family_features": n_features,
        "family_quadruples": _padded(n_quadruples, options.n_best, 0),
        "family_agreement": best,
        "offset_share": share,
        "offset_direction": direction,
        "nuisance_rise": rise,
        "nuisance_p": rise_p,
        "pair": np.concatenate([drawn[every], np.full((most - len(every), 2), -1)]),
        "pair_family": _padded(owners, most, -1),
    }


def _in_order(ties: Ties, own: Array, n: int) -> Array:
    """Pairs (pairs, 2) of rows with numbers ``own`` (pairs,), those of the best ties first."""
    # Reversed, since the last of equal keys stays in a dict and the first tie of a pair is its best.
    first = dict(reversed(list(zip(ties.pair.ravel().tolist(), range(ties.pair.size), strict=True))))
    return np.stack(np.divmod(np.array(sorted(own.tolist(), key=first.__getitem__), np.int64), n), axis=1)


def _padded(values: Array, size: int, fill: float = np.nan) -> Array:
    """``values`` (..., n) cut to, or with ``fill`` behind them, (..., size)."""
    # NaN alone differs from itself, and only floats hold it.
    padded = np.full((*values.shape[:-1], size), fill, values.dtype if fill == fill else float)
    n = min(size, values.shape[-1])
    padded[..., :n] = values[..., :n]
    return padded
