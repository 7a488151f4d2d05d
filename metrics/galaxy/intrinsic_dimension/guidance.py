"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

GUIDANCE = Guidance(
    question="In how many dimensions do features lie, as far as nearest neighbours tell?",
    reading=(
        "Compare `two_nn` and `maximum_likelihood` with `..._null_mean`, what the covariance alone gives. "
        "Below it, with a small p, there are fewer dimensions than the covariance explains. "
        "`dimension_by_scale` says how the answer changes with distance."
    ),
    misleads=(
        (
            "From about 20 dimensions on all estimators return far too little: the number is no count of "
            "dimensions, only the comparison with the null means something."
        ),
        "The interval covers the mean of the estimator over samples of this size, not the dimension.",
        "A handful of near copies takes TwoNN from 10 to 2; `n_near_copies` counts them.",
    ),
    published=(
        "Not in the paper. TwoNN (Facco et al.) and maximum likelihood (Levina and Bickel, averaged as "
        "MacKay and Ghahramani do) are as published; `dimension_by_scale` takes a law from Denti et al. "
        "and is a moment estimate of ours."
    ),
    versions={
        2: "Copies are merged by one tolerance, and counted.",
        3: "Intervals are wider where neighbours reach through much of the cloud.",
    },
)
