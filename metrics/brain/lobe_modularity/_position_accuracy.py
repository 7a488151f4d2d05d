"""How well a feature's position tells its lobe: class-weighted logistic regression out of fold, and as published."""

from __future__ import annotations

from typing import Any

import numpy as np

from saegeom_data.lazy import each, n_threads
from saegeom_data.metrics._statistics.jackknife import N_GROUPS, balanced_groups, jackknife_interval
from saegeom_data.metrics._statistics.logistic import are_spread, logistic_predictions
from saegeom_data.metrics._statistics.p_values import summary_of, tail
from saegeom_data.metrics._statistics.unit_rows import unit_rows
from saegeom_data.metrics.brain.lobe_modularity._partitions import PERMUTED, compared, strata
from saegeom_data.metrics.nulls.label_permutation import permutations_within
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array


def classify_positions(
    decoder: Array,
    nearest: Array,
    n_active: Array,
    lobe: Array,
    spatial: Array,
    *,
    n_folds: int,
    n_permutations: int,
    n_strata: int | None,
    seed: int,
) -> dict[str, Any]:
    """Balanced accuracy (statistic) and its permutation nulls (null, statistic), for one number of lobes (features).

    NaN if there are no lobes.
    """
    keep = compared(nearest, lobe, spatial)
    # A fold without a member has no recall.
    if len(keep) < n_folds:
        absent = {"value": (3,), "summary": (len(PERMUTED), 3), "published": ()}
        return {name: np.full(shape, np.nan) for name, shape in absent.items()}
    rows, labels = decoder[keep], lobe[keep]
    rng = stream("position_folds", seed, int(labels.max()) + 1)
    fold = stratified_folds(labels, n_folds, rng)
    predicted = out_of_fold(positions(rows), labels, fold)
    value = accuracy(labels, predicted)
    left_out = accuracy_without(labels, predicted, N_GROUPS, rng)
    summaries = []
    for null in PERMUTED:
        groups = strata(null, n_active[keep], n_strata)
        draws, p = permuted_accuracy(labels, predicted, fold, groups, n_permutations, rng)
        summaries.append([*summary_of(value, draws)[:2], p])
    return {
        "value": np.stack([value, *jackknife_interval(value, left_out)]),
        "summary": np.array(summaries),
        "published": published_accuracy(rows, labels),
    }


def classification_bytes(n: int, hidden: int, n_lobes: int) -> int:
    """Bytes that regressions take: rows in double and single precision; in each thread rows, scores, 25 gradients."""
    in_thread = 4 * n * hidden + 16 * n * n_lobes + 25 * 8 * hidden * n_lobes
    return 12 * n * hidden + n_threads() * in_thread


def position_accuracy(position: Array, labels: Array, *, n_folds: int, seed: int) -> float:
    """Balanced accuracy out of the folds that :func:`classify_positions` draws for as many lobes."""
    rng = stream("position_folds", seed, int(labels.max()) + 1)
    return float(accuracy(labels, out_of_fold(position, labels, stratified_folds(labels, n_folds, rng))))


def positions(decoder: Array) -> Array:
    """Unit rows in single precision, which halves the time of the regressions."""
    return unit_rows(decoder).astype(np.float32)


def stratified_folds(labels: Array, n_folds: int, rng: np.random.Generator) -> Array:
    """Fold of each member; the members of each class are spread evenly, and so are all members."""
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(len(labels), int)
    # Dealt out over classes in a row, so that folds differ by one member at most however small classes are.
    fold[by_class] = np.arange(len(labels)) % n_folds
    return fold


def out_of_fold(position: Array, labels: Array, fold: Array) -> Array:
    """Predict each member's label from the other folds."""

    def from_others(test: Array) -> Array:
        return logistic_predictions(position[~test], labels[~test], position[test])

    tests = [fold == held_out for held_out in np.unique(fold)]
    predicted = np.empty_like(labels)
    is_spread = are_spread(len(position), position.shape[1], int(labels.max()) + 1)
    for test, values in zip(tests, each(from_others, tests, is_spread=is_spread), strict=True):
        predicted[test] = values
    return predicted


def published_accuracy(decoder: Array, labels: Array) -> float:
    """Balanced accuracy on the last fifth of the rows, trained on the first four fifths without class weights."""
    from sklearn.linear_model import LogisticRegression

    # Rows in their order, and the optimiser's default tolerance, are as published: both change the result.
    cut = int(0.8 * len(labels))
    train, test = labels[:cut], labels[cut:]
    # scikit-learn refuses to fit one class; the answer that it would give is that class.
    if len(np.unique(train)) == 1:
        return float(accuracy(test, np.full(len(test), train[0])))
    model = LogisticRegression(max_iter=1000).fit(decoder[:cut], train)
    return float(accuracy(test, np.asarray(model.predict(decoder[cut:]))))


def accuracy(labels: Array, predicted: Array) -> Array:
    """Balanced accuracy: mean recall over the classes that ``labels`` has."""
    return np.asarray(hits_weight(labels, predicted)[predicted == labels].sum())


def hits_weight(labels: Array, predicted: Array) -> Array:
    """What a correct prediction of each member adds to balanced accuracy: 1 / (classes x size of its class)."""
    # A class that is predicted and that no member has gets the weight 0: it has no recall.
    size = np.bincount(labels, minlength=int(predicted.max()) + 1)
    weight = np.divide(1.0, size * np.count_nonzero(size), out=np.zeros(len(size)), where=size > 0)
    return np.asarray(weight[predicted])


def permuted_accuracy(
    labels: Array, predicted: Array, fold: Array, groups: Array, n_permutations: int, rng: np.random.Generator
) -> tuple[Array, float]:
    """Null draws of balanced accuracy, and the p-value, with labels permuted within fold and group.

    Predictions stay: given its training labels, each fold's test is exact. Twice the median of their p-values is valid
    whatever the dependence between folds.
    """
    folds = np.unique(fold)
    weights = np.stack([hits_weight(labels, predicted), *(np.zeros(len(labels)) for _ in folds)], axis=1)
    for column, held_out in enumerate(folds, start=1):
        # The recall of a fold is over the classes in it, which may be fewer than those of all members.
        inside = fold == held_out
        weights[inside, column] = hits_weight(labels[inside], predicted[inside])
    observed = (labels == predicted) @ weights
    draws = np.concatenate(
        [
            (labels[permuted] == predicted).astype(float) @ weights
            for permuted in permutations_within(fold * (groups.max() + 1) + groups, n_permutations, rng)
        ]
    )
    p_by_fold = tail(observed[1:], draws[:, 1:].T)
    return draws[:, 0], float(min(1.0, 2 * np.median(p_by_fold)))


def accuracy_without(labels: Array, predicted: Array, n_groups: int, rng: np.random.Generator) -> Array:
    """Balanced accuracy with each of ``n_groups`` random groups of members left out, predictions kept."""
    groups = balanced_groups(len(labels), n_groups, rng)
    # Nothing is fitted again: a member's prediction never came from its own label.
    kept = [groups != group for group in np.unique(groups)]
    return np.array([accuracy(labels[keep], predicted[keep]) for keep in kept])
