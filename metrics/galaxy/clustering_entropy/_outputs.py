"""What clustering is told with."""

from __future__ import annotations

from saegeom_data.declare.output import Output
from saegeom_data.metrics.galaxy._shared.outputs import count, merged

ESTIMATES = (
    Output(
        "negentropy",
        ("null", "k"),
        "nats",
        "negentropy_uncalibrated minus its mean over the null; above 0 is less random than the null",
        direction="higher",
    ),
    Output("negentropy_low", ("null", "k"), "nats", "lower end of the 95 percent subsampling interval of negentropy"),
    Output("negentropy_high", ("null", "k"), "nats", "upper end of the 95 percent subsampling interval of negentropy"),
    Output(
        "p",
        ("null", "k"),
        description="(b + 1) / (B + 1) for b of B surrogates at least as large; 1 / (B + 1) to 1",
        bounds=(0, 1),
        direction="lower",
    ),
    Output(
        "null_mean",
        ("null", "k"),
        "nats",
        "mean of negentropy_surrogate: the bias of the estimator",
        label="mean of surrogates",
    ),
    Output(
        "null_sd",
        ("null", "k"),
        "nats",
        "standard deviation of negentropy_surrogate",
        bounds=(0, None),
        label="standard deviation of surrogates",
    ),
    Output("negentropy_surrogate", ("null", "k", "surrogate"), "nats", "negentropy_uncalibrated of each surrogate"),
    Output("negentropy_uncalibrated", ("k",), "nats", "entropy_gaussian - entropy_knn; biased by many nats, any sign"),
    Output(
        "standard_error",
        ("k",),
        "nats",
        "of negentropy_uncalibrated: by subsampling; published: sd / sqrt(30)",
        bounds=(0, None),
    ),
    Output(
        "entropy_knn",
        ("k",),
        "nats",
        "nearest-neighbour entropy; published: mean over resamples",
        label="nearest-neighbour entropy",
    ),
    Output(
        "negentropy_by_components",
        ("null", "components", "k"),
        "nats",
        "negentropy on as many components as the coordinate says",
        direction="higher",
    ),
    Output(
        "p_by_components",
        ("null", "components", "k"),
        description="p of negentropy_by_components",
        bounds=(0, 1),
        direction="lower",
    ),
    Output(
        "entropy_gaussian",
        units="nats",
        description="entropy of a Gaussian with the scores' covariance",
        label="entropy of a Gaussian",
    ),
    Output(
        "close_pairs",
        units="1",
        description="share of pairs of rows with a cosine that 1 percent of Gaussian pairs exceed, in [0, 1]",
        bounds=(0, 1),
        direction="higher",
        label="close pairs",
    ),
    Output("close_pairs_surrogate", ("null", "surrogate"), "1", "close_pairs of each surrogate", bounds=(0, 1)),
    Output("close_pairs_null_mean", ("null",), "1", "mean of close_pairs_surrogate", bounds=(0, 1)),
    Output(
        "close_pairs_excess",
        ("null",),
        "1",
        "close_pairs over their mean under the null, less 1; above 0 is clustered",
        bounds=(-1, None),
        direction="higher",
    ),
    Output(
        "close_pairs_p",
        ("null",),
        "1",
        "(b + 1) / (B + 1) for b of B surrogates with at least as many close pairs; 1 / (B + 1) to 1",
        bounds=(0, 1),
        direction="lower",
    ),
)


_COUNTS = (
    count("n_features_used", "rows whose distances were measured", "features used"),
    count("n_features_dropped", "rows of zero norm among all features, dropped", "features dropped"),
    merged("rows that copy an earlier one to 1e-7, merged into it unless published"),
    count("n_near_copies", "rows a hundred times nearer to another than the median row", "near copies"),
)


OUTPUTS = (*ESTIMATES, *_COUNTS)
