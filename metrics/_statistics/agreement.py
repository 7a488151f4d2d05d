"""How far two partitions agree; adjusted mutual information for many permutations at once."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from saegeom_data.typing import Array


def contingency(first: Array, second: Array, shape: tuple[int, int]) -> Array:
    """Count members by label: (..., labels of first, labels of second), for ``first`` of shape (..., members)."""
    # Not -1, which numpy cannot tell where there are no members.
    stacked = first.reshape(int(np.prod(first.shape[:-1])), first.shape[-1])
    # One count serves all tables: the cells of each follow those of the one before.
    cell = stacked * shape[1] + second
    cell += np.arange(len(stacked))[:, None] * (shape[0] * shape[1])
    counts = np.bincount(cell.ravel(), minlength=len(stacked) * shape[0] * shape[1])
    return counts.reshape(*first.shape[:-1], *shape)


def mutual_information(table: Array) -> Array:
    """Mutual information in nats of tables (..., a, b)."""
    share = table / table.sum(axis=(-2, -1), keepdims=True)
    margins = share.sum(axis=-1, keepdims=True) * share.sum(axis=-2, keepdims=True)
    ratio = np.divide(share, margins, out=np.ones_like(share), where=share > 0)
    return np.asarray((share * np.log(ratio)).sum(axis=(-2, -1)))


def entropy(counts: Array) -> float:
    """Entropy in nats of one vector of counts."""
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def expected_mutual_information(rows: Array, columns: Array) -> float:
    """Mutual information in nats that tables of these margins have on average when members are permuted.

    Each cell is hypergeometric, so the sum over its counts is the same for all cells of the same two margins: as
    different sizes add up to the members, there are few of them however many labels there are.
    """
    from scipy.special import gammaln

    first, n_first = np.unique(rows[rows > 0], return_counts=True)
    second, n_second = np.unique(columns[columns > 0], return_counts=True)
    n = int(rows.sum())
    log_factorial = gammaln(np.arange(n + 1) + 1.0)
    expected = 0.0
    for a, times in zip(first.tolist(), n_first.tolist(), strict=True):
        least, most = np.maximum(1, a + second - n), np.minimum(a, second)
        length = most - least + 1
        b, weight = np.repeat(second, length), np.repeat(n_second, length)
        count = np.arange(length.sum()) + np.repeat(least - (np.cumsum(length) - length), length)
        log_probability = (
            log_factorial[a] + log_factorial[n - a] - log_factorial[n]
            + (log_factorial[b] + log_factorial[n - b] - log_factorial[count])
            - (log_factorial[a - count] + log_factorial[b - count] + log_factorial[n - a - b + count])
        )  # fmt: skip
        information = count / n * np.log(n * count / (a * b.astype(float)))
        expected += times * float(np.sum(weight * information * np.exp(log_probability)))
    return expected


class Adjustment:
    """Adjusts mutual information for chance; depends on a table's margins alone, so one serves all permutations.

    AMI = (MI - E[MI]) / (mean of both entropies - E[MI]), with the expectation under permutation, as scikit-learn's
    ``adjusted_mutual_info_score`` with arithmetic averaging. It is 1 if both partitions put all members in one class.
    """

    def __init__(self, rows: Array, columns: Array) -> None:
        self.trivial = np.count_nonzero(rows) == np.count_nonzero(columns) == 1
        self.expected = expected_mutual_information(rows, columns)
        ceiling = (entropy(rows) + entropy(columns)) / 2 - self.expected
        # Never 0, and of its own sign, as in scikit-learn: equal partitions would otherwise divide 0 by 0.
        tiny = np.finfo(float).eps
        self.ceiling = min(ceiling, -tiny) if ceiling < 0 else max(ceiling, tiny)

    def __call__(self, information: Array) -> Array:
        """Adjusted mutual information of tables with these margins."""
        adjusted = (information - self.expected) / self.ceiling
        return np.ones_like(adjusted) if self.trivial else np.asarray(adjusted)


def adjusted_mutual_information(table: Array) -> float:
    """Adjusted mutual information of one contingency table; NaN if it has no members."""
    if not table.sum():
        return np.nan
    return float(Adjustment(table.sum(axis=1), table.sum(axis=0))(mutual_information(table)))


def chance_deviation(first: Array, second: Array) -> float:
    """Standard deviation of the AMI of independent partitions (members) of these sizes of classes.

    With a and b classes of n members 2 n MI is about chi-squared of (a - 1)(b - 1) degrees of freedom (Wilks 1938), so
    that it is sqrt(2 (a - 1)(b - 1)) / 2n nats over what AMI divides by; 0 where a partition has one class.
    """
    rows, columns = np.bincount(first), np.bincount(second)
    freedom = (np.count_nonzero(rows) - 1) * (np.count_nonzero(columns) - 1)
    if freedom < 1:
        return 0.0
    return float(np.sqrt(2 * freedom) / (2 * len(first)) / abs(Adjustment(rows, columns).ceiling))


def adjusted_rand_index(first: Array, second: Array, n_labels: int) -> float:
    """Adjusted Rand index of two partitions of at most ``n_labels`` classes; 1 if both put all members in one."""
    table = contingency(first, second, (n_labels, n_labels)).astype(float)
    pairs, rows, columns = ((count * (count - 1)).sum() / 2 for count in (table, table.sum(axis=1), table.sum(axis=0)))
    n = len(first)
    by_chance = rows * columns / max(n * (n - 1) / 2, 1)
    ceiling = (rows + columns) / 2
    return float((pairs - by_chance) / (ceiling - by_chance)) if ceiling != by_chance else 1.0


def mean_rand_index(partitions: Array) -> float:
    """Mean adjusted Rand index of pairs of partitions (partitions, members); NaN for one."""
    n_labels = int(partitions.max(initial=0)) + 1
    return _mean([adjusted_rand_index(*pair, n_labels) for pair in combinations(partitions, 2)])


def mean_mutual_information(partitions: Array) -> float:
    """Mean adjusted mutual information of pairs of partitions (partitions, members); NaN for one."""
    n_labels = int(partitions.max(initial=0)) + 1
    tables = (contingency(*pair, (n_labels, n_labels)) for pair in combinations(partitions, 2))
    return _mean([adjusted_mutual_information(table) for table in tables])


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else np.nan
