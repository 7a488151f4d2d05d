"""Short sentences on judged claims, for readers who want the answers first.

They are made from the same judgements as findings, by one rule, and say less: what holds, at how many layers, and p.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from saegeom_data.declare.answer import MARKS, Answer, Mark, Series
from saegeom_data.declare.claim import Claim, Null
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.results.groups import row_name
from saegeom_data.results.judgement import Judgement
from saegeom_data.results.wording import listing, probability

# What null models give: the means of their draws, one number that is expected without the effect, or not known.
NullValue = float | Literal["means"] | None
# As many standard deviations as figures shade around the mean of a null model.
_BAND = 2.0
_SIGNS: dict[Mark, str] = {
    "holds": "+",
    "holds in part": "~",
    "not shown": "-",
    "cannot be told": "?",
    "described": " ",
}


def answers(*made: Answer | None) -> tuple[Answer, ...]:
    """Those that there are, in order."""
    return tuple(answer for answer in made if answer is not None)


def answer(
    judged: Judgement,
    group: Group,
    *,
    null: NullValue = "means",
    subject: str = "",
    words: tuple[str, str] = ("", ""),
    not_run: Sequence[Null] = (),
    is_open: bool = False,
) -> Answer | None:
    """Word a judgement in short; None where nothing was tested.

    Parameters
    ----------
    judged
        Claims of one topic.
    group
        The result that they are made from.
    null
        What stands for the null models in the picture; ``"means"`` only where these are means of the number itself.
    subject
        What tells the claim apart from another of the same statement: ``"by cosine"``.
    words
        A part of the statement, and what is said in its place: for one sentence on several topics.
    not_run
        Null models that the finding is held against in other claims, but that were not run.
    is_open
        Whether data allow both that the claim holds and that it does not, where it is not found.

    Examples
    --------
    >>> import xarray as xr
    >>> from saegeom_data.declare.claim import Null, NullTest
    >>> from saegeom_data.results.judgement import judge
    >>> group = Group("lobes", "lobes", "brain", {}, xr.Dataset(coords={"sae": ["a", "b"]}))
    >>> tests = (NullTest(Null("x", "shuffled lobes"), 0.001), NullTest(Null("y", "redrawn lobes"), None))
    >>> judged = judge([Claim("agreement", row, "lobes are places in space", tests[:1]) for row in "ab"])
    >>> answer(judged, group).sentence
    'Lobes are places in space at both layers (p = 0.001).'
    >>> judged = judge([Claim("agreement", row, "lobes are places in space", tests) for row in "ab"])
    >>> found = answer(judged, group)
    >>> found.sentence, found.aside
    ('So far, lobes are places in space at both layers (p = 0.001).', 'not run: redrawn lobes')
    """
    if not judged.claims:
        return None
    found, missing = [*judged.found, *judged.opposite], tuple(dict.fromkeys((*judged.not_run, *not_run)))
    mark = "cannot be told" if is_open and not found else mark_of(judged)
    # Beyond some null models only, or with layers that more draws may yet show: either may change what is said.
    so_far = "so far, " if missing or judged.undecided else ""
    sentence = _sentence(judged, mark, so_far, f" {subject}" if subject else "").replace(*words)
    aside = "; ".join(part for part in (f"not run: {judged.named(missing)}" if missing else "", judged.doubt) if part)
    return Answer(
        f"{sentence[0].upper()}{sentence[1:]} ({_p(judged)}).", mark, aside, series(judged.claims, group, found, null)
    )


def mark_of(judged: Judgement) -> Mark:
    """What became of the claims of one topic, over all of its rows."""
    there = [*judged.found, *judged.opposite]
    if there:
        is_whole = len(there) == len(judged.rows) and not (judged.found and judged.opposite)
        return "holds" if is_whole else "holds in part"
    return "cannot be told" if judged.undecided else "not shown"


def _sentence(judged: Judgement, mark: Mark, so_far: str, subject: str) -> str:
    """What holds where, without p and without a full stop."""
    claim = judged.claims[0]
    statement, opposite = f"{claim.statement}{subject}", f"{claim.opposite}{subject}"
    if judged.found and judged.opposite:
        other = f"the other way around at {len(judged.opposite)}"
        return f"{so_far}{statement} at {judged.at(judged.found)}, {other}"
    if judged.found or judged.opposite:
        said = statement if judged.found else opposite
        return f"{so_far}{said} at {judged.at([*judged.found, *judged.opposite])}"
    if mark == "cannot be told":
        return f"it cannot be told yet whether {statement}"
    return f"no sign that {statement} at {judged.anywhere}"


def _p(judged: Judgement) -> str:
    """The p that bounds what was said: the largest where it holds, the smallest where it does not."""
    there = {*judged.found, *judged.opposite}
    known = [claim.p or 0.0 for claim in judged.claims if not there or claim.row in there]
    bound = max(known) if there else min(known)
    words = probability(bound)
    return words if probability(min(known)) == probability(max(known)) else words.replace("=", "≤" if there else "≥")


def series(claims: Sequence[Claim], group: Group, found: Sequence[str], null: NullValue) -> Series:
    """The number of each claim, its interval, and what its null models give, by layer where layers are known."""
    ordered = sorted(claims, key=lambda claim: _place(group, claim.row))
    bands = [_band(claim, null) for claim in ordered]
    return Series(
        tuple(row_name(group, claim.row) for claim in ordered),
        tuple(claim.value for claim in ordered),
        tuple(claim.low for claim in ordered),
        tuple(claim.high for claim in ordered),
        tuple(low for low, _ in bands),
        tuple(high for _, high in bands),
        tuple(claim.row in found for claim in ordered),
    )


def _place(group: Group, row: str) -> tuple[float, int]:
    """Where a row stands: by layer, and among those of one layer or of none as they were measured."""
    layer = group.coordinate(row, "layer") if row in group.rows else None
    order = group.rows.index(row) if row in group.rows else 0
    return (float("inf") if layer is None else float(layer), order)


def _band(claim: Claim, null: NullValue) -> tuple[float | None, float | None]:
    """Lowest and highest of what the null models give: their means, two standard deviations around where known."""
    if null != "means":
        return null, null
    known = [test for test in claim.run if test.mean is not None]
    low, high = (
        [(test.mean or 0.0) + side * _BAND * (test.deviation or 0.0) for test in known] for side in (-1.0, 1.0)
    )
    return (min(low), max(high)) if known else (None, None)


def lines(findings: Sequence[Finding]) -> list[str]:
    """The answers of a run as lines of plain text, each with a sign; the signs that occur are told in the last one."""
    found = [answer for finding in findings for answer in finding.in_short]
    told = [
        f"{_SIGNS[answer.mark]} {answer.sentence}" + (f" [{answer.aside}]" if answer.aside else "") for answer in found
    ]
    used = [mark for mark in MARKS if mark != "described" and any(answer.mark == mark for answer in found)]
    legend = listing([f"{_SIGNS[mark]} {MARKS[mark]}" for mark in used], joined_by="or")
    return [*told, f"({legend})"] if legend else told
