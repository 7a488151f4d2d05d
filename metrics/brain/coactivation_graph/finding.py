"""Finding on communities of the co-activation graph, in words that follow from the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.brain.coactivation_graph._claims import COMMUNITIES, LOBES, as_many, claims
from saegeom_data.results.answers import answer, answers
from saegeom_data.results.groups import find_group
from saegeom_data.results.judgement import Judgement, by_topic, judge
from saegeom_data.results.wording import spread


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Whether features form communities, and whether these are the lobes."""
    group = find_group(groups, "coactivation_graph", "ami_across", "n_communities", published=None)
    topics = by_topic(claims(group)) if group is not None else {}
    if group is None or not topics:
        return []
    lobes, communities = judge(topics[LOBES]), judge(topics[COMMUNITIES])
    if not lobes.rows:
        return []
    evidence = f"{_graph(group, lobes.rows, communities)} {_agreement(group, lobes)}"
    # The number of lobes that is told is a share of a ceiling, of which the null models have no mean.
    short = answers(answer(communities, group), answer(lobes, group, null=None))
    return [Finding("brain", "another method", _headline(group, lobes), evidence, short)]


def _headline(group: Group, judged: Judgement) -> str:
    if not judged.found:
        doubt = f" ({judged.doubt})" if judged.doubt else ""
        return f"Communities of the co-activation graph do not agree with lobes at {judged.anywhere}{doubt}."
    shares = _values(group, judged.found, "relative_agreement")
    reliable = f", at {spread(shares, digits=2)} of what either has with itself on other documents" if shares else ""
    return f"Communities of the co-activation graph agree with lobes at {judged.at(judged.found)}{reliable}."


def _graph(group: Group, rows: Sequence[str], judged: Judgement) -> str:
    """Communities and their modularity against independent firing."""
    found = [int(group.value(row, "n_communities") or 0) for row in rows]
    words = (
        f"Leiden's algorithm finds {spread(found)} communities, with a modularity of "
        f"{spread([group.value(row, 'modularity') or 0.0 for row in rows])}"
    )
    if not judged.rows:
        return f"{words}, not held against {judged.named(judged.not_run) or 'any null'}."
    null = [value for row in judged.rows if (value := group.value(row, "modularity_null_mean")) is not None]
    doubt = f"; {judged.doubt}" if judged.doubt else ""
    return (
        f"{words}, against {spread(null)} with {judged.every} (above it at {judged.at(judged.found)}, "
        f"{judged.p_words}{doubt})."
    )


def _agreement(group: Group, judged: Judgement) -> str:
    """Communities of one half of the documents beside lobes of the other, and what either has with itself."""
    rows = judged.rows
    counts = sorted({as_many(group, row) for row in rows})
    return (
        f"With {spread(counts)} lobes, which are nearly as many, communities of the other half of the documents have "
        f"an adjusted mutual information of {spread(_values(group, rows, 'ami_across'))}, against "
        f"{spread(_values(group, rows, 'ami_across_null_mean'))} with {judged.every} ({judged.p_words}); "
        f"communities of two halves have {spread(_values(group, rows, 'half_agreement'))} with each other, and lobes "
        f"{spread(_values(group, rows, 'lobe_half_agreement'))}."
    )


def _values(group: Group, rows: Sequence[str], name: str) -> list[float]:
    """Numbers of an output at the number of lobes that goes with each row, where there is one."""
    found = (group.value(row, name, n_lobes=as_many(group, row)) for row in rows)
    return [value for value in found if value is not None]
