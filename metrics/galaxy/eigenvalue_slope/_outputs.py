"""What the slope of a spectrum is told with."""

from __future__ import annotations

from saegeom_data.declare.output import Output
from saegeom_data.metrics.galaxy._shared.outputs import count, merged

_INTERVAL = "end of the 95 percent interval of"


def _error(name: str, of: str, units: str = "1") -> Output:
    return Output(name, units=units, description=f"infinitesimal jackknife standard error of {of}", bounds=(0, None))


OUTPUTS = (
    Output(
        "eigenvalue",
        ("rank",),
        "squared decoder units",
        "covariance eigenvalues, descending; 0 beyond the rank",
        bounds=(0, None),
    ),
    Output(
        "eigenvalue_null",
        ("null", "rank"),
        "squared decoder units",
        "eigenvalues that are expected of rows of each null",
        bounds=(0, None),
        label="eigenvalue of noise",
    ),
    Output(
        "eigenvalue_behind",
        ("rank",),
        "squared decoder units",
        "variances that this many rows spread to the eigenvalues observed",
        bounds=(0, None),
    ),
    Output(
        "slope", description="of log10 eigenvalue on log10 rank; about -0.5 to 0, lower is steeper", direction="lower"
    ),
    Output("slope_low", description=f"lower {_INTERVAL} slope, jackknife with families of rows"),
    Output("slope_high", description=f"upper {_INTERVAL} slope, jackknife with families of rows"),
    _error("slope_standard_error", "slope, with families of rows"),
    Output("slope_degrees", description="degrees of freedom of its t quantiles", bounds=(0, None)),
    Output(
        "slope_ols_error",
        description="least-squares standard error as published; too small, ranks are dependent",
        bounds=(0, None),
    ),
    Output(
        "slope_behind",
        description="slope of eigenvalue_behind: of as many rows as one likes",
        direction="lower",
        label="slope without the spread by few rows",
    ),
    Output("slope_null", ("null",), description="slope of eigenvalue_null over the same ranks", label="slope of noise"),
    Output(
        "slope_excess",
        ("null",),
        description="slope - slope_null; below 0 is steeper than rows of the null",
        direction="lower",
    ),
    Output(
        "slope_p",
        ("null",),
        description="one-sided p of a slope as steep, t test of slope_excess on slope_standard_error",
        bounds=(0, 1),
        direction="lower",
    ),
    Output("curvature", description="quadratic term of the same fit; below 0 bends downwards"),
    _error("curvature_standard_error", "curvature, with families of rows"),
    Output("power_law_curvature", description="curvature that this many rows give a power law over the same ranks"),
    Output(
        "power_law_bend",
        description="curvature - power_law_curvature; 0 for a power law, below 0 bends downwards",
    ),
    Output("power_law_bend_low", description=f"lower {_INTERVAL} power_law_bend, jackknife with families of rows"),
    Output("power_law_bend_high", description=f"upper {_INTERVAL} power_law_bend, jackknife with families of rows"),
    Output(
        "power_law_p",
        description="one-sided p of as strong a bend downwards, t test of power_law_bend",
        bounds=(0, 1),
        direction="lower",
    ),
    Output(
        "power_law_r_squared",
        ("form",),
        description="share of the variance of log eigenvalue_behind over the ranks that each form of law explains",
        bounds=(0, 1),
        direction="higher",
        label="R squared by form of law",
    ),
    Output("break_rank", description="rank at which the best broken power law breaks", bounds=(1, None)),
    Output(
        "slope_by_window",
        ("window",),
        description="slope over the ranks window_first_rank to window_last_rank",
        direction="lower",
    ),
    Output(
        "slope_by_share",
        description="slope over ranks first_share to last_share of the hidden size",
        direction="lower",
        label="slope over a share of the ranks",
    ),
    Output("slope_by_share_low", description=f"lower {_INTERVAL} slope_by_share, jackknife with families of rows"),
    Output("slope_by_share_high", description=f"upper {_INTERVAL} slope_by_share, jackknife with families of rows"),
    Output("slope_by_share_null", ("null",), description="slope of eigenvalue_null over the same share of ranks"),
    Output("log_volume", units="nats", description="sum of log eigenvalues over first_rank to last_rank"),
    _error("log_volume_standard_error", "log_volume, with families of rows", "nats"),
    Output(
        "log_determinant", units="nats", description="sum of log eigenvalues over all ranks; -inf if rank-deficient"
    ),
    Output(
        "effective_rank",
        description="exp of the entropy of the normalised eigenvalues, in [1, hidden]",
        bounds=(1, None),
        direction="higher",
    ),
    Output(
        "participation_ratio",
        description="squared sum over sum of squares of the eigenvalues, in [1, hidden]",
        bounds=(1, None),
        direction="higher",
    ),
    Output(
        "stable_rank",
        description="sum of the eigenvalues over the largest, in [1, hidden]",
        bounds=(1, None),
        direction="higher",
    ),
    Output(
        "mean_resultant",
        description="norm of the mean unit row, in [0, 1]; 0 is no preferred direction",
        bounds=(0, 1),
        direction="higher",
        label="norm of the mean direction",
    ),
    count("n_ranks", "eigenvalues above rounding", "ranks"),
    count("n_features_used", "rows of non-zero norm, copies counted once", "features used"),
    count("n_features_dropped", "rows of zero norm, dropped", "features dropped"),
    merged(),
    Output(
        "n_features_effective",
        (),
        "count",
        "independent rows that leave the slope as uncertain as these rows in families do",
        bounds=(0, None),
        label="features that are independent",
    ),
    Output(
        "n_lines",
        (),
        "count",
        "independent lines with as large a mean squared cosine as the rows, after scaling to unit variance",
        bounds=(0, None),
        label="lines that are independent",
    ),
)
NAMES = tuple(output.name for output in OUTPUTS)
# Errors come from a sample of the rows, and so do the counts of families behind other numbers.
SAMPLED = (
    "slope_low",
    "slope_high",
    "slope_degrees",
    "slope_p",
    "slope_null",
    "slope_excess",
    "eigenvalue_null",
    "eigenvalue_behind",
    "slope_behind",
    "slope_by_share_low",
    "slope_by_share_high",
    "slope_by_share_null",
    "break_rank",
    "n_features_effective",
    "n_lines",
    *(name for name in NAMES if name.startswith("power_law_")),
    *(name for name in NAMES if name.endswith("_standard_error")),
)
SCALED = ("eigenvalue", "eigenvalue_null", "eigenvalue_behind", "log_volume", "log_determinant")
