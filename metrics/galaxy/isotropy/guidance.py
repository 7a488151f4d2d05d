"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

GUIDANCE = Guidance(
    question="Do the decoder rows point evenly in all directions?",
    reading=(
        "`mean_cosine` with its interval says whether there is a preferred direction, "
        "`second_moment_excess` with `second_moment_p` whether there are preferred axes. Compare "
        "`iso_score` with `iso_score_null` and not with 1: a finite number of even directions has a score "
        "below 1."
    ),
    misleads=(
        (
            "With thousands of rows a p near 0 is found for deviations that nobody would see; the size is "
            "in `mean_cosine` and `second_moment_excess`."
        ),
        (
            "Rows that come with their opposites have a mean cosine of about 0 whatever their axes: read "
            "the second moments too."
        ),
        (
            "Few dimensions with much variance lower `iso_score` as much as many with a little more: the "
            "page of `eigenvalue_slope` tells the two apart."
        ),
    ),
    published=(
        "The paper has no measure of isotropy. IsoScore (Rudman et al. 2022) and the partition function "
        "(Mu and Viswanath 2018) are as their authors define them, in closed form and over both signs of "
        "each axis."
    ),
    versions={
        2: "Rows that copy another are merged.",
        3: "Both p are nearer to their level with few directions or dimensions; there is none with fewer than 16.",
    },
)
