"""Nulls of function vectors that are fitted anew: relations permuted among pairs, and offsets dealt anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from saegeom_data.metrics._statistics import discriminant, silhouettes
from saegeom_data.metrics.atom._word_pairs import views
from saegeom_data.metrics.atom._word_pairs.means import mean
from saegeom_data.metrics.atom._word_pairs.places import Redealt
from saegeom_data.metrics.atom._word_pairs.scores import draws_without
from saegeom_data.metrics.atom._word_pairs.splits import Draws
from saegeom_data.metrics.atom.function_vectors._targets import Targets, target_scores
from saegeom_data.metrics.nulls.label_permutation import followed
from saegeom_data.typing import Array

# Relation means of this many numbers are held at once, 32 MB of them.
_ENTRIES = 4_000_000
# Which fitted and which scored pairs are there.
There = tuple[Array, Array]


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

    def there(self, gone: int) -> There:
        """Which fitted and which scored pairs are not of the jackknife group ``gone``; all for -1."""
        group, rows = self.training.pairs.group, self.training.rows
        return group[rows] != gone, group[~rows] != gone

    @property
    def n_relations(self) -> int:
        """Number of relations."""
        return self.training.pairs.n_relations


@dataclass(frozen=True)
class Products:
    """Dot products of fitted offsets with each other and with scored offsets and sources; and those of the latter."""

    fitted: Array
    offsets: Array
    sources: Array
    scored: Redealt

    @classmethod
    def of(cls, fitted: Array, source: Array, offset: Array) -> Products:
        """From fitted offsets (pairs, dims), and sources and offsets that are scored."""
        return cls(fitted @ fitted.T, fitted @ offset.T, fitted @ source.T, Redealt.of(source, offset))


_Score = Callable[[Half, Products, int, There], Array]


def null_scores(half: Half, view: str, apply: views.Map) -> tuple[Array, Array]:
    """All scores under both nulls, (2, scores, relations, draws): permuted relations, and redealt offsets.

    And those of some draws without each jackknife group of pairs, (2, scores, relations, entries).
    """
    draws = range(len(half.scored.labels))
    if view == views.LDA:
        found = [_drawn(half, _permuted, _of_discriminants(half)), _drawn(half, _redealt, _of_redealt(half))]
    else:
        pairs, rows = half.training.pairs, half.training.rows
        # This map knows nothing of relations, so all draws share its products; discriminants are fitted for each draw.
        products = Products.of(apply(pairs.offset[rows]), apply(pairs.source[~rows]), apply(pairs.offset[~rows]))
        found = [_drawn(half, one, ((draw, products) for draw in draws)) for one in (_permuted, _redealt)]
    whole, left = (np.stack(parts) for parts in zip(*found, strict=True))
    return whole, left


def _drawn(half: Half, score: _Score, draws: Iterable[tuple[int, Products]]) -> tuple[Array, Array]:
    """Scores (scores, relations, draws) of each draw, and (..., entries) of some without each group."""
    of_entry, group = draws_without(len(half.scored.labels))
    whole: list[Array] = []
    left: dict[int, Array] = {}
    everything = half.there(-1)
    for draw, products in draws:
        whole.append(score(half, products, draw, everything))
        # Without its groups only some draws are scored: each takes as long as a whole one.
        for entry in np.flatnonzero(of_entry == draw).tolist():
            left[entry] = score(half, products, draw, half.there(int(group[entry])))
    return np.stack(whole, axis=-1), np.stack([left[entry] for entry in range(len(group))], axis=-1)


def held_out_scores(half: Half, products: Products, there: There) -> Array:
    """Scores (scores, relations) of the scored pairs that are there, by vectors of the fitted ones that are."""
    own = np.arange(len(half.scored_label)), np.ones(len(half.scored_label))
    averages = tuple(
        _averages(label, half.n_relations, mine)
        for label, mine in zip((half.fitted_label, half.scored_label), there, strict=True)
    )
    return _scores(half, products, averages, half.scored_label, own, there[1])


def _of_discriminants(half: Half) -> Iterator[tuple[int, Products]]:
    """Dot products of each draw in views of discriminants of permuted relations."""
    training = half.training
    basis = training.basis
    for at in _batches(half):
        fits = discriminant.discriminants(
            training.whitened, half.fitted.labels[at], half.n_relations, basis.shrinkage, training.n_directions
        )
        yield from _mapped(half, basis, at, *fits)


def _of_redealt(half: Half) -> Iterator[tuple[int, Products]]:
    """Dot products of each draw in views of discriminants of redealt offsets."""
    training = half.training
    offset = training.pairs.offset[training.rows]
    # Offsets in another order and turned around have the same second moment about 0: one basis serves all draws.
    basis = discriminant.second_moment_basis(offset, training.basis.shrinkage)
    whitened = basis.whiten(offset)
    for at in _batches(half):
        drawn = (half.fitted.order[at], half.fitted.sign[at])
        fits = discriminant.discriminants_of_redealt(
            whitened, half.fitted_label, *drawn, half.n_relations, basis.shrinkage, training.n_directions
        )
        yield from _mapped(half, basis, at, *fits)


def _batches(half: Half) -> Iterator[slice]:
    """Some draws at a time, as each has means of all relations."""
    n_draws = len(half.fitted.labels)
    size = max(1, _ENTRIES // (half.n_relations * len(half.fitted_label)))
    for start in range(0, n_draws, size):
        yield slice(start, min(start + size, n_draws))


def _mapped(
    half: Half, basis: discriminant.Basis, at: slice, means: Array, weights: Array
) -> Iterator[tuple[int, Products]]:
    """Each draw with dot products in the view of its own discriminants."""
    pairs, rows = half.training.pairs, half.training.rows
    fitted, source, offset = (
        points @ basis.whitening for points in (pairs.offset[rows], pairs.source[~rows], pairs.offset[~rows])
    )
    for draw, mixed in zip(range(at.start, at.stop), np.swapaxes(means, 1, 2) @ weights, strict=True):
        yield draw, Products.of(fitted @ mixed, source @ mixed, offset @ mixed)


def _permuted(half: Half, products: Products, draw: int, there: There) -> Array:
    """Scores (scores, relations) of one draw of permuted relations."""
    labels = half.fitted.labels[draw], half.scored.labels[draw]
    fitted, scored = (_averages(label, half.n_relations, mine) for label, mine in zip(labels, there, strict=True))
    own = np.arange(len(labels[1])), np.ones(len(labels[1]))
    return _scores(half, products, (fitted, scored), labels[1], own, there[1])


def _redealt(half: Half, products: Products, draw: int, there: There) -> Array:
    """Scores (scores, relations) of one draw of redealt offsets, dealt among the pairs that are there."""
    averages, orders = [], []
    for label, draws, mine in zip(
        (half.fitted_label, half.scored_label), (half.fitted, half.scored), there, strict=True
    ):
        orders.append(followed(draws.order[[draw]], mine)[0])
        dealt = np.zeros((half.n_relations, len(label)))
        # The average of the offsets that a relation's pairs take, over those that the offsets belong to.
        dealt[:, orders[-1][mine]] = (_averages(label, half.n_relations, mine) * draws.sign[draw])[:, mine]
        averages.append(dealt)
    given = orders[1], half.scored.sign[draw]
    return _scores(half, products, (averages[0], averages[1]), half.scored_label, given, there[1])


def _averages(label: Array, n_relations: int, there: Array) -> Array:
    """Weights (relations, pairs) whose product with offsets are means of relations, of the pairs that are there."""
    indicator = silhouettes.indicators(label, n_relations).T * there
    # A relation may have lost all of its pairs to the group that is left out: its weights are 0.
    count = indicator.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(indicator, count, out=np.zeros_like(indicator), where=count > 0))


def _scores(
    half: Half,
    products: Products,
    averages: tuple[Array, ...],
    label: Array,
    dealt: tuple[Array, Array],
    there: Array,
) -> Array:
    """Scores (scores, relations) of vectors and of mean offsets that are averages of fitted and of scored offsets.

    ``label`` is the relation of each scored pair, ``dealt`` whose offset it takes and its sign, ``there`` which count.
    """
    (order, sign), (fitted, scored) = dealt, averages
    n = len(label)
    across = ((fitted @ products.offsets) * scored).sum(axis=1)
    square = ((fitted @ products.fitted) * fitted).sum(axis=1)
    of_means = ((scored @ products.scored.offsets) * scored).sum(axis=1)
    # An offset that is turned around is as long as before, so signs do not matter here.
    length = np.diag(products.scored.offsets)[order]
    count = np.bincount(label[there], minlength=half.n_relations)
    total = np.bincount(label[there], length[there], half.n_relations) / np.maximum(count, 1)
    rest = total - 2 * across + square
    # Both are squared lengths from sums of products, which rounding may leave below 0.
    norm = np.sqrt(np.maximum(square, 0) * np.maximum(of_means, 0))
    # Of offsets without length there is nothing to explain, which is a share of 0.
    explained = 1 - np.divide(rest, total, out=np.ones(len(total)), where=total > 0)
    agreement = np.divide(across, norm, out=np.zeros(len(norm)), where=norm > 0)
    gram = products.scored.gram(order, sign)
    shift = (fitted @ products.sources) + sign * (fitted @ products.offsets)[:, order]
    length = np.sqrt(np.maximum(np.diag(gram)[n:], 0))
    inverse = np.divide(1.0, length, out=np.zeros(n), where=length > 0)
    targets = half.targets.without(there)
    # (s + v) . t / |t|: the length of s + v is the same for all targets of a source, and changes no rank.
    near = ((gram[:n, n:] + shift[label]) * inverse)[:, targets.first]
    values = target_scores(targets.ranks_of_right(near), targets.n_allowed)
    values[:, ~there] = np.nan
    ranked = [mean(values[:, label == relation], axis=-1) for relation in range(half.n_relations)]
    return np.concatenate([[explained, agreement], np.stack(ranked, axis=1)])
