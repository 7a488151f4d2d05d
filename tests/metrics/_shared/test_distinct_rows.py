"""Copies among rows: exact ones, rounded ones and chains; what is no copy; the same for any chunks."""

import numpy as np
import pytest
from decoder_rows import decoder, gaussian_rows

from saegeom_data.metrics._shared.directions import COPY
from saegeom_data.metrics._shared.distinct_rows import count_near_copies, distinct_rows
from saegeom_data.testing.checks import assert_equal, raise_if_dask_computes


def with_copies():
    """Rows of which 40 to 43 copy 3, 44 is zero, and 45 and 46 copy 44 and 7 at other lengths."""
    rows = gaussian_rows(0, 47, 20)
    rows[40:44] = rows[3] * [[1], [1 + 1e-8], [2], [1]]
    rows[43] += 1e-8 * rows[4]
    rows[44] = 0
    rows[45] = 0
    rows[46] = 0.5 * rows[7]
    return rows


def test_copies_are_represented_by_the_first():
    rows = with_copies()
    expected = np.arange(47)
    expected[[40, 41, 42, 43, 44, 45, 46]] = [3, 3, 3, 3, -1, -1, 7]
    found = distinct_rows(decoder(rows))
    np.testing.assert_array_equal(found.representative, expected)
    np.testing.assert_array_equal(found.is_kept, expected == np.arange(47))
    assert (int(found.n_kept), int(found.n_zero), int(found.n_copies)) == (40, 2, 5)
    np.testing.assert_allclose(found.norm, np.linalg.norm(rows, axis=1))


def test_rows_of_other_lengths_are_no_copies_where_norms_matter():
    expected = np.arange(47)
    expected[[40, 41, 43, 44, 45]] = [3, 3, 3, -1, -1]
    np.testing.assert_array_equal(distinct_rows(decoder(with_copies()), by="row").representative, expected)


def test_rows_that_are_not_drawn_represent_nobody():
    rows = np.repeat(gaussian_rows(0, 10, 5), 3, axis=0)
    drawn = np.array([1, 2, 4, 9])
    found = distinct_rows(decoder(rows), drawn=drawn)
    assert found.representative.values[drawn].tolist() == [1, 1, 4, 9]
    assert (np.delete(found.representative.values, drawn) == -1).all()
    assert (int(found.n_kept), int(found.n_copies)) == (3, 1)


@pytest.mark.parametrize("chunks", [{"features": 7}, {"features": 1, "hidden": 3}, {"features": 47, "hidden": 20}])
def test_any_chunks_give_the_same(chunks):
    with raise_if_dask_computes():
        lazy = distinct_rows(decoder(with_copies()).chunk(chunks), by="row")
    assert_equal(lazy.compute(), distinct_rows(decoder(with_copies()), by="row"))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_rounding_makes_no_difference(dtype):
    rows = gaussian_rows(1, 200, 30).astype(dtype)
    found = distinct_rows(decoder(np.r_[rows, rows[:50]]))
    np.testing.assert_array_equal(found.representative, np.r_[np.arange(200), np.arange(50)])


def test_tolerance_is_about_what_it_says():
    rows = gaussian_rows(2, 400, 200)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    apart = gaussian_rows(3, 400, 200)
    apart -= rows * (rows * apart).sum(axis=1, keepdims=True)
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    for factor, share in ((0.4, 1.0), (2.5, 0.0)):
        found = distinct_rows(decoder(np.r_[rows, rows + factor * COPY * apart]))
        assert found.n_copies == share * 400


def test_many_nearly_equal_rows_are_one():
    rows = 1 + 1e-8 * gaussian_rows(4, 3000, 10)
    found = distinct_rows(decoder(rows))
    assert (int(found.n_kept), int(found.n_copies)) == (1, 2999)
    assert distinct_rows(decoder(np.ones((3000, 10)))).n_kept == 1


def test_points_on_a_curve_are_no_copies():
    angle = 2 * np.pi * np.arange(20_000) / 20_000
    assert distinct_rows(decoder(np.c_[np.cos(angle), np.sin(angle)])).n_copies == 0


def test_near_copies_are_counted():
    distance = np.r_[np.full(300, 1.0), [1e-3, 0.009, 0.011], [np.inf]]
    assert count_near_copies(distance) == 2
    assert count_near_copies(np.array([np.inf])) == 0
