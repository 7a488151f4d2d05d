import numpy as np
import pytest

from saegeom_data.metrics._kernels.triangles import inverse_of_lower, times_upper

SIZES = [1, 5, 96, 97, 256, 257, 600]


def lower(n):
    rows = np.random.default_rng(n).standard_normal((2 * n + 2, n))
    return np.linalg.cholesky(rows.T @ rows)


@pytest.mark.parametrize("n", SIZES)
def test_products_are_those_of_full_matrices(n):
    rows = np.random.default_rng(0).standard_normal((40, n + 1))
    expected, beside = rows[:, :n] @ lower(n).T, rows[:, n].copy()
    # What is below the diagonal is not read.
    times_upper(rows[:, :n], lower(n).T + np.tril(np.full((n, n), np.nan), -1))
    np.testing.assert_allclose(rows[:, :n], expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())
    np.testing.assert_array_equal(rows[:, n], beside)


@pytest.mark.parametrize("n", SIZES)
def test_inverses_are_those_of_full_matrices(n):
    matrix = lower(n)
    inverse = inverse_of_lower(matrix + np.triu(np.full((n, n), np.nan), 1))
    np.testing.assert_allclose(inverse @ matrix, np.eye(n), atol=1e-11)
    np.testing.assert_array_equal(np.triu(inverse, 1), 0)
