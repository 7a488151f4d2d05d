"""What isotropy is told with."""

from __future__ import annotations

from saegeom_data.declare.output import Output
from saegeom_data.metrics.galaxy._shared.outputs import count, merged

OUTPUTS = (
    Output(
        "mean_cosine",
        description="mean cosine of distinct rows, in [-1 / (n - 1), 1]; 0 for uniform directions",
        bounds=(-1, 1),
    ),
    Output("mean_cosine_low", description="lower end of the 95 percent normal interval of mean_cosine"),
    Output("mean_cosine_high", description="upper end of the 95 percent normal interval of mean_cosine"),
    Output("mean_cosine_standard_error", description="U-statistic standard error of mean_cosine", bounds=(0, None)),
    Output(
        "mean_cosine_null_sd",
        description="exact standard deviation of mean_cosine for uniform directions",
        bounds=(0, None),
    ),
    Output(
        "mean_resultant",
        description="norm of the mean direction, in [0, 1]; 0 is no preferred direction",
        bounds=(0, 1),
        direction="higher",
        label="norm of the mean direction",
    ),
    Output(
        "mean_resultant_p",
        description="p of uniform directions against a preferred one, Rayleigh test",
        bounds=(0, 1),
        direction="lower",
    ),
    Output(
        "second_moment_excess",
        description="hidden times the mean squared cosine of distinct rows, minus 1; 0 for uniform, hidden - 1 at most",
        bounds=(-1, None),
        direction="higher",
        label="excess of squared cosines",
    ),
    Output(
        "second_moment_excess_null_sd",
        description="exact standard deviation of it for uniform directions",
        bounds=(0, None),
    ),
    Output(
        "second_moment_p",
        description="p of uniform directions against preferred axes, Bingham test",
        bounds=(0, 1),
        direction="lower",
    ),
    Output(
        "iso_score",
        description="IsoScore of the directions, in [0, 1]; 1 has equal variance along every axis",
        bounds=(0, 1),
        direction="higher",
        label="IsoScore",
    ),
    Output(
        "iso_score_null",
        description="IsoScore of as many uniform directions; below 1, for they are finitely many",
        bounds=(0, 1),
        label="IsoScore of uniform directions",
    ),
    Output(
        "partition_isotropy",
        description="least over greatest partition function, in (0, 1]; 1 is isotropic",
        bounds=(0, 1),
        direction="higher",
    ),
    count("n_features_used", "rows of non-zero norm, copies counted once", "features used"),
    count("n_features_dropped", "rows of zero norm, dropped", "features dropped"),
    merged("rows whose direction copies that of an earlier one, merged into it"),
)
