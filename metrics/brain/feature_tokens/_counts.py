"""Counts of features, tokens and documents, gathered over a text that comes in blocks of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from saegeom_data.metrics.brain._shared.ranks import differs
from saegeom_data.typing import Array

# More kinds of tokens than any vocabulary has.
_WORDS = 2**21
# A key of feature, token and document is below 2**63.
MOST_FEATURES_BY_DOCUMENTS = 2**63 // _WORDS


class Table(NamedTuple):
    """Sums by key, keys rising: keys (n,) int64, and columns (n, k) float64 of what is added up."""

    key: Array
    columns: Array


def table_of(key: Array, *columns: Array) -> Table:
    """Sums of columns (n,) by key (n,)."""
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = np.flatnonzero(differs(key))
    if not len(key):
        return Table(key.astype(np.int64), np.zeros((0, len(columns))))
    summed = [np.add.reduceat(np.asarray(column, np.float64)[order], starts) for column in columns]
    return Table(key[starts], np.stack(summed, axis=1))


def added(tables: Sequence[Table]) -> Table:
    """Sums over tables with the same columns."""
    columns = np.concatenate([table.columns for table in tables])
    return table_of(np.concatenate([table.key for table in tables]), *columns.T)


class Counts(NamedTuple):
    """What is known of some tokens.

    Parameters
    ----------
    fired
        By feature, token and document: tokens on which the feature fires, and the sum of its activations.
    words
        By token and document: how often it is there.
    """

    fired: Table
    words: Table


def fired_key(feature: Array, token: Array, document: Array, n_documents: int) -> Array:
    """Keys (n,) int64 in the order of features, then tokens, then documents."""
    return np.asarray((feature * _WORDS + token) * n_documents + document)


def words_key(token: Array, document: Array, n_documents: int) -> Array:
    """Keys (n,) int64 in the order of tokens, then documents."""
    return np.asarray(token * n_documents + document)


def combined(parts: Sequence[Counts]) -> Counts:
    """Counts of all parts."""
    return Counts(*(added(tables) for tables in zip(*parts, strict=True)))


class Totals(NamedTuple):
    """Counts of a whole text.

    Parameters
    ----------
    pairs
        By feature and token (``feature * 2**21 + token``): tokens on which it fires, documents in which it does so, sum
        of activations.
    by_document
        By feature and document (``feature * n_documents + document``): tokens on which it fires.
    words
        By token and document (``token * n_documents + document``): how often it is there.
    n_documents
        Documents, those without tokens included.
    """

    pairs: Table
    by_document: Table
    words: Table
    n_documents: int

    def of_pairs(self) -> tuple[Array, Array]:
        """Feature and token of each pair."""
        return self.pairs.key // _WORDS, self.pairs.key % _WORDS

    def of_documents(self) -> tuple[Array, Array]:
        """Feature and document of each of ``by_document``."""
        return self.by_document.key // self.n_documents, self.by_document.key % self.n_documents

    def of_words(self) -> tuple[Array, Array]:
        """Token and document of each of ``words``."""
        return self.words.key // self.n_documents, self.words.key % self.n_documents


def totals(counts: Counts, n_documents: int) -> Totals:
    """Sums of what is counted by feature, token and document over documents, and over tokens."""
    pair, document = counts.fired.key // n_documents, counts.fired.key % n_documents
    count, activation = counts.fired.columns.T
    pairs = table_of(pair, count, np.ones(len(pair)), activation)
    by_document = table_of(pair // _WORDS * n_documents + document, count)
    return Totals(pairs, by_document, counts.words, n_documents)
