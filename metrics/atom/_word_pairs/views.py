"""Ways to remove distractor directions: each is fitted on some pairs, and maps the words of any pairs linearly.

A way is a function from :class:`Training` to such a map. Because maps are linear, the offset of mapped words is the
mapped offset, and every score can be taken in every view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from saegeom_data.metrics._statistics import discriminant
from saegeom_data.metrics.atom._word_pairs.nuisances import NUISANCES
from saegeom_data.metrics.atom._word_pairs.prepare import WordPairs
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

Map = Callable[[Array], Array]
Removal = Literal["lda", "principal_components_removed", "whitened", "erased"]

RAW, LDA, PRINCIPAL, WHITENED, ERASED = "raw", "lda", "principal_components_removed", "whitened", "erased"
# Not a removal of its own: what whitening by any covariance of this spectrum would do.
WHITENED_AT_RANDOM = "whitened_at_random"
# Size, beside the largest, below which a direction of correlations is rounding.
_RANK = 1e-10


@dataclass(frozen=True)
class Training:
    """What a way is fitted on: which pairs of all, the basis of their offsets, and how.

    ``n_directions`` are those that discriminant analysis keeps, ``n_components`` those that are projected out, and
    ``erased`` names nuisance variables. ``seed`` and ``fold`` choose the random directions.
    """

    pairs: WordPairs
    rows: Array
    basis: discriminant.Basis
    whitened: Array
    n_directions: int
    n_components: int
    erased: tuple[str, ...]
    seed: int
    fold: int

    @property
    def n_relations(self) -> int:
        """Relations that have training pairs."""
        return len(np.unique(self.pairs.label[self.rows]))

    @property
    def label(self) -> Array:
        """Relation of each training pair, without gaps in their numbers."""
        return np.unique(self.pairs.label[self.rows], return_inverse=True)[1]

    def directions(self, n: int) -> Array:
        """Discriminant directions of the training offsets, (hidden, n)."""
        means, weights = discriminant.discriminants(
            self.whitened, self.label[None], self.n_relations, self.basis.shrinkage, n
        )
        return np.asarray(self.basis.whitening @ means[0].T @ weights[0])

    def without(self, gone: Array) -> Training:
        """The same without some of the training pairs, (training pairs,) bool."""
        rows = self.rows.copy()
        rows[np.flatnonzero(rows)[gone]] = False
        offset = self.pairs.offset[rows]
        basis = discriminant.fit_basis(offset, self.basis.shrinkage)
        return replace(self, rows=rows, basis=basis, whitened=basis.whiten(offset))


def view_names(removals: tuple[Removal, ...]) -> tuple[str, ...]:
    """Names of all views: the raw one, and the random counterpart of whitening right behind it."""
    behind = {WHITENED: (WHITENED, WHITENED_AT_RANDOM)}
    return (RAW, *(name for removal in removals for name in behind.get(removal, (removal,))))


def fit(view: str, training: Training) -> Map:
    """Fit the view of that name."""
    return _WAYS[view](training)


def fit_without(view: str, training: Training, gone: Array) -> Map:
    """Fit the view of that name without some of the training pairs, (training pairs,) bool; shrinkage stays."""
    basis = training.basis
    if view in (RAW, WHITENED_AT_RANDOM):
        # Neither follows from single pairs.
        return fit(view, training)
    if view == LDA:
        asked = (training.n_relations, basis.shrinkage, training.n_directions)
        weights = discriminant.discriminants_without(training.whitened, training.label, gone, *asked)
        directions = basis.whitening @ weights
        return lambda points: points @ directions
    if view == PRINCIPAL:
        centred = training.whitened / basis.scale
        axes = basis.axes @ discriminant.principal_axes_without(centred, gone, training.n_components)
        return _without(axes, axes)
    return fit(view, training.without(gone))


def _raw(_: Training) -> Map:
    """Leave points x (..., hidden) as they are."""
    return lambda points: points


def _lda(training: Training) -> Map:
    """Map x to x W, for directions W (hidden, directions) of the discriminants."""
    directions = training.directions(training.n_directions)
    return lambda points: points @ directions


def _principal_components_removed(training: Training) -> Map:
    """Map x to x - x U U', for the first principal axes U (hidden, removed) of training offsets."""
    axes = training.basis.axes[:, : training.n_components]
    return _without(axes, axes)


def _erased(training: Training) -> Map:
    """Move offsets least among all maps after which no nuisance variable correlates with them (LEACE)."""
    values = training.pairs.nuisance[training.rows][:, [NUISANCES.index(name) for name in training.erased]]
    defined = np.isfinite(values).all(axis=1)
    values = values[defined] - values[defined].mean(axis=0)
    # The correlation of each variable with offsets in whitened coordinates: their span is what can be told of them.
    cross = training.whitened[defined].T @ (values / np.maximum(np.linalg.norm(values, axis=0), np.finfo(float).tiny))
    span, size, _ = np.linalg.svd(cross, full_matrices=False)
    span = span[:, size > _RANK * max(size.max(initial=0.0), np.finfo(float).tiny)]
    return _without(training.basis.whitening @ span, training.basis.unwhitening @ span)


def _whitened(training: Training) -> Map:
    """Divide words by the root of their shrunk covariance (the causal inner product)."""
    words = _word_basis(training)
    return _rescaled(words.axes, words)


def _whitened_at_random(training: Training) -> Map:
    """Whitening with the same spectrum along random directions of the space that all words span."""
    words, frame = _word_basis(training), training.pairs.word_axes
    rng = stream("random_axes", training.seed, training.fold)
    drawn, corner = np.linalg.qr(rng.standard_normal((frame.shape[1], words.axes.shape[1])))
    # With a positive diagonal of R the frame is uniform over rotations, and the same from every LAPACK.
    return _rescaled(frame @ (drawn * np.sign(np.diag(corner))), words)


def _word_basis(training: Training) -> discriminant.Basis:
    """Principal axes and shrunk spectrum of the words of training pairs."""
    return discriminant.fit_basis(training.pairs.words(training.rows), None)


def _rescaled(axes: Array, words: discriminant.Basis) -> Map:
    """Scale points by the root of the inverse spectrum along the axes, and by its smallest value elsewhere."""
    beyond = words.beyond
    gain = words.scale - beyond
    return lambda points: beyond * points + ((points @ axes) * gain) @ axes.T


def _without(measured: Array, taken: Array) -> Map:
    """Map x to x - x M T', for ``measured`` M and ``taken`` T, (hidden, axes) both."""
    return lambda points: points - (points @ measured) @ taken.T


_WAYS: Mapping[str, Callable[[Training], Map]] = {
    RAW: _raw,
    LDA: _lda,
    PRINCIPAL: _principal_components_removed,
    WHITENED: _whitened,
    WHITENED_AT_RANDOM: _whitened_at_random,
    ERASED: _erased,
}
