"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

GUIDANCE = Guidance(
    question="Is the cloud of decoder rows clustered, or as spread as a Gaussian one of the same covariance?",
    reading=(
        "Both `negentropy`, in nats above the mean of each null, and `close_pairs_excess` have to be "
        "beyond all three nulls for clusters to be claimed. Negentropy alone says that rows are not "
        "Gaussian."
    ),
    misleads=(
        (
            "Not Gaussian is not clustered: independent heavy-tailed coordinates have negentropy and no "
            "cluster. `shuffled_components` and `close_pairs` are there to tell."
        ),
        (
            "`negentropy_uncalibrated` is biased by many nats in many dimensions: do not compare it "
            "between sizes or with 0."
        ),
        ("Near copies raise it at k = 1; `n_near_copies` counts them, and k = 3, the default, hardly sees them."),
    ),
    published=(
        '`estimator="published"` gives the number of the paper\'s code: resampling with replacement puts '
        "most nearest distances at 0, so that it measures the resampling (about 362 nats on white noise)."
    ),
    versions={
        2: "Neighbours are searched in 16-bit integers.",
        3: "The null `gaussian_scores` has its name.",
        4: "The null `shuffled_components` and `close_pairs` are added; copies are merged.",
        5: ("Axes of `angular_central_gaussian` surrogates are exact where there are few dimensions for each axis."),
    },
)
