"""Findings on the tokens whose logits features raise and lower."""

from __future__ import annotations

from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.results.discoveries import FALSE_DISCOVERY_RATE
from saegeom_data.results.groups import find_group
from saegeom_data.results.wording import spread


def findings(groups: Sequence[Group]) -> list[Finding]:
    """How many features stand out from random directions in what they raise, and in what they lower."""
    group = find_group(groups, "feature_logits", "q_raised", "q_lowered", published=None)
    if group is None:
        return []
    raised, lowered = (_percent(group, f"q_{side}") for side in ("raised", "lowered"))
    if not raised:
        return []
    return [
        Finding(
            "brain",
            "logits of features",
            f"{raised} % of features raise the logit of some token farther than random directions do, at a false"
            f" discovery rate of 5 %; {lowered} % lower one.",
            "Only the direct effect on the output is counted, without the layers between.",
        )
    ]


def _percent(group: Group, name: str) -> str:
    """Share of the features with a q at which it is small, over SAEs; empty where there are none."""
    values = [row[row == row] for row in group.data[name].values]
    shares = [100 * float((q <= FALSE_DISCOVERY_RATE).mean()) for q in values if len(q)]
    return spread(shares, digits=0) if shares else ""
