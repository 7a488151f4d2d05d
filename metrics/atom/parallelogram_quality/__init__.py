"""How well word pairs of a relation form parallelograms, before and after distractor directions are removed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.declare.claim import Null
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.metrics._statistics import discriminant
from saegeom_data.metrics.atom._word_pairs import views, works
from saegeom_data.metrics.atom._word_pairs.anchors import exact_parallelograms
from saegeom_data.metrics.atom._word_pairs.inputs import (
    INPUTS,
    OPTIONAL,
    check_parameters,
    offset_bytes,
    over_columns,
    relation_names,
    unfit_names,
)
from saegeom_data.metrics.atom._word_pairs.nuisances import NUISANCES, Nuisance
from saegeom_data.metrics.atom._word_pairs.prepare import (
    DROP_REASONS,
    Apart,
    WordPairs,
    check_nuisances,
    offsets,
    prepare,
)
from saegeom_data.metrics.atom._word_pairs.scores import N_GROUPS
from saegeom_data.metrics.atom._word_pairs.splits import HoldOut
from saegeom_data.metrics.atom._word_pairs.table import published_silhouettes, summarise
from saegeom_data.metrics.atom._word_pairs.views import Removal
from saegeom_data.metrics.atom._word_pairs.wording import NO_CHANGE, NO_GAIN
from saegeom_data.metrics.atom.parallelogram_quality import _distractors
from saegeom_data.metrics.atom.parallelogram_quality._held_out import SCORES, SHOWN_FOLD, Options, score
from saegeom_data.metrics.atom.parallelogram_quality._null_scores import NULLS
from saegeom_data.metrics.atom.parallelogram_quality._outputs import BY_ROW, OUTPUTS
from saegeom_data.metrics.atom.parallelogram_quality.guidance import GUIDANCE
from saegeom_data.metrics.nulls import derangement, label_permutation, offsets_redealt
from saegeom_data.metrics.nulls.streams import stream
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr

Estimator = Literal["held_out", "published"]
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

    The offset of a pair is its target activation minus its source activation. For pairs (a, b) and (c, d) of one
    relation the scores are means over all such quadruples of

    - ``offset_consistency``: :math:`\cos(b - a, d - c)`;
    - ``pairing_consistency``: share of the cosines of five shuffled pairings below it, which is the area under the ROC
      curve of true against shuffled cosines; 0.5 where pairing does not matter;
    - ``parallelogram_residual``: :math:`2 |(b - a) - (d - c)| / (|b - a| + |d - c|)`;
    - ``trapezoid_cosine``: :math:`|\cos(b - a, d - c)|`;
    - ``analogy_accuracy``: whether d has the largest cosine with b - a + c among the words of all held-out pairs
      without a, b and c; ``analogy_accuracy_with_inputs``: with them. Each c is asked for with five pairs (a, b);
    - its baselines ``analogy_accuracy_without_offset``, whether d is nearest to c itself, and
      ``analogy_accuracy_other_relation``, whether it is nearest to b' - a' + c for a pair (a', b') of another relation;
      and ``analogy_gain``, which is ``analogy_accuracy`` minus the better of the two over all relations;

    and ``silhouette`` is the mean over a relation's offsets of (other - own) / max(own, other), with own the mean
    Euclidean distance to offsets of the same relation and other that to the nearest other relation. Every score is
    computed within each fold (and there within groups of 50 pairs of a relation at most), averaged over folds, then
    over relations, so that no relation counts more for having more pairs. Two pairs with a word in common form no
    parallelogram, and are not compared; all scores of analogies leave out those whose d is one of the words given.

    Each score is given in several views of **the same held-out pairs**, each a linear map of all words that was fitted
    on other pairs. View ``raw`` leaves them as they are; the others are

    - ``lda``: linear discriminants of the offsets. With total covariance T and between-relation covariance B of
      p-dimensional training offsets they maximise :math:`B` against :math:`(1 - \delta)(T - B) +
      \delta\,\mathrm{tr}(T) / p\, I` and make the latter the identity;
    - ``principal_components_removed``: the first principal axes of the offsets projected out;
    - ``whitened``: words times the inverse root of their shrunk covariance, which is the causal inner product of Park
      et al. with the words of the training pairs in place of a vocabulary; beside it always ``whitened_at_random``,
      the same spectrum along random directions, another draw for each fold. What the latter gains too is no merit of
      the covariance;
    - ``erased``: least-squares erasure of the nuisance variables that ``erased`` names (LEACE), after which training
      offsets are uncorrelated with them.

    Parameters
    ----------
    pairs
        Dataset with ``relation``, ``source``, ``target``, ``length_difference`` (pairs) and ``source_activation``,
        ``target_activation`` (pairs, hidden). If it is lazy, its attribute ``relations`` lists the relations' names.
        Columns ``source_`` and ``target_`` ``token_count``, ``frequency_rank`` (else ``last_token_id``) and
        ``language``, and ``last_token_length_difference``, are used if there.
    estimator
        ``"published"`` adds the authors' score, which is computed on the same pairs that it was fitted on:
        discriminants without shrinkage of all pairs, duplicates and identical words included, and their silhouette,
        every pair counting the same. It is large for noise too.
    hold_out
        What views have not seen of the pairs that they are scored on: these ``"pairs"``, or also all other pairs of
        their ``"relations"``, which are dealt into ``n_folds`` groups for this. The latter asks whether directions
        learnt on some relations are good for others, needs 3 relations or more, and takes ``n_folds`` times as long.
    removals
        Views beside the raw one.
    n_directions
        Numbers of discriminant directions of the sweep, each in 1..relations - 1; all from 2 by default.
    sweep
        Whether ``score_by_directions`` holds the ``"silhouette"`` or ``"all"`` scores, and these with their null.
    headline_directions
        Directions of the ``lda`` view; at most relations - 1 and hidden are used.
    n_components_removed
        Principal axes taken out in the view ``principal_components_removed``.
    erased
        Nuisance variables of the view ``erased``.
    n_dropped_directions
        Largest directions among those that discriminants drop that are described.
    n_folds
        Folds, each of which holds an equal part of every relation.
    apart
        What folds have in common: no ``"words"``, so that pairs that share one fall into one fold, or no ``"pairs"``. A
        relation whose pairs hang together by their words more than folds allow is dealt pair by pair all the same, and
        ``n_sharing_words`` counts its pairs.
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
        Each score (hold_out, view) and ``<score>_by_relation`` (hold_out, view, relation). Over (hold_out, score,
        view): 95 percent interval ``low`` and ``high``, and ``improvement`` over the raw view with its interval. Over
        (hold_out, null, score, view): ``null_mean``, ``null_standard_deviation`` and one-sided ``p``;
        ``improvement_above_null`` with its interval and ``improvement_p``. ``p_by_relation``. ``analogy_gain_p``
        (hold_out, view), of no gain. ``score_by_directions`` (hold_out, score, directions), and the same over null
        ``null_mean_by_directions``; ``silhouette_published_by_directions`` (directions). Counts of pairs used and left
        out, of those that share a word with a pair of another fold (``n_sharing_words``), and of those that are a pair
        of another relation too (``n_in_other_relations``): these are scored in both relations and fall into one fold,
        and no analogy is asked whose answer another relation's pair gives.

        What the directions are that are removed (direction): the first principal components of the offsets of all
        pairs, and the largest axes of what discriminants fitted on all pairs drop, each with its share of variance
        and, over all pairs and within relations (scope), its rank and linear correlation with each nuisance variable,
        its partial R2 on ranks given the others, and the R2 of all; ``direction_description`` says it in words.
        A direction is turned so that its correlation with word length is positive. Nuisance variables are target
        minus source: ``length`` in characters, ``token_count``, ``frequency_rank`` (logarithm; the place of the last
        token in the vocabulary where no ranks are given), ``capitalisation``, whether the ``language`` changes, and
        ``last_token_length``. Those whose columns are not there, or that are the same for all pairs, are
        NaN. Directions of ``erased`` are not among them: it erases what it names.

        For a picture, ``offset_position`` (view, pairs, axis): offsets of the pairs of the first fold, in the order of
        ``pairs``, on two axes that were fitted on the other folds; NaN where only relations are held out. Axes are the
        first two principal ones of the mapped training offsets, and the first two discriminants for ``lda``; the
        second coordinate is 0 if there is no second axis, and the origin is an offset of zero. Axes are turned so that
        the training offset farthest along them has a positive coordinate. ``pair_relation`` (pairs) is the relation of
        each of these pairs, -1 for all others.

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
    Pairs of equal words, repeated pairs and pairs whose activations differ by less than 1e-6 of their norms are
    dropped. Capping and folds follow a hash of the words, so all outputs are invariant under permutation of pairs,
    but for ``offset_position`` and ``pair_relation``, whose rows are permuted with them. All are invariant under
    rotation, and all under scale but ``offset_position``, which is in units of activation outside the lda view.

    Two nulls have no offset that the pairs of a relation have in common:

    - ``label_permutation``: relations are permuted among the pairs of each fold. It keeps every pair as it is, and an
      offset that all relations share;
    - ``offsets_redealt``: each pair keeps its source and gets the offset of some pair of its fold, whatever its
      relation, turned around with probability one half. It keeps how near targets lie to their own sources and the
      lines that offsets lie on, and no mean offset of a relation or of all.

    Discriminants are fitted anew for each draw of either; the other views take no relation into account. The former is
    exact where pairs are exchangeable between relations. The latter is exact where offsets are exchangeable, symmetric
    about zero and independent of sources: a signed permutation of them then changes no joint law. Where words are
    shared between pairs, offsets are not independent, and either is approximate.

    Null ``derangement`` tests **pairing**, and nothing else: targets change places within the held-out pairs of a
    relation, none staying, in views as they were fitted. It keeps the mean offset of a relation, and rejects wherever
    targets lie near their own sources. A derangement has no fixed point, so its p is exact only in the limit of many
    pairs: on noise 5 percent is reached in 5 percent of cases with 12 pairs of a relation in a fold, in 10 percent with
    4.

    ``improvement`` is the score minus that of the raw view, with the sign that makes better positive. Scores depend on
    the number of dimensions whatever the offsets are (a mean \|cosine\| is larger in fewer), so
    ``improvement_above_null`` takes away what the view does to the draws of a null: ``improvement`` minus the same
    difference of ``null_mean``.

    Intervals are over pairs, for these relations: they cover the mean of a score over other pairs of the same
    relations, in views fitted to as many of them. They say nothing of other relations, which no interval from a few
    could; ``<score>_by_relation`` shows how far these differ. Pairs are dealt into ten groups. Without each group views
    are fitted anew (with the shrinkage of all pairs), the other held-out pairs are scored, and answers are sought among
    their words alone; a jackknife over groups and the t law of 9 degrees of freedom give the interval, paired between
    views. That of ``improvement_above_null`` also has how the means of nulls change without each group, from up to 30
    draws (in which discriminants stay as they were fitted), and the error of means over ``n_permutations`` draws.

    On 4 relations of 20 pairs in 12 dimensions they hold the mean in 0.93 to 1.00 of samples, be it one offset that all
    relations share, where discriminants find directions of noise alone, or an offset of each relation. They are wider
    than need be: by half with four pairs of a relation in a fold, and up to fourfold for analogies and silhouettes in
    the lda view, which a new fit changes by jumps. Between pairs that share a word the jackknife sees no dependence,
    and ``whitened_at_random`` is not fitted anew.

    Correlations of directions with nuisance variables have permutation p-values; those of partial R2 permute what the
    other variables leave (Freedman and Lane). Within relations pairs are shuffled, and intervals are Fisher's for
    ranks. Over all pairs the relations are what was sampled, since pairs of one are alike in both: their means change
    places while pairs are shuffled within them, and intervals are 95 percent jackknife intervals of Fisher's z over
    relations, NaN for fewer than 3. With few relations little can be significant there.

    Relations count the same however many pairs they have, and ``max_pairs`` bounds the words among which analogies are
    answered: with more of them to choose from, fewer answers are right.

    Memory: 5 bytes a value of all pairs (9 in double precision) and 80 of those in use, or 84 of all where
    ``estimator`` is published; and 32 for each two pairs of a fold in every view. Time: for each fit two
    eigen-decompositions of min(hidden, pairs) squared, n_permutations products of pairs, hidden and relations, and for
    each draw, view and pair of a fold ten passes over its words.

    References: Belrose et al. 2023 for erasure, Park, Choe and Veitch 2024 for the causal inner product.

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
        ],
    )
    options = Options(
        views=views.view_names(removals),
        hold_outs=hold_out,
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
    return over_columns(
        functools.partial(
            _compute,
            relations=relations,
            max_pairs=max_pairs,
            estimator=estimator,
            apart=apart,
            n_dropped=n_dropped_directions,
            options=options,
        ),
        pairs,
        OUTPUTS,
        _coords(options, relations, n_dropped_directions),
        memory=_memory(pairs, len(relations), max_pairs, estimator, options),
        work=_work(pairs, len(relations), max_pairs, estimator, options),
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
        "direction": list(_distractors.direction_names(_n_components(options), n_dropped)),
        "nuisance": list(NUISANCES),
        "scope": list(_distractors.SCOPES),
        "reason": list(DROP_REASONS),
        "axis": ["x", "y"],
    }


def _memory(pairs: xr.Dataset, n_relations: int, max_pairs: int, estimator: Estimator, options: Options) -> int:
    """Bytes that one call takes."""
    n_rows, n_hidden = pairs.source_activation.shape
    n = min(n_rows, n_relations * max_pairs)
    in_fold = -(-n // options.n_folds) + n_relations
    n_views = len(options.views) + len(options.directions)
    cells = len(options.hold_outs) * len(SCORES) * n_views * n_relations * options.n_folds
    # Offsets of all pairs; activations and offsets in double precision of those in use, and of a fold in each view.
    activations = n_hidden * (offset_bytes(pairs) * n_rows + 80 * n * max(1.0, n_views / 12))
    if estimator == "published":
        # scikit-learn's copies of all offsets, beside the pairs in use.
        activations = max(activations, n_hidden * (84 * n_rows + 24 * n))
    # What scikit-learn and numba load; dot products of a fold's words in every view; and nulls.
    return int(
        75e6
        + activations
        + 32 * (n_views + 3) * in_fold**2
        + 24 * (options.n_permutations * (3 * cells + n) + 80 * cells)
    )


def _work(pairs: xr.Dataset, n_relations: int, max_pairs: int, estimator: Estimator, options: Options) -> lazy.Work:
    """What one call computes: fits of each split, and arrangements of the words of each fold in every view."""
    n_rows, hidden = pairs.source_activation.shape
    n = min(n_rows, n_relations * max_pairs)
    held_out = n / options.n_folds
    trained, n_views = n - held_out, len(options.views)
    n_swept = len(options.directions) if options.sweep_all else 0
    n_draws, scored = options.n_permutations, works.n_scored(options.n_permutations)
    # Derangements in every view and the jackknife of named ones; then two nulls, which have a view of their own to fit.
    n_arranged = n_views * (n_draws + 4 * N_GROUPS + 2 * scored) + 3 * n_swept * n_draws
    arranged = n_arranged * works.arrangement_work(held_out, n_relations)
    grams = 2 * scored * n_views * works.gram_work(held_out, 1) + 2 * scored * works.gram_work(held_out, n_relations)
    grams += 2 * n_draws * n_swept * works.gram_work(held_out, n_relations / 2)
    fits = (2 + n_views) * works.basis_work(trained, hidden)
    fits += works.jackknife_work(trained, hidden, len({views.WHITENED, views.ERASED} & set(options.views)))
    fits += 2 * n_draws * works.discriminants_work(trained, hidden, n_relations, held_out)
    fits += n_views * (1 + N_GROUPS) * works.gram_work(held_out, hidden)
    of_fold = lazy.Work()
    for hold_out in options.hold_outs:
        # Relations are held out in as many groups as there are folds: all is fitted and drawn for each of them.
        n_groups = min(options.n_folds, n_relations) if hold_out == "relations" else 1
        of_fold += arranged + n_groups * (n_arranged * works.CALLS + grams + fits)
    described = lazy.Work(steps=60 * n * n_draws * len(NUISANCES), calls=20_000)
    published = works.basis_work(n_rows, hidden) * 3 if estimator == "published" else lazy.Work()
    return works.prepared_work(n_rows, n, hidden) + options.n_folds * of_fold + described + published


def _n_components(options: Options) -> int:
    """Principal components that are described: those that are removed, and the first in any case."""
    return max(1, options.n_components_removed)


def _compute(
    *,
    relations: tuple[str, ...],
    max_pairs: int,
    estimator: Estimator,
    apart: Apart,
    n_dropped: int,
    options: Options,
    **columns: Array,
) -> dict[str, Any]:
    """All outputs, from the columns of all pairs by name."""
    kept = prepare(
        columns, relations=relations, max_pairs=max_pairs, n_folds=options.n_folds, seed=options.seed, apart=apart
    )
    if views.ERASED in options.views:
        check_nuisances(kept, options.erased, "erased")
    published = np.full(len(options.directions), np.nan), np.nan
    if estimator == "published":
        offset = offsets(columns)
        published = published_silhouettes(columns["relation"], offset, options.directions)
    scores = score(kept, options)
    return {
        **summarise(scores.table, SCORES, len(options.views)),
        "analogy_gain_p": scores.gain_p,
        **_by_row(kept, scores.position, len(columns["relation"]), len(options.views)),
        **_described(kept, n_dropped, options),
        "silhouette_published_by_directions": published[0],
        "silhouette_published_raw": published[1],
        "n_pairs": np.bincount(kept.label, minlength=len(relations)),
        "n_dropped": kept.n_dropped,
        "n_sharing_words": kept.n_sharing,
        "n_in_other_relations": kept.n_in_other_relations,
        "headline_directions": options.headline_directions,
    }


def _described(kept: WordPairs, n_dropped: int, options: Options) -> Mapping[str, Any]:
    """What the directions follow that are removed; they are fitted on all pairs, since nothing is scored."""
    basis = discriminant.fit_basis(kept.offset, options.shrinkage)
    rows = np.ones(len(kept.label), dtype=bool)
    training = views.Training(
        kept, rows, basis, basis.whiten(kept.offset), options.headline_directions, 0, (), options.seed, 0
    )
    found = _distractors.find_directions(training, _n_components(options), n_dropped)
    rng = stream("nuisance_permutations", options.seed)
    return _distractors.describe(found, kept.nuisance, kept.label, options.n_permutations, rng)


def _by_row(kept: WordPairs, position: Array, n_rows: int, n_views: int) -> dict[str, Array]:
    """Positions and relations of the shown pairs, put back in the order of the input."""
    placed, relation = np.full((n_views, n_rows, 2), np.nan), np.full(n_rows, -1)
    placed[:, kept.row] = position
    relation[kept.row] = np.where(kept.fold == SHOWN_FOLD, kept.label, -1)
    return {"offset_position": placed, "pair_relation": relation}


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
