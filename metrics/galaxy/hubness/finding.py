"""Findings on hubs, in words that follow from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.galaxy._shared.directions_figure import MATCHED
from saegeom_data.metrics.galaxy._shared.directions_finding import (
    SURROGATES,
    OneSidedTest,
    among,
    doubt_of,
    labelled,
    one_sided_test,
    range_of,
    untold,
)
from saegeom_data.metrics.galaxy.hubness.figure import SIMILARITIES, measured
from saegeom_data.results.wording import listing

# The side that p is for, the other, and neither.
_HUBS = ("more pronounced", "less pronounced", "neither more nor less pronounced beyond chance")


def findings(groups: Sequence[Group]) -> list[Finding]:
    """How pronounced hubs are, compared with the covariance."""
    group = measured(groups)
    found = _hubs(group) if group is not None else None
    return [found] if found is not None else []


def _hubs(group: Group) -> Finding | None:
    """Whether hubs are more pronounced than the covariance explains, with and without the mean direction."""
    tests: dict[str, OneSidedTest] = {}
    for similarity in map(str, group.data["similarity"].values):
        where = {"null": MATCHED, "similarity": similarity}
        test = one_sided_test(_HUBS, group, "skewness", "skewness_p", "skewness_null_mean", **where)
        tests |= {similarity: test} if test.rows and similarity in SIMILARITIES else {}
    if not tests:
        return None
    evidence = [_skewness(group, test, similarity) for similarity, test in tests.items()]
    evidence += _lists(group, next(iter(tests)))
    return Finding("galaxy", "hubs", _hubs_headline(tests), " ".join(evidence))


def _hubs_headline(tests: dict[str, OneSidedTest]) -> str:
    told = {similarity: test for similarity, test in tests.items() if test.p}
    if not told:
        return untold("hubs", "are", next(iter(tests.values())))
    verdicts: dict[str, list[str]] = {}
    # What is found comes first, and what is doubted last, where the doubt is told.
    for similarity, test in sorted(told.items(), key=lambda pair: pair[1].is_unresolved):
        verdicts.setdefault(test.verdict, []).append(f"by {SIMILARITIES[similarity]}")
    parts = [f"{verdict}, {listing(by)}" for verdict, by in verdicts.items()]
    unresolved = [test for test in told.values() if test.is_unresolved]
    what = "that" if len(unresolved) == len(told) else "the latter"
    doubt = doubt_of(max(unresolved, key=lambda test: test.n_draws_needed), what) if unresolved else ""
    return f"Compared with {SURROGATES}, hubs are {'; and '.join(parts)}{doubt}."


def _skewness(group: Group, test: OneSidedTest, similarity: str) -> str:
    where = {"similarity": similarity, "null": MATCHED}
    surrogates = labelled("surrogates", range_of(group, test.rows, "skewness_null_mean", 2, **where))
    return (
        f"By {SIMILARITIES[similarity]}, the skewness of k-occurrence is "
        f"{range_of(group, test.rows, 'skewness', 2, **where)}{among(surrogates)}; {test.words}."
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
        low, high = min(known, key=float), max(known, key=float)
        parts.append(f"{low if low == high else f'{low} to {high}'} percent of features are in no list")
    return [f"By {SIMILARITIES[similarity]}, {', and '.join(parts)}."] if parts else []
