"""Nulls of function vectors that are fitted anew: relations permuted among pairs, and offsets dealt anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from saegeom_data.metrics._statistics import discriminant, silhouettes
from saegeom_data.metrics.atom._word_pairs import views
from saegeom_data.metrics.atom._word_pairs.means import mean
from saegeom_data.metrics.atom._word_pairs.places import Redealt
from saegeom_data.metrics.atom._word_pairs.splits import Draws
from saegeom_data.metrics.atom.function_vectors._targets import Targets, target_scores
from saegeom_data.typing import Array

_ENTRIES = 4_000_000


@dataclass(frozen=True)
class Half:
    """Pairs that vectors are fitted on and pairs that are scored, with draws of the nulls for either."""

    training: views.Training
    targets: Targets
    fitted: Draws
    scored: Draws

    @property
    def fitted_label(self) -> Array:
        """Relation of each fitted pair."""
        return np.asarray(self.training.pairs.label[self.training.rows])

    @property
    def scored_label(self) -> Array:
        """Relation of each scored pair."""
        return np.asarray(self.training.pairs.label[~self.training.rows])

    @property
    def n_relations(self) -> int:
        """Number of relations."""
        return self.training.pairs.n_relations


@dataclass(frozen=True)
class _Products:
    """Dot products of fitted offsets with each other and with scored offsets and sources; and those of the latter."""

    fitted: Array
    offsets: Array
    sources: Array
    scored: Redealt

    @classmethod
    def of(cls, fitted: Array, source: Array, offset: Array) -> _Products:
        """From fitted offsets (pairs, dims), and sources and offsets that are scored."""
        return cls(fitted @ fitted.T, fitted @ offset.T, fitted @ source.T, Redealt.of(source, offset))


def null_scores(half: Half, view: str, apply: views.Map) -> Array:
    """All scores under both nulls, (2, scores, relations, draws): permuted relations, and redealt offsets."""
    if view == views.LDA:
        return np.stack([_of_discriminants(half), _of_redealt_discriminants(half)])
    pairs, rows = half.training.pairs, half.training.rows
    products = _Products.of(apply(pairs.offset[rows]), apply(pairs.source[~rows]), apply(pairs.offset[~rows]))
    draws = range(len(half.scored.labels))
    permuted = [_permuted(half, products, draw) for draw in draws]
    redealt = [_redealt(half, products, draw) for draw in draws]
    return np.moveaxis(np.array([permuted, redealt]), 1, -1)


def _of_discriminants(half: Half) -> Array:
    """Scores in views of discriminants of permuted relations, (scores, relations, draws)."""
    training, found = half.training, []
    basis = training.basis
    for at in _batches(half):
        fits = discriminant.discriminants(
            training.whitened, half.fitted.labels[at], half.n_relations, basis.shrinkage, training.n_directions
        )
        for draw, products in _mapped(half, basis, at, *fits):
            found.append(_permuted(half, products, draw))
    return np.moveaxis(np.array(found), 0, -1)


def _of_redealt_discriminants(half: Half) -> Array:
    """Scores in views of discriminants of redealt offsets, (scores, relations, draws)."""
    training, found = half.training, []
    offset = training.pairs.offset[training.rows]
    basis = discriminant.second_moment_basis(offset, training.basis.shrinkage)
    whitened = basis.whiten(offset)
    for at in _batches(half):
        drawn = (half.fitted.order[at], half.fitted.sign[at])
        fits = discriminant.discriminants_of_redealt(
            whitened, half.fitted_label, *drawn, half.n_relations, basis.shrinkage, training.n_directions
        )
        for draw, products in _mapped(half, basis, at, *fits):
            found.append(_redealt(half, products, draw))
    return np.moveaxis(np.array(found), 0, -1)


def _batches(half: Half) -> Iterator[slice]:
    """Some draws at a time, as each has means of all relations."""
    n_draws = len(half.fitted.labels)
    size = max(1, _ENTRIES // (half.n_relations * len(half.fitted_label)))
    for start in range(0, n_draws, size):
        yield slice(start, min(start + size, n_draws))


def _mapped(
    half: Half, basis: discriminant.Basis, at: slice, means: Array, weights: Array
) -> Iterator[tuple[int, _Products]]:
    """Each draw with dot products in the view of its own discriminants."""
    pairs, rows = half.training.pairs, half.training.rows
    fitted, source, offset = (
        points @ basis.whitening for points in (pairs.offset[rows], pairs.source[~rows], pairs.offset[~rows])
    )
    for draw, mixed in zip(range(at.start, at.stop), np.swapaxes(means, 1, 2) @ weights, strict=True):
        yield draw, _Products.of(fitted @ mixed, source @ mixed, offset @ mixed)


def _permuted(half: Half, products: _Products, draw: int) -> Array:
    """Scores (scores, relations) of one draw of permuted relations."""
    fitted, scored = half.fitted.labels[draw], half.scored.labels[draw]
    n = len(scored)
    own = np.arange(n), np.ones(n)
    return _scores(
        half, products, (_averages(fitted, half.n_relations), _averages(scored, half.n_relations)), scored, own
    )


def _redealt(half: Half, products: _Products, draw: int) -> Array:
    """Scores (scores, relations) of one draw of redealt offsets."""
    averages = []
    for label, draws in ((half.fitted_label, half.fitted), (half.scored_label, half.scored)):
        dealt = np.zeros((half.n_relations, len(label)))
        # The average of the offsets that a relation's pairs take, over those that the offsets belong to.
        dealt[:, draws.order[draw]] = _averages(label, half.n_relations) * draws.sign[draw]
        averages.append(dealt)
    given = half.scored.order[draw], half.scored.sign[draw]
    return _scores(half, products, (averages[0], averages[1]), half.scored_label, given)


def _averages(label: Array, n_relations: int) -> Array:
    """Weights (relations, pairs) whose product with offsets are means of relations."""
    indicator = silhouettes.indicators(label, n_relations).T
    return np.asarray(indicator / indicator.sum(axis=1, keepdims=True))


def _scores(
    half: Half, products: _Products, averages: tuple[Array, Array], label: Array, dealt: tuple[Array, Array]
) -> Array:
    """Scores (scores, relations) of vectors and of mean offsets that are averages of fitted and of scored offsets.

    ``label`` is the relation of each scored pair, ``dealt`` whose offset each takes and its sign.
    """
    (order, sign), (fitted, scored) = dealt, averages
    n = len(label)
    across = ((fitted @ products.offsets) * scored).sum(axis=1)
    square = ((fitted @ products.fitted) * fitted).sum(axis=1)
    of_means = ((scored @ products.scored.offsets) * scored).sum(axis=1)
    length = np.diag(products.scored.offsets)[order]
    total = np.bincount(label, length, half.n_relations) / np.bincount(label, minlength=half.n_relations)
    rest = total - 2 * across + square
    norm = np.sqrt(np.maximum(square, 0) * np.maximum(of_means, 0))
    explained = 1 - np.divide(rest, total, out=np.ones(len(total)), where=total > 0)
    agreement = np.divide(across, norm, out=np.zeros(len(norm)), where=norm > 0)
    gram = products.scored.gram(order, sign)
    shift = (fitted @ products.sources) + sign * (fitted @ products.offsets)[:, order]
    length = np.sqrt(np.maximum(np.diag(gram)[n:], 0))
    inverse = np.divide(1.0, length, out=np.zeros(n), where=length > 0)
    first = half.targets.first
    near = ((gram[:n, n:] + shift[label]) * inverse)[:, first]
    values = target_scores(half.targets.ranks_of_right(near), half.targets.n_allowed)
    ranked = [mean(values[:, label == relation], axis=-1) for relation in range(half.n_relations)]
    return np.concatenate([[explained, agreement], np.stack(ranked, axis=1)])
