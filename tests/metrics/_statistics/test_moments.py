"""One-pass moments against two-pass ones, for any pieces, dtypes and distances from the origin."""

import tracemalloc

import numpy as np
import pytest

from saegeom_data.metrics._statistics import moments
from saegeom_data.metrics._statistics.moments import covariance, merge, moments_of, row_moments


def rows_of(n, hidden, dtype=np.float64, mean=0.0, seed=0):
    spread = np.arange(1, hidden + 1.0) ** -1
    return (np.random.default_rng(seed).standard_normal((n, hidden)) * spread + mean).astype(dtype)


def spectrum(rows):
    """Covariance eigenvalues from a singular-value decomposition, ascending."""
    exact = rows.astype(np.longdouble)
    centred = (exact - exact.mean(axis=0)).astype(np.float64)
    return np.linalg.svd(centred, compute_uv=False)[::-1] ** 2 / (len(rows) - 1)


# Around one piece of 1,024 rows, and three of them.
@pytest.mark.parametrize("n", [2, 100, 1023, 1024, 1025, 3000])
def test_moments_are_those_of_all_rows(n):
    rows = rows_of(n, 7, mean=0.3)
    moments = row_moments(rows)
    assert moments.count == n
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(covariance(moments), np.cov(rows, rowvar=False), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(moments.scatter, moments.scatter.T)


@pytest.mark.parametrize(
    ("dtype", "mean"),
    [("float16", 0.0), ("float16", 8.0), ("float32", 0.0), ("float32", 1e3), ("float64", 0.0), ("float64", 1e6)],
)
def test_eigenvalues_are_those_of_a_singular_value_decomposition(dtype, mean):
    rows = rows_of(2600, 20, dtype, mean)
    expected = spectrum(rows)
    got = np.linalg.eigvalsh(covariance(row_moments(rows)))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-10 * expected[-1])


@pytest.mark.parametrize("mean", [0.0, 1e6])
@pytest.mark.parametrize("size", [1, 97, 1500])
def test_pieces_and_the_order_of_merging_make_no_difference(mean, size):
    rows = rows_of(3000, 12, mean=mean)
    whole = row_moments(rows)
    parts = [row_moments(rows[start : start + size]) for start in range(0, 3000, size)]
    at_once = merge(parts)
    while len(parts) > 1:
        parts = [merge(parts[index : index + 2]) for index in range(0, len(parts), 2)]
    for merged in (at_once, parts[0]):
        assert merged.count == 3000
        np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-14, atol=1e-14)
        np.testing.assert_allclose(merged.scatter, whole.scatter, rtol=0, atol=1e-10 * whole.scatter.max())


def test_a_mean_of_a_million_spreads_costs_no_digits():
    near = rows_of(2000, 10)
    # Rounded where they will stand, so that both clouds hold the same numbers.
    near = (near + 1e6) - 1e6
    far = merge([row_moments(near[:900] + 1e6), row_moments(near[900:] + 1e6)])
    expected = np.linalg.eigvalsh(covariance(row_moments(near)))
    np.testing.assert_allclose(np.linalg.eigvalsh(covariance(far)), expected, rtol=0, atol=1e-10 * expected[-1])


def test_inputs_are_left_as_they_are():
    rows = rows_of(1500, 5, mean=2.0)
    kept = rows.copy()
    parts = [row_moments(rows[:700]), row_moments(rows[700:])]
    for part in parts:
        part.mean.flags.writeable = part.scatter.flags.writeable = False
    first, again = merge(parts), merge(parts)
    np.testing.assert_array_equal(first.scatter, again.scatter)
    alone = merge(parts[:1])
    assert not np.shares_memory(alone.scatter, parts[0].scatter)
    np.testing.assert_array_equal(alone.scatter, parts[0].scatter)
    np.testing.assert_array_equal(rows, kept)


@pytest.mark.parametrize("value", [0.1, 1e6 / 3])
def test_equal_rows_have_no_scatter_at_all(value):
    rows = np.full((2500, 4), value)
    merged = merge([row_moments(rows[:1]), row_moments(rows[1:1200]), row_moments(rows[1200:])])
    assert not merged.scatter.any()
    np.testing.assert_array_equal(merged.mean, rows[0])


def test_no_rows_at_all():
    none = row_moments(np.empty((0, 3)))
    some = row_moments(rows_of(40, 3, mean=5.0))
    assert np.isnan(covariance(none)).all()
    assert np.isnan(covariance(row_moments(np.ones((1, 3))))).all()
    assert merge([none, none]).count == 0
    for merged in (merge([none, some, none]), moments_of([np.empty((0, 3)), rows_of(40, 3, mean=5.0)], 3)):
        assert merged.count == 40
        np.testing.assert_allclose(merged.mean, some.mean, rtol=1e-15)
        np.testing.assert_allclose(merged.scatter, some.scatter, rtol=1e-12)


def test_memory_beside_a_block_does_not_grow_with_it():
    def peak(n):
        block = np.ones((n, 256), np.float32)
        tracemalloc.start()
        row_moments(block)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    piece = moments._ROWS * 256 * 8
    assert peak(32 * moments._ROWS) < 4 * piece + 2 * 256**2 * 8
    assert abs(peak(32 * moments._ROWS) - peak(4 * moments._ROWS)) < piece / 4
