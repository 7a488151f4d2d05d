"""What :func:`lobe_modularity` gives: for each measure its value, interval and nulls, and what these are made from."""

from __future__ import annotations

from saegeom_data.declare.output import Output
from saegeom_data.metrics.brain._shared.copies import merged
from saegeom_data.metrics.nulls import fixed_margins, frequency_stratified

# Measures for each number of lobes: of two partitions, or of positions; and those over pairs of features.
PARTITION_MEASURES = ("ami", "modularity", "neighbour_agreement", "ami_within_type")
BY_LOBES = (*PARTITION_MEASURES, "balanced_accuracy")
MANTEL = ("mantel", "mantel_partial")
# Measures that are also judged over all numbers of lobes at once.
ANY_NUMBER = ("ami", "ami_within_type")
# Nulls of the correlation that is left given firing rates.
PARTIAL_NULLS = (frequency_stratified.LABEL, fixed_margins.LABEL)
STATISTICS = ("value", "low", "high")
NULL_STATISTICS = ("null_mean", "null_sd", "p")

_DESCRIPTIONS = {
    "ami": "adjusted mutual information of lobes and spatial clusters, 0 by chance, at most 1",
    "modularity": "Newman's Q of lobes on the graph of nearest decoder rows, at most 1; larger is more modular",
    "neighbour_agreement": "share of nearest-neighbour edges that stay in one lobe, in [0, 1]",
    "ami_within_type": "the same of lobes found from what document types leave of firing; NaN without types",
    "balanced_accuracy": "mean recall of lobes predicted from decoder rows out of fold, 1 / n_lobes by chance",
    "mantel": "rank correlation over pairs of features of affinity with cosine, in [-1, 1], 0 by chance",
    "mantel_partial": "the same given the firing rates of both features, in [-1, 1], 0 by chance",
}
_LABELS = {
    "ami": "AMI",
    "neighbour_agreement": "agreement of neighbours",
    "ami_within_type": "AMI within document types",
    "balanced_accuracy": "balanced accuracy",
    "mantel": "Mantel correlation",
    "mantel_partial": "Mantel correlation given firing rates",
}
# Adjusted mutual information has no least value; Newman's Q is at least -1/2.
_BOUNDS: dict[str, tuple[float | None, float]] = {
    "ami": (None, 1),
    "ami_within_type": (None, 1),
    "modularity": (-0.5, 1),
    "neighbour_agreement": (0, 1),
    "balanced_accuracy": (0, 1),
    "mantel": (-1, 1),
    "mantel_partial": (-1, 1),
}


def name_of(measure: str, statistic: str) -> str:
    """Name of the output that holds a statistic of a measure."""
    return measure if statistic == "value" else f"{measure}_{statistic}"


def _outputs_of(measure: str) -> tuple[Output, ...]:
    """Outputs of the statistics of one measure."""
    dims = ("n_lobes",) if measure in BY_LOBES else ()
    under = ("null", *dims)
    label, bounds = _LABELS.get(measure, measure), _BOUNDS[measure]
    end = f"end of the 95 percent jackknife interval of {measure} over features, for these partitions and predictions"
    if measure in MANTEL:
        end = f"end of the 95 percent jackknife interval of {measure} over features"
    draws = "at least 1 / (draws of the null + 1)"
    return (
        Output(measure, dims, "1", _DESCRIPTIONS[measure], bounds=bounds, direction="higher", label=label),
        Output(f"{measure}_low", dims, "1", f"lower {end}", label=f"{label}, lower end"),
        Output(f"{measure}_high", dims, "1", f"upper {end}", label=f"{label}, upper end"),
        Output(
            f"{measure}_null_mean", under, "1", f"mean of {measure} under each null",
            bounds=bounds, label=f"{label}, mean of the null",
        ),
        Output(
            f"{measure}_null_sd", under, "1", f"standard deviation of {measure} under each null",
            bounds=(0, None), label=f"{label}, spread of the null",
        ),
        Output(f"{measure}_p", under, "1", f"one-sided p of {measure}, {draws}", bounds=(0, 1), label=f"p of {label}"),
    )  # fmt: skip


OF_MEASURES = tuple(output for measure in _DESCRIPTIONS for output in _outputs_of(measure))
N_FEATURES_USED = Output(
    "n_features_used",
    (),
    "count",
    "features that have both a lobe and a decoder row",
    -1,
    dtype="int64",
    bounds=(0, None),
    label="features used",
)
OF_ANY_NUMBER = tuple(
    output
    for measure in ANY_NUMBER
    for output in (
        Output(
            f"{measure}_any_p", ("null",), "1",
            f"one-sided p of {measure} over all numbers of lobes, at least 1 / (draws of the null + 1)",
            bounds=(0, 1), label=f"p of {_LABELS[measure]} over all numbers of lobes",
        ),
        Output(
            f"{measure}_any_n_lobes", ("null",), "count",
            f"number of lobes whose {measure} is farthest above the null in its standard deviations; -1 if none",
            -1, dtype="int64", bounds=(-1, None), label=f"lobes of farthest {_LABELS[measure]} above the null",
        ),
    )
)  # fmt: skip
OF_CORRECTED = tuple(
    Output(
        f"ami_corrected{end}", ("n_lobes",), "1",
        f"{what}ami over the root of the product of both reliabilities, an upper estimate of it without noise",
        direction="" if end else "higher", label=f"AMI corrected for reliability{label}",
    )
    for end, what, label in (
        ("", "", ""), ("_low", "lower end of ", ", lower end"), ("_high", "upper end of ", ", upper end")
    )
)  # fmt: skip
OUTPUTS = (
    *OF_MEASURES,
    *OF_ANY_NUMBER,
    *OF_CORRECTED,
    Output(
        "balanced_accuracy_published",
        ("n_lobes",),
        "1",
        "as published: last fifth of rows, no class weights",
        bounds=(0, 1),
        direction="higher",
        label="balanced accuracy, as published",
    ),
    Output(
        "ami_split_half",
        ("n_lobes",),
        "1",
        "adjusted mutual information of lobes of two halves of the documents",
        bounds=(None, 1),
        direction="higher",
        label="AMI of two halves of the documents",
    ),
    Output(
        "spatial_seed_agreement",
        ("n_lobes",),
        "1",
        "mean adjusted mutual information of pairs of starts of the spatial clusters; NaN for one start",
        bounds=(None, 1),
        direction="higher",
        label="AMI of starts of the spatial clusters",
    ),
    Output(
        "lobe",
        ("n_lobes", "features"),
        "1",
        "lobe of each feature, 0 the largest; -1 for masked features",
        -1,
        dtype="int64",
        bounds=(-1, None),
    ),
    Output(
        "lobe_within_type",
        ("n_lobes", "features"),
        "1",
        "lobe of each feature from what document types leave of firing; -1 if masked or without types",
        -1,
        dtype="int64",
        bounds=(-1, None),
        label="lobe within document types",
    ),
    Output(
        "spatial_cluster",
        ("n_lobes", "features"),
        "1",
        "cluster of each decoder row; -1 if masked",
        -1,
        dtype="int64",
        bounds=(-1, None),
        label="spatial cluster",
    ),
    N_FEATURES_USED,
    Output(
        "n_features_mantel",
        (),
        "count",
        "features whose pairs mantel and mantel_partial are over",
        -1,
        dtype="int64",
        bounds=(0, None),
        label="features whose pairs are used",
    ),
    merged("features whose row copies that of an earlier one, merged into it"),
)
