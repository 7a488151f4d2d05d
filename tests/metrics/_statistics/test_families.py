"""Families of rows are found, chance pairs are taken off, and samples tell of all rows."""

from __future__ import annotations

import numpy as np
import pytest
from soak import times

from saegeom_data.metrics._statistics.families import close_pairs, line_strengths


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


def test_lines_of_families_are_the_eigenvalues_of_their_products() -> None:
    rows = families(0, 1200, 10, 0.97) * np.random.default_rng(1).lognormal(0, 0.3, (1200, 1))
    strength, share = line_strengths(rows, close_pairs(whitened(rows), len(rows)))
    groups = rows.reshape(120, 10, 40)
    expected = np.linalg.eigvalsh(groups @ groups.transpose(0, 2, 1)).ravel()
    np.testing.assert_allclose(share, 1 / 1200)
    # Pairs that are close by chance tie one row in ten to another family, at cosines of about 0.6.
    quantiles = np.linspace(0.91, 0.999, 20)
    np.testing.assert_allclose(np.quantile(strength, quantiles), np.quantile(expected, quantiles), rtol=0.08)
    np.testing.assert_allclose((strength**2).mean(), (expected**2).mean(), rtol=0.03)


@pytest.mark.parametrize(("size", "correlation"), [(1, 0.0), (2, 0.9), (10, 0.8)])
def test_lines_of_sampled_families_keep_mean_and_mean_square(size: int, correlation: float) -> None:
    rows = families(0, 2400, size, correlation)
    whole = whitened(rows)
    moments = []
    for share in (1.0, 0.25):
        some = np.random.default_rng(2).permutation(len(rows))[: round(share * len(rows))]
        strength, shares = line_strengths(rows[some], close_pairs(whole[some], len(rows)))
        assert shares.sum() == pytest.approx(1)
        moments.append((strength @ shares, strength**2 @ shares))
    np.testing.assert_allclose(moments[1], moments[0], rtol=0.12)
