"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

GUIDANCE = Guidance(
    question="Which kinds of text is each group of features on in?",
    reading=(
        "`enrichment` above 0 is a lobe on more than elsewhere. `cramers_v` says how well lobes tell "
        "types apart; `cramers_v_gain` how much better than word pieces do, and "
        "`cramers_v_gain_untrained` how much better than an SAE that was not trained."
    ),
    misleads=(
        (
            "Texts of different types have different words: any description of them tells them apart, so "
            "that a large V with p near 0 is no merit of the SAE. Only the gain over word pieces is."
        ),
        "`winner_share_published` favours lobes of features that are often on.",
        "V of few blocks is large by chance: do not compare it between block lengths.",
    ),
    published="`winner_share_published`: the lobe with the largest share of its features on wins a block.",
    versions={
        2: "Lobes are found by a block eigensolver.",
        3: "Word pieces and lobes of like firing rate are held beside; shares and enrichment have intervals.",
        4: "A longer sequence of draws extends a shorter one.",
    },
)
