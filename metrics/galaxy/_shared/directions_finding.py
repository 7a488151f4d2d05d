"""What findings on feature directions share: one-sided tests at each layer, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from saegeom_data.declare.group import Group
from saegeom_data.results.discoveries import FALSE_DISCOVERY_RATE, discoveries
from saegeom_data.results.wording import listing, out_of, plural, probability, spread

_EQUAL = 1e-9


@dataclass(frozen=True)
class _Side:
    """One side of a test: the layers ``found`` on it, and those ``unresolved``.

    Those lie beyond all surrogates, which are too few for that to be more than chance among so many layers.
    """

    words: str
    found: list[str]
    unresolved: list[str]


@dataclass(frozen=True)
class OneSidedTest:
    """A one-sided test at each layer, looked at from the side that its p is for and from the other.

    ``rows`` are the layers with a value, and ``p`` holds those of them that have a p. ``n_draws`` is the number of
    surrogates, None for exact laws.
    """

    rows: list[str]
    p: dict[str, float]
    sides: tuple[_Side, _Side]
    neither: str
    n_draws: int | None

    @property
    def is_found(self) -> bool:
        """Whether any layer stands out."""
        return any(side.found for side in self.sides)

    @property
    def is_unresolved(self) -> bool:
        """Whether more surrogates are needed to tell if any layer stands out."""
        return not self.is_found and any(side.unresolved for side in self.sides)

    @property
    def verdict(self) -> str:
        """On which side layers stand out, and at how many."""
        if self.is_unresolved:
            return self.at("unresolved")
        return self.at("found") if self.is_found else f"{self.neither} {_anywhere(self.rows)}"

    def at(self, kind: Literal["found", "unresolved"]) -> str:
        """At how many layers something is on each side; empty if at none."""
        beyond = " than in any of them" if kind == "unresolved" else ""
        parts = [(side.words, getattr(side, kind)) for side in self.sides]
        return listing([f"{words}{beyond} at {out_of(rows, self.rows, 'layer')}" for words, rows in parts if rows])

    @property
    def words(self) -> str:
        """The range of p, and what it cannot tell."""
        if not self.p:
            return "no p"
        low, high = (probability(end(self.p.values())) for end in (min, max))
        without = [row for row in self.rows if row not in self.p]
        missing = f", without one at {out_of(without, self.rows, 'layer')}" if without else ""
        draws = f", {plural(self.n_draws, 'surrogate')} a layer" if self.n_draws is not None else ""
        range_of = low if low == high else f"smallest {low}, largest {high}"
        unsure = f", {self.at('unresolved')} if not beyond chance" if self.is_found and self.at("unresolved") else ""
        return f"one-sided for {self.sides[0].words}: {range_of}{missing}{draws}{unsure}"

    @property
    def n_draws_needed(self) -> int:
        """The surrogates with which the unresolved layers would stand out, if they lie beyond those too."""
        fewest = min(len(side.unresolved) for side in self.sides if side.unresolved)
        # By Benjamini and Hochberg m of n layers need p <= rate * m / n, and B surrogates reach 1 / (B + 1).
        return math.ceil(len(self.p) / (FALSE_DISCOVERY_RATE * fewest) - _EQUAL) - 1


def one_sided_test(
    words: tuple[str, str, str], group: Group, value: str, p: str, expected: str = "", **where: Any
) -> OneSidedTest:
    """Test ``value``, whose mean over surrogates is ``expected``; without that, p is from an exact law.

    ``words`` name the side that p is for, the other, and neither.
    """
    rows = [row for row in group.rows if group.value(row, value, **where) is not None]
    known = {row: found for row in rows if (found := group.value(row, p, **where)) is not None}
    n_draws = _n_draws(group) if expected else None
    least = 1 / (n_draws + 1) if n_draws else 0.0
    # The data count among the draws on both sides, so that p of the two sides add up to more than 1.
    other = {row: min(1 - found + least, 1.0) for row, found in known.items()}
    if expected:
        # Where data and surrogates are all equal, p is 1 and says nothing of the other side.
        differs = {row: _differs(group, row, value, expected, where) for row in other}
        other = {row: found if differs[row] else 1.0 for row, found in other.items()}
    return OneSidedTest(rows, known, (_side(words[0], known, least), _side(words[1], other, least)), words[2], n_draws)


def _side(words: str, p: dict[str, float], least: float) -> _Side:
    found = discoveries(p)
    # The least p that so many surrogates can give: more of them might make it a discovery.
    extreme = [row for row, value in p.items() if least and value <= least + _EQUAL and row not in found]
    return _Side(words, found, extreme)


def _differs(group: Group, row: str, value: str, expected: str, where: dict[str, Any]) -> bool:
    """Whether a value is another than the mean of its surrogates, but for rounding."""
    measured, mean = (group.value(row, name, **where) for name in (value, expected))
    if measured is None or mean is None:
        return False
    return abs(measured - mean) > _EQUAL * max(abs(mean), 1.0)


def _n_draws(group: Group) -> int | None:
    found = group.data.sizes.get("surrogate", group.parameters.get("n_surrogates"))
    return None if found is None else int(found)


def _anywhere(rows: Sequence[str]) -> str:
    return "at any layer" if len(rows) > 1 else "at the one layer measured"


def range_of(group: Group, rows: Sequence[str], name: str, digits: int = 3, **where: Any) -> str:
    """The range of a variable over some rows; empty if it is known for none."""
    values = [value for row in rows if (value := group.value(row, name, **where)) is not None]
    return spread(values, digits) if values else ""


def among(*parts: str) -> str:
    """Remarks in round brackets; nothing for those that are empty."""
    told = [part for part in parts if part]
    return f" ({'; '.join(told)})" if told else ""


def labelled(label: str, words: str) -> str:
    """Words with their label before them; nothing for no words."""
    return f"{label} {words}" if words else ""
