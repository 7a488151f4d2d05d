"""How hubs are shown."""

from __future__ import annotations

from saegeom_data.declare.presentation import Headline, Presentation, Reading
from saegeom_data.metrics.galaxy._shared.directions_figure import MATCHED
from saegeom_data.metrics.galaxy.hubness.figure import figures
from saegeom_data.metrics.galaxy.hubness.finding import claims, findings

_COSINE = {"similarity": "cosine"}
_MATCHED = {"similarity": "cosine", "null": MATCHED}

PRESENTATION = Presentation(
    headlines=(
        Headline(
            "hubs",
            values=(Reading("skewness", _COSINE),),
            behind=(Reading("skewness_null_mean", _MATCHED, label="null"), Reading("skewness_p", _MATCHED, style="p")),
            recorded=(Reading("skewness_low", _COSINE), Reading("skewness_high", _COSINE)),
            description="Skewness of how many others have a feature among their nearest, with its mean over surrogates "
            "of the same mean and covariance, and p of hubs so pronounced among these",
        ),
    ),
    figures=figures,
    findings=findings,
    claims=claims,
    place=50,
)
