"""Occurrence at random with the margins of the data: how active each block is, and in how many blocks a feature fires.

Of all arrangements with exactly these margins each is as likely. If feature i is on in block b with the odds
exp(a_b + b_i), independently of all others (the Rasch model), that is the law of occurrence given its margins, whatever
a and b are: a test against it is exact, with nothing to fit. A fit would keep margins in expectation alone. Its draws
have the chance of the data's margins and their own on top: blocks that differ more in activity than those of the data,
and so communities that stand out less.

Arrangements are drawn by trades: two features share out anew the blocks in which one of them alone is on, each keeping
its number (Strona et al. 2014, Nature Communications 5, 4114). In a round all features trade, in pairs drawn at random
(Carstens, Berger and Strona 2018, MethodsX 5). Data and draws are all as many rounds away from one arrangement in
common, which makes them exchangeable, and p exact, after any number of rounds (Besag and Clifford 1989, Biometrika 76).
"""

from __future__ import annotations

import numpy as np

from saegeom_data.typing import Array

LABEL = "fixed_margins"

# Of planted lobes nothing is left in the affinities of 60 features after 6 rounds, of 400 after 8 and of 1,500 after 9.
_BEYOND = 5


def n_rounds(n_features: int) -> int:
    """Rounds of trades between data and the arrangement in common, and between this and each draw: log2 n and 5 more.

    After log2 n rounds firing of one feature has reached all n.
    """
    return int(np.ceil(np.log2(max(n_features, 1)))) + _BEYOND


def traded(bits: Array, rng: np.random.Generator) -> Array:
    """Occurrence (features, words), packed as in :mod:`._kernels.bits`, after :func:`n_rounds` rounds of trades.

    Where bits lie that are no block does not matter, nor do words without any.
    """
    from saegeom_data.metrics._kernels.permutations import trade_rows

    found = bits.copy()
    n_pairs = len(bits) // 2
    for _ in range(n_rounds(len(bits)) if n_pairs else 0):
        # Of an odd number of features another one sits out in each round.
        pairs = rng.permutation(len(bits))[: 2 * n_pairs].reshape(n_pairs, 2)
        trade_rows(rng.integers(0, 2**64, n_pairs, dtype=np.uint64), pairs, found)
    return found


def traded_live(bits: Array, is_masked: Array, rng: np.random.Generator) -> Array:
    """Occurrence (features, words) after trades of the features that are not masked; these are never on."""
    found, live = np.zeros_like(bits), np.flatnonzero(~is_masked)
    found[live] = traded(bits[live], rng)
    return found


def traded_bytes(n_features: int, n_words: int) -> int:
    """Bytes that :func:`traded` takes, its result included."""
    return 8 * n_features * n_words + 48 * n_features
