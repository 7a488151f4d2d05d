"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

_FORMULA = r"""
$$
n_{ij} = \sum_{b=1}^{T} x_{bi} x_{bj}, \qquad n_i = n_{ii}
$$
"""
GUIDANCE = Guidance(
    question="In how many blocks of text do two features fire together?",
    reading=(
        "Exact counts. Read `n_blocks_both` beside `n_blocks_active` of both features: two features on in "
        "most blocks are on together in most blocks."
    ),
    misleads=(
        "Counts follow firing rates. `affinity` allows for them by `phi` or `npmi`.",
        "Longer blocks fill up: a feature on in nearly all of them tells nothing.",
    ),
    published=(
        "The paper's counts, in blocks of 256 tokens with activations above 1: give `occurrence: "
        "{threshold: 1, block_length: 256, max_blocks_per_document: 3}` in the spec of a run."
    ),
    formula=_FORMULA,
)
