"""How a metric is shown: headline numbers, figures, findings, and what is followed over depth.

A metric names its presentation in its declaration; tables, reports, comparisons and trends read it from there, so
that a metric of another package is shown as those of this one are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from saegeom_data.declare.answer import Answer
from saegeom_data.declare.claim import Claim
from saegeom_data.declare.group import Group

# Unrounded for machines; tables round it. None is written as null, which JSON has and NaN it has not.
Value = float | str | None


@dataclass(frozen=True)
class Reading:
    """One number of a headline, and where it is found in a result.

    Attributes
    ----------
    output
        Name of the output; with ``compute``, of one that it needs.
    where
        Labels of the output's further dimensions.
    key
        Name of the number in records for machines; the output's name by default.
    label
        What is written before it where it stands behind another number: ``null``, ``ceiling``.
    after
        What is written after it there: ``by chance``.
    digits
        Digits after the point, for numbers below 100 in size.
    style
        ``"number"``, ``"percent"`` of a share, or ``"p"`` for a probability.
    interval
        Ends of its interval.
    compute
        From a result and the name of a row to the number, where it is no entry of an output.
    """

    output: str
    where: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    label: str = ""
    after: str = ""
    digits: int = 3
    style: Literal["number", "percent", "p"] = "number"
    interval: tuple[Reading, Reading] | None = None
    compute: Callable[[Group, str], Value] | None = None

    @property
    def name(self) -> str:
        """Name of the number in records."""
        return self.key or self.output

    def read(self, group: Group, row: str) -> Value:
        """Return the number of one row, or None where there is none."""
        if self.compute is not None:
            return self.compute(group, row)
        value = group.value(row, self.output, **self.where)
        # Values of a group are floats, but a count is shown and recorded as a whole number.
        is_whole = self.output in group.data.variables and group.data[self.output].dtype.kind in "iu"
        return int(value) if is_whole and value is not None else value


@dataclass(frozen=True)
class Headline:
    """A column of the table of headline numbers.

    Attributes
    ----------
    label
        Heading of the column.
    values
        The number, or several that are read together.
    behind
        Numbers that stand behind it: of the null model, p, a ceiling.
    recorded
        Further numbers that only records for machines hold.
    between
        What stands between several values.
    description
        What the column is, for readers.
    is_shown
        Whether tables for readers have it; records hold its numbers either way.
    """

    label: str
    values: tuple[Reading, ...]
    behind: tuple[Reading, ...] = ()
    recorded: tuple[Reading, ...] = ()
    between: str = " → "
    description: str = ""
    is_shown: bool = True

    @property
    def readings(self) -> tuple[Reading, ...]:
        """All numbers, the values first and each before its interval."""
        named = (*self.values, *self.behind, *self.recorded)
        return tuple(part for reading in named for part in (reading, *(reading.interval or ())))


def headline(
    output: str,
    label: str,
    *,
    interval: tuple[str, str] | None = None,
    null: str = "",
    p: str = "",
    where: Mapping[str, Any] | None = None,
    digits: int = 3,
    description: str = "",
    is_shown: bool = True,
) -> Headline:
    """Make the usual headline: an output with the ends of its interval, its null and its p.

    Parameters
    ----------
    output, interval, null, p
        Names of outputs.
    label
        Heading of the column.
    where
        Labels of further dimensions of all of them; an output without such a dimension passes it over.
    digits
        Digits after the point.
    description, is_shown
        As in :class:`Headline`.

    Examples
    --------
    >>> [reading.name for reading in headline("slope", "spectrum slope", interval=("slope_low", "slope_high")).readings]
    ['slope', 'slope_low', 'slope_high']
    """
    labels = dict(where or {})
    behind = [Reading(null, labels, label="null", digits=digits)] if null else []
    behind += [Reading(p, labels, style="p")] if p else []
    ends = (Reading(interval[0], labels), Reading(interval[1], labels)) if interval else None
    values = (Reading(output, labels, digits=digits, interval=ends),)
    return Headline(label, values, tuple(behind), description=description, is_shown=is_shown)


@dataclass(frozen=True)
class Measure:
    """One number per SAE whose trend over depth is of interest.

    Attributes
    ----------
    output
        Name of the output.
    extreme
        Which end is of interest.
    axis
        Title of its axis.
    subject, noun
        What to say of its extreme ("the spectrum is steepest"), and of the number itself ("slope").
    more, less
        What a higher and a lower number are called ("a flatter spectrum").
    where
        Labels of the output's further dimensions, or a function that finds them in a result.
    variants
        Output that holds the same number by other choices, along one further dimension: on how many of them the same
        layer is the extreme is told beside the trend. Empty without such an output.
    variant
        What one choice is called ("window of ranks").
    """

    output: str
    extreme: Literal["lowest", "highest"]
    axis: str
    subject: str
    noun: str
    more: str
    less: str
    where: Mapping[str, Any] | Callable[[Group], Mapping[str, Any]] = field(default_factory=dict)
    variants: str = ""
    variant: str = "choice"

    def labels(self, group: Group) -> Mapping[str, Any]:
        """Labels of the further dimensions in one result."""
        return self.where(group) if callable(self.where) else self.where


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
    answers
        The same in short, one for each claim that it is worded from; without any, the headline serves.
    source
        The metric that says it; set where findings are collected.
    """

    scale: str
    topic: str
    headline: str
    evidence: str
    answers: tuple[Answer, ...] = ()
    source: str = ""

    @property
    def in_short(self) -> tuple[Answer, ...]:
        """Its answers, or its headline as one that no test is behind."""
        return self.answers or (Answer(self.headline),)

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
    source
        The metric whose figure it is; set where panels are collected.
    """

    id: str
    scale: str
    title: str
    figure: Any
    alt: str
    reading: str
    uses: tuple[str, ...]
    source: str = ""


# Named, so that whoever shows results can tell a presentation without figures from one that gives none.
def _nothing(_: Sequence[Group]) -> list[Any]:
    return []


def _no_claims(_: Group) -> list[Claim]:
    return []


@dataclass(frozen=True)
class Presentation:
    """How the results of a metric are shown.

    Attributes
    ----------
    headlines
        Columns of the table, or a function that gives them for one result of the metric (such as one for each null that
        was run). Of several results of a metric, the first that has a key keeps it.
    figures
        From all results of a run to panels. Called once if the run has a result of the metric; it finds its own with
        :func:`saegeom_data.results.groups.find_group`, and may use what other metrics measured where it is there.
    findings
        From all results of a run to findings, likewise.
    claims
        From one result of the metric to all that it tests, one claim for each row and question; none for published
        estimators. Findings are worded from them, and a run draws more where they cannot be told yet.
    over_depth
        What is followed over the layers of a model, or None.
    terms
        Terms that headlines, figures and findings use, each with its explanation.
    place
        Where the metric stands among those of its scale, the lowest first.
    """

    headlines: tuple[Headline, ...] | Callable[[Group], Iterable[Headline]] = ()
    figures: Callable[[Sequence[Group]], Sequence[Panel]] = _nothing
    findings: Callable[[Sequence[Group]], Sequence[Finding]] = _nothing
    claims: Callable[[Group], Sequence[Claim]] = _no_claims
    over_depth: Measure | None = None
    terms: Mapping[str, str] = field(default_factory=dict)
    place: int = 100

    def headlines_of(self, group: Group) -> tuple[Headline, ...]:
        """Headlines of one result: those whose first value it holds."""
        found = self.headlines(group) if callable(self.headlines) else self.headlines
        return tuple(entry for entry in found if group.has(entry.values[0].output))
