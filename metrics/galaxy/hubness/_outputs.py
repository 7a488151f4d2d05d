"""What hubs are told with."""

from __future__ import annotations

from saegeom_data.declare.output import Output
from saegeom_data.metrics.galaxy._shared.outputs import count, merged

MEASURES = {
    "skewness": (
        "third standardised moment of the k-occurrence; 0 is symmetric, larger has more pronounced hubs",
        (None, None),
    ),
    "robin_hood": ("share of places in lists that would have to move for all features to have k, in [0, 1]", (0, 1)),
    "antihub_share": ("share of features that are in nobody's list, in [0, 1]", (0, 1)),
    "largest_occurrence": ("largest k-occurrence; k is the mean", (0, None)),
}
_LABELS = {"skewness": "skewness of k-occurrence", "robin_hood": "Robin Hood index"}
# The largest of many is no mean of contributions: no interval for it covers.
INTERVALS = tuple(MEASURES)[:3]


def _outputs_of(measure: str, text: str, bounds: tuple[float | None, float | None]) -> tuple[Output, ...]:
    over, over_nulls = ("similarity",), ("null", "similarity")
    interval = (
        Output(f"{measure}_low", over, "1", f"lower end of the 95 percent interval of {measure}", bounds=bounds),
        Output(f"{measure}_high", over, "1", f"upper end of the 95 percent interval of {measure}", bounds=bounds),
    )
    return (
        Output(measure, over, "1", text, bounds=bounds, direction="higher", label=_LABELS.get(measure, "")),
        *(interval if measure in INTERVALS else ()),
        Output(f"{measure}_null_mean", over_nulls, "1", f"mean of {measure} over surrogates", bounds=bounds),
        Output(
            f"{measure}_null_sd",
            over_nulls,
            "1",
            f"standard deviation of {measure} over surrogates",
            bounds=(0, None),
        ),
        Output(
            f"{measure}_p",
            over_nulls,
            "1",
            "(b + 1) / (B + 1) for b of B surrogates at least as large",
            bounds=(0, 1),
            direction="lower",
        ),
    )


OUTPUTS = (
    *(output for measure, (text, bounds) in MEASURES.items() for output in _outputs_of(measure, text, bounds)),
    Output(
        "k_occurrence",
        ("similarity", "features"),
        "count",
        "features that have the feature among their k nearest; those at one distance share the last places",
        bounds=(0, None),
        label="k-occurrence",
    ),
    count("n_features_used", "distinct directions in use", "features used"),
    count("n_features_dropped", "rows of zero norm, dropped", "features dropped"),
    merged(),
)
