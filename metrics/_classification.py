"""How well a feature's position tells its lobe: class-weighted logistic regression out of fold, and as published."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._neighbours import unit_rows
from ._resampling import N_GROUPS, balanced_groups, null_summary
from .nulls import permutations_within, rank_strata, tail

Array = np.ndarray[Any, np.dtype[Any]]


def classify_positions(
    decoder: Array,
    n_active: Array,
    lobe: Array,
    spatial: Array,
    *,
    n_folds: int,
    n_permutations: int,
    n_strata: int | None,
    seed: int,
) -> dict[str, Any]:
    """Balanced accuracy (counts) with interval, null and p, of lobes (counts, features) predicted from position."""
    keep = np.flatnonzero((lobe[0] >= 0) & (spatial[0] >= 0))
    rows = decoder[keep].astype(float)
    position = unit_rows(rows)
    strata = (np.zeros(len(keep), int), rank_strata(n_active[keep], n_strata))
    value, published = np.empty(len(lobe)), np.empty(len(lobe))
    left_out = np.empty((len(lobe), min(N_GROUPS, len(keep))))
    draws = np.empty((len(strata), len(lobe), n_permutations))
    p = np.empty((len(strata), len(lobe)))
    for row, labels in enumerate(lobe[:, keep]):
        rng = np.random.default_rng([seed, 2, int(lobe[row].max()) + 1])
        fold = stratified_folds(labels, n_folds, rng)
        predicted = out_of_fold(position, labels, fold)
        value[row], published[row] = accuracy(labels, predicted), published_accuracy(rows, labels)
        left_out[row] = accuracy_without(labels, predicted, N_GROUPS, rng)
        for level, stratum in enumerate(strata):
            draws[level, row], p[level, row] = permuted_accuracy(labels, predicted, fold, stratum, n_permutations, rng)
    values = null_summary("balanced_accuracy", value, left_out, draws)
    return values | {"balanced_accuracy_p": p, "balanced_accuracy_published": published}


def stratified_folds(labels: Array, n_folds: int, rng: np.random.Generator) -> Array:
    """Fold of each member; the members of each class are spread evenly, and so are all members."""
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(len(labels), int)
    fold[by_class] = np.arange(len(labels)) % n_folds
    return fold


def out_of_fold(position: Array, labels: Array, fold: Array) -> Array:
    """Predict each member's label from the other folds."""
    predicted = np.empty_like(labels)
    for held_out in np.unique(fold):
        test = fold == held_out
        predicted[test] = _predict(position[~test], labels[~test], position[test], "balanced")
    return predicted


def published_accuracy(decoder: Array, labels: Array) -> float:
    """Balanced accuracy on the last fifth of the rows, trained on the first four fifths without class weights."""
    cut = int(0.8 * len(labels))
    predicted = _predict(decoder[:cut], labels[:cut], decoder[cut:], None)
    return float(accuracy(labels[cut:], predicted))


def _predict(train: Array, labels: Array, test: Array, class_weight: str | None) -> Array:
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) == 1:
        return np.full(len(test), labels[0])
    model = LogisticRegression(max_iter=1000, class_weight=class_weight).fit(train, labels)
    return np.asarray(model.predict(test))


def accuracy(labels: Array, predicted: Array) -> Array:
    """Balanced accuracy: mean recall over the classes that ``labels`` has."""
    return np.asarray(hits_weight(labels, predicted)[predicted == labels].sum())


def hits_weight(labels: Array, predicted: Array) -> Array:
    """What a correct prediction of each member adds to balanced accuracy: 1 / (classes x size of its class)."""
    size = np.bincount(labels, minlength=int(predicted.max()) + 1)
    weight = np.divide(1.0, size * np.count_nonzero(size), out=np.zeros(len(size)), where=size > 0)
    return np.asarray(weight[predicted])


def permuted_accuracy(
    labels: Array, predicted: Array, fold: Array, strata: Array, n_permutations: int, rng: np.random.Generator
) -> tuple[Array, float]:
    """Null draws of balanced accuracy, and the p-value, with labels permuted within fold and stratum.

    Predictions stay: given its training labels, each fold's test is exact. Twice the median of their p-values is valid
    whatever the dependence between folds.
    """
    folds = np.unique(fold)
    weights = np.stack([hits_weight(labels, predicted), *(np.zeros(len(labels)) for _ in folds)], axis=1)
    for column, one in enumerate(folds, start=1):
        inside = fold == one
        weights[inside, column] = hits_weight(labels[inside], predicted[inside])
    observed = (labels == predicted) @ weights
    draws = np.concatenate(
        [
            (labels[permuted] == predicted).astype(float) @ weights
            for permuted in permutations_within(fold * (strata.max() + 1) + strata, n_permutations, rng)
        ]
    )
    p_by_fold = tail(observed[1:], draws[:, 1:].T)
    return draws[:, 0], float(min(1.0, 2 * np.median(p_by_fold)))


def accuracy_without(labels: Array, predicted: Array, n_groups: int, rng: np.random.Generator) -> Array:
    """Balanced accuracy with each of ``n_groups`` random groups of members left out, predictions kept."""
    groups = balanced_groups(len(labels), n_groups, rng)
    kept = [groups != one for one in np.unique(groups)]
    return np.array([accuracy(labels[keep], predicted[keep]) for keep in kept])
