"""Analogies a : b = c : ? answered by 3CosAdd, for true and for shuffled pairings."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_ROUNDING = 1e-10
_UNDEFINED, _WRONG, _RIGHT, _RIGHT_WITH_INPUTS = -1, 0, 1, 2


def similarities(entries: Array) -> Array:
    """Dot products of all words with all words of unit length, shape (words, words)."""
    norm = np.linalg.norm(entries, axis=1)
    return np.asarray(
        entries @ np.divide(entries, norm[:, None], out=np.zeros(entries.shape), where=norm[:, None] > 0).T
    )


def accuracies(similarity: Array, word: Array, source: Array, targets: Array) -> tuple[Array, Array]:
    """Whether each analogy is right, without and with its inputs among the candidates.

    Parameters
    ----------
    similarity
        Result of :func:`similarities`.
    word
        Number of the word of each entry; entries may share one.
    source
        Entries of the sources, shape (pairs,).
    targets
        Entries of the targets for each pairing, shape (draws, pairs).

    Returns
    -------
    tuple of numpy.ndarray
        Twice shape (draws, pairs, pairs): 1 or 0 for ``source[i] : targets[i] = source[j] : ?``, NaN where i = j or
        where the answer is one of the inputs.
    """
    n = len(source)
    outcome = np.full((len(targets), n, n), _UNDEFINED, dtype=np.int8)
    # Words of one activation, as those that end in the same token at the embedding, must tie despite rounding.
    tolerance = _ROUNDING * float(np.abs(similarity).max())
    _compiled()(similarity, word, source, np.ascontiguousarray(targets), tolerance, outcome)
    undefined = outcome == _UNDEFINED
    return (
        np.where(undefined, np.nan, outcome >= _RIGHT),
        np.where(undefined, np.nan, outcome == _RIGHT_WITH_INPUTS),
    )


@functools.cache
def _compiled() -> Any:
    import numba

    return numba.njit(nogil=True)(_scan)


def _scan(similarity: Array, word: Array, source: Array, targets: Array, tolerance: float, outcome: Array) -> None:
    # Stops at the first word nearer than the answer: most analogies of a shuffled pairing end after a few candidates.
    for draw in range(targets.shape[0]):
        for i in range(len(source)):
            a, b = source[i], targets[draw, i]
            for j in range(len(source)):
                c, answer = source[j], targets[draw, j]
                if i == j or word[answer] == word[a] or word[answer] == word[b] or word[answer] == word[c]:
                    continue
                best = similarity[b, answer] - similarity[a, answer] + similarity[c, answer] + tolerance
                found = _RIGHT_WITH_INPUTS
                for other in range(similarity.shape[0]):
                    if similarity[b, other] - similarity[a, other] + similarity[c, other] > best:
                        if word[other] == word[a] or word[other] == word[b] or word[other] == word[c]:
                            found = _RIGHT
                        elif word[other] != word[answer]:
                            found = _WRONG
                            break
                outcome[draw, i, j] = found
