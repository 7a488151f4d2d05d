"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

GUIDANCE = Guidance(
    question="Is one step the same for all pairs of a relation?",
    reading=(
        "`explained_share` above its nulls says that the mean offset explains offsets of other pairs. "
        "`gain` over `none` and over `other_relations` is what the relation's own step adds to finding "
        "the target."
    ),
    misleads=(
        "A target is often near its source without any step: `target_found` alone says little.",
        ("A function vector is a difference of two means: it does not know which source belongs to which target."),
        "With few pairs of a relation p of ranks under `derangement` is too small.",
    ),
    published=(
        "Function vectors are those of Todd et al. 2024, here of single words without a prompt. The paper "
        "has no score for them."
    ),
    versions={
        2: "Intervals also have the error of the means of nulls.",
        3: "Every score stands against three nulls, and halves share no words.",
        4: "A longer sequence of draws extends a shorter one.",
    },
)
