"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

GUIDANCE = Guidance(
    question="Are a few features among the nearest neighbours of very many others?",
    reading=(
        "`skewness` far above that of the null, with a small p, is hubs. If it falls when directions are "
        "centred (`similarity` `centred_cosine`), the hubs are rows near the common mean."
    ),
    misleads=(
        "High dimensions make hubs of random points: compare with the null, not with 0.",
        "A common mean makes hubs of rows near it, which say nothing of what features do.",
        "Intervals are up to 1.6 times too wide where there are no hubs.",
    ),
    published="Not in the paper.",
    versions={
        2: "Copies are merged by one tolerance, and neighbours that tie share their places.",
    },
)
