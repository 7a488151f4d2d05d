"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

GUIDANCE = Guidance(
    question="How alike are two features in where they fire?",
    reading=(
        "Larger is more alike. `phi`, the default, is a correlation: 0 is independence, below 0 "
        "avoidance. `npmi` is 1 for two features that are never on alone."
    ),
    misleads=(
        "`simple_matching`, `jaccard`, `dice` and `overlap` rise with firing rates alone.",
        ("`mutual_information` is as large for two features that avoid each other as for two that go together."),
        "Rare features have extreme values by chance: those below `min_blocks` are masked.",
    ),
    published="The paper's five affinities, of the same formulas; its mutual information never ran.",
    versions={
        2: "Co-occurrence is counted by bits.",
        3: (
            "`min_blocks` is by default the least number of blocks in which two features that coincide are significant."
        ),
    },
)
