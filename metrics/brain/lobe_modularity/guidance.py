"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

_DETAILS = r"""
Rows whose directions agree to 1e-7 are copies, which fire together and lie together by construction. They are merged
into the first: the others have label -1 and take part in nothing, and `n_merged` counts them.

Nulls, each with p = (b + 1) / (draws + 1), one-sided:

- `label_permutation`: Lobes (for `mantel`, rows and columns of the affinity) permuted among features: exact, but
  anything that both sides follow, such as how often a feature fires, shows as agreement.
- `frequency_stratified`: The same among features of like firing rate, which keeps an agreement that is there merely
  because both sides follow the measured firing rate.
- `fixed_margins`: Occurrence redrawn among all arrangements in which every block has as many features on, and every
  feature as many blocks, as in the data; lobes are found in it anew and compared with the real places. It keeps what
  activity and rates alone do to affinities: since blocks differ in activity, all features fire together to some degree.
  Exact where features fire independently with the odds exp(a_b + b_i) for block b and feature i. For `ami_within_type`
  margins are kept within each type. Sizes of lobes are redrawn too: NaN for `neighbour_agreement`, which follows them.
- `places_redrawn`: Decoder rows replaced by Gaussian ones of unit norm with the mean and covariance of the unit rows,
  clustered anew, and compared with the real lobes. Its rows are exchangeable, so it asks what `label_permutation` asks,
  but with sizes of clusters and a graph that the spectrum alone would give. NaN where rows are too few, or in too
  narrow a cone, to have such moments.

For `balanced_accuracy` permutations move held-out labels against fixed predictions inside each fold, exact given the
training labels; folds are combined by twice the median of their p-values, at most 1, which is valid under any
dependence and so conservative. Redraws fit new classifiers. The p of a redrawn null compares one value with n_redraws
others: 19 draws cannot go below 0.05.

`ami_any_p` asks once whether lobes and clusters agree at any number of lobes. Each draw of a null is one surrogate for
all numbers, and with the mean m_k and standard deviation s_k of the data and all draws together, p is the share in
which max_k (AMI_k - m_k) / s_k is at least that of the data: exact as far as p of one number is, and with nothing to
correct for the choice of a number.

`ami_within_type` is `ami` with lobes found from the correlation of features given the type of document, s_ij /
sqrt(s_ii s_jj) for s_ij = n_ij - sum_t n_it n_jt / T_t, whatever `kind` is: it tells whether features that fire
together within one type of text lie together, where `ami` may follow from topic or genre alone. Covariances are pooled
over types, so that all blocks serve one set of lobes, and types with few blocks weigh little; lobes of each type apart
would be as many partitions, each of fewer blocks. A feature is masked whose variance within types is below that of one
on in `min_blocks` blocks.

`ami_corrected` = ami / sqrt(ami_split_half * spatial_seed_agreement) allows for lobes that other documents would not
give, and clusters that other starts would not: it is 1 if both are one grouping seen through such noise. Halves have
half of the documents, and a start is not the best of all, so that both reliabilities are rather too low, and it is an
upper estimate. Its interval holds them fixed; its p is that of `ami`. NaN where a reliability is not positive, or there
is one start. `ami_split_half` is no null but a ceiling: how far lobes agree with themselves.

`mantel_partial` is tested within strata and by `fixed_margins` alone, and NaN under the others: what a model of the
rates leaves of the ranks still has a spread that follows them, which permutations among all features break up, so that
they reject where rates drive both sides.

Where no lobes are found (see `lobes`), or no clusters, all that compares them is NaN. A lobe of one member is never
predicted right and takes part in all else; if both partitions put all features in one class, `ami` is 1; where
affinities or cosines are all equal, or the rates explain them all, the correlation and its p are NaN.

Intervals are delete-one-group jackknives over 20 random groups of features with partitions, predictions and graph held
fixed (ranks and what rates leave of them are taken anew): they are of which features were sampled, not of clustering
anew, other documents or other SAEs. Those of AMI are no shorter than independent partitions with a and b classes give,
sqrt(2 (a - 1)(b - 1)) / 2n nats before adjustment: near independence AMI is of second order in the features, and a
jackknife finds least spread where AMI is least. Those of `balanced_accuracy` are short, as other features would also
have trained another model (about 80 percent at chance level with 100 features). Near chance level the p-value is the
better guide.

As published: occurrence of activations above 1 in full blocks of 256 tokens, at most three a document
(`occurrence_from_codes` with `threshold=1`), `kind="phi"`, `phi_shift="shift"`, n_lobes 2 to 1024 in powers of 2,
`n_permutations=100`, `n_redraws=0`, `n_seeds=1`, `seed=42` (of our streams), which gives `ami`; and
`balanced_accuracy_published`: rows as they are, the last fifth of them predicted from the others, no class weights, the
optimiser's default tolerance. That tolerance is of gradients that shrink with the number of lobes, so that with
hundreds of lobes current scikit-learn hardly moves from the start; `balanced_accuracy` is fitted until it has
converged.

Invariant under rotation and scaling of the decoder, but for `balanced_accuracy`, which is fitted in single precision.
Cost: five eigen-decompositions, n_folds + 1 regressions for each number of lobes, n_permutations passes over the edges
and over the pairs of `mantel`; and for each draw of a redrawn null one or two eigen-decompositions and n_folds
regressions for each number of lobes, besides all pairs of features counted or compared anew. Every number of lobes,
null and draw is a task of its own. Memory of each draw in work: about 60 bytes for each pair of features up to 2,048 of
them, 16 above.
"""

