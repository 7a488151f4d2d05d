"""Findings about function vectors: what they explain of new steps, and whether they find the right targets."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.atom._word_pairs.wording import largest_p
from saegeom_data.results.discoveries import discoveries
from saegeom_data.results.groups import find_group
from saegeom_data.results.wording import number, out_of, spread


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Findings for the groups that are there."""
    group = find_group(groups, "function_vectors", "explained_share", "target_rank_by_vector", published=None)
    return [] if group is None else [finding for finding in (_explained(group), _found(group)) if finding is not None]


def _explained(group: Group) -> Finding | None:
    """What the vector of half of the pairs explains of the steps of the other half."""
    where = {"view": "raw", "score": "explained_share"}
    rows = [row for row in group.rows if group.value(row, "p", **where) is not None]
    if not rows:
        return None
    beyond = discoveries({row: group.value(row, "p", **where) for row in rows})
    shares = _values(group, rows, "explained_share", view="raw")
    headline = (
        f"A relation's mean step stands for the steps of new pairs beyond chance at {out_of(beyond, rows, 'layer')}."
        if beyond
        else "A relation's mean step stands for the steps of new pairs no better than that of shuffled relations."
    )
    evidence = (
        f"Fitted on half of the pairs, it explains {spread(shares)} of the squared length of the others' steps, where "
        f"that of shuffled relations explains {spread(_values(group, rows, 'null_mean', **where))} "
        f"({largest_p(group, rows, where)}); the two halves' vectors have a cosine of "
        f"{spread(_values(group, rows, 'agreement', view='raw'))}"
    )
    after = _values(group, rows, "explained_share", view="lda")
    if after:
        evidence += f". After held-out LDA it explains {spread(after)}"
    return Finding("atom", "function vectors", headline, evidence + ".")


def _found(group: Group) -> Finding | None:
    """Whether a source plus its relation's vector lies nearer to its target than without one."""
    rows = [row for row in group.rows if group.value(row, "gain_low", view="raw", vector="none") is not None]
    if not rows:
        return None
    better = [row for row in rows if (group.value(row, "gain_low", view="raw", vector="none") or 0) > 0]
    worse = [row for row in rows if (group.value(row, "gain_high", view="raw", vector="none") or 0) < 0]
    changes = [f"nearer at {out_of(better, rows, 'layer')}"] if better else []
    changes += [f"farther at {out_of(worse, rows, 'layer')}"] if worse else []
    change = " and ".join(changes) or "neither nearer nor farther at any layer"
    places = {
        vector: spread(_values(group, rows, "target_rank_by_vector", view="raw", vector=vector))
        for vector in ("own", "other_relations", "none")
    }
    found = [number(max(_values(group, rows, "target_found_by_vector", view="raw", vector=v))) for v in ("own", "none")]
    evidence = (
        f"The right target's place among all, from 0 (nearest) to 1, is {places['own']} with the vector of the "
        f"relation, {places['other_relations']} with those of other relations and {places['none']} without any; it is "
        f"the nearest for at most {found[0]} of sources with the vector and {found[1]} without."
    )
    return Finding("atom", "moved sources", f"A relation's mean step carries new sources {change}.", evidence)


def _values(group: Group, rows: Sequence[str], name: str, **where: str) -> list[float]:
    return [value for row in rows if (value := group.value(row, name, **where)) is not None]
