"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

_DETAILS = r"""
To first order row i moves the slope by the influence $U_i = \sum_r w_r (\frac{n}{n-1} z_{ir}^2 / \lambda_r - 1) / \ln
10$, where z are centred scores on the eigenvectors and w the weights of the fit. Rows of one family move it together.
Pairs of rows whose lines are closer than those of independent rows, along the leading axes scaled to unit variance, add
$U_i U_j$ to the variance, less what pairs that are close by chance add. Families that are looser than such pairs are
seen neither here nor by `families_turned`: of isotropic rows, those that correlate by less than about 4 / sqrt(hidden),
and all if there are fewer than two families for each dimension. The squared error is f times the mean of $U_i^2$ over
the m sampled rows, over n - 1 - K for K ranks in the window and the inflation f by families; `n_features_effective` is
n / f. Interval and p use t quantiles of $2 m / (f (\kappa - 1))$ degrees, $\kappa$ the kurtosis of U (Satterthwaite).
They hold for the expected slope of this many rows, which is steeper than that of infinitely many, `slope_behind`. Where
eigenvalues lie closer than their sampling errors they repel each other: then the error is too large, by about 1.7 for
isotropic rows, and p conservative.

A power law is tested by its curvature. A finite number of rows bends it downwards, so `curvature` is compared with that
of a power law through the variances behind the spectrum, of as many rows (`power_law_curvature`); the difference
`power_law_bend` has the error of the curvature. `power_law_r_squared` (form) is the share of log variances that a power
law, a log-normal (a parabola) and a broken power law explain. Ranks are ordered and dependent, so likelihood ratios and
information criteria of independent values do not hold for them.
"""

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
        (
            "The row of a dead feature says nothing of the text, and counts all the same: `saegeom run "
            "eigenvalue_slope --firing` leaves it out. At one layer of Gemma 3 270M, where 2,340 of 4,096 "
            "features are dead, the slope is -1.14 without them and -0.86 with them."
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
    details=_DETAILS,
)
