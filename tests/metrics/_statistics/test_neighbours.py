"""Exact nearest neighbours: equal to brute force in double precision, whatever the rows and the tiling."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from saegeom_data.errors import DataValueError
from saegeom_data.metrics._kernels import nearest as kernel
from saegeom_data.metrics._kernels.nearest import (
    Neighbours,
    between,
    cloud_neighbours,
    merged,
    nearest,
    nearest_bytes,
    within,
)


def normal(rng, n, d):
    return rng.standard_normal((n, d))


def lattice(rng, n, d):
    """Many equal distances, and copies."""
    return rng.integers(0, 3, (n, d)).astype(float)


def far_from_the_origin(rng, n, d):
    return 1e5 + rng.standard_normal((n, d))


def wild_norms(rng, n, d):
    return rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-12, 12, (n, 1))


def tight_clusters(rng, n, d):
    """Distances far below the step that rows are rounded to."""
    return rng.standard_normal((3, d))[rng.integers(3, size=n)] + 1e-7 * rng.standard_normal((n, d))


def nearly_equal_distances(rng, n, d):
    """Rows about a sphere, so that the distances of the first differ by a few parts in 1e8."""
    rows = rng.standard_normal((n, d))
    rows *= (1 + 1e-8 * rng.random((n, 1))) / np.linalg.norm(rows, axis=1, keepdims=True)
    rows[0] = 0
    return rows


def copies(rng, n, d):
    return rng.standard_normal((n, d))[rng.integers(max(1, n // 3), size=n)]


def tiny(rng, n, d):
    return 1e-30 * rng.standard_normal((n, d))


def huge(rng, n, d):
    return 1e30 * rng.standard_normal((n, d))


def tiny_beside_huge(rng, n, d):
    return rng.standard_normal((n, d)) * np.where(rng.random((n, 1)) < 0.5, 1e-30, 1e30)


def one_axis(rng, n, d):
    """One coordinate with all of the norm: the largest whole numbers."""
    rows = np.zeros((n, d))
    rows[:, 0] = np.sign(rng.standard_normal(n)) * (1 + np.arange(n) % 5)
    return rows


CLOUDS = (
    normal,
    lattice,
    far_from_the_origin,
    wild_norms,
    tight_clusters,
    nearly_equal_distances,
    copies,
    tiny,
    huge,
    tiny_beside_huge,
    one_axis,
)


def by_tiles(rows, k, size):
    starts = range(0, len(rows), size)
    blocks = [rows[start : start + size] for start in starts]
    known = [within(start, block, k) for start, block in zip(starts, blocks, strict=True)]
    parts = [[neighbours] for neighbours in known]
    for i, j in combinations(range(len(blocks)), 2):
        gained, other_gained = between(starts[i], blocks[i], known[i], starts[j], blocks[j], known[j])
        parts[i].append(gained)
        parts[j].append(other_gained)
    found = [merged(part) for part in parts]
    return Neighbours(
        np.vstack([neighbours.distance for neighbours in found]), np.vstack([neighbours.index for neighbours in found])
    )


def assert_identical(found, expected):
    np.testing.assert_array_equal(found.distance, expected.distance)
    np.testing.assert_array_equal(found.index, expected.index)


def assert_exact(found, rows, k, sign=1):
    """Distances |x - sign y| of the k nearest others, at indices that have them, in order, padded."""
    n = len(rows)
    square = cdist(rows.astype(float), sign * rows.astype(float))
    np.fill_diagonal(square, np.inf)
    most = min(k, n - 1)
    assert found.distance.shape == found.index.shape == (n, k)
    assert (found.distance.dtype, found.index.dtype) == (np.float64, np.int64)
    assert (found.distance[:, most:] == np.inf).all()
    assert (found.index[:, most:] == -1).all()
    distance, index = found.distance[:, :most], found.index[:, :most]
    np.testing.assert_allclose(distance, np.sort(square, axis=1)[:, :most], rtol=1e-12)
    np.testing.assert_allclose(distance, np.take_along_axis(square, index, axis=1), rtol=1e-12)
    assert (np.diff(np.sort(index, axis=1), axis=1) > 0).all()
    assert ((np.diff(distance, axis=1) > 0) | (np.diff(index, axis=1) > 0)).all()


def centred(rows):
    """Mean of rows, and rows less it over their norms, 0 for rows that are the mean."""
    mean = rows.mean(axis=0, dtype=float)
    apart = rows - mean
    norm = np.linalg.norm(apart, axis=1, keepdims=True)
    return mean, np.divide(apart, norm, out=np.zeros_like(apart), where=norm > 1e-150)


def assert_cloud_is_exact(rows, k, near):
    rows = rows.astype(float)
    mean, directions = centred(rows)
    found = cloud_neighbours(rows, mean, directions, k)
    assert_identical(found.near, near)
    assert_exact(found.opposite, rows, 1, sign=-1)
    used = np.flatnonzero(directions.any(axis=1))
    assert (np.delete(found.centred.index, used, axis=0) == -1).all()
    index = found.centred.index[used]
    assert np.isin(index, [-1, *used]).all()
    # In the numbers of the rows that are not the mean.
    among = Neighbours(found.centred.distance[used], np.where(index < 0, -1, np.searchsorted(used, index)))
    if len(used):
        assert_exact(among, directions[used], k)


@pytest.mark.slow
@given(
    cloud=st.sampled_from(CLOUDS),
    n=st.integers(1, 90),
    d=st.sampled_from([1, 2, 3, 5, 8, 31, 64, 257, 600]),
    k=st.integers(1, 64),
    size=st.integers(1, 90),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 99),
)
@example(normal, 90, 2304, 32, 40, np.float32, 0)
@example(lattice, 90, 4, 7, 17, np.float64, 0)
@example(copies, 90, 6, 3, 16, np.float32, 0)
@example(normal, 2, 3, 5, 1, np.float64, 0)
def test_neighbours_are_those_of_brute_force_whatever_the_tiling(cloud, n, d, k, size, dtype, seed):
    rows = cloud(np.random.default_rng(seed), n, d).astype(dtype)
    found = by_tiles(rows, k, size)
    assert_exact(found, rows, k)
    assert_identical(found, nearest(rows, k))
    assert_cloud_is_exact(rows, k, found)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_cloud_is_exact_beyond_one_group(cloud):
    rows = cloud(np.random.default_rng(1), 300, 24)
    found = nearest(rows, 10)
    assert_exact(found, rows, 10)
    assert_identical(found, by_tiles(rows, 10, 128))
    assert_cloud_is_exact(rows, 10, found)


def test_rows_whose_squares_vanish_in_single_precision_are_exact():
    """Beside rows of norm 1, about a centre at 0, so that nothing but a floor under the reach keeps them."""
    half = 2.0**-77 * np.random.default_rng(12).integers(-9, 10, (300, 4))
    axis = np.eye(1, 4)
    rows = np.vstack([axis, -axis, half, -half])
    assert_exact(nearest(rows, 3), rows, 3)


def test_equal_distances_go_by_index():
    rows = lattice(np.random.default_rng(2), 200, 5)
    square = ((rows[:, None] - rows) ** 2).sum(axis=-1)
    np.fill_diagonal(square, np.inf)
    expected = np.argsort(square, axis=1, kind="stable")[:, :12]
    for size in (200, 64, 33, 7):
        np.testing.assert_array_equal(by_tiles(rows, 12, size).index, expected)


def test_blocks_wider_than_the_cache_are_exact():
    rows = normal(np.random.default_rng(4), 700, 1500).astype(np.float32)
    assert_exact(within(0, rows, 4), rows, 4)


def test_indices_are_counted_from_the_starts_of_blocks():
    rows = normal(np.random.default_rng(5), 30, 3)
    first, second = within(1000, rows[:20], 2), within(5000, rows[20:], 2)
    assert set(first.index.ravel()) <= set(range(1000, 1020))
    gained, other_gained = between(1000, rows[:20], first, 5000, rows[20:], second)
    assert set(gained.index.ravel()) <= {-1, *range(5000, 5010)}
    assert set(other_gained.index.ravel()) <= {-1, *range(1000, 1020)}


def test_only_what_is_nearer_than_the_known_is_returned():
    rows, others = np.array([[0.0], [10.0]]), np.array([[1.0], [2.0], [30.0]])
    known = Neighbours(np.array([[0.5, 1.5], [0.1, 0.2]]), np.array([[100, 101], [100, 101]]))
    nothing = Neighbours(np.full((3, 2), np.inf), np.full((3, 2), -1))
    gained, other_gained = between(0, rows, known, 50, others, nothing)
    np.testing.assert_array_equal(gained.distance, [[1.0, np.inf], [np.inf, np.inf]])
    np.testing.assert_array_equal(gained.index, [[50, -1], [-1, -1]])
    np.testing.assert_array_equal(other_gained.index, [[0, 1], [0, 1], [1, 0]])
    assert known.distance.tolist() == [[0.5, 1.5], [0.1, 0.2]]


def test_merging_takes_any_order_and_leaves_its_parts():
    rows = lattice(np.random.default_rng(6), 60, 3)
    parts = [within(0, rows[:20], 5)]
    for start in (20, 40):
        parts.append(between(0, rows[:20], parts[0], start, rows[start : start + 20], within(start, rows[20:40], 5))[0])
    before = [part.distance.copy() for part in parts]
    expected = merged(parts)
    for order in ([2, 1, 0], [1, 0, 2]):
        assert_identical(merged([parts[i] for i in order]), expected)
    assert_identical(merged([merged(parts[:2]), parts[2]]), expected)
    for part, distance in zip(parts, before, strict=True):
        np.testing.assert_array_equal(part.distance, distance)


def test_threads_do_not_meddle_with_each_other():
    rows = normal(np.random.default_rng(7), 600, 20)
    expected = nearest(rows, 5)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: nearest(rows, 5), range(8)):
            assert_identical(found, expected)


def test_layout_does_not_matter():
    rows = normal(np.random.default_rng(8), 80, 12)
    expected = nearest(rows, 3)
    assert_identical(nearest(np.asfortranarray(rows), 3), expected)
    assert_identical(nearest(np.repeat(rows, 2, axis=1)[:, ::2], 3), expected)
    rows.flags.writeable = False
    assert_identical(nearest(rows, 3), expected)


def test_single_precision_rows_are_taken_as_they_are():
    rows = normal(np.random.default_rng(9), 80, 12).astype(np.float32)
    assert_identical(nearest(rows, 3), nearest(rows.astype(float), 3))


@pytest.mark.parametrize("n", [0, 1])
def test_rows_without_others_have_no_neighbours(n):
    found = nearest(np.ones((n, 3)), 2)
    assert found.distance.shape == (n, 2)
    assert (found.distance == np.inf).all()
    assert (found.index == -1).all()
    some = nearest(np.eye(4, 3), 2)
    gained, other_gained = between(0, np.ones((n, 3)), found, 9, np.eye(4, 3), some)
    assert gained.distance.shape == (n, 2)
    assert (other_gained.index == -1).all() == (n == 0)


def test_equal_rows_are_at_distance_zero():
    assert (nearest(np.full((50, 3), 0.1), 4).distance == 0).all()
    assert (nearest(np.zeros((20, 1), np.float32), 2).distance == 0).all()


@pytest.mark.parametrize("place", [0, 500, 999])
def test_a_row_that_is_the_mean_has_no_centred_neighbours_wherever_it_stands(place):
    rows = normal(np.random.default_rng(4), 1000, 40)
    rows[place] = 0
    directions = np.divide(rows, norm := np.linalg.norm(rows, axis=1, keepdims=True), out=rows.copy(), where=norm > 0)
    found = cloud_neighbours(rows, np.zeros(40), directions, 5).centred
    others = np.delete(np.arange(1000), place)
    assert (found.index[place] == -1).all()
    expected = nearest(directions[others], 5)
    np.testing.assert_array_equal(found.index[others], others[expected.index])
    np.testing.assert_array_equal(found.distance[others], expected.distance)


@pytest.mark.parametrize("width", [1e-10, 1e-25, 1e-100])
def test_rows_in_the_narrowest_cone_have_opposite_ones(width):
    rows = np.c_[np.ones(40), width * normal(np.random.default_rng(3), 40, 3)]
    assert_cloud_is_exact(rows, 2, nearest(rows, 2))


def test_opposite_rows_are_at_distance_zero_from_each_other():
    rows = normal(np.random.default_rng(2), 60, 40)
    rows[33] = -rows[5]
    opposite = cloud_neighbours(rows, *centred(rows), 2).opposite
    assert np.flatnonzero(opposite.distance[:, 0] == 0).tolist() == [5, 33]
    assert opposite.index[[5, 33], 0].tolist() == [33, 5]


# The last is finite, but its square is not.
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
def test_rows_without_distances_are_refused(value):
    rows = np.ones((5, 3))
    rows[2, 1] = value
    with pytest.raises(DataValueError, match="expected finite distances"):
        nearest(rows, 2)


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("d", [1, 7, 300])
def test_rounding_errors_are_bounded_and_small(cloud, d):
    rows = cloud(np.random.default_rng(10), 40, d)
    centre = rows.mean(axis=0)
    pairs, (step, norm, error, reach, along) = kernel._quantised(rows, centre)
    groups = pairs.view(np.int16).reshape(3, -1, 16, 2).transpose(0, 2, 1, 3).reshape(48, -1)
    assert (groups[40:] == 0).all()
    assert (groups[:, d:] == 0).all()
    whole = groups[:40, :d].astype(float)
    rounded = step[:40, None] * whole
    np.testing.assert_allclose(norm[:40], np.linalg.norm(rounded, axis=1), rtol=1e-12)
    np.testing.assert_allclose(along[:40], rounded @ centre, rtol=1e-9, atol=1e-12 * np.abs(rows).max() ** 2)
    np.testing.assert_allclose(reach[:40], np.linalg.norm(rows - centre, axis=1), rtol=1e-12)
    assert ((whole**2).sum(axis=1) < 2**31).all()
    assert (np.linalg.norm(rows - centre - rounded, axis=1) <= error[:40]).all()
    assert (error[:40] <= reach[:40] * (np.sqrt(d) / 2 / 32766 + 1e-12)).all()


def test_memory_is_as_told():
    rows = normal(np.random.default_rng(11), 3000, 60)
    given = centred(rows)
    cloud_neighbours(rows, *given, 4)
    tracemalloc.start()
    cloud_neighbours(rows, *given, 4)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= nearest_bytes(3000, 60, 4) <= 1.5 * peak
