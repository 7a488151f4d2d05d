"""Families of rows are found, chance pairs are taken off, and samples tell of all rows."""

from __future__ import annotations

import numpy as np
import pytest
from soak import times

from saegeom_data.metrics._statistics.families import close_pairs


def whitened(rows: np.ndarray) -> np.ndarray:
    return np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[0] * np.sqrt(len(rows) - 1)


def families(seed: int, n: int, size: int, correlation: float, hidden: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shared = np.repeat(rng.standard_normal((n // size, hidden)), size, axis=0)
    return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rng.standard_normal((n, hidden))


def influence_of(rows: np.ndarray) -> np.ndarray:
    """What each row adds to a contrast of two halves of the axes."""
    half = rows.shape[1] // 2
    return (rows[:, :half] ** 2).mean(axis=1) - (rows[:, half:] ** 2).mean(axis=1)


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("size", "correlation", "share"), [(1, 0.0, 1.0), (1, 0.0, 0.3), (10, 0.5, 1.0), (10, 0.7, 0.3), (2, 0.9, 1.0)]
)
def test_inflation_is_that_of_the_families(size: int, correlation: float, share: float) -> None:
    found = []
    for seed in range(times(6, 60)):
        rows = whitened(families(seed, 1200, size, correlation))
        sampled = rows[np.random.default_rng((1, seed)).permutation(len(rows))[: round(share * len(rows))]]
        influence = influence_of(sampled)
        found.append(float(close_pairs(sampled, len(rows)).inflation(influence)))
    # Squares of normal scores of correlation r correlate by r squared. Members no closer than chance are missed.
    expected = 1 + (size - 1) * correlation**2
    assert 0.75 * expected < np.mean(found) < 1.2 * expected


def test_opposites_count_as_one_line() -> None:
    rows = families(0, 600, 1, 0.0)
    pairs = close_pairs(whitened(np.concatenate([rows, -rows])), 1200)
    assert pairs.n_lines == pytest.approx(600, rel=0.05)


def test_too_few_rows_or_axes_have_no_families() -> None:
    for shape in ((2, 10), (50, 2), (12, 11)):
        pairs = close_pairs(np.random.default_rng(0).standard_normal(shape), shape[0])
        assert (len(pairs.first), pairs.n_lines) == (0, shape[0])
        assert pairs.inflation(np.ones(shape[0])) == 1
