"""Quadruples of rows: the best are kept, in the memory that is stated."""

import tracemalloc

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from saegeom_data.metrics.atom.crystal_search import _quadruples
from saegeom_data.metrics.atom.crystal_search._quadruples import KINDS


def random_rows(seed, n, hidden):
    rows = np.random.default_rng(seed).standard_normal((n, hidden))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_best_are_kept(monkeypatch):
    rows = random_rows(3, 120, 8)
    pairs = _quadruples.mutual_pairs(*_near(rows, 8), 8)
    whole = _quadruples.find_quadruples(rows, pairs, 0.5)
    monkeypatch.setattr(_quadruples, "MOST", 40)
    few = _quadruples.find_quadruples(rows, pairs, 0.5)
    assert len(whole.cosine) > 400
    assert (few.n_excluded == whole.n_excluded).all()
    uncounted = _quadruples.find_quadruples(rows, pairs, 0.5, is_counted=False)
    for kind in KINDS:
        best, expected = uncounted.ranked(kind, 0.5), few.ranked(kind, 0.5)
        np.testing.assert_array_equal(uncounted.corner[best], few.corner[expected])
    assert 40 <= len(few.cosine) <= 80
    for kind in KINDS:
        best, expected = few.ranked(kind, 0.5), whole.ranked(kind, 0.5)
        assert len(best) == 40
        np.testing.assert_array_equal(few.corner[best], whole.corner[expected])


@pytest.mark.parametrize(("n", "hidden", "least"), [(5000, 2, 0.5), (3000, 40, 0.01)])
def test_memory_is_as_stated_even_where_everything_agrees(n, hidden, least):
    rows = random_rows(4, n, hidden)
    pairs = np.random.default_rng(4).permutation(n).reshape(-1, 2)
    tracemalloc.start()
    _quadruples.find_quadruples(rows, pairs, least)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= _quadruples.search_bytes(len(pairs), hidden) < 2.5 * peak


def _near(rows, k):
    distance, index = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(rows).kneighbors()
    return distance, index


def test_a_square_is_one_quadruple():
    rows = np.full((4, 3), 2.0)
    rows[:, :2] = [[1, 1], [1, -1], [-1, 1], [-1, -1]]
    # Each corner is as near to two others; the diagonals are farther.
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = np.array([[0, 1], [0, 2], [1, 3], [2, 3]])
    found = _quadruples.find_quadruples(rows, pairs, 0.9)
    assert found.corner.shape == (1, 4)
    assert found.cosine == pytest.approx(1.0)
    assert found.residual == pytest.approx(0.0)
