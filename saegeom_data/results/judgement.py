"""Which claims hold: over all rows of a topic, at a stated rate of false discoveries, with as many draws as that takes.

All findings are judged here, so that one rule says when something is found, and when there are too few draws to tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from saegeom_data.declare.claim import Claim, Null, NullTest
from saegeom_data.declare.group import Group
from saegeom_data.results.discoveries import FALSE_DISCOVERY_RATE, discoveries
from saegeom_data.results.groups import range_and_largest
from saegeom_data.results.presentations import declared_metric
from saegeom_data.results.wording import any_of, listing, out_of, probability

# Thresholds and p are ratios of whole numbers, which floating point may put a hair to the wrong side of each other.
_EQUAL = 1e-9


@dataclass(frozen=True)
class Judgement:
    """What became of the claims of one topic.

    Attributes
    ----------
    claims
        One per row, those without any p left out.
    found, opposite
        Rows where the claim, or its other side, holds at a false discovery rate of 5 percent over all rows.
    undecided
        Rows that are not found, but may be with more draws: two Monte Carlo errors below their p they are.
    n_draws_needed
        Draws with which the undecided rows are found if no draw reaches their value; 0 where none is undecided.

    Examples
    --------
    >>> null = Null("label_permutation", "shuffled lobes", "n_permutations")
    >>> p = {"a": 0.05, "b": 0.05, "c": 0.6}
    >>> claims = [Claim("agreement", row, "", (NullTest(null, value, 19),)) for row, value in p.items()]
    >>> judged = judge(claims)
    >>> judged.found, judged.undecided, judged.n_draws_needed
    ([], ['a', 'b'], 29)
    """

    claims: tuple[Claim, ...]
    found: list[str]
    opposite: list[str]
    undecided: list[str]
    n_draws_needed: int

    @property
    def rows(self) -> list[str]:
        """Rows with a p."""
        return [claim.row for claim in self.claims]

    @property
    def not_found(self) -> list[str]:
        """Rows where neither side holds, and more draws are not likely to change that."""
        settled = {*self.found, *self.opposite, *self.undecided}
        return [row for row in self.rows if row not in settled]

    @property
    def not_run(self) -> tuple[Null, ...]:
        """Null models of the claims that some row has no p of."""
        return tuple(dict.fromkeys(null for claim in self.claims for null in claim.not_run))

    @property
    def nulls(self) -> tuple[Null, ...]:
        """Null models that were run at every row."""
        known = dict.fromkeys(test.null for claim in self.claims for test in claim.run)
        return tuple(null for null in known if null not in self.not_run)

    @property
    def left_out(self) -> tuple[Null, ...]:
        """Null models of the metric that the claims are not held against."""
        return tuple(dict.fromkeys(null for claim in self.claims for null in claim.left_out))

    @property
    def every(self) -> str:
        """What a value that is found is beyond: "every null" of the metric, or those that it was held against."""
        if not self.not_run:
            return "every null" if len(self.nulls) > 1 and not self.left_out else self.named(self.nulls)
        return f"the nulls that were run ({self.named(self.nulls)})"

    def named(self, nulls: Sequence[Null]) -> str:
        """Null models by what readers call them."""
        return listing([null.words for null in nulls])

    def at(self, rows: Sequence[str], noun: str = "layer") -> str:
        """How many of the rows: "2 of 7 layers"."""
        return out_of(rows, self.rows, noun)

    @property
    def anywhere(self) -> str:
        """Where a claim is found nowhere: "any layer", or the one."""
        return any_of(self.rows, "layer")

    def beyond(self, null: Null) -> list[str]:
        """Rows beyond one null model alone, on the side that is claimed."""
        tests = {claim.row: test for claim in self.claims for test in claim.run if test.null == null}
        return discoveries({row: test.p for row, test in tests.items()})

    @property
    def doubt(self) -> str:
        """That more draws are needed to tell, and how many; empty where no row is undecided."""
        if not self.undecided:
            return ""
        few = _limiting(self)
        draws = min(test.n_draws or 0 for test in few)
        parameters = listing(sorted({test.null.draws for test in few if test.null.draws}))
        more = f"{self.n_draws_needed:,} are needed" + (f" (parameter {parameters})" if parameters else "")
        return f"at {self.at(self.undecided)} {draws:,} draws are too few to tell: {more}"

    @property
    def missing(self) -> str:
        """Which null models were not run; empty where all were."""
        return f"not run: {self.named(self.not_run)}" if self.not_run else ""

    @property
    def p_words(self) -> str:
        """The range of p over rows, each with its Monte Carlo error."""
        if not self.claims:
            return "no p"
        low, high = (end(self.claims, key=lambda claim: claim.p or 0.0) for end in (min, max))
        first, last = p_words(low), p_words(high)
        return first if first == last else f"smallest {first}, largest {last}"


def values_and_largest(group: Group, claims: Sequence[Claim], digits: int = 3) -> str:
    """The range of what claims are about, and the largest with its interval and its row; one with its interval."""
    values = {claim.row: claim.value or 0.0 for claim in claims}
    top = max(claims, key=lambda claim: claim.value or 0.0)
    return range_and_largest(group, values, top.low, top.high, digits)


def p_words(claim: Claim) -> str:
    """The p of a claim with its Monte Carlo error.

    Examples
    --------
    >>> null = Null("label_permutation", "shuffled lobes", "n_permutations")
    >>> p_words(Claim("agreement", "a", "", (NullTest(null, 0.026, 499),)))
    'p = 0.026 ± 0.007'
    """
    words = probability(claim.p)
    # Of an exact law, or where it is so small that its error decides nothing, p stands alone.
    if not claim.p_error or words.startswith("p <"):
        return words
    return f"{words} ± {claim.p_error:.3f}" if (claim.p or 1.0) < 0.1 else f"{words} ± {claim.p_error:.2f}"


def judge(claims: Sequence[Claim]) -> Judgement:
    """Judge the claims of one topic: Benjamini and Hochberg over its rows, at a false discovery rate of 5 percent.

    Parameters
    ----------
    claims
        One per row. Those without any p are left out.

    Returns
    -------
    Judgement
    """
    tested = tuple(claim for claim in claims if claim.p is not None)
    found = discoveries({claim.row: claim.p for claim in tested})
    possible = discoveries({claim.row: claim.p_possible for claim in tested})
    undecided = [row for row in possible if row not in found]
    sides = {claim.row: claim.is_opposite for claim in tested}
    return Judgement(
        tested,
        [row for row in found if not sides[row]],
        [row for row in found if sides[row]],
        undecided,
        _draws_needed(tested, undecided, len(possible)),
    )


def _draws_needed(claims: Sequence[Claim], undecided: Sequence[str], n_possible: int) -> int:
    """Draws with which undecided rows are found, ``n_possible`` rows in all, if no draw reaches their value."""
    if not undecided:
        return 0
    needed = least_draws(len(claims), n_possible, max(claim.n_sides for claim in claims))
    # Where draws do reach it, no number is sure to be enough: twice as many halve the square of the error.
    close = [claim.row for claim in claims if claim.row in undecided and _is_reached(claim)]
    return max([needed, *(2 * (test.n_draws or 0) for test in _tests_of(claims, close))])


def _is_reached(claim: Claim) -> bool:
    """Whether some draw of some null model reaches the value: p is above the least that its draws can give."""
    least = max((test.least_p for test in claim.run), default=0.0) * claim.n_sides
    return claim.p is not None and claim.p > least + _EQUAL


def _tests_of(claims: Sequence[Claim], rows: Sequence[str]) -> list[NullTest]:
    return [test for claim in claims if claim.row in rows for test in claim.run if test.n_draws is not None]


def least_draws(n_rows: int, n_found: int = 1, n_sides: int = 1) -> int:
    """The least number of draws with which ``n_found`` of ``n_rows`` rows can be found at all.

    By Benjamini and Hochberg m of n rows need p <= rate m / n, and B draws reach 1 / (B + 1).

    Examples
    --------
    >>> least_draws(7), least_draws(7, 2), least_draws(7, 7)
    (139, 69, 19)
    """
    return max(math.ceil(n_sides * n_rows / (FALSE_DISCOVERY_RATE * max(n_found, 1)) - _EQUAL) - 1, 1)


def more_draws(judgement: Judgement, row: str) -> dict[str, int]:
    """For an undecided row the parameters that set too few draws, each with the number that is needed."""
    return {
        test.null.draws: judgement.n_draws_needed
        for test in _limiting(judgement, row)
        if test.null.draws and (test.n_draws or 0) < judgement.n_draws_needed
    }


def _limiting(judgement: Judgement, row: str | None = None) -> list[NullTest]:
    """Tests that keep undecided rows from being found, for lack of draws."""
    rows = judgement.undecided if row is None else [row]
    claims = [claim for claim in judgement.claims if claim.row in rows]
    # With fewer draws than needed a test cannot reach the p that is needed, whatever the others give.
    return [test for test in _tests_of(claims, rows) if (test.n_draws or 0) < judgement.n_draws_needed]


def null_tests(
    group: Group,
    row: str,
    p: str,
    *,
    mean: str = "",
    deviation: str = "",
    other: str = "",
    only: Sequence[str] = (),
    **where: Any,
) -> tuple[NullTest, ...]:
    """Tests of one number of one row against the declared null models of the metric.

    Parameters
    ----------
    group, row
        Where it stands.
    p
        Name of the output that holds p, over ``null``.
    mean, deviation
        Names of the outputs that hold mean and standard deviation of the draws.
    other
        ``"complement"`` to derive p of the other side from ``p`` where draws tie with nothing: 1 - p + 1 / (B + 1), or
        the name of the output that holds it.
    only
        Labels of the null models that the claim is held against; all of the metric by default. The others are left
        out: the result names them, without a p.
    **where
        Labels of further dimensions.
    """
    tests = []
    for null in nulls_of(group):
        if only and null.label not in only:
            tests.append(NullTest(null, None, is_left_out=True))
            continue
        at = {"null": null.label, **where}
        value = group.value(row, p, **at)
        n_draws = draws_of(group, row, null)
        of_draws = group.value(row, mean, **at)
        test = NullTest(null, value, n_draws, of_draws, deviation=group.value(row, deviation, **at))
        if other == "complement" and value is not None:
            test = replace(test, p_other=min(1.0, 1 - value + test.least_p))
        elif other:
            test = replace(test, p_other=group.value(row, other, **at))
        tests.append(test)
    return tuple(tests)


def nulls_of(group: Group) -> tuple[Null, ...]:
    """Null models that the metric of a result declares; none where it is not installed."""
    metric = declared_metric(group.metric)
    return () if metric is None else metric.nulls


def draws_of(group: Group, row: str, null: Null) -> int | None:
    """Draws of a null model at one row; None for an exact or asymptotic law."""
    if not null.draws:
        return None
    # A run that went on drawing where p could not tell keeps the number beside the row.
    at_row = group.coordinate(row, null.draws)
    given = group.parameters.get(null.draws) if at_row is None else at_row
    return None if given is None else int(given)


def by_topic(claims: Sequence[Claim]) -> Mapping[str, list[Claim]]:
    """Claims of each topic, in order."""
    found: dict[str, list[Claim]] = {}
    for claim in claims:
        found.setdefault(claim.topic, []).append(claim)
    return found
