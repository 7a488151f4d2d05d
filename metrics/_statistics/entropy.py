"""Entropy estimates of row clouds, in nats: Gaussian, nearest-neighbour, and the formula of the paper's code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saegeom_data.lazy import Work, eigen
from saegeom_data.metrics._statistics.moments import without_rounding
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

_THETA = 0.01
_RESAMPLES = 30
_EULER = 0.577216
# Neighbours listed beside three for each order: one row in 1e8 has so few of them drawn that it needs more.
_SPARE = 16


def gaussian_entropy(covariance: Array) -> float:
    """Entropy of a Gaussian with ``covariance`` (components, components); NaN unless it is of full rank."""
    eigenvalue = np.linalg.eigvalsh(covariance)
    # An eigenvalue that is rounding has a logarithm, which would be taken for an entropy.
    if not without_rounding(eigenvalue[::-1]).all():
        return np.nan
    return float((len(eigenvalue) * (1 + np.log(2 * np.pi)) + np.log(eigenvalue).sum()) / 2)


def neighbour_entropy(rows: Array, k: tuple[int, ...]) -> Array:
    """Kozachenko-Leonenko entropy (k,) of distinct ``rows`` (rows, components), a value for each of ``k``."""
    from saegeom_data.metrics._kernels.nearest import nearest

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
    """Gaussian entropy and, for each resample and k, the published neighbour entropy (resamples, k) of raw ``rows``.

    The mean over the n rows of a resample, drawn with replacement, is of d log(distance + theta) for the distance to
    the k-th nearest other row drawn, a copy being at 0; to it come the mean log eigenvalue of the resample's
    covariance, log(n - 1), and the constants.
    """
    scores = _published_scores(rows, n_components)
    gaussian = gaussian_entropy(np.atleast_2d(np.cov(scores, rowvar=False)))
    n, d = scores.shape
    rng = stream("published_resamples", seed)
    counts = [np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(_RESAMPLES)]
    covariances = [np.atleast_2d(np.cov(scores, rowvar=False, fweights=count)) for count in counts]
    eigenvalue = np.maximum(np.linalg.eigvalsh(np.stack(covariances)), 1e-10)
    psi = np.array([-_EULER + (1 / np.arange(1, rank + 1)).sum() for rank in k])
    constant = np.log(n - 1) - psi
    return gaussian, d * _resampled_logs(scores, counts, k) + np.log(eigenvalue).mean(axis=1)[:, None] + constant


def published_work(n: int, hidden: int, d: int, k: tuple[int, ...]) -> Work:
    """What :func:`published_entropies` of n rows computes."""
    from saegeom_data.metrics._kernels.nearest import nearest_work

    listed = min(n - 1, 3 * max(k) + _SPARE)
    axes = Work(products=n * hidden**2 / 2 + n * hidden * d, passes=60 * n * hidden) + 0.6 * eigen(hidden)
    resample = Work(products=n * d**2, passes=40 * n * d + 60 * n * listed, sorting=n, calls=200) + 0.4 * eigen(d)
    return axes + nearest_work(n, d, listed) + Work(functions=n * listed) + _RESAMPLES * resample


def _published_scores(rows: Array, n_components: int) -> Array:
    """Scores (rows, components) of the z-scored ``rows`` on their leading principal axes."""
    from scipy.linalg import eigh

    n, hidden = rows.shape
    mean = rows.mean(axis=0)
    standard = rows - mean
    deviation = np.sqrt(np.einsum("ij,ij->j", standard, standard) / n)
    # The mean of equal values is off by rounding, which must not be blown up to a deviation of 1.
    standard /= np.where(deviation > n * np.finfo(float).eps * np.abs(mean), deviation, 1.0)
    _, vectors = eigh(
        standard.T @ standard,
        subset_by_index=(hidden - n_components, hidden - 1),
        overwrite_a=True,
        check_finite=False,
    )
    return np.asarray(standard @ vectors)


def _resampled_logs(scores: Array, counts: Sequence[Array], k: tuple[int, ...]) -> Array:
    """Mean log(distance + theta) (resamples, k) where each of ``scores`` was drawn so many times.

    One list of neighbours serves all resamples: in each, a row's nearest is the first of its list that was drawn.
    """
    from saegeom_data.metrics._kernels.nearest import nearest

    known = nearest(scores, min(len(scores) - 1, 3 * max(k) + _SPARE))
    log_distance = np.log(known.distance + _THETA)
    means = np.empty((len(counts), len(k)))
    for resample, count in enumerate(counts):
        drawn = np.flatnonzero(count)
        copies = count[drawn]
        # Other copies of the row itself are its nearest, at distance 0, and come before the list.
        reached = np.cumsum(count[known.index[drawn]], axis=1) + copies[:, None] - 1
        for order, rank in enumerate(k):
            place = (reached < rank).sum(axis=1)
            listed = place < reached.shape[1]
            logs = log_distance[drawn, np.minimum(place, reached.shape[1] - 1)]
            logs[copies > rank] = np.log(_THETA)
            # The list ended before enough of it was drawn: measured anew, which is rare.
            for row in np.flatnonzero(~listed):
                distance = np.linalg.norm(scores[drawn] - scores[drawn[row]], axis=1)
                logs[row] = np.log(np.sort(np.repeat(distance, copies))[rank] + _THETA)
            means[resample, order] = logs @ copies / len(scores)
    return means
