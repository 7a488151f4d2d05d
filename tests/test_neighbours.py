"""Exact nearest neighbours: against all distances in double precision, whatever the rows and the tiling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from saegeom_data.metrics._neighbours_numba import Neighbours, between, merged, nearest, within


def brute_force(rows, k):
    rows = np.asarray(rows, float)
    distance = cdist(rows, rows)
    np.fill_diagonal(distance, np.inf)
    padded = np.pad(distance, ((0, 0), (0, max(0, k - len(rows)))), constant_values=np.inf)
    order = np.argsort(padded, axis=1, kind="stable")[:, :k]
    nearest_distance = np.take_along_axis(padded, order, axis=1)
    return nearest_distance, np.where(np.isfinite(nearest_distance), order, -1)


def tiled(rows, k, size):
    starts = range(0, len(rows), size)
    blocks = [rows[start : start + size] for start in starts]
    known = [within(start, block, k) for start, block in zip(starts, blocks, strict=True)]
    for i in range(len(blocks)):
        for j in range(i + 1, len(blocks)):
            one, other = between(starts[i], blocks[i], known[i], starts[j], blocks[j], known[j])
            known[i], known[j] = merged([known[i], one]), merged([known[j], other])
    return Neighbours(*(np.concatenate([getattr(part, name) for part in known]) for name in ("distance", "index")))


def assert_exact(found, rows, k):
    distance, index = brute_force(rows, k)
    np.testing.assert_allclose(found.distance, distance, rtol=1e-12, atol=0)
    # Equal distances stand by index; those that differ by rounding alone may stand either way.
    same = found.distance == distance
    assert (found.index == index)[same].mean() > 0.99
    own = np.arange(len(rows))[:, None]
    assert not (found.index == own).any()
    there = found.index >= 0
    again = np.linalg.norm(np.asarray(rows, float)[:, None] - np.asarray(rows, float)[found.index], axis=-1)
    np.testing.assert_allclose(found.distance[there], again[there], rtol=1e-12)


def rows_of(kind, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((90, 7))
    if kind == "far from the origin":
        rows += 1e4
    elif kind == "wildly different norms":
        rows *= 10.0 ** rng.uniform(-6, 6, (90, 1))
    elif kind == "tight cluster and outlier":
        rows[:30] = rows[0] + 1e-6 * rows[:30]
        rows[-1] *= 1e3
    elif kind == "vanishing":
        rows *= 1e-30
    elif kind == "huge":
        rows *= 1e30
    elif kind == "copies":
        rows[45:] = rows[:45]
    elif kind == "all equal":
        rows[:] = rows[0]
    elif kind == "blocks far apart":
        rows[45:] += 1e5
    return rows


KINDS = (
    "noise",
    "far from the origin",
    "wildly different norms",
    "tight cluster and outlier",
    "vanishing",
    "huge",
    "copies",
    "all equal",
    "blocks far apart",
)


@pytest.mark.parametrize("size", [1, 16, 45, 90])
@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_are_exact(kind, size):
    rows = rows_of(kind)
    for k in (1, 5):
        assert_exact(tiled(rows, k, size), rows, k)


def test_copies_stand_at_distance_zero_in_the_order_of_their_index():
    found = tiled(np.ones((9, 3)), 4, 4)
    assert (found.distance == 0).all()
    assert found.index[0].tolist() == [1, 2, 3, 4]
    assert found.index[5].tolist() == [0, 1, 2, 3]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_neighbours_do_not_depend_on_the_tiling(data):
    n, d = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 40))
    k, size = data.draw(st.integers(1, 64)), data.draw(st.integers(1, 70))
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    rows = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal((n, d)).astype(dtype)
    if data.draw(st.booleans()):
        rows[n // 2 :] = rows[: n - n // 2]
    found, whole = tiled(rows, k, size), nearest(rows, k)
    np.testing.assert_array_equal(found.index, whole.index)
    np.testing.assert_array_equal(found.distance, whole.distance)
    assert_exact(whole, rows, k)


def test_many_dimensions():
    rows = np.random.default_rng(0).standard_normal((300, 2304)).astype(np.float32)
    assert_exact(tiled(rows, 32, 128), rows, 32)


def test_more_rows_than_a_block_of_the_search():
    rows = np.random.default_rng(0).standard_normal((9000, 3))
    found = nearest(rows, 2)
    sample = np.arange(0, 9000, 45)
    distance = np.sort(cdist(rows[sample], rows), axis=1)[:, 1:3]
    np.testing.assert_allclose(found.distance[sample], distance, rtol=1e-12)


def test_inputs_and_what_is_known_stay_as_they_are():
    rows = rows_of("noise")
    known, other = within(0, rows[:45], 3), within(45, rows[45:], 3)
    before = [array.copy() for part in (known, other) for array in (part.distance, part.index)]
    merged([known, between(0, rows[:45], known, 45, rows[45:], other)[0]])
    for array, copy in zip((known.distance, known.index, other.distance, other.index), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    np.testing.assert_array_equal(rows, rows_of("noise"))


def test_no_others_leave_no_neighbours():
    found = nearest(np.ones((1, 4)), 2)
    assert np.isinf(found.distance).all()
    assert (found.index == -1).all()
