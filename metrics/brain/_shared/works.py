"""What affinities and partitions of features compute, for the stages that state it."""

from __future__ import annotations

from saegeom_data.lazy import Work
from saegeom_data.metrics._statistics.logistic import are_spread
from saegeom_data.metrics._statistics.works import agreement_work, counting_work, permuted_work, regression_work
from saegeom_data.metrics.brain._shared.affinities import Kind

# Logarithms for each pair of features.
_LOGARITHMS = {"npmi": 2, "mutual_information": 4}


def affinity_work(n: int, n_words: int, kind: Kind) -> Work:
    """Affinities of all pairs of n features, from their bits."""
    of_pairs = Work(passes=150 * n**2, functions=_LOGARITHMS.get(kind, 0) * n**2, calls=100)
    return Work(spread=True) + counting_work(n, n_words) + of_pairs


def packed_work(n_blocks: int, n: int) -> Work:
    """Occurrence (blocks, n) packed to bits."""
    return Work(passes=4 * n_blocks * n, steps=n_blocks * n, calls=200)


def measures_work(n: int, count: int, n_neighbours: int) -> Work:
    """Measures of two partitions of n features into ``count`` classes, on a graph of nearest neighbours."""
    return agreement_work(n, count) + permuted_work(n * (1 + n_neighbours), 1)


def accuracy_work(n: int, hidden: int, count: int, n_folds: int) -> Work:
    """Labels of n features predicted out of folds."""
    return Work(spread=are_spread(n, hidden, count)) + n_folds * (regression_work(n, hidden, count) + Work(calls=100))
