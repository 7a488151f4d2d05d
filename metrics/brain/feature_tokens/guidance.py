"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

GUIDANCE = Guidance(
    question="On which tokens does each feature fire?",
    reading=(
        "`text_by_mean` lists tokens by mean activation, `text_by_odds` those that are commoner where the "
        "feature is on, with `q` as false discovery rate over all features and tokens."
    ),
    misleads=(
        "A list is always full: without a small q its tokens may be chance.",
        (
            "Topics bring feature and token into the same documents; p asks within documents, the mean "
            "activation does not."
        ),
        ("Tokens that the feature needs to have seen before, and not the one it fires on, are not in the list."),
    ),
    published="Not in the paper.",
)
