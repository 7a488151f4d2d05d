"""Entropy estimates of row clouds, in nats: Gaussian, nearest-neighbour, and the formula of the paper's code."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_THETA = 0.01
_RESAMPLES = 30
_EULER = 0.577216


def gaussian_entropy(covariance: Array) -> float:
    """Entropy of a Gaussian with ``covariance`` (components, components); NaN unless it is of full rank."""
    eigenvalue = np.linalg.eigvalsh(covariance)
    if not eigenvalue[0] > eigenvalue[-1] * len(eigenvalue) * 4 * np.finfo(float).eps:
        return np.nan
    return float((len(eigenvalue) * (1 + np.log(2 * np.pi)) + np.log(eigenvalue).sum()) / 2)


def neighbour_entropy(rows: Array, k: tuple[int, ...]) -> Array:
    """Kozachenko-Leonenko entropy (k,) of distinct ``rows`` (rows, components), a value for each of ``k``."""
    from ._neighbours_numba import nearest

    return entropy_of_distances(nearest(rows, max(k)).distance, rows.shape[1], k)


def entropy_of_distances(distance: Array, d: int, k: tuple[int, ...]) -> Array:
    """Kozachenko-Leonenko entropy (k,) of rows in ``d`` dimensions from distances (rows, order) of their neighbours.

    Rows without a neighbour (inf) do not count; the entropy is -inf if a distance is 0, inf if there are too few rows.
    """
    from scipy.special import digamma, gammaln

    counted = distance[np.isfinite(distance[:, 0])]
    if not len(counted):
        return np.full(len(k), np.nan)
    with np.errstate(divide="ignore"):
        mean_log = np.log(counted).mean(axis=0)[np.array(k) - 1]
    log_ball = d / 2 * np.log(np.pi) - gammaln(d / 2 + 1)
    return np.asarray(digamma(len(counted)) - digamma(np.array(k)) + log_ball + d * mean_log)


def published_entropies(rows: Array, n_components: int, k: tuple[int, ...], seed: int) -> tuple[float, Array]:
    """Gaussian entropy and, for each resample and k, the published neighbour entropy (resamples, k) of raw ``rows``."""
    scores = _published_scores(rows, n_components)
    gaussian = gaussian_entropy(np.atleast_2d(np.cov(scores, rowvar=False)))
    rng = np.random.default_rng((seed, 2))
    draws = (scores[rng.integers(len(scores), size=len(scores))] for _ in range(_RESAMPLES))
    return gaussian, np.array([_published_entropy(draw, k) for draw in draws])


def _published_scores(rows: Array, n_components: int) -> Array:
    from scipy.linalg import eigh

    deviation = rows.std(axis=0)
    standard = (rows - rows.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    hidden = rows.shape[1]
    _, vectors = eigh(standard.T @ standard, subset_by_index=[hidden - n_components, hidden - 1])
    return np.asarray(standard @ vectors)


def _published_entropy(rows: Array, k: tuple[int, ...]) -> Array:
    from ._neighbours_numba import nearest

    n, d = rows.shape
    mean_log = np.log(nearest(rows, max(k)).distance + _THETA).mean(axis=0)[np.array(k) - 1]
    eigenvalue = np.maximum(np.linalg.eigvalsh(np.atleast_2d(np.cov(rows, rowvar=False))), 1e-10)
    psi = np.array([-_EULER + (1 / np.arange(1, one + 1)).sum() for one in k])
    return np.asarray(d * mean_log + np.log(eigenvalue).mean() + np.log(n - 1) - psi)
