"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

_FORMULA = r"""
Of weight $m$ in all, $e_c$ inside community c and $d_c$ at its members, with resolution $\gamma$:

$$
Q = \sum_c \left( \frac{e_c}{m} - \gamma \left( \frac{d_c}{2m} \right)^2 \right), \qquad
\mathrm{agreement} = \frac{a(c_1, l_2) + a(c_2, l_1)}{2 \sqrt{a(c_1, c_2)\, a(l_1, l_2)}}
$$

where $a$ is adjusted mutual information, for communities $c_h$ and lobes $l_h$ of half h of the documents.
"""
GUIDANCE = Guidance(
    question="Does another method, a graph and its communities, find the same groups?",
    reading=(
        "`relative_agreement` is 1 if communities and lobes agree as well across documents as each does "
        "with itself, and 0 if they have nothing in common. `modularity` is to be read beside "
        "`modularity_null_mean`."
    ),
    misleads=(
        (
            "The strongest of many chance affinities make a graph of modularity 0.2 to 0.4: a modularity "
            "of 0.5 may be little."
        ),
        (
            "Features that always fire together are communities by construction; they are merged and "
            "counted in `n_merged`."
        ),
        "That two methods agree says that groups do not depend on the method, not that they mean something.",
        "The interval of `relative_agreement` is too narrow: it held the mean in 81 of 100 simulations of two lobes.",
    ),
    published="Not in the paper.",
    versions={
        2: (
            "The seed of Leiden's algorithm decides every draw; modularity has a null, and agreement is "
            "told across halves of the documents."
        ),
        3: "`fixed_margins` keeps margins exactly, and copies count once.",
    },
    formula=_FORMULA,
)
