"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

_DETAILS = r"""
`gaussian_scores` draws Gaussian scores given their sample covariance: the exact conditional law, so p is uniform for
Gaussian rows of any mean and covariance. `angular_central_gaussian` draws Gaussian rows in all hidden dimensions,
divides them to the norms of the data's rows (1 for unit rows), fits their own principal axes where the data's were
fitted to the same rows, and maps the scores to the data's covariance. The spectrum before division comes from pilot
draws, so that after it the rows have the data's spectrum: using the data's spectrum itself spreads it twice and rejects
isotropic unit rows far too often where hidden is a quarter of the rows. With a mean away from 0 this is the projected
normal law. Its p is near to uniform, not exactly so.

`shuffled_components` shuffles each independent component of the scores among features, and maps them to the data's
covariance: what is left is what the components do each by themselves, such as heavy tails. Shuffled principal
components would not keep that: those of independent coordinates are rotated, and p <= 0.05 in 18 of 20 draws of
independent t coordinates. Components are fitted to the data, so that its p errs to the large side.

Clusters are claimed where both numbers are beyond all three nulls. Independent coordinates with t (3 degrees), Laplace
and uniform laws are not Gaussian, and p of negentropy alone says so; they are called clustered no more often than p
says, as tests show.

A pair of near copies, which are no copies to 1e-7, adds to the negentropy of n rows 2 d / n times the logarithm of how
much nearer they are than others, at k = 1, and little at k = 3: `n_near_copies` counts such rows.

The standard error is the deviation over subsamples of m = n // 2 rows drawn without replacement times $\sqrt{m / (n -
m)}$, and the interval adds the null mean's own error; it is NaN where m rows are too few. Rows are never drawn with
replacement: copies would put 63 percent of the distances at 0. Invariant under rotation; under permutation but for the
interval, if n_samples is None; under scale but for the entropies.

What negentropy can detect, at 5 percent with 19 surrogates: 12 planted clusters in 600 unit rows of 48 dimensions (32
components) are found against the second null in 7 of 20 draws when they hold 10 percent of the variance, and in all at
15 percent; against the first in all at 30 percent, because unit rows are spread less than Gaussian ones.
"""

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
        (
            "Where rows have heavy tails the interval of `negentropy` is too narrow: against "
            "`angular_central_gaussian` it held the mean in 121 of 200 simulated clouds of t coordinates "
            "with 3 degrees of freedom."
        ),
        (
            "With a few features less than dimensions one sample hardly tells the law of its rows. Of 60 clouds of 200 "
            "unit rows in random directions of 220 dimensions 23 percent had p of 0.05 or less against "
            "`angular_central_gaussian`, by 0.05 nats; with 160 rows or 400 dimensions p was as it should be."
        ),
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
        6: (
            "Surrogates of fewer features than dimensions have the axes that their law has: before, negentropies under "
            "`angular_central_gaussian` were 3 to 10 nats too low there. Draws are the same however blocks are summed."
        ),
        7: (
            "The spectrum of `angular_central_gaussian` surrogates is found in half as many pilot draws: negentropies "
            "under that null move by a small part of their interval, 7.674 to 7.672 on layer 3 of the bundled sample."
        ),
    },
    details=_DETAILS,
)
