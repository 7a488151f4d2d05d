"""k-means from several starts, of many points side by side on all cores."""

from __future__ import annotations

from functools import partial

import numpy as np

from saegeom_data.lazy import each, n_threads
from saegeom_data.metrics._kernels.eigenpairs import one_thread
from saegeom_data.metrics.nulls.streams import drawn_seeds, stream
from saegeom_data.typing import Array

# Distances between points keep their order, nearly, in so many random directions; enough to draw starts by.
_DIRECTIONS = 64
# Of fewer points times classes, starts side by side would wait for the interpreter, and take twice as long.
_LEAST_SPREAD = 500_000
# Coordinates, over the largest, that agree so far are the same in single precision.
_DECIMALS = 5


def partitions_from_starts(points: Array, count: int, n_seeds: int, seed: int) -> Array:
    """Labels (starts, points) that ``n_seeds`` starts of k-means end in, the one of least inertia first.

    Starts are drawn by greedy k-means++, with as many trials as in scikit-learn, from distances in 64 random
    directions; Lloyd's iterations run in single precision on all coordinates.
    """
    largest = max(float(points.max()), -float(points.min())) or 1.0
    scaled = (points / largest).astype(np.float32)
    seeds = drawn_seeds("k_means", seed, count, size=n_seeds)
    with one_thread("blas"):
        fits = each(partial(_fit, scaled, count), seeds, is_spread=is_spread(len(points), count))
    return np.stack([labels for labels, _ in sorted(fits, key=lambda fit: fit[1])])


def is_spread(n: int, count: int) -> bool:
    """Whether starts on n points are so much work that they are shared out to all cores."""
    return n * count >= _LEAST_SPREAD


def k_means_bytes(n: int, count: int) -> int:
    """Peak memory of :func:`partitions_from_starts` beside its points: one copy for all, and two for each core."""
    return int(n * (4 * count * (1 + 2 * n_threads()) + n_threads() * (4 * _DIRECTIONS + 16 * np.log(8 * count))))


def _fit(points: Array, count: int, state: int) -> tuple[Array, float]:
    """Labels (n,) of points x (n, d) from one drawn start, and their inertia sum_i |x_i - mean of its class|^2."""
    from sklearn import config_context
    from sklearn.cluster import KMeans

    start = points[_starts(points, count, stream("k_means_start", state))]
    # With more than one thread, scikit-learn adds in no fixed order. The limit is one of the thread that sets it.
    # Points are known to be finite; to check them takes as long as the iterations on few.
    with one_thread("openmp"), config_context(assume_finite=True, skip_parameter_validation=True):
        model = KMeans(count, init=start, n_init=1).fit(points)
    return model.labels_, float(model.inertia_)


def _starts(points: Array, count: int, rng: np.random.Generator) -> Array:
    """Indices of ``count`` points: each the best of several drawn by squared distance from those before."""
    n, d = points.shape
    if d > _DIRECTIONS:
        points = points @ rng.standard_normal((d, _DIRECTIONS), dtype=points.dtype)
    square = np.einsum("ij,ij->i", points, points)
    n_trials = 2 + int(np.log(count))
    start = np.empty(count, np.int64)
    distance = np.full(n, np.inf, points.dtype)
    trial = rng.integers(n, size=1)
    for place in range(count):
        # |x|^2 - 2 x y + |y|^2, so that the work is one product of matrices.
        reach = points[trial] @ points.T
        reach *= -2
        reach += square
        reach += square[trial, None]
        # Rounding may leave the square of a small distance below 0.
        np.maximum(reach, 0, out=reach)
        np.minimum(reach, distance, out=reach)
        best = reach.sum(axis=1).argmin()
        start[place], distance = trial[best], reach[best]
        # In double precision: in single, sums of many points would leave the last of them no mass.
        mass = np.cumsum(distance, dtype=np.float64)
        # A draw that rounds to the whole mass would lie beyond the last point.
        trial = np.minimum(np.searchsorted(mass, rng.random(n_trials) * mass[-1], side="right"), n - 1)
    return start


def are_fewer(points: Array, count: int) -> bool:
    """Whether fewer than ``count`` of the points (n, d) differ in single precision."""
    largest = np.maximum(points.max(axis=0), -points.min(axis=0))
    scaled = (points / np.where(largest > 0, largest, 1)).astype(np.float32)
    direction = stream("distinct_points", 0).uniform(-1, 1, points.shape[1]).astype(np.float32)
    # Points that differ along one random direction differ; only where that leaves a doubt are all coordinates compared.
    if len(np.unique(np.round(scaled @ direction, _DECIMALS))) >= count:
        return False
    return len(np.unique(np.round(scaled, _DECIMALS), axis=0)) < count
