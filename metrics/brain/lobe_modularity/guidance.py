"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

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
        ("Intervals are over features, with partitions held fixed. Near chance the p-value is the better measure."),
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
)
