"""Words that findings on feature directions share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saegeom_data.declare.group import Group
from saegeom_data.results.wording import number, out_of, spread


def near_copies(group: Group, effect: str) -> list[str]:
    """That some features nearly copy others, and what that does; nothing where none does."""
    counts = {row: group.value(row, "n_near_copies") or 0.0 for row in group.rows}
    rows = [row for row, count in counts.items() if count]
    if not rows:
        return []
    return [
        f"At {out_of(rows, group.rows, 'layer')} features lie a hundred times nearer to another than the median one, "
        f"up to {number(max(counts.values()), 0)} of them: such near copies {effect}."
    ]


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
