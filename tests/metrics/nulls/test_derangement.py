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
