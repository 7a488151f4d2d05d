"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

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
)
