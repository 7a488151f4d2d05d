import threading
import time

import numpy as np
import pytest
import scipy.linalg

from saegeom_data.metrics._kernels import lapack


def covariance(n):
    rows = np.random.default_rng(n).standard_normal((2 * n, n))
    return rows.T @ rows


@pytest.mark.parametrize(("n", "count"), [(1, 1), (7, 3), (7, 9), (60, 60), (150, 20)])
def test_eigenpairs_are_those_of_scipy_to_the_last_digit(n, count):
    matrix = covariance(n)
    value, vector = lapack.by_lapack(matrix, count)
    first = max(n - count, 0)
    expected = scipy.linalg.eigh(matrix.T.copy().T, subset_by_index=(first, n - 1))
    np.testing.assert_array_equal(value, expected[0][::-1])
    np.testing.assert_array_equal(vector, expected[1][:, ::-1])
    np.testing.assert_array_equal(matrix, covariance(n))


def test_eigenvectors_are_in_the_precision_of_the_matrix():
    single = covariance(40).astype(np.float32)
    value, vector = lapack.by_lapack(single, 4)
    assert (value.dtype, vector.dtype) == (np.float64, np.float32)
    np.testing.assert_allclose(single @ vector, vector * value, rtol=1e-3, atol=1e-4)


def test_an_empty_matrix_has_no_eigenpairs():
    value, vector = lapack.by_lapack(np.empty((0, 0)), 3)
    assert (value.shape, vector.shape) == ((0,), (0, 0))


def test_eigenpairs_that_the_fast_algorithm_gives_up_on_are_found_by_another(monkeypatch):
    matrix = covariance(60)
    expected = lapack.by_lapack(matrix, 5)

    def gives_up(columns, count):
        columns[...] = np.nan  # it works in place
        return np.empty(count), np.empty((len(columns), count)), True

    monkeypatch.setattr(lapack, "_by_syevr", gives_up)
    value, vector = lapack.by_lapack(matrix, 5)
    np.testing.assert_allclose(value, expected[0], rtol=1e-12)
    np.testing.assert_allclose(np.abs((vector * expected[1]).sum(axis=0)), 1, rtol=1e-12)
    np.testing.assert_array_equal(matrix, covariance(60))


def test_matrices_that_are_not_finite_are_not_decomposed():
    with pytest.raises(scipy.linalg.LinAlgError):
        lapack.by_lapack(np.full((6, 6), np.nan), 2)


def test_other_threads_go_on_meanwhile():
    matrix = covariance(900)
    lapack.by_lapack(matrix[:9, :9], 2)
    worker = threading.Thread(target=lapack.by_lapack, args=(matrix, 50))
    worker.start()
    turns = 0
    while worker.is_alive():
        time.sleep(1e-3)
        turns += 1
    # Some fifty milliseconds of work; a thread that holds the interpreter leaves others four turns at most.
    assert turns > 12
