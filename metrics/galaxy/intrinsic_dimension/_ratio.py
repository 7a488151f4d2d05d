"""Ratios of distances to neighbours, whose mean logarithm is one over the dimension."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from saegeom_data.metrics.galaxy._shared.cosines import dependent_error
from saegeom_data.typing import Array


@dataclass(frozen=True)
class Ratio:
    """Log ratio of a row's distances: to neighbour ``outer`` over the geometric mean of those to ``inner``.

    Its mean is ``expected`` over the dimension, from ``n_shares`` independent terms; rows share it with so many as are
    ``linked``.
    """

    outer: int
    inner: slice
    expected: float
    n_shares: int
    linked: int

    @classmethod
    def of(cls, name: str, order: int) -> Ratio:
        """The ratio of an estimator: r_k over all nearer for maximum likelihood, else r_2s over r_s."""
        from scipy.special import digamma

        if name == "maximum_likelihood":
            return cls(order, slice(order - 1), 1.0, order - 1, order // 2)
        return cls(2 * order, slice(order - 1, order), float(digamma(2 * order) - digamma(order)), 1, order)

    def __call__(self, log: Array) -> Array:
        """Log ratios (...) from log distances (..., order)."""
        return np.asarray(log[..., self.outer - 1] - log[..., self.inner].mean(axis=-1))

    def dimension(self, mean: Any, n: int) -> Array:
        """Dimension from the mean log ratio of n rows."""
        mean = np.asarray(mean)
        scale = self.expected * (1 - 1 / (max(n, 1) * self.n_shares))
        # Equal distances to all neighbours, but for rounding, are those of infinitely many dimensions.
        return np.asarray(np.divide(scale, mean, out=np.where(np.isnan(mean), np.nan, np.inf), where=mean > 1e-12))


def dimensions(name: str, order: int, mean_log: Array, n: int) -> Array:
    """Dimensions of clouds of n rows each, from their mean log distances (cloud, order)."""
    ratio = Ratio.of(name, order)
    return ratio.dimension(ratio(mean_log), n)


def estimate(ratio: Ratio, log: Array, neighbour: Array) -> tuple[float, float, float]:
    """Dimension d of log distances (rows, order), and its 95 percent interval, of a t law in ln d.

    Its degrees of freedom are n / r - 1 (at least 1): of n rows so many neighbourhoods of r have no row in common.
    """
    from scipy.stats import t

    values = ratio(log)
    mean, n = known_mean(values), int(np.isfinite(values).sum())
    value = float(ratio.dimension(mean, n))
    # Errors are in proportion to the dimension, which is positive: ends are symmetric in its logarithm.
    error = dependent_error(values, neighbour[:, : ratio.linked]) / mean if mean > 0 else mean
    reach = t.ppf(0.975, max(n / ratio.outer - 1, 1)) * error
    return value, value * np.exp(-reach), value * np.exp(reach)


def known_mean(values: Array) -> float:
    """Mean of what is not NaN."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan
