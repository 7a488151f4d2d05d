"""How isotropy is shown."""

from __future__ import annotations

from saegeom_data.declare.presentation import Presentation, headline
from saegeom_data.metrics.galaxy.isotropy.figure import figures
from saegeom_data.metrics.galaxy.isotropy.finding import claims, findings

PRESENTATION = Presentation(
    headlines=(
        headline(
            "mean_cosine",
            "mean cosine",
            interval=("mean_cosine_low", "mean_cosine_high"),
            description="Mean cosine of two features, with its 95 percent interval; 0 for uniform directions",
        ),
        headline(
            "iso_score",
            "IsoScore",
            null="iso_score_null",
            description="IsoScore, with that of as many uniform directions; 1 has equal variance along every axis",
        ),
    ),
    figures=figures,
    findings=findings,
    claims=claims,
    place=70,
)
