"""What the nearest neighbours of directions are told with."""

from __future__ import annotations

from saegeom_data.declare.output import Output
from saegeom_data.metrics.galaxy._shared.outputs import count, merged

OUTPUTS = (
    Output(
        "mean_cosine",
        (),
        "1",
        "mean cosine of a feature and its nearest neighbour, in [-1, 1]; larger is closer",
        bounds=(-1, 1),
        direction="higher",
        label="cosine of nearest neighbours",
    ),
    Output("mean_cosine_low", (), "1", "lower end of the 95 percent interval of mean_cosine"),
    Output("mean_cosine_high", (), "1", "upper end of the 95 percent interval of mean_cosine"),
    Output(
        "mean_cosine_null",
        ("null",),
        "1",
        "mean_cosine expected under each null; exact for uniform_sphere",
        bounds=(-1, 1),
    ),
    Output("mean_cosine_null_sd", ("null",), "1", "standard deviation of mean_cosine_surrogate", bounds=(0, None)),
    Output(
        "mean_cosine_excess",
        ("null",),
        "1",
        "mean_cosine - mean_cosine_null; above 0 is clustered",
        bounds=(-2, 2),
        direction="higher",
    ),
    Output(
        "p",
        ("null",),
        "1",
        "(b + 1) / (B + 1) for b of B surrogates at least as close; near 1 is spread out",
        bounds=(0, 1),
        direction="lower",
    ),
    Output("mean_cosine_surrogate", ("null", "surrogate"), "1", "mean_cosine of each surrogate", bounds=(-1, 1)),
    Output(
        "quantile_cosine",
        ("quantile",),
        "1",
        "quantiles of the cosine of nearest neighbours over features",
        bounds=(-1, 1),
    ),
    Output(
        "quantile_cosine_null",
        ("null", "quantile"),
        "1",
        "the same under each null; exact for uniform_sphere",
        bounds=(-1, 1),
    ),
    Output(
        "histogram", ("bin",), "1", "share of features whose nearest neighbour's cosine lies in the bin", bounds=(0, 1)
    ),
    Output("histogram_null", ("null", "bin"), "1", "the same under each null; exact for uniform_sphere", bounds=(0, 1)),
    Output(
        "share_above",
        (),
        "1",
        "share of features whose nearest neighbour's cosine is above threshold",
        bounds=(0, 1),
        direction="higher",
    ),
    Output(
        "share_above_null",
        ("null",),
        "1",
        "the same under each null, from the law or inside a histogram's bin",
        bounds=(0, 1),
    ),
    Output(
        "neighbour_cosine",
        ("features",),
        "1",
        "cosine of each feature and its nearest neighbour",
        bounds=(-1, 1),
        direction="higher",
    ),
    Output(
        "neighbour",
        ("features",),
        "1",
        "index of each feature's nearest neighbour, -1 if it has none",
        fill=-1,
        dtype="int64",
        bounds=(-1, None),
    ),
    count("n_features_used", "distinct directions in use", "features used"),
    count("n_features_dropped", "rows of zero norm, dropped", "features dropped"),
    merged(),
)
