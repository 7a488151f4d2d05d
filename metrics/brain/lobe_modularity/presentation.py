"""How the agreement of lobes with places is shown."""

from __future__ import annotations

from collections.abc import Iterator

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Headline, Presentation, Reading
from saegeom_data.metrics.brain.lobe_modularity.figure import figures
from saegeom_data.metrics.brain.lobe_modularity.finding import findings
from saegeom_data.metrics.nulls import frequency_stratified, label_permutation


def _headlines(group: Group) -> Iterator[Headline]:
    """Agreement of the fewest lobes that were measured."""
    if "n_lobes" not in group.data.coords or not group.has("ami_p"):
        return
    count = int(group.data["n_lobes"].values[0])
    yield Headline(
        f"AMI of {count} lobes",
        (Reading("ami", {"n_lobes": count}),),
        (
            _p(count, label_permutation.LABEL, "p"),
            _p(count, frequency_stratified.LABEL, "p′"),
            Reading("ami_split_half", {"n_lobes": count}, label="ceiling"),
        ),
        description="Adjusted mutual information of lobes and spatial clusters; p with lobes shuffled, and shuffled "
        "among features of like firing rate; ceiling from two halves of the documents",
    )


def _p(count: int, null: str, label: str) -> Reading:
    return Reading("ami_p", {"null": null, "n_lobes": count}, key=f"ami_p_{null}", label=label)


PRESENTATION = Presentation(
    headlines=_headlines,
    figures=figures,
    findings=findings,
    terms={"AMI": "Adjusted mutual information of two groupings: 0 by chance, 1 when they are the same."},
    place=20,
)
