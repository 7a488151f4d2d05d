"""Independent isotropic rows of like norms: the exact law of the eigenvalues of their covariance, in the limit."""

from __future__ import annotations

import numpy as np

from saegeom_data.errors import ParameterError
from saegeom_data.typing import Array

LABEL = "marchenko_pastur"


def marchenko_pastur_quantiles(n_eigenvalues: int, gamma: float, variance: float = 1.0) -> Array:
    r"""Eigenvalues that a covariance of independent isotropic rows has in the limit, descending.

    Rank r is the quantile of upper probability (r - 1/2) / n_eigenvalues of the Marchenko-Pastur law, whose density is
    :math:`\sqrt{(b - x)(x - a)} / (2 \pi \gamma \sigma^2 x)` between
    :math:`a, b = \sigma^2 (1 \mp \sqrt\gamma)^2`, with a point mass of 1 - 1 / gamma at 0 if gamma > 1.

    Parameters
    ----------
    n_eigenvalues
        Number of quantiles: the hidden size.
    gamma
        Hidden size over number of rows, above 0.
    variance
        Variance of each coordinate: the mean eigenvalue.

    Returns
    -------
    numpy.ndarray
        Shape (n_eigenvalues,).

    Raises
    ------
    ParameterError
        If n_eigenvalues is under 1 or gamma is not above 0.

    Examples
    --------
    >>> marchenko_pastur_quantiles(3, 0.01).round(2).tolist()
    [1.11, 1.0, 0.89]
    """

    if n_eigenvalues < 1 or not gamma > 0:
        raise ParameterError(f"got n_eigenvalues {n_eigenvalues} and gamma {gamma}, expected both above 0")
    upper = (np.arange(n_eigenvalues) + 0.5) / n_eigenvalues
    # With more dimensions than rows, a share 1 - 1 / gamma of the eigenvalues is exactly 0.
    mass = min(1.0, 1.0 / gamma)
    low, high = np.zeros(n_eigenvalues), np.full(n_eigenvalues, np.pi)
    # Halved in the angle, where the law is smooth up to both edges; 60 halvings of pi end below rounding.
    for _ in range(60):
        middle = (low + high) / 2
        right = mass - _bulk(middle, gamma) > upper
        low, high = np.where(right, middle, low), np.where(right, high, middle)
    values = variance * (1 + gamma - 2 * np.sqrt(gamma) * np.cos((low + high) / 2))
    return np.where(upper < mass, values, 0.0)


def _bulk(angle: Array, gamma: float) -> Array:
    """Marchenko-Pastur probability of (0, x] at x = 1 + gamma - 2 sqrt(gamma) cos(angle), in closed form."""
    root = np.sqrt(gamma)
    tangent = np.arctan2((1 + root) * np.sin(angle / 2), abs(1 - root) * np.cos(angle / 2))
    return np.asarray(
        (np.sin(angle) / root + (1 + gamma) / (2 * gamma) * angle - abs(1 - gamma) / gamma * tangent) / np.pi
    )
