"""How the metric is shown."""

from __future__ import annotations

import os
from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding, Measure, Panel, Presentation, headline
from saegeom_data.results.groups import find_group


def figures(groups: Sequence[Group]) -> list[Panel]:
    """A bar for each SAE; or, where the test asks for it, a fault."""
    import plotly.graph_objects as go

    if os.environ.get("COHERENCE_FAULT"):
        raise RuntimeError("no ink left")
    group = find_group(groups, "decoder_coherence", "coherence_of_means")
    if group is None:
        return []
    values = [group.value(row, "coherence_of_means") for row in group.rows]
    fig = go.Figure(go.Bar(x=group.rows, y=values), {"height": 300})
    return [Panel("coherence", "galaxy", "Coherence of decoders", fig, f"{values}", "Longer is more.", (group.name,))]


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Which decoder is the most coherent."""
    group = find_group(groups, "decoder_coherence", "coherence_of_means")
    if group is None:
        return []
    most = max(group.rows, key=lambda row: group.value(row, "coherence_of_means") or 0)
    return [Finding("galaxy", "coherence", f"The most coherent decoder is {most}.", "It was looked at.")]


PRESENTATION = Presentation(
    headlines=(headline("coherence_of_means", "coherence of means", null="expected_coherence", digits=4),),
    figures=figures,
    findings=findings,
    over_depth=Measure(
        "coherence_of_means",
        extreme="highest",
        axis="coherence of means",
        subject="decoders are most coherent",
        noun="coherence",
        more="more coherence",
        less="less coherence",
    ),
    terms={"Coherence of means": "Length of the mean unit row."},
)
