"""Short answers of findings: one sentence, one mark and one small picture for each claim that was judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mark = Literal["holds", "holds in part", "not shown", "cannot be told", "described"]

# What each mark says, for legends; the order is that of a legend.
MARKS: dict[Mark, str] = {
    "holds": "holds at every layer tested",
    "holds in part": "holds at some layers",
    "not shown": "no sign of it",
    "cannot be told": "too little data or too few draws to tell",
    "described": "a number without a test",
}


@dataclass(frozen=True)
class Series:
    """The number of a claim over the rows of a result, with what its null models give: what a small picture shows.

    All fields have one entry for each row, in the order in which they are drawn.

    Attributes
    ----------
    rows
        Names for readers: ``"layer 3"``.
    values, low, high
        The number and the ends of its interval; None where there is none.
    null_low, null_high
        Lowest and highest of what the null models give; None where that is not known.
    is_found
        Whether the claim, or its other side, holds there.
    """

    rows: tuple[str, ...]
    values: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    null_low: tuple[float | None, ...]
    null_high: tuple[float | None, ...]
    is_found: tuple[bool, ...]


@dataclass(frozen=True)
class Answer:
    """The short form of a finding: it says no more than the finding does.

    Attributes
    ----------
    sentence
        What holds, at how many layers, and how sure that is; about 20 words at most.
    mark
        What became of the claim.
    aside
        What limits the answer: null models that were not run, draws that were too few. Where it is not empty, the
        sentence says "so far", that there is no sign of it, or that it cannot be told.
    series
        The number behind it, or None.

    Examples
    --------
    >>> Answer("Rows are clustered at all 7 layers (p = 0.050).", "holds").mark
    'holds'
    """

    sentence: str
    mark: Mark = "described"
    aside: str = ""
    series: Series | None = None
