"""Linear discriminant analysis with shrinkage, in a basis that many labellings of the same points share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data.errors import DataValueError
from saegeom_data.metrics._statistics.silhouettes import indicators
from saegeom_data.typing import Array

# Points without any spread inside their relations would otherwise divide by zero.
_LEAST_SHRINKAGE = 1e-4
_RANK = 1e-12
# Variance below this share of the squared mean is what single precision leaves of none.
_SPREAD = 1e-13


@dataclass(frozen=True)
class Basis:
    """Principal axes of training points, and their whitening by the shrunk total covariance.

    Total covariance does not depend on labels, so one decomposition serves every labelling. ``scale`` are the inverse
    standard deviations along the axes, and ``beyond`` that in all other directions, where only shrinkage gives spread.
    """

    axes: Array
    scale: Array
    beyond: float
    share: Array
    mean: Array
    shrinkage: float

    @property
    def whitening(self) -> Array:
        """Axes, divided by the shrunk standard deviations along them."""
        return np.asarray(self.axes * self.scale)

    @property
    def unwhitening(self) -> Array:
        """Axes, multiplied by the shrunk standard deviations along them."""
        return np.asarray(self.axes / self.scale)

    def whiten(self, points: Array) -> Array:
        """Coordinates in which the shrunk total covariance of training points is the identity."""
        return np.asarray((points - self.mean) @ self.whitening)


def fit_basis(points: Array, shrinkage: float | None) -> Basis:
    """Decompose training points of shape (points, hidden); ``shrinkage`` None is that of Ledoit and Wolf."""
    if shrinkage is None:
        from sklearn.covariance import ledoit_wolf_shrinkage

        shrinkage = float(ledoit_wolf_shrinkage(points))
    shrinkage = max(shrinkage, _LEAST_SHRINKAGE)
    mean = points.mean(axis=0)
    variance, axes = principal_axes(points - mean)
    total = float(variance.sum())
    target = total / points.shape[1]
    if total <= _SPREAD * float((mean**2).sum()):
        raise DataValueError(
            "source_activation, target_activation: all offsets are the same but for rounding, expected offsets that "
            "differ between pairs; check that the activations are those of the words"
        )
    shrunk = (1 - shrinkage) * variance + shrinkage * target
    return Basis(axes, 1 / np.sqrt(shrunk), float(1 / np.sqrt(shrinkage * target)), variance / total, mean, shrinkage)


def principal_axes(centred: Array) -> tuple[Array, Array]:
    """Variances (ddof 0), descending, and axes in columns, of centred points; axes of no variance are left out."""
    n, dims = centred.shape
    if n > dims:
        variance, axes = np.linalg.eigh(centred.T @ centred)
    else:
        variance, points = np.linalg.eigh(centred @ centred.T)
        axes = centred.T @ points / np.sqrt(np.maximum(variance, np.finfo(float).tiny))
    variance, axes = variance[::-1], axes[:, ::-1]
    kept = variance > _RANK * variance[0]
    return variance[kept] / n, axes[:, kept]


def discriminants(
    whitened: Array, labels: Array, n_relations: int, shrinkage: float, n_directions: int
) -> tuple[Array, Array]:
    """Solve the eigenproblem between relations, which is as small as their number, for many labellings.

    Parameters
    ----------
    whitened
        Training points from :meth:`Basis.whiten`, (pairs, axes).
    labels
        Relation of each, (labellings, pairs).
    n_relations, n_directions
        Number of relations, and of directions to return.
    shrinkage
        That of the basis.

    Returns
    -------
    means, weights
        Weighted relation means, (labellings, relations, axes), and weights (labellings, relations, directions): points
        have discriminant coordinates ``whitened @ means.T @ weights``, in which the shrunk covariance within
        relations is the identity, by descending ratio of the covariance between relations to it.
    """
    indicator = indicators(labels, n_relations)
    count = indicator.sum(axis=1)
    flat = np.swapaxes(indicator, 1, 2).reshape(-1, len(whitened))
    means = (flat @ whitened).reshape(len(labels), n_relations, -1)
    means *= np.sqrt(1 / len(whitened) / count)[..., None]
    ratio, weights = np.linalg.eigh(means @ np.swapaxes(means, 1, 2))
    ratio, weights = ratio[:, ::-1][:, :n_directions], weights[:, :, ::-1][:, :, :n_directions]
    # With shrunk total covariance 1 and `ratio` between relations, this is left within them, and it is above 0.
    scale = ratio * (1 - (1 - shrinkage) * ratio)
    return means, weights * np.where(
        ratio > _RANK * ratio[:, :1], 1 / np.sqrt(np.maximum(scale, np.finfo(float).tiny)), 0.0
    )[:, None, :]
