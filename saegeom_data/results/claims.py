"""All that the metrics of a run have tested, in one table, with one statement on how much of it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from saegeom_data.declare.claim import Claim
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Value
from saegeom_data.results.discoveries import FALSE_DISCOVERY_RATE, discoveries
from saegeom_data.results.groups import read_groups
from saegeom_data.results.judgement import Judgement, by_topic, judge, p_words
from saegeom_data.results.presentations import Failures, in_order
from saegeom_data.results.wording import interval, listing, number, plural

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Tested:
    """A claim of a run, and what became of it.

    Attributes
    ----------
    group
        Name of the result that it is made from.
    claim
        The claim.
    verdict
        ``"holds"``, ``"holds on the other side"``, ``"does not hold"``, ``"undecided"`` or ``"not tested"``, at a
        false discovery rate of 5 percent over the rows of its topic.
    n_draws_needed
        Draws that an undecided claim needs; else 0.
    holds_overall
        Whether it, or its other side, holds at that rate over all claims of the run.
    """

    group: str
    claim: Claim
    verdict: str
    n_draws_needed: int
    holds_overall: bool

    @property
    def cells(self) -> tuple[str, ...]:
        """What a table says of it, in the order of :data:`COLUMNS`."""
        claim = self.claim
        value = "" if claim.value is None else number(claim.value)
        ends = "" if claim.low is None or claim.high is None else f" {interval(claim.low, claim.high)}"
        statement = claim.opposite if self.verdict == "holds on the other side" else claim.statement
        verdict = self.verdict + (f", {self.n_draws_needed:,} draws needed" if self.n_draws_needed else "")
        beyond = listing([test.null.words for test in claim.run])
        return (
            self.group,
            statement,
            claim.row,
            value + ends,
            p_words(claim),
            beyond,
            listing([null.words for null in claim.not_run]),
            verdict,
            "yes" if self.holds_overall else "no",
        )


COLUMNS = (
    ("result", "Name of the result"),
    ("claim", "What is claimed of the SAE or site"),
    ("of", "The SAE or site"),
    ("value", "The number that is tested, with its 95 percent interval"),
    ("p", "Largest p over the null models that were run, with its Monte Carlo error"),
    ("tested against", "Null models that were run"),
    ("not run", "Null models that it is held against, but that were not run"),
    ("verdict", "At a false discovery rate of 5 percent over the rows of this claim"),
    ("over all claims", "Whether it holds at that rate over all claims of the run"),
)


def claims(results: xr.DataTree) -> list[Tested]:
    """Return all claims of a run with their verdicts.

    Parameters
    ----------
    results
        Results of :func:`saegeom_data.evaluate`, computed or reopened.

    Examples
    --------
    >>> import xarray as xr
    >>> claims(xr.DataTree())
    []
    """
    return claims_of(read_groups(results))


def claims_of(groups: Sequence[Group], failures: Failures | None = None) -> list[Tested]:
    """As :func:`claims`, for groups that are read already; ``failures`` receives what a presentation raised."""
    failures = failures or Failures()
    made: list[tuple[str, Claim, str, int]] = []
    for group, presentation in in_order(groups, failures):
        nothing: Sequence[Claim] = ()
        found = failures.guarded(group.metric, "claims", presentation.claims, group, otherwise=nothing)
        for topic in by_topic(found).values():
            judgement = judge(topic)
            for claim in topic:
                needed = judgement.n_draws_needed if claim.row in judgement.undecided else 0
                made.append((group.name, claim, _verdict(judgement, claim), needed))
    # By place and not by row: results of different metrics have rows of the same names.
    overall = discoveries({str(place): claim.p for place, (_, claim, _, _) in enumerate(made)})
    return [Tested(*entry, str(place) in overall) for place, entry in enumerate(made)]


def _verdict(judgement: Judgement, claim: Claim) -> str:
    if claim.p is None:
        return "not tested"
    places = {
        "holds": judgement.found,
        "holds on the other side": judgement.opposite,
        "undecided": judgement.undecided,
    }
    return next((verdict for verdict, rows in places.items() if claim.row in rows), "does not hold")


def statement(tested: Sequence[Tested]) -> str:
    """How many claims of a run hold at a false discovery rate of 5 percent over all of them; empty if none was tested.

    Examples
    --------
    >>> from saegeom_data.declare.claim import Null, NullTest
    >>> claim = Claim("agreement", "a", "lobes are places", (NullTest(Null("x", "shuffled lobes"), 0.001),))
    >>> statement([Tested("lobe_modularity", claim, "holds", 0, True)])
    'Of 1 claim tested, 1 holds at a false discovery rate of 5 percent over all of them.'
    """
    known = [entry for entry in tested if entry.verdict != "not tested"]
    if not known:
        return ""
    hold = sum(entry.holds_overall for entry in known)
    rate = f"{100 * FALSE_DISCOVERY_RATE:g} percent"
    verb = "holds" if hold == 1 else "hold"
    words = (
        f"Of {plural(len(known), 'claim')} tested, {hold} {verb} at a false discovery rate of {rate} over all of them"
    )
    undecided = sum(entry.verdict == "undecided" for entry in known)
    partly = sum(bool(entry.claim.not_run) for entry in known)
    words += f"; {undecided} cannot be told with so few draws" if undecided else ""
    tested_verb = "was" if partly == 1 else "were"
    return words + (f"; {partly} {tested_verb} tested without null models that were not run" if partly else "") + "."


def claim_records(tested: Sequence[Tested]) -> list[dict[str, Value]]:
    """Claims as plain dictionaries of unrounded values, for machines."""
    return [
        {
            "group": entry.group,
            "topic": entry.claim.topic,
            "row": entry.claim.row,
            "statement": entry.claim.statement,
            "opposite": entry.claim.opposite or None,
            "value": entry.claim.value,
            "low": entry.claim.low,
            "high": entry.claim.high,
            "p": entry.claim.p,
            "p_error": entry.claim.p_error,
            "nulls": ", ".join(test.null.label for test in entry.claim.run),
            "nulls_not_run": ", ".join(null.label for null in entry.claim.not_run),
            "nulls_left_out": ", ".join(null.label for null in entry.claim.left_out),
            "verdict": entry.verdict,
            "n_draws_needed": entry.n_draws_needed,
            "holds_overall": "yes" if entry.holds_overall else "no",
        }
        for entry in tested
    ]
