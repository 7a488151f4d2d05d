"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

GUIDANCE = Guidance(
    question="Which tokens does each feature make more likely, and which less?",
    reading=(
        "`text_raised` lists the tokens whose logits a decoder row raises most. `z_raised` says how far the first is "
        "from the mean over all tokens, and `q_raised` whether random directions go as far."
    ),
    misleads=(
        "A list is always full, and one token always comes first: without a small q it says nothing of the feature.",
        (
            "Only the direct effect is counted. A feature of an early layer is read by many layers before the output, "
            "so what it raises directly may not be what it is for."
        ),
        "Rare tokens with long or odd rows of the unembedding come up for many features.",
        (
            "A small q says that the row has to do with tokens more than random directions have; as rows and tokens "
            "share the axes of the model's space, that alone is no sign of a meaning."
        ),
    ),
    published="Not in the paper.",
)
