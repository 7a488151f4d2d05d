"""Every random generator of every metric, by purpose and index.

A generator is seeded with a key: the metric's seed, the numbers of its purpose, and its indices. numpy pads keys with
zeros to four numbers, so that (s, 2), (s, 2, 0) and (s, 2, 0, 0) are one stream. Two purposes of one metric must
therefore differ in a number that neither pads nor counts through; a test holds the registry against that. Metrics that
do not know each other may share keys, as they do: no result combines theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Index:
    """A number that counts streams of one purpose, from ``least`` to ``most``, or without end."""

    name: str
    least: int = 0
    most: int | None = None


@dataclass(frozen=True)
class Purpose:
    """What one family of streams is for.

    Attributes
    ----------
    metrics
        Metrics that draw from it.
    key
        Numbers that follow the seed.
    index
        What the numbers after these count.
    seed
        The metric's ``"parameter"``; ``"zero"`` where results must not follow the seed; or ``"drawn"`` from another
        stream, one number of 31 bits for each start.
    """

    metrics: tuple[str, ...]
    key: tuple[int, ...] = ()
    index: tuple[Index, ...] = ()
    seed: Literal["parameter", "zero", "drawn"] = "parameter"


_DIRECTIONS = ("neighbour_angle", "intrinsic_dimension", "hubness", "packing", "crystal_search")
_DISTINCT = (
    "crystal_search",
    "neighbour_angle",
    "intrinsic_dimension",
    "hubness",
    "packing",
    "clustering_entropy",
    "eigenvalue_slope",
    "isotropy",
    "lobe_modularity",
)
_LOBES = ("lobes", "lobe_function", "lobe_modularity", "coactivation_graph")
_WORD_PAIRS = ("parallelogram_quality", "function_vectors")
_DRAW, _BLOCK, _FOLD = Index("draw"), Index("block"), Index("fold")
_NULL = Index("permuted null", 0, 1)

PURPOSES: Mapping[str, Purpose] = {
    # Which features are measured, and subsamples of these.
    "drawn_rows": Purpose((*_DIRECTIONS, "clustering_entropy"), (0,)),
    "spectrum_sample": Purpose(("eigenvalue_slope",)),
    # Axes on which copies among rows are looked for.
    "copy_axes": Purpose(_DISTINCT, (9,), seed="zero"),
    "hub_subsamples": Purpose(("hubness",), (3,), (_DRAW,)),
    "score_subsamples": Purpose(("clustering_entropy",), (4,), (_DRAW,)),
    "published_resamples": Purpose(("clustering_entropy",), (8,)),
    "close_pairs_pilot": Purpose(("clustering_entropy",), (7,)),
    "mantel_features": Purpose(("lobe_modularity",), (3,)),
    # Null models, by their labels.
    "uniform_sphere": Purpose(("neighbour_angle",), (1,), (_DRAW,)),
    "logit_directions": Purpose(("feature_logits",), (1,)),
    "spectrum_matched": Purpose(_DIRECTIONS, (2,), (_DRAW,)),
    "exchanged_offsets": Purpose(("crystal_search",), (5,), (_DRAW,)),
    "gaussian_scores": Purpose(("clustering_entropy",), (1,), (_DRAW,)),
    "angular_central_gaussian": Purpose(("clustering_entropy",), (2,), (_DRAW, _BLOCK)),
    "angular_central_gaussian_pilot": Purpose(("clustering_entropy",), (3,), (Index("round"), _DRAW, _BLOCK)),
    "shuffled_components": Purpose(("clustering_entropy",), (5,), (_DRAW,)),
    "independent_components": Purpose(("clustering_entropy",), (6,)),
    "fixed_margins": Purpose(("lobe_modularity", "coactivation_graph"), (4,), (_DRAW,)),
    # What data and draws are as many trades away from: occurrence as it is, and that of each document type.
    "fixed_margins_common": Purpose(("lobe_modularity", "coactivation_graph"), (10,)),
    "places_redrawn": Purpose(("lobe_modularity",), (5,), (_DRAW,)),
    "partition_permutations": Purpose(("lobe_modularity",), (6,), (_NULL,)),
    "margins_by_type": Purpose(("lobe_modularity",), (7,), (_DRAW,)),
    "margins_by_type_common": Purpose(("lobe_modularity",), (8,)),
    "mantel_permutations": Purpose(("lobe_modularity",), (3, 2), (_NULL,)),
    "community_permutations": Purpose(("coactivation_graph",), (5,), (Index("lobes", 1),)),
    # Relations permuted among pairs, and then the order and signs of redealt offsets.
    "relation_permutations": Purpose(_WORD_PAIRS, (5,)),
    "nuisance_permutations": Purpose(("parallelogram_quality",), (1,)),
    "family_nuisances": Purpose(("crystal_search",), (6,), (Index("nuisance"), Index("kind"))),
    "derangements": Purpose(_WORD_PAIRS, (2,), (_FOLD, Index("relation"))),
    "shuffled_pairings": Purpose(("parallelogram_quality",), (6,), (_FOLD, Index("relation"))),
    "random_axes": Purpose(_WORD_PAIRS, (3,), (_FOLD,)),
    # Folds and jackknife groups; those of one line draw permutations from the same stream.
    "partition_groups": Purpose(("lobe_modularity",), (1,)),
    "position_folds": Purpose(("lobe_modularity",), (2,), (Index("lobes", 1),)),
    "mantel_groups": Purpose(("lobe_modularity",), (3, 1)),
    "community_groups": Purpose(("coactivation_graph",), (9,)),
    "type_permutations": Purpose(("lobe_function",), (3,), (Index("lobes", 1),)),
    "length_permutations": Purpose(("lobe_function",), (12,), (Index("short blocks", 1), Index("lobes", 1))),
    "document_groups": Purpose(("lobe_function",), (11,)),
    "lobe_shuffles": Purpose(("lobe_function",), (10,), (Index("lobes"), _DRAW)),
    "relation_groups": Purpose(("parallelogram_quality",), (4,)),
    # Starts of algorithms.
    "k_means": Purpose(_LOBES, (20,), (Index("clusters", 2),)),
    "k_means_start": Purpose(_LOBES, seed="drawn"),
    "leiden": Purpose(("coactivation_graph",), (8,)),
    "t_sne": Purpose(("feature_map",)),
    "eigenvectors": Purpose(_LOBES, (21,), seed="zero"),
    "distinct_points": Purpose(_LOBES, (22,), seed="zero"),
    # Pictures.
    "shown_features": Purpose(("lobe_function",), seed="zero"),
}


def stream(purpose: str, seed: int, *index: int) -> np.random.Generator:
    """Generator of one purpose and index; the same for the same arguments.

    Parameters
    ----------
    purpose
        A name of ``PURPOSES``.
    seed
        The metric's parameter, 0 or a drawn number, as the purpose says.
    *index
        A number for each index of the purpose.

    Raises
    ------
    KeyError
        If there is no such purpose.
    TypeError
        If the numbers are not as many as the purpose has.

    Examples
    --------
    >>> bool(stream("spectrum_matched", 0, 3).random() == np.random.default_rng((0, 2, 3)).random())
    True
    """
    return np.random.default_rng(key_of(purpose, seed, *index))


def key_of(purpose: str, seed: int, *index: int) -> tuple[int, ...]:
    """Numbers that seed the stream of a purpose: the seed, those of the purpose, and the indices."""
    known = PURPOSES[purpose]
    if len(index) != len(known.index):
        raise TypeError(f"{purpose}: got {len(index)} indices, expected {[entry.name for entry in known.index]}")
    return (int(seed), *known.key, *(int(number) for number in index))


def drawn_seeds(purpose: str, seed: int, *index: int, size: int) -> list[int]:
    """``size`` seeds of 31 bits from the stream of a purpose, for starts that run side by side."""
    return [int(number) for number in stream(purpose, seed, *index).integers(2**31 - 1, size=size)]


def library_seed(purpose: str, seed: int) -> int:
    """Seed of a purpose for a library that makes generators of its own, of another kind than numpy's."""
    (number,) = key_of(purpose, seed)
    return number
