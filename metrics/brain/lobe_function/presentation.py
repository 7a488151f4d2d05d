"""How what lobes do is shown."""

from __future__ import annotations

from collections.abc import Iterator

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Headline, Presentation, Reading
from saegeom_data.metrics.brain.lobe_function._claims import claims
from saegeom_data.metrics.brain.lobe_function.figure import figures
from saegeom_data.metrics.brain.lobe_function.finding import findings
from saegeom_data.metrics.nulls import frequency_stratified


def _headlines(group: Group) -> Iterator[Headline]:
    """How far the fewest lobes that were measured go with document types, and how far beyond word pieces."""
    if "n_lobes" not in group.data.coords:
        return
    count = int(group.data["n_lobes"].values[0])
    at = {"n_lobes": count}
    ends, gain_ends = (
        (Reading(f"{name}_low", at), Reading(f"{name}_high", at)) for name in ("cramers_v", "cramers_v_gain")
    )
    yield Headline(
        f"types by {count} lobes",
        (Reading("cramers_v", at, interval=ends),),
        (
            Reading(
                "cramers_v_null_mean",
                at | {"null": frequency_stratified.LABEL},
                key="cramers_v_shuffled",
                label="lobes shuffled",
            ),
            Reading("cramers_v_gain", at, label="beyond word pieces", interval=gain_ends),
            Reading("cramers_v_gain_p", at, style="p"),
        ),
        description="Cramér's V of winning lobe and document type; the same of lobes shuffled among features of like "
        "firing rate; and V less that of word pieces of the same text, on blocks whose text is known",
    )


PRESENTATION = Presentation(headlines=_headlines, figures=figures, findings=findings, claims=claims, place=10)
