"""What the offset of another pair of the relation adds to analogies, over the better of two baselines."""

from __future__ import annotations

import numpy as np

from saegeom_data.metrics._kernels import word_pairs as compiled
from saegeom_data.metrics._statistics.jackknife import jackknife_p
from saegeom_data.metrics.atom._word_pairs.means import mean
from saegeom_data.metrics.atom._word_pairs.scores import Scores
from saegeom_data.typing import Array

BASELINES = (compiled.WITHOUT_OFFSET, compiled.OTHER_RELATION)


def gained(scores: Scores) -> tuple[Scores, Array]:
    """Scores with the gain as their last, and its one-sided p (hold-out, view).

    The gain is accuracy minus that of whichever baseline is better over all relations, in each draw of a null and
    without each jackknife group too, so that what is gained by choosing is in these. p is the larger of those of the
    gain over either baseline, since a gain must be one over both.
    """
    every = (scores.value[..., None], scores.null, scores.left, scores.null_left)
    value, null, left, null_left = (np.concatenate([part, _gain(part)], axis=-5) for part in every)
    n_named = scores.left.shape[2]
    # (hold-out, baseline, view), and without each group.
    over = _mean(_over_baselines(scores.value[..., :n_named, :, :, None]))[..., 0]
    p = jackknife_p(over, _mean(_over_baselines(scores.left)))
    return Scores(value[..., 0], null, left, null_left), np.asarray(p.max(axis=1))


def _gain(values: Array) -> Array:
    """Accuracy minus that of the better baseline, (..., score, view, relation, fold, draw) to (..., 1, view, ...)."""
    over = _over_baselines(values)
    total = _mean(over)
    # The least gain is over the better baseline.
    better = np.argmin(np.where(np.isnan(total), np.inf, total), axis=-3)
    return np.take_along_axis(over, better[..., None, :, None, None, :], axis=-5)


def _over_baselines(values: Array) -> Array:
    """Accuracy minus that of each baseline, (..., baseline, view, relation, fold, draw)."""
    return np.asarray(np.take(values, [compiled.ANALOGY], axis=-5) - np.take(values, list(BASELINES), axis=-5))


def _mean(values: Array) -> Array:
    """Mean over folds and then over relations, (..., view, relation, fold, draw) to (..., view, draw)."""
    return mean(mean(values, axis=-2), axis=-2)
