"""How well word pairs of a relation form parallelograms, before and after distractor directions are removed."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from saegeom_data import lazy
from saegeom_data.declare.claim import Null
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.metrics.atom._word_pairs import views
from saegeom_data.metrics.atom._word_pairs.anchors import exact_parallelograms
from saegeom_data.metrics.atom._word_pairs.inputs import (
    INPUTS,
    OPTIONAL,
    check_parameters,
    over_folds,
    relation_names,
    unfit_names,
)
from saegeom_data.metrics.atom._word_pairs.nuisances import NUISANCES, Nuisance
from saegeom_data.metrics.atom._word_pairs.prepare import DROP_REASONS, Apart, prepare
from saegeom_data.metrics.atom._word_pairs.splits import HoldOut
from saegeom_data.metrics.atom._word_pairs.views import Removal
from saegeom_data.metrics.atom._word_pairs.wording import NO_CHANGE, NO_GAIN
from saegeom_data.metrics.atom.parallelogram_quality import _distractors
from saegeom_data.metrics.atom.parallelogram_quality._cost import call_bytes, call_work
from saegeom_data.metrics.atom.parallelogram_quality._held_out import SCORES, Options, held_out_results
from saegeom_data.metrics.atom.parallelogram_quality._null_scores import NULLS
from saegeom_data.metrics.atom.parallelogram_quality._outputs import BY_ROW, OUTPUTS
from saegeom_data.metrics.atom.parallelogram_quality._results import Estimator, fold_of, n_described, results_of
from saegeom_data.metrics.atom.parallelogram_quality.guidance import GUIDANCE
from saegeom_data.metrics.nulls import derangement, label_permutation, offsets_redealt

if TYPE_CHECKING:
    import xarray as xr

Sweep = Literal["silhouette", "all"]

_NAMES = tuple(output.name for output in OUTPUTS)


def _distracted() -> xr.Dataset:
    from saegeom_data.testing.simulate import simulate_relations

    return simulate_relations(n_relations=6, n_pairs=60, noise=0.05, distractor_strength=3.0)


@metric(
    version=5,
    nulls=(
        Null(label_permutation.LABEL, "relations shuffled among pairs", "n_permutations"),
        Null(offsets_redealt.LABEL, "offsets dealt anew among pairs and turned around", "n_permutations"),
        Null(derangement.LABEL, "targets shuffled within relations, which tests pairing", "n_permutations"),
        NO_GAIN,
        NO_CHANGE,
    ),
    scale="atom",
    over="site",
    inputs=INPUTS,
    optional=OPTIONAL,
    outputs=OUTPUTS,
    invariances={
        "rotation": _NAMES,
        "permutation": tuple(name for name in _NAMES if name not in BY_ROW),
        "scale": tuple(name for name in _NAMES if name != "offset_position"),
    },
    pattern="whole",
    reference="Li et al. 2025, section 3",
    presentation="saegeom_data.metrics.atom.parallelogram_quality.presentation:PRESENTATION",
    quick={"n_permutations": 20},
    anchors=(
        Anchor(
            "exact parallelograms",
            exact_parallelograms,
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
            "the distractor is dropped, and it follows word length alone",
            _distracted,
            {"direction_share": (0.9, 0.1), "lda_kept_share": (0.1, 0.1), "nuisances_r2": (1.0, 0.06)},
            {"n_permutations": 20, "n_dropped_directions": 0},
        ),
    ),
    guidance=GUIDANCE,
)
def parallelogram_quality(
    pairs: xr.Dataset,
    *,
    estimator: Estimator = "held_out",
    hold_out: tuple[HoldOut, ...] = ("pairs",),
    removals: tuple[Removal, ...] = ("lda", "principal_components_removed"),
    n_directions: tuple[int, ...] | None = None,
    sweep: Sweep = "silhouette",
    headline_directions: int = 8,
    n_components_removed: int = 1,
    erased: tuple[Nuisance, ...] = ("length",),
    n_dropped_directions: int = 3,
    n_folds: int = 5,
    apart: Apart = "words",
    n_permutations: int = 200,
    max_pairs: int = 200,
    shrinkage: float | None = None,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    r"""Measure how well the word pairs of each relation form parallelograms, with and without distractor directions.

    The offset of a pair is its target activation minus its source activation. Scores are means over quadruples: pairs
    (a, b) and (c, d) of one relation without a common word, within each of ``n_folds`` folds, then over relations, so
    that no relation counts more for having more pairs. They are ``offset_consistency``, :math:`\cos(b - a, d - c)`;
    ``pairing_consistency``; ``parallelogram_residual``, :math:`2 |(b - a) - (d - c)| / (|b - a| + |d - c|)`;
    ``trapezoid_cosine``; ``analogy_accuracy`` and its baselines; and ``silhouette`` of the offsets by relation.

    Each score is given in several views of **the same held-out pairs**, each a linear map of all words that was fitted
    on other pairs: ``raw``, ``lda`` (shrunk linear discriminants of the offsets), ``principal_components_removed``,
    ``whitened`` with ``whitened_at_random`` beside it, and ``erased``.

    Parameters
    ----------
    pairs
        Dataset with ``relation``, ``source``, ``target``, ``length_difference`` (pairs) and ``source_activation``,
        ``target_activation`` (pairs, hidden), and what is known of words; the attribute ``relations`` lists names.
    estimator
        ``"published"`` adds the authors' score, on the same pairs that it was fitted on. It is large for noise too.
    hold_out
        What views have not seen: the ``"pairs"`` that are scored, or all pairs of their ``"relations"`` (3 or more).
    removals
        Views beside the raw one.
    n_directions
        Numbers of discriminant directions of the sweep, in 1..relations - 1; all from 2 by default.
    sweep
        Whether ``score_by_directions`` holds the ``"silhouette"`` or ``"all"`` scores, and these with their null.
    headline_directions
        Directions of the ``lda`` view; at most relations - 1 and hidden are used.
    n_components_removed, erased, n_dropped_directions
        Principal axes taken out, nuisance variables erased, and directions described that discriminants drop.
    n_folds, apart
        Folds with an equal part of every relation, and what they have in common: no ``"words"``, or no ``"pairs"``.
    n_permutations, max_pairs
        Draws of every null, and pairs of a relation that are used at most.
    shrinkage
        Delta in (0, 1]; that of Ledoit and Wolf for the training offsets if None. At least 1e-4 is used.
    seed
        Seed of which pairs are kept, of the folds and of the nulls.

    Returns
    -------
    xarray.Dataset
        Each score (hold_out, view) and by relation. Over (hold_out, score, view) ``low``, ``high`` and ``improvement``
        over the raw view with its interval; over null too ``null_mean``, ``null_standard_deviation``, one-sided ``p``,
        ``improvement_above_null`` with its interval and ``improvement_p``. ``analogy_gain_p`` (hold_out, view);
        ``score_by_directions`` (hold_out, score, directions) with its nulls; counts of pairs. What the removed
        directions are: correlations with nuisance variables (direction, nuisance, scope), NaN where a variable is not
        known. For a picture, ``offset_position`` (view, pairs, axis) and ``pair_relation`` (pairs).

    Raises
    ------
    ParameterError
        If a parameter is out of range, the relations of lazy pairs are not listed, or nothing is known of a nuisance
        variable that is to be erased.
    DataValueError
        If there are fewer than 2 relations, fewer than 4 pairs of one fall in a fold, a relation is not listed, or
        offsets do not vary.

    Notes
    -----
    Nulls: ``label_permutation``, ``offsets_redealt``, and ``derangement`` for pairing alone. Scores, views, nulls,
    intervals, baselines of analogies and the cost are described in full on its page of the guide:
    ``saegeom guide parallelogram_quality``. Belrose et al. 2023 for erasure; Park, Choe and Veitch 2024 for whitening.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_relations
    >>> pairs = simulate_relations(distractor_strength=2.0)
    >>> result = parallelogram_quality(pairs, n_permutations=20)
    >>> raw, lda, _ = result.parallelogram_residual.sel(hold_out="pairs").values
    >>> bool(lda < raw / 2)
    True
    """
    relations = relation_names(pairs)
    n_hidden = pairs.sizes["hidden"]
    most = min(len(relations) - 1, n_hidden)
    check_parameters(
        "parallelogram_quality",
        {
            "headline_directions": (headline_directions, 1),
            "n_components_removed": (n_components_removed, 0),
            "n_dropped_directions": (n_dropped_directions, 0),
            "n_folds": (n_folds, 2),
            "n_permutations": (n_permutations, 2),
            "max_pairs": (max_pairs, 1),
        },
        n_components_removed,
        n_hidden,
        shrinkage,
        [
            *unfit_names(False, removals=removals),
            *unfit_names(True, hold_out=hold_out),
            *unfit_names(views.ERASED in removals, erased=erased),
            *_unfit(n_directions, most, hold_out, len(relations)),
            # Each fold is a task, which would be made before one of them found that there are too few pairs.
            *_too_many(n_folds, pairs.sizes["pairs"]),
        ],
    )
    options = Options(
        views=views.view_names(removals),
        hold_outs=hold_out,
        # Of two relations there is one direction alone.
        directions=n_directions or tuple(range(min(2, most), most + 1)),
        sweep_all=sweep == "all",
        headline_directions=min(headline_directions, most),
        n_components_removed=n_components_removed,
        erased=erased,
        n_folds=n_folds,
        n_permutations=n_permutations,
        shrinkage=shrinkage,
        seed=seed,
    )
    prepared = functools.partial(
        prepare, relations=relations, max_pairs=max_pairs, n_folds=n_folds, seed=seed, apart=apart
    )
    is_published, n_rows = estimator == "published", pairs.sizes["pairs"]
    position = lazy.Result(("named_view", "pairs", "axis"), (len(options.views), n_rows, 2))
    return over_folds(
        functools.partial(fold_of, prepared=prepared, options=options),
        functools.partial(
            results_of, prepared=prepared, estimator=estimator, n_dropped=n_dropped_directions, options=options
        ),
        pairs,
        OUTPUTS,
        _coords(options, relations, n_dropped_directions),
        n_folds=n_folds,
        fold_outputs=held_out_results(options, len(relations)) | {"position": position},
        memory=call_bytes(pairs, len(relations), max_pairs, is_published, options),
        work=call_work(pairs, len(relations), max_pairs, is_published, options),
    )


def _coords(options: Options, relations: tuple[str, ...], n_dropped: int) -> dict[str, Any]:
    """Labels of all dims of the outputs."""
    return {
        "hold_out": list(options.hold_outs),
        "score": list(SCORES),
        "null": list(NULLS),
        "view": list(options.views),
        "relation": list(relations),
        "directions": list(options.directions),
        "direction": list(_distractors.direction_names(n_described(options), n_dropped)),
        "nuisance": list(NUISANCES),
        "scope": list(_distractors.SCOPES),
        "reason": list(DROP_REASONS),
        "axis": ["x", "y"],
    }


def _too_many(n_folds: int, n_pairs: int) -> list[str]:
    """What is wrong with more folds than pairs."""
    return [f"n_folds: got {n_folds:,}, expected at most {n_pairs:,}, the number of pairs"] if n_folds > n_pairs else []


def _unfit(n_directions: tuple[int, ...] | None, most: int, hold_out: tuple[str, ...], n_relations: int) -> list[str]:
    """What is wrong with numbers of directions and hold-outs, one line for each."""
    problems = []
    if n_directions is not None and (not n_directions or min(n_directions) < 1 or max(n_directions) > most):
        problems.append(
            f"n_directions: got {n_directions}, expected numbers in 1..{most} (relations - 1, at most hidden)"
        )
    if "relations" in hold_out and n_relations < 3:
        problems.append(f"hold_out: got 'relations' with {n_relations} relations, expected 3 or more to leave two")
    return problems
