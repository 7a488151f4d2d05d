"""How communities of the co-activation graph are shown."""

from __future__ import annotations

from saegeom_data.declare.presentation import Headline, Presentation, Reading
from saegeom_data.metrics.brain.coactivation_graph.figure import figures
from saegeom_data.metrics.brain.coactivation_graph.finding import findings

PRESENTATION = Presentation(
    headlines=(
        Headline(
            "communities",
            (Reading("n_communities"),),
            (Reading("half_agreement", label="come back"),),
            description="Communities of the co-activation graph, and the adjusted mutual information of those of two "
            "halves of the documents",
        ),
    ),
    figures=figures,
    findings=findings,
    place=30,
)
