"""Findings on what lobes do, in words that follow from the numbers whichever way they fall."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.brain._shared.wording import largest_p, lobes_in_words
from saegeom_data.metrics.brain.lobe_function._type_shares import Shares, shares
from saegeom_data.results.discoveries import discoveries
from saegeom_data.results.groups import find_group, row_name
from saegeom_data.results.wording import interval, listing, number, out_of, spread


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Whether the fewest lobes separate document types."""
    group = find_group(groups, "lobe_function", "winner_share", "cramers_v", published=None)
    finding = None if group is None else _function(group)
    return [] if finding is None else [finding]


def _function(group: Group) -> Finding | None:
    """Whether the fewest lobes separate code and mathematics from prose, or document types at all."""
    count = int(group.data["n_lobes"].values[0])
    rows = [row for row in group.rows if group.value(row, "cramers_v", n_lobes=count) is not None]
    if not rows:
        return None
    lobes = lobes_in_words(count)
    split = {row: shares(group, row, count) for row in rows}
    known = {row: divided for row, divided in split.items() if divided is not None}
    if not known:
        return Finding(
            "brain", "document types", _types_headline(group, rows, count, lobes), _association(group, rows, count)
        )
    technical = listing([_word(name) for name in next(iter(known.values())).technical])
    # A clean split of few documents may be chance: the association must be a discovery as well.
    separated = [row for row in _associated(group, rows, count) if row in known and known[row].separates]
    if separated:
        headline = f"{lobes} separate {technical} from prose at {out_of(separated, rows, 'layer')}."
    else:
        headline = f"{lobes} do not separate {technical} from prose at any layer."
    won = list(known.values())
    evidence = (
        f"In documents that did not serve to find the lobes, the lobe that wins most of {technical} wins "
        f"{_percent([divided.technical_mean for divided in won])} of their blocks and "
        f"{_percent([divided.prose_mean for divided in won])} of those of the other types (means over "
        f"types){_failures(known, separated)}. "
    )
    return Finding("brain", "code and mathematics", headline, evidence + _association(group, rows, count))


def _types_headline(group: Group, rows: Sequence[str], count: int, lobes: str) -> str:
    clear = _associated(group, rows, count)
    if clear:
        return f"{lobes} tell document types apart at {out_of(clear, rows, 'layer')}."
    return f"{lobes} do not tell document types apart at any layer."


def _associated(group: Group, rows: Sequence[str], count: int) -> list[str]:
    """Rows in which the winning lobe goes with the document type."""
    return discoveries({row: group.value(row, "cramers_v_p", n_lobes=count) for row in rows})


def _failures(known: dict[str, Shares], separated: Sequence[str]) -> str:
    """Which types are on the wrong side where lobes do not separate."""
    wrong = set()
    for row, divided in known.items():
        if row not in separated:
            wrong |= {_word(name) for name, share in divided.technical.items() if share <= 0.5}
            wrong |= {_word(name) for name, share in divided.prose.items() if share >= 0.5}
    return f"; where the split fails, it fails on {listing(sorted(wrong))}" if wrong else ""


def _association(group: Group, rows: Sequence[str], count: int) -> str:
    values = {row: group.value(row, "cramers_v", n_lobes=count) or 0.0 for row in rows}
    top = max(rows, key=values.__getitem__)
    low, high = (group.value(top, f"cramers_v_{end}", n_lobes=count) for end in ("low", "high"))
    null = [value for row in rows if (value := group.value(row, "cramers_v_null_mean", n_lobes=count)) is not None]
    p = [value for row in rows if (value := group.value(row, "cramers_v_p", n_lobes=count)) is not None]
    at_top = (
        f" (largest at {row_name(group, top)}: {number(values[top])} {interval(low, high)})" if low is not None else ""
    )
    chance = f", against {spread(null)} with types shuffled among documents" if null else ""
    found = spread(list(values.values()))
    behind = f" ({largest_p(p)})" if p else ""
    return f"Cramér's V of winning lobe and document type is {found}{at_top}{chance}{behind}."


def _percent(values: Sequence[float]) -> str:
    low, high = f"{min(values):.0%}", f"{max(values):.0%}"
    return low if low == high else f"{low} to {high}"


def _word(name: str) -> str:
    return name.replace("_", " ")
