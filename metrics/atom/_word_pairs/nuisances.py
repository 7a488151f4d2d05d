"""What a pair of words may differ in beside its relation: the nuisance variables that are known of each pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np

from saegeom_data.typing import Array

Nuisance = Literal["length", "token_count", "frequency_rank", "capitalisation", "language", "last_token_length"]
NUISANCES: tuple[str, ...] = get_args(Nuisance)
WORDS = {
    "length": "word length",
    "token_count": "number of tokens",
    "frequency_rank": "word frequency",
    "capitalisation": "capitalisation",
    "language": "language",
    "last_token_length": "length of the last token",
}


def nuisances(columns: Mapping[str, Array]) -> Array:
    """Differences between target and source, (pairs, nuisances); NaN in all rows of what no column tells.

    Capitalisation follows from the words. Frequency is the logarithm of the target's rank over the source's, so that
    ranks 10 and 20 differ by as much as 1,000 and 2,000; NaN where a rank is not positive. Where no ranks are given it
    is the place of the last token in the vocabulary, counted from 1: vocabularies are mostly in order of frequency.
    Language is 1 where it changes and 0 where it does not.
    """
    n = len(columns["relation"])
    found = np.full((n, len(NUISANCES)), np.nan)
    found[:, 0] = columns["length_difference"]
    found[:, 3] = _capitalised(columns["target"]) - _capitalised(columns["source"])
    if {"source_token_count", "target_token_count"} <= columns.keys():
        found[:, 1] = columns["target_token_count"] - columns["source_token_count"].astype(float)
    if {"source_frequency_rank", "target_frequency_rank"} <= columns.keys():
        found[:, 2] = _logarithm(columns["target_frequency_rank"]) - _logarithm(columns["source_frequency_rank"])
    elif {"source_last_token_id", "target_last_token_id"} <= columns.keys():
        found[:, 2] = _logarithm(columns["target_last_token_id"] + 1) - _logarithm(columns["source_last_token_id"] + 1)
    if {"source_language", "target_language"} <= columns.keys():
        source, target = (columns[f"{side}_language"].astype(str) for side in ("source", "target"))
        found[:, 4] = source != target
    if "last_token_length_difference" in columns:
        found[:, 5] = columns["last_token_length_difference"]
    return found


def known(values: Array) -> Array:
    """Which nuisance variables tell anything, (nuisances,): those that some column gives and that vary."""
    defined = np.isfinite(values)
    low = np.where(defined, values, np.inf).min(axis=0, initial=np.inf)
    high = np.where(defined, values, -np.inf).max(axis=0, initial=-np.inf)
    return np.asarray(low < high)


def _capitalised(words: Array) -> Array:
    """1 where a word begins with a capital, else 0: (words,)."""
    return np.array([str(word)[:1].isupper() for word in words.tolist()], dtype=float)


def _logarithm(rank: Array) -> Array:
    """Logarithm of ranks (words,); NaN where none is known."""
    rank = rank.astype(float)
    # Words that no list of frequencies holds have no rank.
    return np.log(np.where(rank > 0, rank, np.nan))
