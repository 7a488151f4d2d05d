"""Findings on hubs, in words that follow from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.claim import Claim
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.galaxy._shared.directions_claims import Question, evidence_of
from saegeom_data.metrics.galaxy._shared.directions_figure import MATCHED
from saegeom_data.metrics.galaxy._shared.directions_finding import among, labelled, range_of
from saegeom_data.metrics.galaxy.hubness.figure import SIMILARITIES, measured
from saegeom_data.results.answers import answer, answers
from saegeom_data.results.judgement import Judgement, judge
from saegeom_data.results.wording import listing


def _question(similarity: str) -> Question:
    return Question(
        f"hubs by {SIMILARITIES[similarity]}",
        "hubs",
        "are",
        "more pronounced",
        "less pronounced",
        "skewness",
        "skewness_p",
        "skewness_null_mean",
        ("skewness_low", "skewness_high"),
    )


def claims(group: Group) -> list[Claim]:
    """Whether hubs are more pronounced than the covariance explains, with and without the mean direction."""
    return [claim for made in _claims(group).values() for claim in made]


def _claims(group: Group) -> dict[str, list[Claim]]:
    """Claims by similarity, of those that are measured."""
    there = [str(name) for name in group.data["similarity"].values if name in SIMILARITIES]
    made = {name: _question(name).claims(group, similarity=name) for name in there}
    return {name: found for name, found in made.items() if found}


def findings(groups: Sequence[Group]) -> list[Finding]:
    """How pronounced hubs are, compared with the covariance."""
    group = measured(groups)
    found = _hubs(group) if group is not None else None
    return [found] if found is not None else []


def _hubs(group: Group) -> Finding | None:
    """Whether hubs are more pronounced than the covariance explains, with and without the mean direction."""
    made = _claims(group)
    if not made:
        return None
    judged = {name: judge(found) for name, found in made.items()}
    evidence = [_skewness(group, made[name], judged[name], name) for name in made]
    evidence += _lists(group, next(iter(made)))
    short = answers(
        *(answer(judgement, group, subject=f"by {SIMILARITIES[name]}") for name, judgement in judged.items())
    )
    return Finding("galaxy", "hubs", _headline(judged), " ".join(evidence), short)


def _headline(judged: dict[str, Judgement]) -> str:
    told = {name: judgement for name, judgement in judged.items() if judgement.claims}
    if not told:
        return _question(next(iter(judged))).untold
    headlines: dict[str, list[str]] = {}
    for name, judgement in told.items():
        headlines.setdefault(_question(name).headline(judgement), []).append(SIMILARITIES[name])
    # One sentence where both measures say the same.
    return " ".join(f"By {listing(by)}: {text[0].lower()}{text[1:]}" for text, by in headlines.items())


def _skewness(group: Group, made: Sequence[Claim], judged: Judgement, similarity: str) -> str:
    where, rows = {"similarity": similarity, "null": MATCHED}, [claim.row for claim in made]
    surrogates = labelled("surrogates", range_of(group, rows, "skewness_null_mean", 2, **where))
    return (
        f"By {SIMILARITIES[similarity]}, the skewness of k-occurrence is "
        f"{range_of(group, rows, 'skewness', 2, **where)}{among(surrogates)}; {evidence_of(judged, made)}."
    )


def _lists(group: Group, similarity: str) -> list[str]:
    """What the lists of neighbours look like."""
    most = range_of(group, group.rows, "largest_occurrence", 0, similarity=similarity)
    shares = [group.value(row, "antihub_share", similarity=similarity) for row in group.rows]
    known = [f"{100 * share:.1f}" for share in shares if share is not None]
    k = group.parameters.get("k")
    mean = f", where the mean is {k}" if k else ""
    parts = [f"the most listed feature is in {most} lists of nearest neighbours{mean}"] if most else []
    if known:
        # Rounded first, so that ends that look alike are said once; compared as numbers, as text puts 10 before 9.
        low, high = min(known, key=float), max(known, key=float)
        parts.append(f"{low if low == high else f'{low} to {high}'} percent of features are in no list")
    return [f"By {SIMILARITIES[similarity]}, {', and '.join(parts)}."] if parts else []
