"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

GUIDANCE = Guidance(
    question="Is each feature closer to its nearest neighbour than chance would have it?",
    reading=(
        "`mean_cosine_excess` over `uniform_sphere` is closeness of any origin; over `spectrum_matched` "
        "it is what the covariance does not explain. `quantile_cosine` says whether all features are "
        "closer or a few."
    ),
    misleads=(
        ("The nearest of many is close by chance: a mean cosine of 0.3 may be nothing. Only the excess counts."),
        ("A cloud with few strong directions has close neighbours without any cluster: that is in `spectrum_matched`."),
        ("Against `spectrum_matched` there is little power unless rows are several times as many as dimensions."),
    ),
    published="Not in the paper.",
    versions={
        2: "Copies are merged by one tolerance, and counted.",
    },
)
