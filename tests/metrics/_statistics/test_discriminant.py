"""Discriminants of offsets that were dealt anew, against the eigenproblem of each draw by itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigh

from saegeom_data.metrics._statistics import discriminant


@pytest.mark.parametrize(("n", "n_hidden"), [(80, 12), (40, 60)])
@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_redealt_discriminants_are_those_of_the_generalised_eigenproblem(n: int, n_hidden: int, shift: float) -> None:
    rng = np.random.default_rng(0)
    points, delta = rng.standard_normal((n, n_hidden)) * np.linspace(1, 3, n_hidden) + shift, 0.2
    label = np.repeat(np.arange(4), n // 4)
    order = np.stack([rng.permutation(n) for _ in range(3)])
    sign = rng.choice([-1.0, 1.0], (3, n))
    basis = discriminant.second_moment_basis(points, delta)
    means, weights = discriminant.discriminants_of_redealt(basis.whiten(points), label, order, sign, 4, delta, 3)
    target = (points**2).sum() / n / n_hidden
    for draw in range(3):
        moved = sign[draw][:, None] * points[order[draw]]
        got = moved @ basis.whitening @ means[draw].T @ weights[draw]
        centre = np.array([moved[label == relation].mean(axis=0) for relation in range(4)])[label]
        between, total = np.cov(centre.T, ddof=0), np.cov(moved.T, ddof=0)
        within = (1 - delta) * (total - between) + delta * target * np.eye(n_hidden)
        expected = moved @ eigh(between, within)[1][:, ::-1][:, :3]
        np.testing.assert_allclose(np.abs(got), np.abs(expected), atol=1e-7)
