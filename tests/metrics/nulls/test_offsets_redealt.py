"""Offsets dealt anew: what is kept, and that all signed permutations are as likely."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics.nulls.offsets_redealt import signed_permutations


def test_offsets_stay_in_their_group_with_their_lines() -> None:
    groups = np.array([0, 1, 0, 1, 1, 0, 0])
    order, sign = signed_permutations(groups, 50, np.random.default_rng(0))
    assert (groups[order] == groups).all()
    assert (np.sort(order, axis=1) == np.arange(7)).all()
    offset = np.random.default_rng(1).standard_normal((7, 3))
    for taken, turned in zip(order, sign, strict=True):
        drawn = turned[:, None] * offset[taken]
        # Squared cosines and lengths are those of the offsets, in another order.
        np.testing.assert_allclose((drawn @ drawn.T) ** 2, ((offset @ offset.T) ** 2)[np.ix_(taken, taken)])
        np.testing.assert_allclose(drawn.T @ drawn, offset.T @ offset)


def test_every_signed_permutation_is_as_likely() -> None:
    order, sign = signed_permutations(np.zeros(3), 9600, np.random.default_rng(2))
    _, counts = np.unique(np.concatenate([order, sign], axis=1), axis=0, return_counts=True)
    # 6 orders and 8 signs: 200 of each expected, with a deviation of 14.
    assert len(counts) == 48
    assert abs(counts - 200).max() < 65


def test_more_draws_go_on_from_fewer() -> None:
    groups = np.array([0, 1, 0, 1, 1, 0, 0])
    few, many = (signed_permutations(groups, n, np.random.default_rng(3)) for n in (99, 199))
    for part, whole in zip(few, many, strict=True):
        assert (part == whole[:99]).all()
