"""Entropy estimates against plain readings of their formulas."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import digamma

from saegeom_data.metrics._statistics import entropy
from saegeom_data.metrics._statistics.entropy import (
    entropy_of_distances,
    gaussian_entropy,
    neighbour_entropy,
    published_entropies,
)


def spread_rows(seed, n, hidden):
    return np.random.default_rng(seed).standard_normal((n, hidden)) * np.arange(1, hidden + 1.0) ** -0.5 + 3


def plain_scores(rows, d):
    standard = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    return standard @ np.linalg.svd(standard, full_matrices=False)[2][:d].T


def plain_published(rows, d, k, seed):
    scores, n = plain_scores(rows, d), len(rows)
    rng = np.random.default_rng((seed, 8))
    entropies = []
    for _ in range(30):
        drawn = scores[rng.integers(n, size=n)]
        distance = np.sort(cdist(drawn, drawn), axis=1)
        eigenvalue = np.maximum(np.linalg.eigvalsh(np.cov(drawn, rowvar=False)), 1e-10)
        entropies.append(
            [
                d * np.log(distance[:, rank] + 0.01).mean()
                + np.log(eigenvalue).mean()
                + np.log(n - 1)
                - (-0.577216 + (1 / np.arange(1, rank + 1)).sum())
                for rank in k
            ]
        )
    covariance = np.cov(scores, rowvar=False)
    return gaussian_entropy(covariance), np.array(entropies)


def with_copies(rows):
    rows[5:30] = rows[4]
    return rows


@pytest.mark.parametrize(
    ("rows", "d", "k"),
    [
        (spread_rows(0, 90, 12), 4, (1,)),
        (spread_rows(1, 150, 12), 6, (10, 1, 3)),
        (with_copies(spread_rows(2, 120, 9)), 5, (2, 4)),
        (spread_rows(3, 13, 9), 5, (12,)),
    ],
    ids=["nearest", "orders", "copies", "all others"],
)
@pytest.mark.parametrize("n_listed", [None, 1])
def test_resamples_are_those_of_the_published_formula(monkeypatch, rows, d, k, n_listed):
    if n_listed:
        # Lists of one neighbour, so that nearly every row needs more than its list holds.
        monkeypatch.setattr(entropy, "_SPARE", n_listed - 3 * max(k))
    gaussian, entropies = published_entropies(rows, d, k, 7)
    expected_gaussian, expected = plain_published(rows, d, k, 7)
    assert gaussian == pytest.approx(expected_gaussian, rel=1e-10)
    np.testing.assert_allclose(entropies, expected, rtol=1e-10)


def test_published_scores_are_exact():
    rows = np.random.default_rng(4).standard_normal((300, 60))
    scores, expected = entropy._published_scores(rows, 10), plain_scores(rows, 10)
    np.testing.assert_allclose(cdist(scores, scores), cdist(expected, expected), rtol=1e-8)


def test_constant_columns_have_no_part():
    rows = spread_rows(5, 80, 7)
    padded = np.insert(rows, [2, 5], [0.1, 1e6 / 3], axis=1)
    np.testing.assert_allclose(published_entropies(padded, 4, (1,), 0)[1], published_entropies(rows, 4, (1,), 0)[1])


def test_rows_are_left_as_they_are():
    rows = spread_rows(6, 50, 6)
    before = rows.copy()
    published_entropies(rows, 3, (1,), 0)
    np.testing.assert_array_equal(rows, before)


def test_entropy_of_distances_is_that_of_rows():
    rows, k = spread_rows(7, 100, 6), (1, 4)
    distance = np.sort(cdist(rows, rows), axis=1)[:, 1:5]
    np.testing.assert_allclose(entropy_of_distances(distance, 6, k), neighbour_entropy(rows, k), rtol=1e-12)
    # In one dimension the unit ball has length 2.
    expected = digamma(100) - digamma([1, 4]) + np.log(2) + np.log(distance).mean(axis=0)[[0, 3]]
    np.testing.assert_allclose(entropy_of_distances(distance, 1, k), expected, rtol=1e-12)


def test_rows_without_neighbours_do_not_count():
    rows = spread_rows(8, 40, 3)
    distance = np.insert(np.sort(cdist(rows, rows), axis=1)[:, 1:3], [0, 17, 40], np.inf, axis=0)
    np.testing.assert_allclose(entropy_of_distances(distance, 3, (1, 2)), neighbour_entropy(rows, (1, 2)), rtol=1e-12)
    assert np.isnan(entropy_of_distances(np.full((5, 2), np.inf), 3, (1, 2))).all()


def test_copies_have_no_entropy():
    rows = np.repeat(spread_rows(9, 20, 3), 2, axis=0)
    nearest, second = neighbour_entropy(rows, (1, 2))
    assert nearest == -np.inf
    assert np.isfinite(second)


def test_gaussian_entropy_needs_full_rank():
    assert gaussian_entropy(np.diag([1.0, 25.0])) == pytest.approx(1 + np.log(2 * np.pi) + np.log(5), rel=1e-12)
    assert np.isnan(gaussian_entropy(np.ones((2, 2))))
    assert np.isnan(gaussian_entropy(np.zeros((1, 1))))
