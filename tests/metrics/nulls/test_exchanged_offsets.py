"""Offsets exchanged between clusters: what is kept and what is drawn."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics.nulls.exchanged_offsets import exchanged_rows, offsets_from_centres


def clusters(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(12), [1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6, 2])
    rows = rng.standard_normal((12, 9))[cluster] + 0.3 * rng.standard_normal((len(cluster), 9))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), cluster


def test_a_row_is_its_centre_and_its_offset() -> None:
    rows, cluster = clusters()
    centre, offset = offsets_from_centres(rows, cluster)
    size = np.bincount(cluster)[cluster]
    mean = np.stack([rows[cluster == label].mean(axis=0) for label in cluster])
    shrunk = (rows - mean) * np.sqrt(size / np.maximum(size - 1, 1))[:, None]
    expected = np.concatenate([mean, shrunk], axis=1)
    got = np.concatenate([centre, offset], axis=1)
    for table in (expected, got):
        table[:] = table[np.lexsort(table.T)]
    np.testing.assert_allclose(got, expected, atol=1e-12)
    assert not offset[-2:].any()
    assert offset[:-2].any(axis=1).all()


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
    np.testing.assert_allclose(drawn[-2:], centre[-2:])
    # Before they are divided by their norms, rows less their centres are the offsets in another order.
    scale = np.linalg.norm(centre + offset[np.append(np.random.default_rng(0).permutation(38), [38, 39])], axis=1)
    moved = drawn * scale[:, None] - centre
    np.testing.assert_allclose(moved[np.lexsort(moved.T.round(9))], offset[np.lexsort(offset.T.round(9))], atol=1e-12)


def test_there_is_no_draw_where_a_row_has_no_direction() -> None:
    rows = np.array([[1.0, 0], [-1, 0]])
    centre, offset = offsets_from_centres(rows, np.array([0, 0]))
    assert exchanged_rows(centre * 0, offset * 0, np.random.default_rng(0)) is None
