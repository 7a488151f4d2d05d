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
    # The smaller of both products has all eigenvalues that are not 0, and takes less.
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
    # Sums over relations become means times the root of their share, so that products of them are between-relation
    # covariance.
    means *= np.sqrt(1 / len(whitened) / count)[..., None]
    ratio, weights = np.linalg.eigh(means @ np.swapaxes(means, 1, 2))
    ratio, weights = ratio[:, ::-1][:, :n_directions], weights[:, :, ::-1][:, :, :n_directions]
    return means, weights * _scale(ratio, shrinkage)[:, None, :]


def _scale(ratio: Array, shrinkage: float) -> Array:
    """What makes the shrunk covariance within relations 1, for ratios (..., directions) in descending order."""
    # With shrunk total covariance 1 and `ratio` between relations, this is left within them, and it is above 0.
    scale = ratio * (1 - (1 - shrinkage) * ratio)
    return np.where(ratio > _RANK * ratio[..., :1], 1 / np.sqrt(np.maximum(scale, np.finfo(float).tiny)), 0.0)


def removed(points: Array, gone: Array) -> Array:
    """Rows Y (gone + 1, axes) with which the scatter of centred points (points, axes) loses Y'Y when some are gone.

    About the mean of the rest, it is S - sum x x' - s s' / (n - g) for g points x that are gone, and their sum s.
    """
    left = points[gone]
    return np.asarray(np.concatenate([left, left.sum(axis=0, keepdims=True) / np.sqrt(len(points) - len(left))]))


def discriminants_without(
    whitened: Array, labels: Array, gone: Array, n_relations: int, shrinkage: float, n_directions: int
) -> Array:
    """Discriminants of the points that are not ``gone``, from the whitening of all: weights (axes, directions).

    Shrinkage adds as much as it does to all points. Where T is the identity, that of the rest is I - Y'Y with few rows
    Y, and T^-1 M' = M' + Y' (I - YY')^-1 Y M' for weighted relation means M, as Woodbury's identity has it.

    Parameters
    ----------
    whitened
        Training points from :meth:`Basis.whiten`, (pairs, axes).
    labels
        Relation of each, (pairs,).
    gone
        Which are left out, (pairs,) bool.
    n_relations, shrinkage, n_directions
        As for :func:`discriminants`.
    """
    n = len(whitened)
    rows = removed(whitened, gone) * np.sqrt((1 - shrinkage) / n)
    rest = whitened[~gone]
    indicator = indicators(labels[~gone], n_relations)
    count = indicator.sum(axis=0)
    means = (indicator.T @ rest - count[:, None] * rest.mean(axis=0)) / np.sqrt(n * count)[:, None]
    across = rows @ means.T
    solved = means.T + rows.T @ np.linalg.solve(np.eye(len(rows)) - rows @ rows.T, across)
    ratio, weights = np.linalg.eigh(means @ solved)
    ratio, weights = ratio[::-1][:n_directions], weights[:, ::-1][:, :n_directions]
    return np.asarray(solved @ (weights * _scale(ratio, shrinkage)))


def principal_axes_without(centred: Array, gone: Array, n_axes: int) -> Array:
    """The first principal axes (axes, n_axes) of the points that are not ``gone``, in those of all (points, axes)."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    size = centred.shape[1]
    # The solver finds fewer axes than there are, never all; any basis of all of them does.
    if not n_axes or n_axes >= size:
        return np.eye(size)[:, :n_axes]
    scatter, rows = (centred**2).sum(axis=0), removed(centred, gone)
    operator = LinearOperator((size, size), matvec=lambda x: scatter * x - rows.T @ (rows @ x), dtype=np.float64)
    # A start of its own, since the solver's is random.
    return np.asarray(eigsh(operator, k=n_axes, which="LA", v0=np.ones(size))[1])


def second_moment_basis(points: Array, shrinkage: float) -> Basis:
    """Principal axes of points about zero rather than about their mean, and whitening by the shrunk second moment."""
    variance, axes = principal_axes(points)
    target = float(variance.sum()) / points.shape[1]
    shrunk = (1 - shrinkage) * variance + shrinkage * target
    share = variance / variance.sum()
    beyond = float(1 / np.sqrt(shrinkage * target))
    return Basis(axes, 1 / np.sqrt(shrunk), beyond, share, np.zeros(points.shape[1]), shrinkage)


def discriminants_of_redealt(
    whitened: Array, labels: Array, order: Array, sign: Array, n_relations: int, shrinkage: float, n_directions: int
) -> tuple[Array, Array]:
    """Discriminants of points that are dealt anew among the pairs and turned around, for many such draws.

    A signed permutation keeps the second moment M of all points, but not their mean m. With class means m_k and shares
    p_k, covariance within relations is M - sum_k p_k m_k m_k' and that between them sum_k p_k m_k m_k' - m m', which
    both lie in the span of class means where M is whitened: the eigenproblem is as small as the number of relations.

    Parameters
    ----------
    whitened
        Points from :meth:`Basis.whiten` of a :func:`second_moment_basis`, (pairs, axes).
    labels
        Relation of each pair, (pairs,).
    order, sign
        The point that each pair takes, and its sign, (draws, pairs) each.
    n_relations, shrinkage, n_directions
        As for :func:`discriminants`.

    Returns
    -------
    means, weights
        (draws, relations, axes) and (draws, relations, directions), as :func:`discriminants` gives them.
    """
    n, draws = len(whitened), np.arange(len(order))[:, None]
    count = np.bincount(labels, minlength=n_relations)
    dealt = np.zeros((len(order), n_relations, n))
    dealt[draws, labels, order] = sign / np.sqrt(n * count[labels])
    means = (dealt.reshape(-1, n) @ whitened).reshape(len(order), n_relations, -1)
    size, vectors = np.linalg.eigh(means @ np.swapaxes(means, 1, 2))
    within = 1 / np.sqrt(np.maximum(1 - (1 - shrinkage) * size, np.finfo(float).tiny))
    mean = np.sqrt(np.maximum(size, 0)) * (np.sqrt(count / n) @ vectors)
    between = np.eye(n_relations) * size[:, None, :] - mean[:, :, None] * mean[:, None, :]
    _, turned = np.linalg.eigh(within[:, :, None] * between * within[:, None, :])
    turned = turned[:, :, ::-1][:, :, :n_directions]
    kept = size > _RANK * size[:, -1:]
    scale = np.where(kept, within / np.sqrt(np.where(kept, size, 1.0)), 0.0)
    return means, vectors @ (scale[:, :, None] * turned)
