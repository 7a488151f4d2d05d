"""Scores of the pairs of one relation with each other, and their jackknife errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saegeom_data.metrics._kernels import word_pairs as compiled
from saegeom_data.metrics._statistics.jackknife import jackknife_variance
from saegeom_data.metrics.atom._word_pairs.means import leave_one_out, mean
from saegeom_data.metrics.atom._word_pairs.places import Places
from saegeom_data.metrics.atom._word_pairs.scores import Scores
from saegeom_data.typing import Array

PAIRING_SCORES = (
    "offset_consistency",
    "pairing_consistency",
    "parallelogram_residual",
    "trapezoid_cosine",
    "analogy_accuracy",
    "analogy_accuracy_with_inputs",
    "analogy_accuracy_without_offset",
    "analogy_accuracy_other_relation",
)
BASELINES = (compiled.WITHOUT_OFFSET, compiled.OTHER_RELATION)


def score_pairings(
    places: Places, grams: Sequence[Array], at: tuple[int, int], n_named: int, n_folds: int, scores: Scores
) -> None:
    """Score the held-out pairs of the relations that count, in every view, and add their squared errors.

    Parameters
    ----------
    grams
        Dot products of the words of the held-out pairs in each view, (2 * pairs, 2 * pairs).
    at
        The hold-out and the fold.
    n_named
        The first so many views are named, and have errors; the first of them is the raw one.
    """
    place, fold = at
    n_relations = len(places.scored)
    relations = places.relation_of_cell
    n_kernels = len(PAIRING_SCORES)
    total = np.zeros((n_kernels, len(grams), len(relations)))
    for cell in np.flatnonzero(places.scored[relations]):
        kernel = np.stack([places.kernels(gram, int(cell)) for gram in grams], axis=1)
        total[..., cell] = mean(kernel, axis=(-2, -1))
        kernel = kernel[:, :n_named]
        # What an offset adds to either baseline, analogy by analogy.
        kernel = np.concatenate([kernel, kernel[[compiled.ANALOGY]] - kernel[list(BASELINES)]])
        left = leave_one_out(kernel)
        # A score is the mean of so many cells, and their errors are independent.
        n_cells = (n_relations * n_folds * (relations == relations[cell]).sum()) ** 2
        variance, difference = jackknife_variance(left), jackknife_variance(left - left[:, :1])
        rows = [*range(n_kernels), *range(scores.square_error.shape[1] - len(BASELINES), scores.square_error.shape[1])]
        # Cells whose pairs all share words have no score, and no error.
        scores.square_error[place, rows, :n_named] += np.nan_to_num(variance) / n_cells
        scores.square_error_of_difference[place, rows, :n_named] += np.nan_to_num(difference) / n_cells
    for relation in np.flatnonzero(places.scored):
        found = mean(total[..., relations == relation], axis=-1)
        scores.value[place, :n_kernels, : len(grams), relation, fold] = found
