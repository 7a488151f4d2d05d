"""What metrics of directions claim, and how the judgement of it is worded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from saegeom_data.declare.claim import Claim, NullTest
from saegeom_data.declare.group import Group
from saegeom_data.results.judgement import Judgement, judge, null_tests
from saegeom_data.results.wording import listing

# Relative: a mean over draws that are all equal differs from them by rounding.
_EQUAL = 1e-9


@dataclass(frozen=True)
class Question:
    """A number that may lie on either side of its null models.

    Attributes
    ----------
    topic
        Short name.
    subject, verb
        What is asked about: ``"nearest neighbours"``, ``"are"``.
    more, less
        The side that p is for, and the other: ``"closer"``, ``"farther apart"``.
    value, p, mean
        Outputs: the number, its p over ``null``, and the mean over ``null``.
    ends
        Outputs with the ends of its interval, where it has one.
    nulls
        Labels of the null models that it is held against; all of the metric by default.
    """

    topic: str
    subject: str
    verb: str
    more: str
    less: str
    value: str
    p: str
    mean: str
    ends: tuple[str, str] | None = None
    nulls: tuple[str, ...] = ()

    def claims(self, group: Group, **where: Any) -> list[Claim]:
        """One claim per row that has a value; ``where`` are labels of further dimensions."""
        found = []
        for row in group.rows:
            value = group.value(row, self.value, **where)
            if value is None:
                continue
            tests = null_tests(group, row, self.p, mean=self.mean, other="complement", only=self.nulls, **where)
            low, high = (group.value(row, end, **where) for end in self.ends) if self.ends else (None, None)
            found.append(
                Claim(
                    self.topic,
                    row,
                    f"{self.subject} {self.verb} {self.more} than chance",
                    tuple(_without_equals(test, value) for test in tests),
                    f"{self.subject} {self.verb} {self.less} than chance",
                    value,
                    low,
                    high,
                )
            )
        return found

    def headline(self, judged: Judgement) -> str:
        """The answer, or why there is none."""
        if not judged.claims:
            return self.untold
        if judged.undecided and not (judged.found or judged.opposite):
            asked = f"whether {self.subject} {self.verb} {self.more} or {self.less}"
            return f"Compared with {judged.every}, {asked} cannot be told yet: {judged.doubt}."
        return f"Compared with {judged.every}, {self.subject} {self.verb} {self.verdict(judged)}{doubt_of(judged)}."

    @property
    def untold(self) -> str:
        """What to say where nothing could be drawn."""
        return f"Whether {self.subject} {self.verb} {self.more} cannot be told: no null model could be drawn."

    def verdict(self, judged: Judgement) -> str:
        """On which side rows stand out, and at how many of them."""
        parts = [(self.more, judged.found), (self.less, judged.opposite)]
        told = listing([f"{words} at {judged.at(rows)}" for words, rows in parts if rows])
        anywhere = "at any layer" if len(judged.rows) > 1 else "at the one layer measured"
        return told or f"neither {self.more} nor {self.less} beyond chance {anywhere}"


def _without_equals(test: NullTest, value: float) -> NullTest:
    """No evidence for the other side where data and draws are all equal: then p is 1 and says nothing of it."""
    if test.mean is None or abs(value - test.mean) > _EQUAL * max(abs(test.mean), 1.0):
        return test
    return replace(test, p_other=1.0)


def doubt_of(judged: Judgement) -> str:
    """That there are too few draws, and how many would do, as the end of a sentence."""
    return f"; {judged.doubt}" if judged.doubt else ""


def evidence_of(judged: Judgement, claims: Sequence[Claim]) -> str:
    """The range of p, each null model by itself where there are several, and what was not run."""
    # Of a single null model the judgement as a whole has said it.
    beyond = {null: judged.beyond(null) for null in judged.nulls} if len(judged.nulls) > 1 else {}
    alone = [f"beyond {null.words} alone at {judged.at(rows)}" for null, rows in beyond.items() if rows]
    without = [claim.row for claim in claims if claim.p is None]
    parts = [
        f"two-sided {judged.p_words}" if judged.claims else "no p",
        listing(alone),
        f"without p at {len(without)} of {len(claims)}" if without and judged.claims else "",
        judged.missing if judged.claims else "",
    ]
    return ", ".join(part for part in parts if part)


def judged_at(question: Question, group: Group, **where: Any) -> tuple[list[Claim], Judgement]:
    """Claims of a question, and their judgement."""
    claims = question.claims(group, **where)
    return claims, judge(claims)
