"""How local dimension is shown."""

from __future__ import annotations

from saegeom_data.declare.presentation import Headline, Presentation, Reading
from saegeom_data.metrics.galaxy._shared.directions_figure import MATCHED
from saegeom_data.metrics.galaxy.intrinsic_dimension.figure import figures
from saegeom_data.metrics.galaxy.intrinsic_dimension.finding import claims, findings

_MATCHED = {"null": MATCHED}

PRESENTATION = Presentation(
    headlines=(
        Headline(
            "local dimension",
            values=(Reading("two_nn"),),
            behind=(Reading("two_nn_null_mean", _MATCHED, label="null"), Reading("two_nn_p", _MATCHED, style="p")),
            recorded=(Reading("two_nn_low"), Reading("two_nn_high")),
            description="Local dimension by TwoNN, with its mean over surrogates of the same mean and covariance, and "
            "p of so few dimensions among these",
        ),
    ),
    figures=figures,
    findings=findings,
    claims=claims,
    place=40,
)
