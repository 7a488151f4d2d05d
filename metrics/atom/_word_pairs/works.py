"""What fits to word pairs and scores of them compute, for the stages that state it."""

from __future__ import annotations

from saegeom_data.lazy import Work, eigen
from saegeom_data.metrics._kernels.word_pairs import N_ASKED
from saegeom_data.metrics.atom._word_pairs.places import N_SHUFFLED, TOGETHER
from saegeom_data.metrics.atom._word_pairs.scores import N_GROUPS, draws_without

CALLS = Work(calls=60)


def n_scored(n_draws: int) -> int:
    """Draws of a null that are scored, with those that are scored once more without a group."""
    return n_draws + len(draws_without(n_draws)[0])


def prepared_work(n_rows: int, n: int, hidden: int) -> Work:
    """Offsets of all pairs and their norms, and activations in double precision of the n that are used."""
    return Work(passes=40 * n_rows * hidden + 60 * n * hidden, steps=3000 * n_rows, calls=5000)


def arrangement_work(n: float, n_relations: int) -> Work:
    """All scores of one arrangement of the words of n pairs: of two pairs of a relation, and of answers.

    Beside :data:`CALLS` calls, which a part of the relations takes as well.
    """
    together = min(n / n_relations, TOGETHER)
    return Work(steps=n * together * (16 + 14 * N_SHUFFLED) + n**2 * (8 + 1.4 * N_ASKED))


def gram_work(n: float, dims: float) -> Work:
    """Dot products of the words of n pairs with each other."""
    return Work(products=4 * n**2 * dims / 2, passes=64 * n**2, calls=30)


def basis_work(n: float, hidden: int) -> Work:
    """Principal axes of n points."""
    rank = min(n, hidden)
    return Work(products=n * hidden * rank, passes=60 * n * hidden, calls=500) + eigen(rank)


def discriminants_work(n: float, hidden: int, n_relations: int, n_held_out: float) -> Work:
    """Discriminants of one labelling of n points, and the words of held-out pairs on them."""
    axes = min(n, hidden)
    mapped = Work(products=n_relations * axes * (n + 2 * n_held_out), passes=16 * n_relations * n, calls=50)
    return mapped + eigen(n_relations)


def jackknife_work(n: float, hidden: int, n_refitted: int) -> Work:
    """Views without each group of n points, some of which are fitted anew from the points."""
    return N_GROUPS * n_refitted * basis_work(n, hidden)
