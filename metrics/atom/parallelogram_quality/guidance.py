"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

GUIDANCE = Guidance(
    question="Do word pairs of one relation form parallelograms, and do they more so without distractor directions?",
    reading=(
        "Scores are on held-out pairs. `improvement_above_null` says what removing directions adds beyond "
        "what it does to pairs without a common offset; read p under `label_permutation` and "
        "`offsets_redealt`."
    ),
    misleads=(
        ("`derangement` tests pairing and nothing else: it rejects wherever targets lie near their own sources."),
        "Analogies are answered by c alone nearly as often: `analogy_gain` is what the offset adds.",
        (
            "Discriminants scored on the pairs that they were fitted on separate anything; that is what "
            "the published silhouette does."
        ),
        "Intervals are over pairs of these relations and say nothing of others.",
    ),
    published='`estimator="published"` adds the authors\' silhouettes, on the pairs that were fitted on.',
    versions={
        2: "Distractors are removed in one way of several, and relations can be held out.",
        3: "Intervals also have the error of the means of nulls.",
        4: (
            "Every score stands against three nulls; analogies have baselines without an offset, and "
            "folds share no words."
        ),
        5: "A longer sequence of draws extends a shorter one.",
    },
)
