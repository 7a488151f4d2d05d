"""How well word pairs of a relation form parallelograms, before and after distractor directions are removed."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from saegeom_data import blocks, schema
from saegeom_data.declare import Anchor, Output, metric
from saegeom_data.errors import DataValueError, ParameterError

from . import _word_lengths
from ._held_out import SCORES, SHOWN_FOLD, VIEWS, Options, score
from ._parallelogram_table import published_silhouettes, summarise
from ._word_pairs import DROP_REASONS, WordPairs, prepare

if TYPE_CHECKING:
    import xarray as xr

Array = np.ndarray[Any, np.dtype[Any]]
Estimator = Literal["held_out", "published"]

_NULLS = tuple("label_permutation" if name == "silhouette" else "derangement" for name in SCORES)
_MEANINGS = {
    "offset_consistency": "mean cosine between offsets of a relation, in [-1, 1]; 1 is parallel",
    "pairing_consistency": "share of shuffled pairings' cosines below the true ones, in [0, 1]; 0.5 is chance",
    "parallelogram_residual": "|(b-a) - (d-c)| / mean(|b-a|, |d-c|), in [0, 2]; 0 is a parallelogram",
    "trapezoid_cosine": "mean |cosine| between offsets of a relation, in [0, 1]; 1 is a trapezoid",
    "analogy_accuracy": "3CosAdd analogies answered right among held-out words other than the inputs, in [0, 1]",
    "analogy_accuracy_with_inputs": "3CosAdd analogies answered right with the inputs as candidates too, in [0, 1]",
    "silhouette": "Euclidean silhouette of offsets by relation, in [-1, 1]; higher is better separated",
}
_PAIR, _TABLE, _SCOPE = ("view",), ("score", "view"), ("scope",)
_OUTPUTS = (
    *(
        Output(name, _PAIR, description=f"{text}; held-out pairs, mean of relations")
        for name, text in _MEANINGS.items()
    ),
    *(
        Output(f"{name}_by_relation", ("view", "relation"), description=f"{text}; held-out pairs of one relation")
        for name, text in _MEANINGS.items()
    ),
    Output("low", _TABLE, description="lower end of the 95 percent jackknife interval of each score"),
    Output("high", _TABLE, description="upper end of the 95 percent jackknife interval of each score"),
    Output("null_mean", _TABLE, description="mean of each score under its null"),
    Output("null_standard_deviation", _TABLE, description="standard deviation of each score under its null"),
    Output("p", _TABLE, description="exact one-sided p of each score under its null, in (0, 1]"),
    Output(
        "p_by_relation", ("score", "view", "relation"), description="the same for each relation by itself, in (0, 1]"
    ),
    Output("improvement", _TABLE, description="score above chance minus that of the raw view; above 0 is better"),
    Output("improvement_low", _TABLE, description="lower end of the 95 percent jackknife interval of improvement"),
    Output("improvement_high", _TABLE, description="upper end of the 95 percent jackknife interval of improvement"),
    Output(
        "silhouette_by_directions", ("directions",), description="held-out silhouette of the lda view by its directions"
    ),
    Output(
        "silhouette_published_by_directions",
        ("directions",),
        description="silhouette of the pairs that the discriminants were fitted on; NaN unless published",
    ),
    Output("silhouette_published_raw", description="in-sample silhouette of all offsets; NaN unless published"),
    Output("first_component_share", description="share of offset variance along its first principal axis, in [0, 1]"),
    Output("length_spearman", _SCOPE, description="|rank correlation| of that axis with length difference, in [0, 1]"),
    Output("length_spearman_low", _SCOPE, description="lower end of its 95 percent interval (Fisher z)"),
    Output("length_spearman_high", _SCOPE, description="upper end of its 95 percent interval (Fisher z)"),
    Output(
        "length_pearson",
        _SCOPE,
        description="linear correlation of the same, with the sign that makes the rank one positive",
    ),
    Output("length_p", _SCOPE, description="permutation p of length_spearman, in (0, 1]"),
    Output("n_pairs", ("relation",), "count", "pairs scored", fill=0),
    Output("n_dropped", ("reason", "relation"), "count", "pairs left out, by reason", fill=0),
    Output("headline_directions", (), "count", "directions of the lda view", fill=0),
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
    ),
)
_NAMES = tuple(output.name for output in _OUTPUTS)


def _exact() -> xr.Dataset:
    from saegeom_data.testing import simulate_relations

    return simulate_relations(noise=0.0)


def _distracted() -> xr.Dataset:
    from saegeom_data.testing import simulate_relations

    return simulate_relations(n_relations=6, n_pairs=60, noise=0.05, distractor_strength=3.0)


@metric(
    version=1,
    scale="atom",
    over="site",
    inputs=(
        schema.relation,
        schema.source,
        schema.target,
        schema.length_difference,
        schema.source_activation,
        schema.target_activation,
    ),
    outputs=_OUTPUTS,
    invariances={
        "rotation": _NAMES,
        "permutation": tuple(name for name in _NAMES if name not in ("offset_position", "pair_relation")),
        "scale": tuple(name for name in _NAMES if name != "offset_position"),
    },
    pattern="whole",
    reference="Li et al. 2025, section 3",
    quick={"n_permutations": 20},
    anchors=(
        Anchor(
            "exact parallelograms",
            _exact,
            {
                "offset_consistency": (1.0, 1e-9),
                "parallelogram_residual": (0.0, 1e-6),
                "trapezoid_cosine": (1.0, 1e-9),
                "pairing_consistency": (1.0, 1e-9),
                "silhouette": (1.0, 1e-6),
            },
            {"n_permutations": 20},
        ),
        Anchor(
            "the distractor is the first component and follows word length",
            _distracted,
            {"length_spearman": (1.0, 0.03), "length_pearson": (1.0, 0.03), "length_p": (1 / 21, 1e-12)},
            {"n_permutations": 20},
        ),
    ),
)
def parallelogram_quality(
    pairs: xr.Dataset,
    *,
    estimator: Estimator = "held_out",
    n_directions: tuple[int, ...] | None = None,
    headline_directions: int = 8,
    n_components_removed: int = 1,
    n_folds: int = 5,
    n_permutations: int = 200,
    max_pairs: int = 200,
    shrinkage: float | None = None,
    seed: int = 0,
) -> xr.Dataset:
    r"""Measure how well the word pairs of each relation form parallelograms, with and without distractor directions.

    The offset of a pair is its target activation minus its source activation. For pairs (a, b) and (c, d) of one
    relation the scores are means over all such quadruples of

    - ``offset_consistency``: :math:`\cos(b - a, d - c)`;
    - ``pairing_consistency``: share of shuffled pairings' cosines below it, which is the area under the ROC curve of
      true against shuffled cosines;
    - ``parallelogram_residual``: :math:`2 |(b - a) - (d - c)| / (|b - a| + |d - c|)`;
    - ``trapezoid_cosine``: :math:`|\cos(b - a, d - c)|`;
    - ``analogy_accuracy``: whether d has the largest cosine with b - a + c among the words of all held-out pairs
      without a, b and c; ``analogy_accuracy_with_inputs``: with them. Quadruples whose d is one of the inputs are
      left out;

    and ``silhouette`` is the mean over a relation's offsets of (other - own) / max(own, other), with own the mean
    Euclidean distance to offsets of the same relation and other that to the nearest other relation. Every score is
    computed within each fold, averaged over folds, then over relations, so that no relation counts more for having
    more pairs.

    Each score is given in three views of **the same held-out pairs**, fitted on the other folds only: ``raw``;
    ``lda``, after linear discriminant analysis of the offsets; ``principal_components_removed``, after projecting out
    the first principal axes of the offsets. With total covariance T and between-relation covariance B of
    p-dimensional training offsets, lda maximises :math:`B` against :math:`(1 - \delta)(T - B) +
    \delta\,\mathrm{tr}(T) / p\, I` and makes the latter the identity.

    Parameters
    ----------
    pairs
        Dataset with ``relation``, ``source``, ``target``, ``length_difference`` (pairs) and ``source_activation``,
        ``target_activation`` (pairs, hidden). If it is lazy, its attribute ``relations`` lists the relations' names.
    estimator
        ``"published"`` adds the authors' score, which is computed on the same pairs that it was fitted on:
        discriminants without shrinkage of all pairs, duplicates and identical words included, and their silhouette,
        every pair counting the same. It is large for noise too.
    n_directions
        Numbers of discriminant directions of the sweep, each in 1..relations - 1; all from 2 by default.
    headline_directions
        Directions of the ``lda`` view; at most relations - 1 and hidden are used.
    n_components_removed
        Principal axes taken out in the view ``principal_components_removed``.
    n_folds
        Folds, each of which holds an equal part of every relation.
    n_permutations
        Draws of every null.
    max_pairs
        Pairs of a relation that are used at most.
    shrinkage
        Delta in (0, 1]; that of Ledoit and Wolf for the training offsets if None. At least 1e-4 is used.
    seed
        Seed of which pairs are kept, of the folds and of the nulls.

    Returns
    -------
    xarray.Dataset
        Each score (view) and ``<score>_by_relation`` (view, relation). Over (score, view): 95 percent interval
        ``low`` and ``high``; ``null_mean``, ``null_standard_deviation`` and ``p`` of the null that the coordinate
        ``null`` names; ``improvement`` with its interval. ``p_by_relation`` (score, view, relation).
        ``silhouette_by_directions`` and ``silhouette_published_by_directions`` (directions). What the first principal
        axis of all offsets, centred and not standardised, owes to word length (scope): over all pairs, and within
        relations. Counts.

        For a picture, ``offset_position`` (view, pairs, axis): offsets of the pairs of the first fold, in the order of
        ``pairs``, on two axes that were fitted on the other folds. Axes are the first two principal ones of the
        training offsets (``raw``), those after the ones taken out (``principal_components_removed``), and the first
        two discriminants (``lda``); the second coordinate is 0 if there is no second axis, and the origin is an offset
        of zero. Axes are turned so that the training offset farthest along them has a positive coordinate.
        ``pair_relation`` (pairs) is the relation of each of these pairs, -1 for all others.

    Raises
    ------
    ParameterError
        If a parameter is out of range, there are fewer than 2 relations, or the relations of lazy pairs are not
        listed.
    DataValueError
        If fewer than 4 pairs of a relation fall in a fold, or a relation is not listed.

    Notes
    -----
    Pairs of equal words, repeated pairs and pairs whose activations differ by less than 1e-6 of their norms are
    dropped. Capping and folds follow a hash of the words, so all outputs are invariant under permutation of pairs,
    but for ``offset_position`` and ``pair_relation``, whose rows are permuted with them. All are invariant under
    rotation, and all under scale but ``offset_position``, which is in units of activation outside the lda view.

    Null ``derangement``: targets change places within the held-out pairs of a relation, none staying. Null
    ``label_permutation``: relations are permuted among the pairs of each fold and discriminants fitted anew. Chance
    depends on the number of dimensions (a mean \|cosine\| is larger in fewer), so ``improvement`` compares scores
    above chance, (score - null_mean) minus the same of the raw view, with the sign that makes better positive.

    A derangement has no fixed point, so its p is exact only in the limit of many pairs: on noise 5 percent is
    reached in 5 percent of cases with 12 pairs of a relation in a fold, in 10 percent with 4. In the lda view it
    takes the fit as given.

    Intervals are 1.96 jackknife standard errors over held-out pairs within relations and folds, paired between views.
    They hold for the fitted views: how these would vary with other training pairs is not in them. Between pairs that
    share a word the jackknife sees no dependence, and such pairs may fall into different folds. On noise intervals are
    wider than they need be: by half for the silhouette, threefold for ``pairing_consistency``.

    Memory: all pairs in float64 and 50 MB, or n_permutations * (pairs of a relation in a fold) ** 2 * 40 bytes if
    that is more. Time: for each fold one eigen-decomposition of min(hidden, pairs) squared, and n_permutations
    products of pairs, hidden and relations.

    Examples
    --------
    >>> from saegeom_data.testing import simulate_relations
    >>> pairs = simulate_relations(distractor_strength=2.0)
    >>> result = parallelogram_quality(pairs, n_permutations=20)
    >>> raw, lda, _ = result.parallelogram_residual.values
    >>> bool(lda < raw / 2)
    True
    """
    relations = _relations(pairs)
    most = min(len(relations) - 1, pairs.sizes["hidden"])
    _check(
        most,
        pairs.sizes["hidden"],
        n_directions,
        headline_directions,
        n_components_removed,
        n_folds,
        n_permutations,
        max_pairs,
        shrinkage,
    )
    options = Options(
        directions=n_directions or tuple(range(min(2, most), most + 1)),
        headline_directions=min(headline_directions, most),
        n_components_removed=n_components_removed,
        n_folds=n_folds,
        n_permutations=n_permutations,
        shrinkage=shrinkage,
        seed=seed,
    )
    coords = {
        "score": list(SCORES),
        "null": ("score", list(_NULLS)),
        "view": list(VIEWS),
        "relation": list(relations),
        "directions": list(options.directions),
        "scope": list(_word_lengths.SCOPES),
        "reason": list(DROP_REASONS),
        "axis": ["x", "y"],
    }
    sizes = {dim: len(names) for dim, names in coords.items() if dim != "null"} | {"pairs": pairs.sizes["pairs"]}
    return blocks.whole(
        functools.partial(_compute, relations=relations, max_pairs=max_pairs, estimator=estimator, options=options),
        *(pairs[variable.name] for variable in parallelogram_quality.inputs),
        outputs={
            output.name: blocks.Result(
                output.dims,
                tuple(sizes[dim] for dim in output.dims),
                "int64" if isinstance(output.fill, int) else "float64",
            )
            for output in _OUTPUTS
        },
        # Activations and offsets in double precision, those of a fold, and what scikit-learn loads.
        memory=blocks.Memory(finish=75 * 10**6 + 48 * (pairs.source_activation.size + pairs.target_activation.size)),
    ).assign_coords(coords)


def _compute(
    *columns: Array, relations: tuple[str, ...], max_pairs: int, estimator: Estimator, options: Options
) -> dict[str, Any]:
    kept = prepare(*columns, relations=relations, max_pairs=max_pairs, n_folds=options.n_folds, seed=options.seed)
    component, share = _word_lengths.first_component(kept.offset)
    rng = np.random.default_rng([options.seed, 1])
    published = np.full(len(options.directions), np.nan), np.nan
    if estimator == "published":
        published = published_silhouettes(columns[0], columns[5] - columns[4], options.directions)
    scores = score(kept, options)
    return {
        **summarise(scores),
        **_by_row(kept, scores.position, len(columns[0])),
        "silhouette_published_by_directions": published[0],
        "silhouette_published_raw": published[1],
        "first_component_share": share,
        **_word_lengths.length_correlations(component, kept.length_difference, kept.label, options.n_permutations, rng),
        "n_pairs": np.bincount(kept.label, minlength=len(relations)),
        "n_dropped": kept.n_dropped,
        "headline_directions": options.headline_directions,
    }


def _by_row(kept: WordPairs, position: Array, n_rows: int) -> dict[str, Array]:
    """Positions and relations of the shown pairs, put back in the order of the input."""
    placed, relation = np.full((len(VIEWS), n_rows, 2), np.nan), np.full(n_rows, -1)
    placed[:, kept.row] = position
    relation[kept.row] = np.where(kept.fold == SHOWN_FOLD, kept.label, -1)
    return {"offset_position": placed, "pair_relation": relation}


def _relations(pairs: xr.Dataset) -> tuple[str, ...]:
    if "relations" in pairs.attrs:
        relations = tuple(str(name) for name in pairs.attrs["relations"])
    elif pairs["relation"].chunks is None:
        relations = tuple(sorted(set(map(str, pairs["relation"].values))))
    else:
        raise ParameterError(
            "relation: the names of the relations are not known while pairs are lazy; add them with "
            "pairs.assign_attrs(relations=[...]), as saegeom_data.selection.select_relations does"
        )
    if len(relations) < 2:
        raise DataValueError(
            f"relation: got {len(relations)} relation, expected at least 2, whose offsets are compared"
        )
    return relations


def _check(
    most: int,
    hidden: int,
    n_directions: tuple[int, ...] | None,
    headline_directions: int,
    n_components_removed: int,
    n_folds: int,
    n_permutations: int,
    max_pairs: int,
    shrinkage: float | None,
) -> None:
    problems = [
        f"{name}: got {value}, expected at least {least}"
        for name, value, least in (
            ("headline_directions", headline_directions, 1),
            ("n_components_removed", n_components_removed, 0),
            ("n_folds", n_folds, 2),
            ("n_permutations", n_permutations, 2),
            ("max_pairs", max_pairs, 1),
        )
        if value < least
    ]
    if n_components_removed >= hidden:
        problems.append(f"n_components_removed: got {n_components_removed}, expected fewer than hidden, {hidden}")
    if n_directions is not None and (not n_directions or min(n_directions) < 1 or max(n_directions) > most):
        problems.append(
            f"n_directions: got {n_directions}, expected numbers in 1..{most} (relations - 1, at most hidden)"
        )
    if shrinkage is not None and not 0 < shrinkage <= 1:
        problems.append(f"shrinkage: got {shrinkage}, expected a number in (0, 1], or None for that of Ledoit and Wolf")
    if problems:
        raise ParameterError("\n".join(f"parallelogram_quality: {problem}" for problem in problems))
