"""What the dimension of directions is told with."""

from __future__ import annotations

from saegeom_data.declare.output import Output
from saegeom_data.metrics.galaxy._shared.outputs import count, merged

ESTIMATES = {
    "two_nn": ((), "dimension from the ratio of each direction's two nearest distances"),
    "maximum_likelihood": (("k",), "dimension from the k nearest distances, averaged as inverses"),
    "dimension_by_scale": (("scale",), "dimension from the distances to neighbours scale and 2 * scale"),
}
_LABELS = {"two_nn": "dimension by TwoNN", "maximum_likelihood": "dimension by maximum likelihood"}


def _outputs_of(name: str, dims: tuple[str, ...], text: str) -> tuple[Output, ...]:
    def positive(end: str, over: tuple[str, ...], about: str) -> Output:
        return Output(f"{name}_{end}", over, "1", about, bounds=(0, None))

    over_nulls = ("null", *dims)
    label = _LABELS.get(name, "")
    return (
        Output(name, dims, "1", f"{text}; above 0", bounds=(0, None), direction="higher", label=label),
        positive("low", dims, f"lower end of a 95 percent interval for the mean of {name} over such samples"),
        positive("high", dims, f"upper end of a 95 percent interval for the mean of {name} over such samples"),
        positive("null_mean", over_nulls, f"mean of {name} over surrogates: what covariance gives"),
        positive("null_sd", over_nulls, f"standard deviation of {name} over surrogates"),
        Output(
            f"{name}_p",
            over_nulls,
            "1",
            "(b + 1) / (B + 1) for b of B surrogates of at most the dimension",
            bounds=(0, 1),
            direction="lower",
        ),
    )


OUTPUTS = (
    *(output for name, (dims, text) in ESTIMATES.items() for output in _outputs_of(name, dims, text)),
    Output("two_nn_surrogate", ("null", "surrogate"), "1", "two_nn of each surrogate", bounds=(0, None)),
    Output(
        "scale_distance",
        ("scale",),
        "1",
        "mean distance of directions to neighbour 2 * scale, in [0, 2]",
        bounds=(0, 2),
    ),
    Output(
        "local_dimension",
        ("features",),
        "1",
        "dimension around each feature, from its largest k distances",
        bounds=(0, None),
        direction="higher",
    ),
    count("n_features_used", "distinct directions in use", "features used"),
    count("n_features_dropped", "rows of zero norm, dropped", "features dropped"),
    merged(),
    count("n_near_copies", "directions a hundred times nearer to another than the median one", "near copies"),
)
