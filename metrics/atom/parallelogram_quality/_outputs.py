"""What :func:`parallelogram_quality` gives: its scores, its table, and what the distractors are."""

from __future__ import annotations

from saegeom_data.declare.output import Direction, Output
from saegeom_data.metrics.atom._word_pairs.table_outputs import count_outputs, table_outputs

_MEANINGS = {
    "offset_consistency": ("mean cosine between offsets of a relation, in [-1, 1]; 1 is parallel", (-1, 1)),
    "pairing_consistency": (
        "share of shuffled pairings' cosines below the true ones, in [0, 1]; 0.5 if pairing does not matter",
        (0, 1),
    ),
    "parallelogram_residual": ("|(b-a) - (d-c)| / mean(|b-a|, |d-c|), in [0, 2]; 0 is a parallelogram", (0, 2)),
    "trapezoid_cosine": ("mean |cosine| between offsets of a relation, in [0, 1]; 1 is a trapezoid", (0, 1)),
    "analogy_accuracy": ("3CosAdd analogies answered right among held-out words but the inputs, in [0, 1]", (0, 1)),
    "analogy_accuracy_with_inputs": ("3CosAdd analogies answered right among all held-out words, in [0, 1]", (0, 1)),
    "analogy_accuracy_without_offset": ("the same with no offset: the nearest word to c is d, in [0, 1]", (0, 1)),
    "analogy_accuracy_other_relation": ("the same with the offset of a pair of another relation, in [0, 1]", (0, 1)),
    "silhouette": ("Euclidean silhouette of offsets by relation, in [-1, 1]; higher is better separated", (-1, 1)),
    "analogy_gain": ("analogy_accuracy minus the better of its two baselines, in [-1, 1]; 0 is no gain", (-1, 1)),
}
_BY_RELATION, _SWEEP = ("hold_out", "view", "relation"), ("hold_out", "score", "directions")
_DIRECTION = ("direction", "scope")
_NUISANCE = ("direction", "nuisance", "scope")


def _score(name: str, dims: tuple[str, ...], description: str, bounds: tuple[int, int]) -> Output:
    """A score; of all of them only the residual is better the smaller it is."""
    direction: Direction = "lower" if name.startswith("parallelogram_residual") else "higher"
    return Output(name, dims, description=description, bounds=bounds, direction=direction)


OUTPUTS = (
    *(
        _score(name, ("hold_out", "view"), f"{text}; held-out pairs, mean of relations", bounds)
        for name, (text, bounds) in _MEANINGS.items()
    ),
    *(
        _score(f"{name}_by_relation", _BY_RELATION, f"{text}; held-out pairs of one relation", bounds)
        for name, (text, bounds) in _MEANINGS.items()
    ),
    *table_outputs("hold_out"),
    Output(
        "analogy_gain_p",
        ("hold_out", "view"),
        description="one-sided p of analogy_gain above 0, by the t law of its jackknife, in [0, 1]",
        bounds=(0, 1),
    ),
    Output(
        "score_by_directions",
        _SWEEP,
        description="held-out scores of the first few discriminants, by their number; NaN for scores that were not "
        "swept, and for more directions than the relations left allow",
    ),
    Output(
        "null_mean_by_directions",
        ("hold_out", "null", "score", "directions"),
        description="mean of the same under each null; NaN unless all are swept",
    ),
    Output(
        "silhouette_published_by_directions",
        ("directions",),
        description="silhouette of the pairs that the discriminants were fitted on; NaN unless published",
    ),
    Output("silhouette_published_raw", description="in-sample silhouette of all offsets; NaN unless published"),
    Output(
        "direction_share",
        ("direction",),
        description="share of the variance of offsets along it, in [0, 1]",
        bounds=(0, 1),
        direction="higher",
    ),
    Output(
        "lda_kept_share",
        description="share of the variance of offsets that discriminants keep, in [0, 1]",
        bounds=(0, 1),
    ),
    Output(
        "nuisance_spearman",
        _NUISANCE,
        description="rank correlation, in [-1, 1]; NaN where nothing is known",
        bounds=(-1, 1),
    ),
    Output("nuisance_spearman_low", _NUISANCE, description="lower end of its 95 percent interval (Fisher z)"),
    Output("nuisance_spearman_high", _NUISANCE, description="upper end of its 95 percent interval (Fisher z)"),
    Output(
        "nuisance_spearman_p",
        _NUISANCE,
        description="two-sided permutation p of nuisance_spearman, in (0, 1]",
        bounds=(0, 1),
    ),
    Output("nuisance_pearson", _NUISANCE, description="linear correlation of the same, in [-1, 1]", bounds=(-1, 1)),
    Output(
        "nuisance_partial_r2",
        _NUISANCE,
        description="share of what the others leave of the direction's ranks that this variable explains, in [0, 1]",
        bounds=(0, 1),
    ),
    Output(
        "nuisance_partial_r2_p", _NUISANCE, description="permutation p of nuisance_partial_r2, in (0, 1]", bounds=(0, 1)
    ),
    Output(
        "nuisances_r2",
        _DIRECTION,
        description="share of its ranks that all variables explain, in [0, 1]",
        bounds=(0, 1),
    ),
    Output(
        "nuisances_r2_null_mean",
        _DIRECTION,
        description="mean of nuisances_r2 with pairs shuffled, in [0, 1]",
        bounds=(0, 1),
    ),
    Output("nuisances_r2_p", _DIRECTION, description="permutation p of nuisances_r2, in (0, 1]", bounds=(0, 1)),
    Output(
        "direction_description",
        ("direction",),
        description="what each direction follows, in words",
        fill="",
        dtype="str",
    ),
    Output(
        "n_described",
        (),
        "count",
        "pairs that correlations with nuisance variables rest on",
        fill=0,
        dtype="int64",
        bounds=(0, None),
    ),
    *count_outputs(),
    Output(
        "headline_directions",
        (),
        "count",
        "directions of the lda view, at most",
        fill=0,
        dtype="int64",
        bounds=(0, None),
    ),
    Output(
        "offset_position",
        ("view", "pairs", "axis"),
        description="offset of each pair of the first fold on the first two axes of a view fitted on the other folds; "
        "NaN for other pairs",
    ),
    Output(
        "pair_relation",
        ("pairs",),
        description="relation of each pair that has an offset_position, an index into relation; -1 for other pairs",
        fill=-1,
        dtype="int64",
        bounds=(-1, None),
    ),
)
# Depend on the order of the pairs, which they follow, and on the sign and units of activations.
BY_ROW = ("offset_position", "pair_relation")
