"""How packing is shown."""

from __future__ import annotations

from saegeom_data.declare.presentation import Headline, Presentation, Reading
from saegeom_data.metrics.galaxy._shared.directions_figure import MATCHED
from saegeom_data.metrics.galaxy.packing.figure import figures
from saegeom_data.metrics.galaxy.packing.finding import claims, findings

_MATCHED = {"null": MATCHED}

PRESENTATION = Presentation(
    headlines=(
        Headline(
            "coherence",
            values=(Reading("coherence"),),
            behind=(
                Reading("coherence_null_mean", _MATCHED, label="null"),
                Reading("coherence_p", _MATCHED, style="p"),
            ),
            recorded=(Reading("welch_bound"),),
            description="Largest absolute cosine of two features, with its mean over surrogates of the same mean and "
            "covariance, and p of one so large among these",
        ),
    ),
    figures=figures,
    findings=findings,
    claims=claims,
    place=60,
)
