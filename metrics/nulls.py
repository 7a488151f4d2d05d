"""The null models that observed values are compared with, and the p-value of such a comparison."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def p_value(observed: Any, null: Array) -> Array:
    """Exact one-sided p-value ``(b + 1) / (B + 1)``: b of B null draws are at least as large as observed.

    Parameters
    ----------
    observed
        Observed values, any shape.
    null
        Null draws along the last axis, of shape ``observed.shape + (B,)``.

    Returns
    -------
    numpy.ndarray
        Shape of ``observed``, in [1 / (B + 1), 1]; NaN where ``observed`` is NaN.

    Examples
    --------
    >>> float(p_value(2.0, np.array([0.0, 1.0, 3.0])))
    0.5
    """
    observed = np.asarray(observed, dtype=float)
    larger = (null >= observed[..., None]).sum(axis=-1)
    p = (larger + 1.0) / (null.shape[-1] + 1.0)
    return np.asarray(np.where(np.isnan(observed), np.nan, p))


def permute_within_strata(labels: Array, strata: Array, rng: np.random.Generator) -> Array:
    """Shuffle labels among the members of each stratum; one stratum for all is plain label permutation.

    Parameters
    ----------
    labels, strata
        Shape (members,).
    rng
        Source of randomness.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> permute_within_strata(np.array([1, 1, 2, 2]), np.array([0, 0, 1, 1]), rng).tolist()
    [1, 1, 2, 2]
    """
    by_stratum = np.argsort(strata, kind="stable")
    shuffled = np.lexsort((rng.random(len(labels)), strata))
    permuted = np.empty_like(labels)
    permuted[by_stratum] = labels[shuffled]
    return permuted


def gaussian_surrogate(n: int, standard_deviation: Array, rng: np.random.Generator, *, unit_norm: bool = False) -> Array:
    """Draw Gaussian rows with a given spectrum, in the basis of its principal components.

    Parameters
    ----------
    n
        Number of rows.
    standard_deviation
        Shape (components,): square roots of the eigenvalues of the covariance to match.
    rng
        Source of randomness.
    unit_norm
        Whether rows are divided by their norms: the angular central Gaussian, for decoder rows of unit norm.

    Returns
    -------
    numpy.ndarray
        Shape (n, components).

    Examples
    --------
    >>> gaussian_surrogate(3, np.ones(2), np.random.default_rng(0)).shape
    (3, 2)
    """
    rows = rng.standard_normal((n, len(standard_deviation))) * standard_deviation
    if unit_norm:
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows)
