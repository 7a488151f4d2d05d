"""Scores whose independent components are shuffled among features: each keeps its distribution, all that is joint goes.

Principal axes would not do: those of independent coordinates of like variance are any rotation of the coordinates, and
rotated coordinates of heavy tails are uncorrelated but not independent.
"""

from __future__ import annotations

import numpy as np

from saegeom_data.lazy import Work, eigen
from saegeom_data.metrics.nulls.gaussian_scores import covariance_work, with_covariance
from saegeom_data.typing import Array

LABEL = "shuffled_components"

_STEPS = 40
# Keeps steps along components that are nearly Gaussian, whose direction is noise, from being large.
_DAMPING = 0.1


def independent_components(scores: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Components (n, d) of ``scores`` (n, d) that depend on each other least, and their mixing (d, d).

    Scores are components times mixing, but for the mean; each component is in ascending order.

    White scores z = (x - mean) L^-T, for L L' their covariance, are turned by W to y = z W. With the likelihood of
    log cosh (Hyvarinen 1999), A = mean(y tanh(y)') and c = diag A - mean(1 - tanh^2 y), which is below 0 for heavy
    tails, W becomes the rotation nearest to W (1 + S), S_ij = (A_ij s_j - A_ji s_i) / (|c_i| + |c_j| + 0.1) for
    s = sign c, 40 times.
    """
    n, d = scores.shape
    centred = scores - scores.mean(axis=0)
    factor = np.linalg.cholesky(centred.T @ centred / (n - 1))
    white = np.linalg.solve(factor, centred.T).T
    rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
    for _ in range(_STEPS):
        turned = white @ rotation
        squashed = np.tanh(turned)
        products = turned.T @ squashed / n
        excess = products.diagonal() - 1 + (squashed**2).mean(axis=0)
        signed = products * np.sign(excess)
        size = np.abs(excess)
        step = (signed - signed.T) / (size[:, None] + size + _DAMPING)
        left, _, right = np.linalg.svd(rotation @ (np.eye(d) + step))
        rotation = left @ right
    # In order, so that the order of the rows does not change what is drawn.
    return np.sort(white @ rotation, axis=0), rotation.T @ factor.T


def components_work(n: int, d: int) -> Work:
    """What :func:`independent_components` of scores (n, d) computes: in each step tanh, two products and a rotation."""
    step = Work(products=2 * n * d**2, functions=2 * n * d, passes=100 * n * d, calls=60) + 2 * eigen(d)
    return _STEPS * step


def shuffled_work(n: int, d: int) -> Work:
    """What :func:`shuffled_scores` computes for components (n, d)."""
    return covariance_work(n, d) + Work(products=n * d**2, steps=10 * n * d)


def shuffled_scores(components: Array, mixing: Array, wanted: Array, rng: np.random.Generator) -> Array:
    """Scores (n, d) of components (n, d) shuffled each by itself, with the covariance ``wanted`` (d, d)."""
    return with_covariance(rng.permuted(components, axis=0) @ mixing, wanted)
