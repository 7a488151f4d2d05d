"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

GUIDANCE = Guidance(
    question="How can the dictionary be drawn on a plane?",
    reading=(
        "For drawing only. Points near each other are mostly near each other; nothing else is to be read from it."
    ),
    misleads=(
        "Sizes of groups, gaps between them and their arrangement mean nothing in t-SNE.",
        ("Two lobes that look apart may be no more apart than chance has it: measure it with `lobe_modularity`."),
    ),
    published=(
        "The paper draws t-SNE with parameters that are not known; these are scikit-learn's, with cosine distances."
    ),
)
