"""How slopes of spectra are shown."""

from __future__ import annotations

from saegeom_data.declare.presentation import Measure, Presentation, headline
from saegeom_data.metrics.galaxy.eigenvalue_slope.figure import figures
from saegeom_data.metrics.galaxy.eigenvalue_slope.finding import findings

PRESENTATION = Presentation(
    headlines=(
        headline(
            "slope",
            "spectrum slope",
            interval=("slope_low", "slope_high"),
            description="Slope of log eigenvalue on log rank, with its 95 percent interval; lower is steeper",
        ),
        headline("slope_null", "slope of noise", description="The same slope for isotropic rows (Marchenko-Pastur)"),
    ),
    figures=figures,
    findings=findings,
    over_depth=Measure(
        "slope",
        extreme="lowest",
        axis="slope (lower is steeper)",
        subject="the spectrum is steepest",
        noun="slope",
        more="a flatter spectrum",
        less="a steeper spectrum",
    ),
    place=10,
)
