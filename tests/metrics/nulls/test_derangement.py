"""Derangements: none leaves a member in place, and all are as likely."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics.nulls import derangement


def test_derangements_leave_nothing_in_place_and_are_uniform() -> None:
    drawn = derangement.derangements(4, 9000, np.random.default_rng(1))
    assert (drawn != np.arange(4)).all()
    _, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(counts) == 9
    # 1,000 of each expected, with a deviation of about 30.
    assert abs(counts - 1000).max() < 150


def test_more_derangements_go_on_from_fewer() -> None:
    few, many = (derangement.derangements(6, n, np.random.default_rng(2)) for n in (99, 199))
    assert (few == many[:99]).all()


def test_derangements_of_what_is_left_leave_nothing_in_place() -> None:
    drawn, there = derangement.derangements(6, 200, np.random.default_rng(3)), np.arange(6) != 2
    closed = derangement.closed(drawn, there)[:, there]
    own = np.arange(6)[there]
    assert (closed != own).all()
    # Members 2 and k alone in a cycle: k has no other target.
    alone = closed == 2
    assert (alone == (drawn[:, there] == 2) & (drawn[:, [2]] == own)).all()
    assert 0 < alone.sum() < 200
