"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

GUIDANCE = Guidance(
    question="Are features packed as evenly as geometry allows, or do some nearly coincide?",
    reading=(
        "`coherence` lies between its bound and 1; compare it with the nulls. `dimensionality` of a "
        "feature near 1 is a direction of its own, near 1/2 a shared one; its sum is how many dimensions "
        "the dictionary takes up."
    ),
    misleads=(
        ("`coherence` is one pair out of all: one opposite or near copy makes it 1 and says nothing of the rest."),
        (
            "The frame potential follows from second moments alone, so that `spectrum_matched` has the "
            "same: it is held against uniform directions only."
        ),
        "Norms matter to `dimensionality` and to nothing else here.",
    ),
    published="Not in the paper. Dimensionality of a feature is that of Elhage et al. 2022.",
    versions={
        2: "Copies are merged by one tolerance, and counted.",
    },
)
