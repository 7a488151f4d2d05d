"""What the offset of another pair of the relation adds to analogies, over the better of two baselines."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._kernels import word_pairs as compiled
from saegeom_data.metrics.atom._word_pairs.means import mean
from saegeom_data.metrics.atom._word_pairs.scores import Scores
from saegeom_data.metrics.atom.parallelogram_quality._pairing_scores import BASELINES
from saegeom_data.typing import Array


def gained(scores: Scores) -> tuple[Scores, Array]:
    """Scores whose last is the gain, and its one-sided p (hold-out, view).

    The gain is accuracy minus that of whichever baseline is better over all relations, in each draw of a null too, so
    that what is gained by choosing is in the null. ``scores`` end with the errors of the gain over either baseline; p
    is the larger of the two from their normal laws, since a gain must be one over both.
    """
    from scipy.stats import norm

    n_rest = scores.value.shape[1] - len(BASELINES)
    over = _over_baselines(scores.value)
    value = mean(mean(over, axis=-1), axis=-1)
    # (hold-out, baseline, view) to the smaller gain of each hold-out and view.
    better = np.argmin(np.where(np.isnan(value), np.inf, value), axis=1)[:, None]
    null_over = _over_baselines(scores.null, axis=2)
    null_value = mean(mean(null_over, axis=-2), axis=-2)
    null_better = np.argmin(np.where(np.isnan(null_value), np.inf, null_value), axis=2)[:, :, None]
    gain = np.take_along_axis(over, better[..., None, None], axis=1)
    null_gain = np.take_along_axis(null_over, null_better[..., None, None, :], axis=2)
    n_named = scores.square_error.shape[-1]
    z = value[..., :n_named] / np.sqrt(np.maximum(scores.square_error[:, n_rest:], np.finfo(float).tiny))
    table = Scores(
        np.concatenate([scores.value[:, :n_rest], gain], axis=1),
        np.concatenate([scores.null[:, :, :n_rest], null_gain], axis=2),
        _chosen(scores.square_error, better, n_rest),
        _chosen(scores.square_error_of_difference, better, n_rest),
    )
    return table, np.asarray(norm.sf(z).max(axis=1))


def _over_baselines(values: Array, axis: int = 1) -> Array:
    """Accuracy minus that of each baseline; ``axis`` is that of scores."""
    accuracy = np.take(values, [compiled.ANALOGY], axis=axis)
    return np.asarray(accuracy - np.take(values, list(BASELINES), axis=axis))


def _chosen(error: Array, better: Array, n_rest: int) -> Array:
    """Errors (hold-out, score, view) with that of the gain over the better baseline alone."""
    return np.concatenate([error[:, :n_rest], np.take_along_axis(error[:, n_rest:], better, axis=1)], axis=1)
