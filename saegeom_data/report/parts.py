"""What the report consists of: findings in words, and panels with figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """What was found, in words that follow from the numbers.

    Attributes
    ----------
    scale
        The section it stands in.
    topic
        A short name of the question.
    headline
        The answer.
    evidence
        Effect, interval, null and p behind the answer.
    """

    scale: str
    topic: str
    headline: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.headline} {self.evidence}"


@dataclass(frozen=True)
class Panel:
    """A figure with the words around it.

    Attributes
    ----------
    id
        Its anchor on the page.
    scale
        The section it stands in.
    title
        What it shows, as a heading.
    figure
        The plotly figure.
    alt
        What a reader who cannot see it should know, numbers included.
    reading
        How to read it, in two sentences.
    uses
        Names of the groups that it draws.
    """

    id: str
    scale: str
    title: str
    figure: Any
    alt: str
    reading: str
    uses: tuple[str, ...]
