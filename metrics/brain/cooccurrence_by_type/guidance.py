"""What a reader of this metric has to know, for its page in the guide."""

from __future__ import annotations

from saegeom_data.declare.guidance import Guidance

_FORMULA = r"""
$$
n_{tij} = \sum_{b \in t} x_{bi} x_{bj}, \qquad n_{ti} = n_{tii}, \qquad \sum_t n_{tij} = n_{ij}
$$
"""
GUIDANCE = Guidance(
    question="In how many blocks of each type of document do two features fire together?",
    reading=(
        "Exact counts, which add up to those of `cooccurrence`. Pairs that are together within a type do "
        "more than share a genre."
    ),
    misleads=(
        "Types with few blocks have few counts; compare shares, with `n_blocks` of the type below.",
        "A type is what the data says it is: a mixture inside a type looks like structure within it.",
    ),
    published="Not in the paper, which pools all types.",
    formula=_FORMULA,
)
