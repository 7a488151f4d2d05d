"""The p-value of an observed value among draws of a null model, and what else is told of such draws."""

from __future__ import annotations

from typing import Any

import numpy as np

from saegeom_data.typing import Array

# Draws that differ from the observed value by less are equal to it: rounding must not decide which side they are on.
_ROUNDING = 1e-12


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
    # The observed value counts as one of the draws, which makes p exact for any number of them and never 0.
    larger = (null >= observed[..., None]).sum(axis=-1)
    p = (larger + 1.0) / (null.shape[-1] + 1.0)
    return np.asarray(np.where(np.isnan(observed), np.nan, p))


def tail(observed: Any, draws: Array) -> Array:
    """One-sided p-value of :func:`p_value`, where draws equal but for rounding count as equal."""
    return p_value(np.asarray(observed, float) - _ROUNDING, draws)


def summary_of(observed: Array, draws: Array) -> Array:
    """Mean, standard deviation and p (3, ...) of draws along the last axis; NaN where one could not be drawn."""
    p = np.where(np.isnan(draws).any(axis=-1), np.nan, tail(observed, draws))
    return np.stack([draws.mean(axis=-1), draws.std(axis=-1), p])
