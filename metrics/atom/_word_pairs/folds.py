"""Folds of word pairs that share no words: pairs with a word in common are dealt together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from saegeom_data.typing import Array


def by_rank(rank: Array, n_folds: int) -> Array:
    """Folds (pairs,) of pairs by their place among those of their relation, whatever words they share."""
    return np.asarray(rank % n_folds)


def by_words(label: Array, rank: Array, source: Array, target: Array, n_folds: int, least: int) -> Array:
    """Folds (pairs,) in which pairs that share a word are together, as far as relations can be dealt into equal parts.

    Groups of pairs that hang together by their words are dealt out largest first, each to the fold that has the least
    of its relations. A group with more of one relation than a fold should hold is parted at its most common word, and a
    relation that would have fewer than ``least`` pairs in a fold is dealt pair by pair.

    Parameters
    ----------
    label, rank
        Relation of each pair, and its place among those of its relation, (pairs,) each.
    source, target
        Numbers of words, (pairs,) each.
    """
    n_relations = int(label.max()) + 1
    sizes = np.bincount(label, minlength=n_relations)
    # What leaves the other folds enough, and is not much more than an equal part.
    most = np.minimum(sizes - least * (n_folds - 1), -(-3 * sizes // (2 * n_folds)))
    groups = list(_groups(np.arange(len(label)), label, np.stack([source, target], axis=1), most))
    # In the order of ranks, so that pairs that share nothing are dealt in turn.
    groups.sort(key=lambda group: (-len(group), rank[group[0]], label[group[0]]))
    fold = np.zeros(len(label), dtype=np.int64)
    held = np.zeros((n_folds, n_relations))
    for group in groups:
        count = np.bincount(label[group], minlength=n_relations)
        there = count > 0
        # Pairs beyond an equal part, in units of that part.
        load = ((held[:, there] + count[there]) ** 2 / sizes[there]).sum(axis=1)
        chosen = int(load.argmin())
        fold[group] = chosen
        held[chosen] += count
    short = np.asarray((held < least).any(axis=0))
    return np.where(short[label], by_rank(rank, n_folds), fold)


def n_sharing(label: Array, fold: Array, source: Array, target: Array, n_relations: int) -> Array:
    """Pairs of each relation that share a word with a pair of another fold, (relations,)."""
    words = np.concatenate([source, target])
    low, high = np.full(words.max() + 1, fold.max()), np.zeros(words.max() + 1, dtype=np.int64)
    np.minimum.at(low, words, np.tile(fold, 2))
    np.maximum.at(high, words, np.tile(fold, 2))
    shared = low < high
    return np.bincount(label[shared[source] | shared[target]], minlength=n_relations)


def n_in_other_relations(label: Array, source: Array, target: Array, n_relations: int) -> Array:
    """Pairs of each relation whose source and target are a pair of another relation too, (relations,)."""
    _, inverse, count = np.unique(np.stack([source, target], axis=1), axis=0, return_inverse=True, return_counts=True)
    # A relation has each pair once.
    return np.bincount(label[count[inverse.ravel()] > 1], minlength=n_relations)


def _groups(rows: Array, label: Array, words: Array, most: Array) -> Iterator[Array]:
    """Rows of pairs that hang together by words (pairs, 2), in parts with at most ``most`` pairs of each relation."""
    for group in _components(rows, words):
        if len(group) == 1 or (np.bincount(label[group], minlength=len(most)) <= most).all():
            yield group
            continue
        entries = words[group]
        common = np.bincount(entries.ravel()).argmax()
        # Pairs keep the other word alone; two new numbers would tie no pair to another.
        parted = words.copy()
        with_it = group[(entries == common).any(axis=1)]
        parted[with_it] = np.where(words[with_it] == common, -1 - with_it[:, None], words[with_it])
        yield from _groups(group, label, _renumbered(parted), most)


def _renumbered(words: Array) -> Array:
    """The same words, numbered from 0."""
    return np.unique(words, return_inverse=True)[1].reshape(words.shape)


def _components(rows: Array, words: Array) -> Sequence[Array]:
    """Rows in groups that are connected by shared words."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    entries = _renumbered(words[rows])
    n_words = int(entries.max()) + 1
    graph = coo_array((np.ones(len(rows)), (entries[:, 0], entries[:, 1])), shape=(n_words, n_words))
    component = connected_components(graph, directed=False)[1][entries[:, 0]]
    # Stable: in which order numpy's faster sorts leave equal numbers depends on the processor.
    order = np.argsort(component, kind="stable")
    return np.split(rows[order], np.flatnonzero(np.diff(component[order])) + 1)
