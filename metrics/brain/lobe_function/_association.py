"""Which lobe wins a block, and how far that goes with the type of its document."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data.lazy import Work
from saegeom_data.metrics._statistics.jackknife import N_GROUPS, balanced_groups, jackknife_interval
from saegeom_data.typing import Array


@dataclass(frozen=True)
class Documents:
    """Documents of the blocks that are measured: what is permuted, and left out, are documents and not blocks.

    ``member`` (blocks) is each block's document, ``indicator`` (documents, types) the type of each, and ``groups``
    (documents) the group that a jackknife leaves out with it.
    """

    member: Array
    indicator: Array
    groups: Array

    @classmethod
    def of(cls, document: Array, label: Array, n_types: int, rng: np.random.Generator) -> Documents:
        """Documents of blocks, from the document and the type (blocks) of each."""
        _, first, member = np.unique(document, return_index=True, return_inverse=True)
        indicator = (label[first][:, None] == np.arange(n_types)).astype(float)
        return cls(member, indicator, balanced_groups(len(first), N_GROUPS, rng))

    def summed(self, values: Array) -> Array:
        """Sums (documents, lobes) of values (blocks, lobes)."""
        total = np.zeros((len(self.indicator), values.shape[1]))
        np.add.at(total, self.member, values)
        return total

    def by_type(self, summed: Array) -> tuple[Array, Array]:
        """Sums (lobes, types) of sums (documents, lobes), and with each group left out (lobes, types, groups)."""
        kept = self.groups != np.unique(self.groups)[:, None]
        left_out = np.einsum("gd,dt,dl->ltg", kept.astype(float), self.indicator, summed, optimize=True)
        return summed.T @ self.indicator, left_out


def enrichment(on: Array, size: Array) -> Array:
    """ln((c + 1/2) / (m - c + 1/2)) - ln(p / (1 - p)) (blocks, lobes) for c of a lobe's m features on.

    p is the share on over all blocks, of (blocks m + 1) with half of one on, so that no logarithm is of 0.
    """
    base = (on.sum(axis=0) + 0.5) / (len(on) * size + 1)
    return np.asarray(np.log((on + 0.5) / (size - on + 0.5)) - np.log(base / (1 - base)))


def function_work(n_blocks: int, n_lobes: int, n_types: int, n_permutations: int, n_divisions: int) -> Work:
    """Association of lobes and types on half of the blocks, of some divisions into lobes; one of them is permuted.

    Of documents there are at most as many as blocks, and mostly far fewer.
    """
    division = Work(passes=100 * n_blocks * n_lobes, calls=300)
    permutation = Work(passes=8 * n_blocks * (n_types + n_lobes), products=n_blocks * n_types * n_lobes / 4, calls=20)
    return n_divisions * division + n_permutations * permutation


def won(values: Array) -> Array:
    """1 (blocks, lobes) for the lobe of the largest value in each block, 0 for all others."""
    return np.asarray(np.eye(values.shape[1])[values.argmax(axis=1)])


def cramers_v(table: Array) -> Array:
    """Cramer's V of tables (..., rows, columns); empty rows and columns do not count, one or none left gives 0."""
    rows, columns = table.sum(axis=-1, keepdims=True), table.sum(axis=-2, keepdims=True)
    # Without the only document that is measured nothing is left.
    total = np.maximum(table.sum(axis=(-2, -1)), 1)
    expected = rows * columns / total[..., None, None]
    ratio = np.divide((table - expected) ** 2, expected, out=np.zeros_like(expected), where=expected > 0)
    smaller = np.minimum((rows > 0).sum(axis=(-2, -1)), (columns > 0).sum(axis=(-2, -1))) - 1
    return np.asarray(np.sqrt(ratio.sum(axis=(-2, -1)) / (total * np.maximum(smaller, 1))))


def association(documents: Documents, wins: Array) -> tuple[float, Array]:
    """Cramer's V of lobes that win (documents, lobes) and types, and the same with each group left out (groups)."""
    table, left_out = documents.by_type(wins)
    return float(cramers_v(table)), cramers_v(np.moveaxis(left_out, -1, 0))


def mean_interval(documents: Documents, values: Array) -> tuple[Array, Array, Array]:
    """Mean of values (blocks, lobes) over blocks of each type, and its interval: (lobes, types); NaN for no blocks."""
    count, count_left = documents.by_type(documents.summed(np.ones((len(values), 1))))
    total, total_left = documents.by_type(documents.summed(values))
    mean, left_out = _ratio(total, count), _ratio(total_left, count_left)
    if left_out.shape[-1] < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    return mean, *jackknife_interval(mean, left_out)


def _ratio(total: Array, count: Array) -> Array:
    count = np.broadcast_to(count, total.shape)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
