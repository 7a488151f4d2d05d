"""Counts of features, tokens and documents, gathered over a text that comes in blocks of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from saegeom_data.typing import Array

# Two numbers below it make one key.
_SIDE = np.int64(2**31)


class Table(NamedTuple):
    """Sums by key, keys rising: keys (n,) int64, and columns (n, k) float64 of what is added up."""

    key: Array
    columns: Array


def keys(first: Array, second: Array) -> Array:
    """One key (n,) of two numbers, in the order of the first and then of the second."""
    return np.asarray(first.astype(np.int64) * _SIDE + second.astype(np.int64))


def parts_of(key: Array) -> tuple[Array, Array]:
    """The two numbers of keys."""
    return key // _SIDE, key % _SIDE


def table_of(key: Array, *columns: Array) -> Table:
    """Sums of columns (n,) by key."""
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = _starts(key)
    if not len(key):
        return Table(key, np.zeros((0, len(columns))))
    summed = [np.add.reduceat(np.asarray(column, np.float64)[order], starts) for column in columns]
    return Table(key[starts], np.stack(summed, axis=1))


def added(tables: Sequence[Table]) -> Table:
    """Sums over tables with the same columns."""
    key = np.concatenate([table.key for table in tables])
    columns = np.concatenate([table.columns for table in tables])
    return table_of(key, *columns.T) if len(key) else Table(key, columns)


def _starts(key: Array) -> Array:
    """First place of each key in sorted keys."""
    return np.flatnonzero(np.concatenate([np.ones(min(1, len(key)), bool), key[1:] != key[:-1]]))


class Open(NamedTuple):
    """Entries of a document of which more may come: feature, token and activation (n,)."""

    document: int
    feature: Array
    token: Array
    value: Array


class Counts(NamedTuple):
    """What is known of a run of tokens.

    Parameters
    ----------
    pairs
        By feature and token: tokens on which it fires, documents in which it does so, sum of activations; of all
        documents but the first and the last one.
    first, last
        Those two, which may go on in other runs of tokens; ``last`` is None where there is but one.
    by_document
        By feature and document: tokens on which it fires.
    words
        By token and document: how often it is there.
    """

    pairs: Table
    first: Open | None
    last: Open | None
    by_document: Table
    words: Table


def counted(document: Open) -> Table:
    """Table of pairs of one document that is whole."""
    table = table_of(keys(document.feature, document.token), np.ones(len(document.feature)), document.value)
    return Table(table.key, np.stack([table.columns[:, 0], np.ones(len(table.key)), table.columns[:, 1]], axis=1))


def counted_all(document: Array, feature: Array, token: Array, value: Array) -> Table:
    """Table of pairs of entries (n,) in the order of documents, all of which are whole."""
    key = keys(feature, token)
    order = np.argsort(key, kind="stable")
    key, document = key[order], document[order]
    # Entries of one pair are still in the order of documents.
    new = np.ones(len(key), bool)
    new[1:] = (key[1:] != key[:-1]) | (document[1:] != document[:-1])
    starts = _starts(key)
    if not len(key):
        return no_pairs()
    ones = np.ones(len(key))
    columns = [np.add.reduceat(column, starts) for column in (ones, new.astype(float), value[order])]
    return Table(key[starts], np.stack(columns, axis=1))


def no_pairs() -> Table:
    """A table of pairs with none in it."""
    return Table(np.zeros(0, np.int64), np.zeros((0, 3)))


def combined(left: Counts, right: Counts) -> Counts:
    """Counts of two runs of tokens, the second of which begins where the first ends."""
    if left.first is None:
        return right
    if right.first is None:
        return left
    pairs = [left.pairs, right.pairs]
    first, last = left.first, right.last
    before = left.last if left.last is not None else left.first
    if before.document == right.first.document:
        meeting = Open(before.document, *map(np.concatenate, zip(before[1:], right.first[1:], strict=True)))
        if left.last is None:
            first = meeting
        elif right.last is None:
            last = meeting
        else:
            pairs.append(counted(meeting))
    else:
        if left.last is not None:
            pairs.append(counted(left.last))
        if right.last is not None:
            pairs.append(counted(right.first))
        else:
            last = right.first
    return Counts(
        added(pairs), first, last, added([left.by_document, right.by_document]), added([left.words, right.words])
    )


def all_pairs(counts: Counts) -> Table:
    """Table of pairs of a whole text: its first and last documents go on nowhere."""
    ends = [counted(each) for each in (counts.first, counts.last) if each is not None]
    return added([counts.pairs, *ends])
