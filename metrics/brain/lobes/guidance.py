"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

_FORMULA = r"""
With $A$ the affinity without its diagonal and $D = \mathrm{diag}(A 1)$:

$$
D^{-1/2} A D^{-1/2} v_j = \lambda_j v_j, \qquad y_i = (v_{i1}, \ldots, v_{ik}) / \sqrt{D_{ii}}
$$

and k-means of the rows $y_i$ gives k lobes.
"""
GUIDANCE = Guidance(
    question="Which features fire together as groups?",
    reading=(
        "`lobe` numbers the groups from the largest, -1 for features that are left out. `half_agreement` "
        "says how far other documents give the same groups: near 0 they are not there, whatever a picture "
        "shows."
    ),
    misleads=(
        "Spectral clustering returns as many groups as it is asked for: groups by themselves are no finding.",
        (
            "`seed_agreement` near 1 says only that k-means found the same optimum twice; it is near 1 on "
            "independent firing too."
        ),
        (
            "Groups may be of topics, lengths or sources of text. `lobe_function` and `lobe_modularity` "
            "ask what they are."
        ),
    ),
    published="The run `lobes-as-published` has the paper's parameters, for each of its five affinities.",
    versions={
        2: "Eigenvectors are found by a block eigensolver.",
        3: "`min_blocks` has a default that follows from the data; features without structure have no lobes.",
    },
    formula=_FORMULA,
)
