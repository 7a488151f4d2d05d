"""Analogies a : b = c : ? answered by 3CosAdd, for true and for shuffled pairings."""

from __future__ import annotations

import numpy as np

from saegeom_data.typing import Array

_ROUNDING = 1e-10


def accuracies(similarity: Array, word: Array, place: Array, targets: Array) -> tuple[Array, Array]:
    """Whether each analogy is right, without and with its inputs among the candidates.

    Parameters
    ----------
    similarity
        Dot products of the sources, and after them the targets, of some pairs with all candidates of unit length,
        shape (2 * pairs, candidates).
    word
        Number of the word of each candidate; candidates may share one.
    place
        Which candidate each row of ``similarity`` is.
    targets
        For each pairing the targets of the sources, as indices into pairs, shape (draws, pairs).

    Returns
    -------
    tuple of numpy.ndarray
        Twice shape (draws, pairs, pairs): 1 or 0 for ``source[i] : targets[i] = source[j] : ?``, NaN where i = j or
        where the answer is one of the inputs.
    """
    from saegeom_data.metrics._kernels import word_pairs as compiled

    n = targets.shape[1]
    outcome = np.full((len(targets), n, n), compiled.UNDEFINED, dtype=np.int8)
    # Words of one activation, as those that end in the same token at the embedding, must tie despite rounding.
    tolerance = _ROUNDING * float(np.abs(similarity).max())
    compiled.scan_analogies(similarity, word, place, np.ascontiguousarray(targets), tolerance, outcome)
    undefined = outcome == compiled.UNDEFINED
    return (
        np.where(undefined, np.nan, outcome >= compiled.RIGHT),
        np.where(undefined, np.nan, outcome == compiled.RIGHT_WITH_INPUTS),
    )
