"""Scores of rows on the leading principal axes of a matrix larger than memory."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from saegeom_data import lazy
from saegeom_data.metrics._statistics.moments import (
    Moments,
    covariance,
    merge,
    moments_work,
    pieces,
    row_moments,
    scratch_bytes,
    without_rounding,
)
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


def principal_axes(decoder: xr.DataArray, counts: xr.DataArray, *, n_components: int) -> xr.Dataset:
    """Principal axes of the rows that ``counts`` (features) marks, from one pass.

    ``axes`` (hidden, components) are the leading ones, by convention such that the mean has no negative coordinate on
    them; ``spectrum`` (ranks) are all variances, descending, 0 where rounding is all there is; ``mean`` (hidden);
    ``mean_on_axes`` (ranks) its coordinates on all axes, the first axis without variance taking what is beside the
    others. All are NaN for fewer than two rows.
    """

    hidden = decoder.shape[1]
    outputs = {
        "axes": lazy.Result(("hidden", "components"), (hidden, n_components)),
        "spectrum": lazy.Result(("ranks",), (hidden,)),
        "mean": lazy.Result(("hidden",), (hidden,)),
        "mean_on_axes": lazy.Result(("ranks",), (hidden,)),
    }
    square = 8 * hidden**2
    memory = lazy.Memory(task=square + scratch_bytes(hidden), partial=square, finish=5 * square)
    return lazy.rows(
        _marked_moments,
        merge,
        functools.partial(_axes, n_components=n_components),
        lazy.again(decoder, counts),
        counts,
        outputs=outputs,
        memory=memory,
        work=moments_work(*decoder.shape) + lazy.eigen(hidden) + lazy.Work(calls=200),
    )


def principal_scores(decoder: xr.DataArray, counts: xr.DataArray, axes: xr.Dataset) -> xr.DataArray:
    """Scores (features, components) on the axes of :func:`principal_axes`; NaN for rows that do not count."""
    n, d = decoder.shape[0], axes.sizes["components"]
    scores = lazy.rows(
        _scores,
        np.concatenate,
        _named,
        lazy.again(decoder, axes.axes),
        counts,
        also=(axes.axes, axes["mean"]),
        outputs={"scores": lazy.Result(("features", "components"), (n, d))},
        # Partial results are parts of one array, which is copied as they are joined.
        memory=lazy.Memory(task=scratch_bytes(decoder.shape[1]), partial=3 * n * d, finish=8 * n * d),
        work=lazy.Work(products=decoder.size * d, passes=60 * decoder.size + 40 * n * d, calls=50),
    )
    return scores["scores"]


def _marked_moments(start: int, block: Array, counts: Array) -> Moments:
    """Count, mean (hidden,) and scatter (hidden, hidden) of the rows of a block that count."""
    return row_moments(block if counts.all() else block[counts])


def _axes(moments: Moments, *, n_components: int) -> lazy.Arrays:
    """Outputs of :func:`principal_axes`: eigenvectors of the covariance, largest variance first."""
    matrix = covariance(moments)
    hidden = len(matrix)
    if not np.isfinite(matrix).all():
        return {
            "axes": np.full((hidden, n_components), np.nan),
            **{name: np.full(hidden, np.nan) for name in ("spectrum", "mean", "mean_on_axes")},
        }
    spectrum, vectors = np.linalg.eigh(matrix)
    # Where rows do not span all dimensions, rounding leaves eigenvalues about 0 on axes that may as well be others.
    spectrum, vectors = without_rounding(spectrum[::-1]), vectors[:, ::-1]
    mean = moments.mean @ vectors
    # Signs of eigenvectors are arbitrary, and what is drawn from them must not depend on that.
    vectors = vectors[:, :n_components] * np.where(mean[:n_components] < 0, -1.0, 1.0)
    mean = np.abs(mean)
    rank = min(int(np.count_nonzero(spectrum)), moments.count - 1)
    if rank < hidden:
        spectrum[rank:], mean[rank:] = 0.0, np.eye(hidden - rank)[0] * np.linalg.norm(mean[rank:])
    return {"axes": vectors, "spectrum": spectrum, "mean": moments.mean, "mean_on_axes": mean}


def _scores(start: int, block: Array, counts: Array, axes: Array, mean: Array) -> Array:
    """Scores (x - mean) axes (rows, components) of a block; NaN for rows that do not count."""
    scores = np.concatenate([(rows - mean) @ axes for rows in pieces(block)])
    # NaN, and not left out, so that scores stay in line with features.
    scores[~counts] = np.nan
    return scores


def _named(scores: Array) -> lazy.Arrays:
    return {"scores": scores}
