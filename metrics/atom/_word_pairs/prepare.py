"""Word pairs made ready to be scored: cleaned, capped and dealt into folds, whatever the order of their rows."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics._statistics.discriminant import principal_axes
from saegeom_data.metrics._statistics.unit_rows import row_norms
from saegeom_data.metrics.atom._word_pairs import folds
from saegeom_data.metrics.atom._word_pairs.nuisances import NUISANCES, known, nuisances
from saegeom_data.metrics.atom._word_pairs.scores import N_GROUPS
from saegeom_data.typing import Array

# What folds have in common: no words, or no pairs.
Apart = Literal["words", "pairs"]
DROP_REASONS = ("identical_words", "duplicate_pair", "zero_offset", "over_max_pairs")
# Without a jackknife group three must remain, whose offsets are then compared with two others each.
PAIRS_PER_FOLD = 4
# Float32 activations of one word differ by this much of their norm between batches.
_ZERO = 1e-6


@dataclass(frozen=True)
class WordPairs:
    """Kept pairs, sorted by relation and then by a hash of their words; ``row`` is the place of each in the input."""

    row: Array
    label: Array
    fold: Array
    source: Array
    target: Array
    source_word: Array
    target_word: Array
    nuisance: Array
    n_dropped: Array
    n_relations: int

    @property
    def counts(self) -> dict[str, Array]:
        """Pairs of each relation, (relations,): kept, dropped, with a word of another fold, and of other relations."""
        words = self.source_word, self.target_word
        return {
            "n_pairs": np.bincount(self.label, minlength=self.n_relations),
            "n_dropped": self.n_dropped,
            "n_sharing_words": folds.n_sharing(self.label, self.fold, *words, self.n_relations),
            "n_in_other_relations": folds.n_in_other_relations(self.label, *words, self.n_relations),
        }

    @functools.cached_property
    def group(self) -> Array:
        """Jackknife group of each pair, (pairs,): those of each fold and relation are dealt out evenly."""
        group = np.empty(len(self.label), dtype=np.int64)
        group[np.lexsort((self.label, self.fold))] = np.arange(len(self.label)) % N_GROUPS
        return group

    @functools.cached_property
    def offset(self) -> Array:
        """Target minus source, (pairs, hidden)."""
        return np.asarray(self.target - self.source)

    @functools.cached_property
    def known_nuisances(self) -> Array:
        """Which nuisance variables are known and vary, (nuisances,)."""
        return known(self.nuisance)

    @functools.cached_property
    def word_axes(self) -> Array:
        """Orthonormal axes of all words, (hidden, axes), which follow a rotation of the activations."""
        words = self.words(np.arange(len(self.row)))
        axes = principal_axes(words - words.mean(axis=0))[1]
        placed = words @ axes
        # The sign of an axis is arbitrary, and what is drawn along it must not depend on the sign that LAPACK gives.
        farthest = placed[np.abs(placed).argmax(axis=0), np.arange(axes.shape[1])]
        return np.asarray(axes * np.where(farthest < 0, -1.0, 1.0))

    def words(self, rows: Array) -> Array:
        """Activations of the sources, and after them of the targets, of some pairs."""
        return np.concatenate([self.source[rows], self.target[rows]])

    def word_of(self, rows: Array) -> Array:
        """Numbers of the words of the sources, and after them of the targets, of some pairs."""
        return np.concatenate([self.source_word[rows], self.target_word[rows]])


# Prepares the pairs that are used, from the columns of all by name: :func:`prepare` with its parameters bound.
Prepared = Callable[[Mapping[str, Array]], WordPairs]


def prepare(
    columns: Mapping[str, Array],
    *,
    relations: tuple[str, ...],
    max_pairs: int,
    n_folds: int,
    seed: int,
    apart: Apart = "words",
) -> WordPairs:
    """Drop pairs that carry no offset, cap relations, and deal each relation's pairs into folds of nearly equal size.

    Which pairs a capped relation keeps, and the fold of each, follow from a hash of its words and ``seed``, so that the
    order of rows changes nothing. Folds have no word in common where ``apart`` is ``"words"``
    (:func:`folds.by_words`).
    """
    names, source, target = (np.array([str(text) for text in columns[key]]) for key in ("relation", "source", "target"))
    source_activation, target_activation = columns["source_activation"], columns["target_activation"]
    label = _labels(names, relations)
    order = np.lexsort((_hashes(names, source, target, seed), label))
    label, source, target = label[order], source[order], target[order]
    small = row_norms(offsets(columns)) <= _ZERO * (row_norms(source_activation) + row_norms(target_activation))
    reason = np.full(len(label), len(DROP_REASONS))
    # Later reasons replace earlier ones: identical words also have an offset of zero.
    reason[small[order]] = DROP_REASONS.index("zero_offset")
    reason[_repeated(label, source, target)] = DROP_REASONS.index("duplicate_pair")
    reason[source == target] = DROP_REASONS.index("identical_words")
    kept = reason == len(DROP_REASONS)
    reason[kept & (_rank(label, kept) >= max_pairs)] = DROP_REASONS.index("over_max_pairs")
    kept = reason == len(DROP_REASONS)
    n_dropped = np.zeros((len(DROP_REASONS), len(relations)), dtype=np.int64)
    np.add.at(n_dropped, (reason[~kept], label[~kept]), 1)
    _check_sizes(label[kept], n_dropped, relations, n_folds)
    rows = order[kept]
    words = np.unique(np.concatenate([source[kept], target[kept]]), return_inverse=True)[1]
    source_word, target_word = words[: len(rows)], words[len(rows) :]
    # Along the order of hashes, which is random with respect to everything about the words.
    rank = _rank(label, kept)[kept]
    fold = folds.by_rank(rank, n_folds)
    if apart == "words":
        fold = folds.by_words(label[kept], rank, source_word, target_word, n_folds, PAIRS_PER_FOLD)
    return WordPairs(
        row=rows,
        label=label[kept],
        fold=fold,
        source=source_activation[rows].astype(np.float64),
        target=target_activation[rows].astype(np.float64),
        source_word=source_word,
        target_word=target_word,
        nuisance=nuisances(columns)[rows],
        n_dropped=n_dropped,
        n_relations=len(relations),
    )


def check_nuisances(pairs: WordPairs, names: tuple[str, ...], parameter: str) -> None:
    """Refuse to use nuisance variables of which nothing is known."""
    missing = [name for name in names if not pairs.known_nuisances[NUISANCES.index(name)]]
    if missing:
        usable = [name for name, there in zip(NUISANCES, pairs.known_nuisances, strict=True) if there]
        raise ParameterError(
            f"{parameter}: got {missing[0]!r}, which these pairs do not tell or which is the same for all, expected "
            f"some of {usable}; add its columns under /relations, or leave it out"
        )


def offsets(columns: Mapping[str, Array]) -> Array:
    """Target minus source of all pairs, (pairs, hidden), in single precision at least: float16 overflows at 65,504."""
    source, target = columns["source_activation"], columns["target_activation"]
    # Never in double precision: at this point all pairs are held, also those that are dropped.
    return np.asarray(np.subtract(target, source, dtype=np.result_type(source, target, np.float32)))


def _labels(names: Array, relations: tuple[str, ...]) -> Array:
    """Place of each name in ``relations``, (pairs,) int64."""
    index = {name: i for i, name in enumerate(relations)}
    unknown = sorted(set(names.tolist()) - set(relations))
    if unknown:
        raise DataValueError(
            f"relation: got {unknown[0]!r}, expected one of those in attrs['relations'], {list(relations)}; "
            "list every relation there"
        )
    return np.array([index[name] for name in names.tolist()], dtype=np.int64)


def _hashes(relation: Array, source: Array, target: Array, seed: int) -> Array:
    """Hash of seed, relation and words, (pairs,) uint64: an order of pairs whatever order they are given in."""
    # Not Python's own hash of text, which is another in every process.
    rows = zip(relation.tolist(), source.tolist(), target.tolist(), strict=True)
    digests = (hashlib.blake2b(repr((seed, *row)).encode(), digest_size=8).digest() for row in rows)
    # Of one byte order, so that all machines keep the same pairs.
    return np.frombuffer(b"".join(digests), dtype="<u8")


def _repeated(label: Array, source: Array, target: Array) -> Array:
    """Whether a pair of the same relation and words came before, (pairs,)."""
    seen: set[tuple[int, str, str]] = set()
    repeated = np.zeros(len(label), dtype=bool)
    for i, pair in enumerate(zip(label.tolist(), source.tolist(), target.tolist(), strict=True)):
        repeated[i] = pair in seen
        seen.add(pair)
    return repeated


def _rank(label: Array, kept: Array) -> Array:
    """Position of each pair among the kept ones of its relation; ``label`` is sorted."""
    before = np.cumsum(kept) - kept
    first = np.searchsorted(label, label)
    return np.asarray(before - before[first])


def _check_sizes(label: Array, n_dropped: Array, relations: tuple[str, ...], n_folds: int) -> None:
    """Raise :class:`DataValueError` if a relation has too few pairs for its folds."""
    n_pairs, capped = np.bincount(label, minlength=len(relations)), DROP_REASONS.index("over_max_pairs")
    for i, name in enumerate(relations):
        if n_pairs[i] < PAIRS_PER_FOLD * n_folds:
            dropped = ", ".join(f"{n} {why}" for n, why in zip(n_dropped[:, i].tolist(), DROP_REASONS, strict=True))
            advice = "raise max_pairs" if n_dropped[capped, i] else "add pairs, or leave the relation out"
            raise DataValueError(
                f"relation {name!r}: got {n_pairs[i]} pairs (dropped: {dropped}), expected at least "
                f"{PAIRS_PER_FOLD * n_folds}, {PAIRS_PER_FOLD} for each of {n_folds} folds; {advice}"
            )
