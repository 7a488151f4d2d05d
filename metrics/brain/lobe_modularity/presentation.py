"""How the agreement of lobes with places is shown."""

from __future__ import annotations

from collections.abc import Iterator

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Headline, Presentation, Reading
from saegeom_data.metrics.brain.lobe_modularity.claims import AGREEMENT, claims, farthest
from saegeom_data.metrics.brain.lobe_modularity.figure import figures
from saegeom_data.metrics.brain.lobe_modularity.finding import findings


def _headlines(group: Group) -> Iterator[Headline]:
    """Agreement of lobes and places over all numbers of lobes."""
    if "n_lobes" not in group.data.coords or not group.has("ami_any_p"):
        return
    nulls = [str(null) for null in group.data["null"].values]
    yield Headline(
        "AMI of lobes",
        (Reading("ami", compute=lambda group, row: group.value(row, "ami", n_lobes=farthest(group, row))),),
        (
            Reading("ami_any_n_lobes", label="lobes", compute=farthest),
            Reading("ami_any_p", label="p", compute=_largest_p),
            Reading(
                "ami_split_half",
                label="ceiling",
                compute=lambda group, row: group.value(row, "ami_split_half", n_lobes=farthest(group, row)),
            ),
        ),
        recorded=tuple(Reading("ami_any_p", {"null": null}, key=f"ami_any_p_{null}") for null in nulls),
        description="Adjusted mutual information of lobes and spatial clusters at the number of lobes that is farthest "
        "above the null models; p over all numbers of lobes, the largest over the null models that were run; ceiling "
        "from two halves of the documents",
    )


def _largest_p(group: Group, row: str) -> float | None:
    return next((claim.p for claim in claims(group) if claim.row == row and claim.topic == AGREEMENT), None)


PRESENTATION = Presentation(
    headlines=_headlines,
    figures=figures,
    findings=findings,
    claims=claims,
    terms={"AMI": "Adjusted mutual information of two groupings: 0 by chance, 1 when they are the same."},
    place=20,
)
