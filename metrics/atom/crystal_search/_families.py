"""Families of pairs of rows: pairs whose offsets agree, directly or through others, and how rare that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data.typing import Array

# Agreement beyond which offsets are equal but for rounding.
_LARGEST = 1 - 1e-6
# Quadruples for each pair that surrogates have at or above the floor: so few that chance makes no large families.
_SHARE = 0.1


@dataclass(frozen=True)
class Ties:
    """Quadruples that join pairs of rows into families, and no more of them than that takes, the best first.

    ``pair`` (ties, 2) holds numbers of the two pairs of rows, ``agreement`` (ties,) that of their offsets. Of any set
    of quadruples at or above some agreement, those of these form the same families.
    """

    pair: Array
    agreement: Array


@dataclass(frozen=True)
class Families:
    """Families at or above a floor, the highest score first.

    ``score`` (families,); ``pair`` (pairs,), numbers of the pairs that are in one, and ``family`` (pairs,) of each.
    """

    score: Array
    pair: Array
    family: Array


def strongest_ties(pair: Array, agreement: Array) -> Ties:
    """Maximum spanning forest of quadruples: ``pair`` (quadruples, 2) and ``agreement``, which descends."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    if not len(agreement):
        return Ties(np.empty((0, 2), np.int64), np.empty(0))
    known, place = np.unique(pair, return_inverse=True)
    place = np.sort(place.reshape(-1, 2), axis=1)
    # Ranks stand for agreements: a forest of ranks is one of agreements, and no two are equal.
    rank = np.arange(1, len(agreement) + 1)
    # The best come first and have the least ranks, so the least sum of ranks is the largest of agreements.
    forest = minimum_spanning_tree(coo_array((rank, tuple(place.T)), shape=(len(known),) * 2).tocsr())
    tie = np.sort(forest.data.astype(np.int64)) - 1
    return Ties(pair[tie], agreement[tie])


def chance_agreement(agreement: Array, n_pairs: int, least: float) -> float:
    """Agreement that one quadruple for ten pairs of a surrogate reaches, and at least ``least``."""
    n = int(np.ceil(_SHARE * n_pairs))
    return float(agreement[n - 1]) if 0 < n <= len(agreement) else least


def families_of(ties: Ties, floor: float) -> Families:
    """Families of pairs that ties of an agreement of at least ``floor`` join.

    The score of a family is the sum of log((1 - f^2) / (1 - a^2)) over its ties, of which a family of m pairs has
    m - 1; f is the floor and a the agreement, at most 1 - 1e-6. Two random directions in d dimensions agree so well or
    better with a probability of about (1 - a^2)^((d - 1) / 2), so that the score is, up to a factor, the logarithm of
    how much rarer such ties are than ties at the floor.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    kept = ties.agreement >= floor
    if not kept.any():
        return Families(np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
    pair, place = np.unique(ties.pair[kept], return_inverse=True)
    place = place.reshape(-1, 2)
    graph = coo_array((np.ones(len(place)), tuple(place.T)), shape=(len(pair),) * 2)
    family = connected_components(graph, directed=False)[1]
    score = np.bincount(family[place[:, 0]], _rarity(ties.agreement[kept]) - _rarity(floor))
    # Of equal scores the one with the better tie, which comes first: ties are in order.
    first = np.unique(family[place[:, 0]], return_index=True)[1]
    order = np.lexsort((first, -score))
    return Families(score[order], pair, np.argsort(order)[family])


def _rarity(agreement: Array | float) -> Array:
    """-log(1 - a^2)."""
    return np.asarray(-np.log1p(-(np.minimum(agreement, _LARGEST) ** 2)))
