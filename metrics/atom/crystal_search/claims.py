"""What the search for crystals tests: whether the best family of a kind is beyond both null models."""

from __future__ import annotations

from saegeom_data.declare.claim import Claim
from saegeom_data.declare.group import Group
from saegeom_data.metrics.atom.crystal_search.figure import KINDS
from saegeom_data.results.judgement import null_tests


def topic(kind: str) -> str:
    """Topic of the claims of one kind."""
    return f"families of {KINDS[kind][0]}"


def claims(group: Group) -> list[Claim]:
    """One claim for each row and kind: that a family has a higher score than any of a surrogate."""
    return [
        Claim(
            topic(kind),
            row,
            f"features form a family of {words}",
            null_tests(group, row, "largest_score_p", mean="largest_score_null_mean", kind=kind),
            value=group.value(row, "largest_score", kind=kind),
        )
        for kind, (words, *_) in KINDS.items()
        for row in group.rows
    ]
