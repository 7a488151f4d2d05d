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
    """How far the fewest lobes that were measured go with document types, and how far beyond other lobes."""
    if "n_lobes" not in group.data.coords:
        return
    count = int(group.data["n_lobes"].values[0])
    at = {"n_lobes": count}
    names = ("cramers_v", "cramers_v_gain", "cramers_v_gain_untrained")
    ends, gain_ends, untrained_ends = ((Reading(f"{name}_low", at), Reading(f"{name}_high", at)) for name in names)
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
            Reading("cramers_v_gain_untrained", at, label="beyond an untrained SAE", interval=untrained_ends),
            Reading("cramers_v_gain_untrained_p", at, style="p"),
        ),
        description="Cramér's V of winning lobe and document type; the same of lobes shuffled among features of like "
        "firing rate; V less that of word pieces of the same text, on blocks whose text is known; and V less that of "
        "an untrained SAE, where the store has one",
    )


PRESENTATION = Presentation(headlines=_headlines, figures=figures, findings=findings, claims=claims, place=10)
