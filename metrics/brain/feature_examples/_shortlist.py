"""The few entries of each feature that are kept of a stream of entries: the strongest, and an even sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from saegeom_data.metrics.brain._shared.ranks import differs, rank_within
from saegeom_data.typing import Array


class Entries(NamedTuple):
    """Tokens on which features fire (entries,), with document and position of the token."""

    feature: Array
    value: Array
    token: Array
    document: Array
    position: Array

    def at(self, index: Array) -> Entries:
        """Entries at some places or under a mask."""
        return Entries(*(column[index] for column in self))


def joined(parts: Sequence[Entries]) -> Entries:
    """Entries of several parts, one after the other."""
    return Entries(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def strongest(entries: Entries, n: int) -> Entries:
    """The n strongest entries of each feature in different documents, by feature, then from the strongest on.

    Of entries of one document the strongest stands for it, and of equal ones the first in the text. The order is total,
    so that the strongest of the strongest of parts are those of the whole.
    """
    # Documents first, to keep one entry of each.
    entries = entries.at(np.lexsort((entries.token, -entries.value, entries.document, entries.feature)))
    new = differs(entries.feature) | differs(entries.document)
    entries = entries.at(new)
    return _first(entries.at(np.lexsort((entries.token, -entries.value, entries.feature))), n)


def sampled(entries: Entries, n: int) -> Entries:
    """An even sample of at most n entries of each feature: those of the n smallest hashes of feature and token.

    Which entries are kept depends on no order, so that samples of samples of parts are those of the whole.
    """
    return _first(entries.at(np.lexsort((entries.token, _hashed(entries), entries.feature))), n)


def nth_value(entries: Entries, n: int, n_features: int) -> Array:
    """Value of the n-th entry of each feature (features,) in the order given by :func:`strongest`; -inf for fewer."""
    found = np.full(n_features, -np.inf)
    last = rank_within(entries.feature) == n - 1
    found[entries.feature[last]] = entries.value[last]
    return found


def nth_hash(entries: Entries, n: int, n_features: int) -> Array:
    """Hash of the n-th entry of each feature (features,) uint64 in the order of :func:`sampled`; the most for fewer."""
    found = np.full(n_features, np.iinfo(np.uint64).max, np.uint64)
    last = rank_within(entries.feature) == n - 1
    found[entries.feature[last]] = _hashed(entries)[last]
    return found


def hash_at_most(entries: Entries, most: Array) -> Array:
    """Whether the hash of each entry (entries,) is at most that of its feature in ``most`` (features,)."""
    return np.asarray(_hashed(entries) <= most[entries.feature])


def _first(entries: Entries, n: int) -> Entries:
    return entries.at(rank_within(entries.feature) < n)


def _hashed(entries: Entries) -> Array:
    """Hash (entries,) uint64 of feature and token: the finaliser of splitmix64 on their mixed numbers."""
    with np.errstate(over="ignore"):
        x = entries.token.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x + entries.feature.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD1B54A32D192ED03)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(x ^ (x >> np.uint64(31)))
