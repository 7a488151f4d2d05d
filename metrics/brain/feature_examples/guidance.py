"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

GUIDANCE = Guidance(
    question="In what contexts does each feature fire, strongly and as a rule?",
    reading=(
        "Contexts at the top are what a feature is most sure of; contexts at quantiles are what it mostly "
        "does. Read both before a feature gets a name."
    ),
    misleads=(
        "The strongest contexts alone make a feature look purer than it is.",
        "Rare features have few contexts, and quantiles of few are the same few.",
        "Only the corpus of the store is searched.",
    ),
    published="Not in the paper.",
)
