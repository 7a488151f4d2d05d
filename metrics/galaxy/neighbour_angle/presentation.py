"""How nearest neighbours are shown."""

from __future__ import annotations

from saegeom_data.declare.presentation import Headline, Presentation, Reading
from saegeom_data.metrics.galaxy._shared.directions_figure import MATCHED, UNIFORM
from saegeom_data.metrics.galaxy.neighbour_angle.figure import figures
from saegeom_data.metrics.galaxy.neighbour_angle.finding import claims, findings

_MATCHED, _UNIFORM = {"null": MATCHED}, {"null": UNIFORM}

PRESENTATION = Presentation(
    headlines=(
        Headline(
            "nearest cosine",
            values=(Reading("mean_cosine", key="nearest_cosine"),),
            behind=(
                Reading("mean_cosine_null", _MATCHED, key="nearest_cosine_spectrum_matched", label="null"),
                Reading("p", _MATCHED, key="nearest_cosine_p", style="p"),
            ),
            recorded=(
                Reading("mean_cosine_low", key="nearest_cosine_low"),
                Reading("mean_cosine_high", key="nearest_cosine_high"),
                Reading("mean_cosine_null", _UNIFORM, key="nearest_cosine_uniform_sphere"),
            ),
            description="Mean cosine of a feature and its nearest neighbour, with its mean over surrogates of the same "
            "mean and covariance, and p of lying closer than these",
        ),
    ),
    figures=figures,
    findings=findings,
    claims=claims,
    place=30,
)
