"""How communities of the co-activation graph are shown."""

from __future__ import annotations

from saegeom_data.declare.presentation import Headline, Presentation, Reading
from saegeom_data.metrics.brain.coactivation_graph._claims import claims
from saegeom_data.metrics.brain.coactivation_graph.figure import figures
from saegeom_data.metrics.brain.coactivation_graph.finding import findings

PRESENTATION = Presentation(
    headlines=(
        Headline(
            "communities",
            (Reading("n_communities"),),
            (
                Reading("modularity", label="modularity"),
                Reading("modularity_null_mean", label="null"),
                Reading("modularity_p", style="p"),
                Reading("half_agreement", label="come back"),
            ),
            description="Communities of the co-activation graph; their modularity, beside that of occurrence redrawn "
            "with the same margins; and the adjusted mutual information of those of two halves of the documents",
        ),
    ),
    figures=figures,
    findings=findings,
    claims=claims,
    place=30,
)
