"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

_DETAILS = r"""
Two null models, each of which keeps what the other loses; a family is found if it is beyond both:

- `spectrum_matched`: Gaussian rows of unit norm with the mean and covariance of the directions;
- `exchanged_offsets`: each feature keeps the centre of its cluster, and takes over the offset of another feature from
  its own. Clusters, heavy tails, and an axis along which members of all clusters scatter are kept, also where it is all
  there is: rows of norm 1 of such a cluster lie on an arc, and are scaled to lie on a straight line before offsets are
  taken, which agree alike in each place then. That would shorten heavy tails, so that each surrogate is two clouds,
  with clusters made straight and as they are, and the higher score of both counts. Coordinates shuffled along principal
  axes would not do: directions of independent Cauchy coordinates have crystals beyond them in nearly all cases, as
  their principal axes are arbitrary.

The floor f is common to all clouds: the agreement that one quadruple for ten pairs reaches in the median surrogate, of
that null model where it is higher, and at least `least_agreement`. p of a family is that of its score among the highest
scores of surrogates, so that it holds for all families together. q is the least false discovery rate at which it is
found, for which a score that N families of the data and $N_s$ of surrogate s of S reach has the estimate $(1 + \sum_s
N_s) / (S N)$. Both follow one rule: q of the highest score is its p, and no other q is below that. So `n_families` is
above 0 exactly where `largest_score_p`, which claims are judged by, is at most the rate under each null; 19 surrogates
are the fewest that can find anything at 5 percent.

Nuisances are the norm of the row, unless all are within one percent; the firing rate, where there is an occurrence; and
the mean position at which the feature fires, where there are codes and positions of tokens. The share of pairs along
which one rises, less that along which it falls, is compared with 999 permutations of its values among the features of
the family. Pairs with a feature that never fires have no position.
"""

GUIDANCE = Guidance(
    question="Are there parallelograms among features, more than chance and clusters give?",
    reading=(
        "`n_families` counts groups of pairs with one offset that are beyond both nulls; "
        "`largest_score_p` is what claims are judged by. Look at the nuisances before a family is called "
        "a relation."
    ),
    misleads=(
        ("Counts of quadruples are combinatorial: 34 pairs of one offset make 561 of them, which are one fact."),
        ("A family may follow the position in the text, the firing rate or the norm, which are told beside it."),
        "19 surrogates are the fewest that can find anything at 5 percent.",
    ),
    published=(
        "No code for the search among features was published. `trapezoid` normalises offsets, "
        "`parallelogram` does not, as the paper describes them."
    ),
    versions={
        2: "Families of pairs and not quadruples are counted, against two nulls.",
        3: "Clusters are made straight before their offsets are exchanged; position in the text is a nuisance.",
    },
    details=_DETAILS,
)
