"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

GUIDANCE = Guidance(
    question="How steeply does the variance of the dictionary fall from one direction to the next?",
    reading=(
        "`slope` is negative; steeper is lower. Compare it with `slope_null`, which isotropic rows of as "
        "many features and dimensions have: `slope_excess` below 0 with `slope_p` near 0 is steeper than "
        "those. `slope_by_window` says what other windows of ranks would have given."
    ),
    misleads=(
        (
            "A straight line over a window of ranks is no power law: read `power_law_bend` and "
            "`power_law_r_squared`, which also fits a log-normal and a broken power law."
        ),
        (
            "The window decides: ranks 11 to 150 are a small part of 2,304 dimensions and nearly half of "
            "384. Compare models of unlike hidden size by `slope_by_share`."
        ),
        (
            "Isotropic rows have a slope too, and a steep one where rows are few: the slope alone, "
            "without its null, says nothing."
        ),
        (
            "Rows in families (near copies, split features) are fewer independent rows than they seem; "
            "`families_turned` and `n_features_effective` allow for that."
        ),
    ),
    published=(
        "The default window is the paper's. Its error, the least-squares one, is `slope_ols_error`: ranks "
        "are dependent, so that it is too small. Its reference is one Gaussian matrix with a scale set by "
        "hand; the null here is the law."
    ),
    versions={
        2: "The interval follows from the influence of a sample of rows.",
        3: (
            "A null that keeps norms is added, a power law is tested by its curvature, errors count rows "
            "in families, and copies are merged."
        ),
        4: "`families_turned` is the second null: loose families of isotropic rows were called steeper.",
    },
)
