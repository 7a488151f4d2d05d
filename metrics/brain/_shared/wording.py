"""Phrases that findings of the brain scale share."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.results.wording import probability

_WORDS = {2: "Two", 3: "Three", 4: "Four"}


def lobes_in_words(count: int) -> str:
    """Write a number of lobes, small ones as a word.

    Examples
    --------
    >>> lobes_in_words(2), lobes_in_words(16)
    ('Two lobes', '16 lobes')
    """
    return f"{_WORDS.get(count, count)} lobes"


def largest_p(p: Sequence[float]) -> str:
    """Write the p of one layer, or the largest of several; empty if there is none.

    Examples
    --------
    >>> largest_p([0.02, 0.4]), largest_p([])
    ('largest p = 0.40', '')
    """
    if not p:
        return ""
    return probability(max(p)) if len(p) == 1 else f"largest {probability(max(p))}"
