"""What a reader has to know of a metric beside its formula: what it is for, how to read it, and how it misleads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Guidance:
    """Words for the page of a metric in the guide.

    Attributes
    ----------
    question
        The question that it answers, as a reader would ask it.
    reading
        How to read its numbers: which of them is the answer, against what, and how large is large.
    misleads
        Ways in which its numbers can be taken for something else, and what tells the two apart.
    published
        What the published procedure does differently, and how to get its number here.
    versions
        What changed in each version after the first.
    formula
        Its formula, in Markdown with mathematics between dollar signs, where the docstring says it in plain text.
    details
        Statistics behind it, in Markdown with mathematics between dollar signs.

    Examples
    --------
    >>> Guidance("Is it round?", "0 is round.", ("Few rows look round.",), versions={2: "Copies are merged."}).versions
    {2: 'Copies are merged.'}
    """

    question: str
    reading: str
    misleads: tuple[str, ...] = ()
    published: str = ""
    versions: Mapping[int, str] = field(default_factory=dict)
    formula: str = ""
    details: str = ""