_FORMULA = r"""
For lobes and as many clusters of decoder rows, with mutual information $I$ and mean entropy $\bar H$:

$$
\mathrm{AMI} = \frac{I - E[I]}{\bar H - E[I]}, \qquad
\mathrm{agreement} = \sum_c \frac{e_c}{m}, \qquad
Q = \sum_c \left( \frac{e_c}{m} - \left( \frac{d_c}{2m} \right)^2 \right)
$$

where clusters are of the similarity $1 - \arccos(u_i \cdot u_j) / \pi$ of unit rows, and $e_c$ of m edges between near
neighbours lie in lobe c of summed degree $d_c$.
"""
GUIDANCE = Guidance(
    question="Are groups of features that fire together also places in space?",
    reading=(
        "`ami_any_p` asks once, over all numbers of lobes; it has to be small under every null. "
        "`ami_corrected` says how large the agreement is, allowing for lobes and clusters that do not "
        "come back. `balanced_accuracy` is to be read beside its `null_mean`, not beside one half."
    ),
    misleads=(
        (
            "Firing rate shows in both: an agreement under `label_permutation` alone may be rates, and "
            "`frequency_stratified` and `fixed_margins` are there to tell."
        ),
        (
            "With 19 redraws p cannot go below 0.05; over several layers that finds nothing. A plan says "
            "so beforehand, and `draws: until_decided` goes on."
        ),
        "Topic or genre alone can make lobes: `ami_within_type` is of lobes found within types of text.",
        (
            "Intervals are over features, with partitions held fixed, and do not hold what other text or "
            "other features would change in these: that of `balanced_accuracy` held the mean in 86 of 100 "
            "simulated SAEs with two lobes that are places. Near chance the p-value is the better measure."
        ),
    ),
    published=(
        "`balanced_accuracy_published` trains on the first four fifths of rows and predicts the last. "
        "`n_permutations=100`, `n_redraws=0`, `n_seeds=1`, `seed=42` and n_lobes 2 to 1,024 give the "
        "paper's `ami`. Its standard deviations above chance are of permutations alone, and are no effect "
        "size."
    ),
    versions={
        2: "The whole ladder of nulls and the Mantel test are added.",
        3: "The null `places_redrawn` has its name.",
        4: (
            "One p over all numbers of lobes; agreement corrected for reliability; lobes within types; no "
            "p of `mantel_partial` under permutations among all features."
        ),
        5: (
            "`fixed_margins` keeps margins exactly, copies count once, a longer sequence of draws extends "
            "a shorter one, and intervals of AMI are no shorter than chance makes them."
        ),
    },
    details=_DETAILS,
    formula=_FORMULA,
)
