"""Offsets exchanged between clusters: what is kept and what is drawn."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics.nulls.exchanged_offsets import exchanged_rows, offsets_from_centres, straightened


def clusters(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(12), [1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6, 2])
    rows = rng.standard_normal((12, 9))[cluster] + 0.3 * rng.standard_normal((len(cluster), 9))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), cluster


def test_a_row_is_its_centre_and_its_offset_but_for_its_length() -> None:
    rows, cluster = clusters()
    straight = straightened(rows, cluster)
    got = straight.centre + straight.offset
    np.testing.assert_allclose(got / np.linalg.norm(got, axis=1, keepdims=True), rows, atol=1e-12)
    assert 0.5 < np.linalg.norm(got, axis=1).min() < np.linalg.norm(got, axis=1).max() < 2
    for label in range(12):
        np.testing.assert_allclose(straight.offset[cluster == label].sum(axis=0), 0, atol=1e-12)
        assert np.ptp(straight.centre[cluster == label], axis=0).max() == 0
    # Those of m members are longer by sqrt(m / (m - 1)), and those of single rows 0 and last.
    size = np.bincount(cluster)[cluster]
    expected = straight.offset * np.sqrt(size / np.maximum(size - 1, 1))[:, None]
    offset = offsets_from_centres(rows, cluster)[1]
    np.testing.assert_allclose(offset[np.lexsort(offset.T)], expected[np.lexsort(expected.T)], atol=1e-12)
    assert not offset[-2:].any()
    assert offset[:-2].any(axis=1).all()


def test_arcs_along_a_common_axis_are_made_straight() -> None:
    rng = np.random.default_rng(0)
    cluster, axis = np.repeat(np.arange(10), 10), np.eye(16)[0]
    centre = rng.standard_normal((10, 16))
    centre /= np.linalg.norm(centre, axis=1, keepdims=True)
    rows = centre[cluster] + 0.7 * rng.standard_normal((100, 1)) * axis
    rows += 0.005 * rng.standard_normal(rows.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)

    def least_cosine(offset: np.ndarray) -> float:
        long = np.linalg.norm(offset, axis=1) > 0.3
        return float(np.abs(offset[long, 0] / np.linalg.norm(offset[long], axis=1)).min())

    mean = np.stack([rows[cluster == label].mean(axis=0) for label in cluster])
    assert least_cosine(rows - mean) < 0.9
    assert least_cosine(straightened(rows, cluster).offset) > 0.98


def test_order_of_rows_does_not_matter() -> None:
    rows, cluster = clusters()
    order = np.random.default_rng(1).permutation(len(rows))
    drawn = [
        exchanged_rows(*offsets_from_centres(rows[index], cluster[index]), np.random.default_rng(3))
        for index in (np.arange(len(rows)), order)
    ]
    np.testing.assert_allclose(*drawn)


def test_offsets_are_exchanged_and_single_rows_stay() -> None:
    rows, cluster = clusters()
    centre, offset = offsets_from_centres(rows, cluster)
    drawn = exchanged_rows(centre, offset, np.random.default_rng(0))
    assert drawn is not None
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1)
    np.testing.assert_allclose(drawn[-2:], centre[-2:] / np.linalg.norm(centre[-2:], axis=1, keepdims=True))
    # Before they are divided by their norms, rows less their centres are the offsets in another order.
    scale = np.linalg.norm(centre + offset[np.append(np.random.default_rng(0).permutation(38), [38, 39])], axis=1)
    moved = drawn * scale[:, None] - centre
    np.testing.assert_allclose(moved[np.lexsort(moved.T.round(9))], offset[np.lexsort(offset.T.round(9))], atol=1e-12)


def test_there_is_no_draw_where_a_row_has_no_direction() -> None:
    rows = np.array([[1.0, 0], [-1, 0]])
    centre, offset = offsets_from_centres(rows, np.array([0, 0]))
    assert exchanged_rows(centre * 0, offset * 0, np.random.default_rng(0)) is None
