"""Phrases that findings on word pairs share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from saegeom_data.declare.group import Group
from saegeom_data.results.wording import probability


def largest_p(group: Group, rows: Sequence[str], where: Mapping[str, str], name: str = "p") -> str:
    """The p of one layer, or the largest of several."""
    known = [value for row in rows if (value := group.value(row, name, **where)) is not None]
    if not known:
        return "no p"
    return probability(max(known)) if len(known) == 1 else f"largest {probability(max(known))}"
