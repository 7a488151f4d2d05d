"""What function vectors are told with."""

from __future__ import annotations

from saegeom_data.declare.output import Output
from saegeom_data.metrics.atom._word_pairs.table_outputs import count_outputs, table_outputs

_MEANINGS = {
    "explained_share": "share of the squared length of held-out offsets that the vector explains, at most 1",
    "agreement": "cosine of the vectors of two halves of a relation's pairs, in [-1, 1]; 1 is agreement",
    "target_rank": "place of the right target among all, from 0 (nearest) to 1; 0.5 at random, lower is better",
    "target_found": "share of held-out sources that the vector carries nearest to their target, in [0, 1]",
    "reciprocal_rank": "mean of 1 / place of the right target, the nearest counting 1, in (0, 1]",
}


_VECTOR = ("vector", "view")


OUTPUTS = (
    *(Output(name, ("view",), description=f"{text}; mean of relations") for name, text in _MEANINGS.items()),
    *(
        Output(f"{name}_by_relation", ("view", "relation"), description=f"{text}; of one relation")
        for name, text in _MEANINGS.items()
    ),
    *table_outputs(),
    Output("target_rank_by_vector", _VECTOR, description="target_rank with the relation's own vector, others, or none"),
    Output("target_found_by_vector", _VECTOR, description="target_found with the same, in [0, 1]", bounds=(0, 1)),
    Output(
        "gain",
        _VECTOR,
        description="target_rank with another vector minus that with the own; above 0 is better",
        direction="higher",
    ),
    Output("gain_low", _VECTOR, description="lower end of its 95 percent interval over pairs"),
    Output("gain_high", _VECTOR, description="upper end of its 95 percent interval over pairs"),
    Output("function_vector", ("relation", "hidden"), description="mean offset of all pairs, in units of activation"),
    Output(
        "vector_cosine",
        ("relation", "relation_other"),
        description="cosines between function vectors, in [-1, 1]",
        bounds=(-1, 1),
    ),
    *count_outputs(),
    Output("headline_directions", (), "count", "directions of the lda view", fill=0, dtype="int64", bounds=(0, None)),
)
