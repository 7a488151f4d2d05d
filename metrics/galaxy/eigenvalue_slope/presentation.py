"""How slopes of spectra are shown."""

from __future__ import annotations

from saegeom_data.declare.presentation import Measure, Presentation, headline
from saegeom_data.metrics.galaxy.eigenvalue_slope.claims import claims
from saegeom_data.metrics.galaxy.eigenvalue_slope.figure import figures
from saegeom_data.metrics.galaxy.eigenvalue_slope.finding import findings
from saegeom_data.metrics.nulls import families_turned

PRESENTATION = Presentation(
    headlines=(
        headline(
            "slope",
            "spectrum slope",
            interval=("slope_low", "slope_high"),
            description="Slope of log eigenvalue on log rank, with its 95 percent interval; lower is steeper",
        ),
        headline(
            "slope_null",
            "slope of noise",
            where={"null": families_turned.LABEL},
            description="The same slope for directions at random with the norms of the rows",
        ),
        headline(
            "power_law_bend",
            "bend from a power law",
            interval=("power_law_bend_low", "power_law_bend_high"),
            description="Curvature of the spectrum less that of a power law; below 0 it bends downwards",
            is_shown=False,
        ),
    ),
    figures=figures,
    findings=findings,
    claims=claims,
    over_depth=Measure(
        "slope",
        extreme="lowest",
        axis="slope (lower is steeper)",
        subject="the spectrum is steepest",
        noun="slope",
        more="a flatter spectrum",
        less="a steeper spectrum",
        variants="slope_by_window",
        variant="window of ranks",
    ),
    place=10,
)
