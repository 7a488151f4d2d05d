"""The mean offset of each relation: what it explains of others' offsets, and where it carries other sources."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from saegeom_data import lazy
from saegeom_data.declare.claim import Null
from saegeom_data.declare.metric import Anchor, metric
from saegeom_data.metrics._statistics.jackknife import jackknife_reach
from saegeom_data.metrics._statistics.unit_rows import unit_rows
from saegeom_data.metrics.atom._word_pairs import views, works
from saegeom_data.metrics.atom._word_pairs.anchors import exact_parallelograms
from saegeom_data.metrics.atom._word_pairs.inputs import (
    INPUTS,
    OPTIONAL,
    check_parameters,
    offset_bytes,
    over_folds,
    relation_names,
    unfit_names,
)
from saegeom_data.metrics.atom._word_pairs.means import mean
from saegeom_data.metrics.atom._word_pairs.nuisances import Nuisance
from saegeom_data.metrics.atom._word_pairs.prepare import DROP_REASONS, Apart, Prepared, check_nuisances, prepare
from saegeom_data.metrics.atom._word_pairs.scores import N_GROUPS, Scores
from saegeom_data.metrics.atom._word_pairs.table import summarise
from saegeom_data.metrics.atom._word_pairs.views import Removal
from saegeom_data.metrics.atom.function_vectors import _scores
from saegeom_data.metrics.atom.function_vectors._outputs import OUTPUTS
from saegeom_data.metrics.atom.function_vectors._scores import NULLS, SCORES, VECTORS, Options, score_half
from saegeom_data.metrics.atom.function_vectors.guidance import GUIDANCE
from saegeom_data.metrics.nulls import derangement, label_permutation, offsets_redealt
from saegeom_data.typing import Array

if TYPE_CHECKING:
    import xarray as xr


_NAMES = tuple(output.name for output in OUTPUTS)
_INVARIANT = tuple(name for name in _NAMES if name != "function_vector")


def _half_explained() -> xr.Dataset:
    from saegeom_data.testing.simulate import simulate_relations

    # Noise of squared length 24 / 24 beside a vector of length 1.
    return simulate_relations(n_pairs=200, noise=24**-0.5)


@metric(
    version=4,
    nulls=(
        Null(label_permutation.LABEL, "relations shuffled among pairs", "n_permutations"),
        Null(offsets_redealt.LABEL, "offsets dealt anew among pairs and turned around", "n_permutations"),
        Null(derangement.LABEL, "targets shuffled within relations, which tests pairing", "n_permutations"),
    ),
    scale="atom",
    over="site",
    inputs=INPUTS,
    optional=OPTIONAL,
    outputs=OUTPUTS,
    invariances={"rotation": _INVARIANT, "permutation": _NAMES, "scale": _INVARIANT},
    pattern="whole",
    reference="Todd et al. 2024; Li et al. 2025, section 3",
    presentation="saegeom_data.metrics.atom.function_vectors.presentation:PRESENTATION",
    quick={"n_permutations": 20},
    anchors=(
        Anchor(
            "exact vectors carry every source to its target",
            exact_parallelograms,
            {"explained_share": (1.0, 1e-9), "agreement": (1.0, 1e-9), "headline_directions": (3, 0)},
            {"n_permutations": 2},
        ),
        Anchor(
            "noise as long as the vector leaves it half of the offsets",
            _half_explained,
            {"explained_share": (0.5, 0.03), "agreement": (1.0, 0.02)},
            {"n_permutations": 2, "removals": ()},
        ),
    ),
    guidance=GUIDANCE,
)
def function_vectors(
    pairs: xr.Dataset,
    *,
    removals: tuple[Removal, ...] = ("lda", "principal_components_removed"),
    headline_directions: int = 8,
    n_components_removed: int = 1,
    erased: tuple[Nuisance, ...] = ("length",),
    n_permutations: int = 200,
    max_pairs: int = 200,
    apart: Apart = "words",
    shrinkage: float | None = None,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> xr.Dataset:
    r"""Measure how well the mean offset of a relation stands for the step from source to target of other pairs.

    The function vector v of a relation is the mean of target activation minus source activation over half of its
    pairs. On the other half, and with the halves exchanged, the scores are

    - ``explained_share``: :math:`1 - \sum |o - v|^2 / \sum |o|^2` over offsets o; below 0 where v is worse than none;
    - ``agreement``: the cosine of v with the mean offset of the scored half;
    - ``target_rank``: place of the right target, by cosine with source + v, among the distinct targets of the scored
      half of all relations without the source itself, from 0 for the nearest to 1 for the farthest;
      ``target_found``: how often it is the nearest; ``reciprocal_rank``: the mean of 1 over its place.

    Each is averaged over pairs, then over halves, then over relations, in the views of :func:`parallelogram_quality`,
    which are fitted on the same half as v.

    Parameters
    ----------
    pairs
        Dataset as :func:`parallelogram_quality` takes it.
    removals, headline_directions, n_components_removed, erased
        Views beside the raw one, and what they keep or remove, as there.
    n_permutations
        Draws of every null.
    max_pairs
        Pairs of a relation that are used at most.
    apart
        What the halves have in common, as in :func:`parallelogram_quality`: no ``"words"``, or no ``"pairs"``.
    shrinkage
        Of the views' covariance, in (0, 1]; that of Ledoit and Wolf if None.
    seed
        Seed of which pairs are kept, of the halves and of the nulls.

    Returns
    -------
    xarray.Dataset
        Each score (view) and ``<score>_by_relation`` (view, relation). Over (score, view): 95 percent interval ``low``
        and ``high``, and ``improvement`` over the raw view with its interval. Over (null, score, view):
        ``null_mean``, ``null_standard_deviation`` and ``p``, and ``improvement_above_null`` with its interval and
        ``improvement_p``. ``p_by_relation``.
        ``target_rank_by_vector`` and ``target_found_by_vector`` (vector, view) with the relation's ``own`` vector, with
        those of ``other_relations`` (their mean), and with ``none``; ``gain`` of the own vector over each, with its
        interval. ``function_vector`` (relation, hidden) of all pairs in the raw view, and their ``vector_cosine``.
        Counts of pairs used and left out, of those that share a word with the other half (``n_sharing_words``), and of
        those that are a pair of another relation too (``n_in_other_relations``).

    Raises
    ------
    ParameterError
        If a parameter is out of range, or nothing is known of a nuisance variable that is to be erased.
    DataValueError
        If a relation has fewer than 4 pairs in a half, there is one relation only, a relation is not listed, or offsets
        do not vary.

    Notes
    -----
    A function vector does not know which source belongs to which target: it is the difference of two means. Two nulls
    have no vector in common: ``label_permutation`` permutes relations among the pairs of each half, and
    ``offsets_redealt`` deals the offsets of each half anew among its pairs and turns each around with probability one
    half, so that targets lie as near their own sources as before; discriminants are fitted anew in both. Where offsets
    are symmetric and independent of sources and relations, p is exact under either. ``derangement`` tests pairing:
    targets change places within the scored half of a relation. It says nothing of ``explained_share`` and
    ``agreement``, which are NaN under it. A source often lies near its target without any vector; ``gain`` over
    ``none`` and over ``other_relations`` is what the relation's own step adds.

    Intervals are those of :func:`parallelogram_quality`: over pairs, for these relations, by a jackknife over ten
    groups of pairs without which views and vectors are fitted anew. A derangement has no fixed point: with few pairs of
    a relation in a half, p of the ranks is too small (:func:`parallelogram_quality`). All outputs are invariant under
    permutation of pairs, all but ``function_vector`` under rotation and scale.

    Memory: 5 bytes a value of all pairs (9 in double precision), 84 of those in use, and 104 for each source and target
    of a half. Time: one eigen-decomposition of min(hidden, pairs) squared for each half, and a ranking of pairs times
    targets for each view and relation.

    Examples
    --------
    >>> from saegeom_data.testing.simulate import simulate_relations
    >>> result = function_vectors(simulate_relations(distractor_strength=2.0), n_permutations=20)
    >>> raw, lda, _ = result.explained_share.values
    >>> bool(lda > 2 * raw)
    True
    """
    relations = relation_names(pairs)
    n_hidden = pairs.sizes["hidden"]
    check_parameters(
        "function_vectors",
        {
            "headline_directions": (headline_directions, 1),
            "n_components_removed": (n_components_removed, 0),
            "n_permutations": (n_permutations, 2),
            "max_pairs": (max_pairs, 1),
        },
        n_components_removed,
        n_hidden,
        shrinkage,
        [*unfit_names(False, removals=removals), *unfit_names(views.ERASED in removals, erased=erased)],
    )
    options = Options(
        views=views.view_names(removals),
        n_directions=min(headline_directions, len(relations) - 1, n_hidden),
        n_components_removed=n_components_removed,
        erased=erased,
        n_permutations=n_permutations,
        shrinkage=shrinkage,
        seed=seed,
    )
    n_rows = pairs.sizes["pairs"]
    n = min(n_rows, len(relations) * max_pairs)
    in_half = -(-n // 2) + len(relations)
    prepared = functools.partial(
        prepare, relations=relations, max_pairs=max_pairs, n_folds=_scores.N_HALVES, seed=seed, apart=apart
    )
    # What is loaded; offsets of all pairs; and those in use, in double precision.
    held = 75e6 + n_hidden * (offset_bytes(pairs) * n_rows + 84 * n)
    results = _scores.half_results(options, len(relations))
    return over_folds(
        functools.partial(_half_of, prepared=prepared, options=options),
        functools.partial(_results_of, prepared=prepared, options=options),
        pairs,
        OUTPUTS,
        {
            "score": list(SCORES),
            "null": list(NULLS),
            "view": list(options.views),
            "vector": list(VECTORS),
            "relation": list(relations),
            "relation_other": list(relations),
            "reason": list(DROP_REASONS),
        },
        n_folds=_scores.N_HALVES,
        fold_outputs=results,
        memory=(
            int(held + 104 * in_half**2 + 32 * n_permutations * n_rows),
            int(held + 3 * _scores.N_HALVES * sum(result.nbytes for result in results.values())),
        ),
        work=_work(n_rows, n, n_hidden, len(relations), options),
    )


def _work(n_rows: int, n: int, n_hidden: int, n_relations: int, options: Options) -> tuple[lazy.Work, lazy.Work]:
    """What a half computes, scored in every view, without each group and under the nulls; and what the rest does."""
    half, n_views = n / 2, len(options.views)
    scored = 2 * works.n_scored(options.n_permutations)
    # Vectors beside scored offsets and sources, dot products of words, and the rank of the right word among all.
    one = lazy.Work(products=6 * n_relations * half**2, passes=1200 * half**2, calls=550)
    fits = (2 + n_views) * works.basis_work(half, n_hidden)
    fits += works.jackknife_work(half, n_hidden, len({views.WHITENED, views.ERASED} & set(options.views)))
    fits += scored * (works.discriminants_work(half, n_hidden, n_relations, half) + works.gram_work(half, n_relations))
    # Without each group views map words again, and every pair is tried with the vector of every relation.
    whole = one + works.gram_work(half, n_hidden) + lazy.Work(passes=100 * n_relations * half**2, calls=500)
    of_half = n_views * (
        scored * one + (1 + N_GROUPS) * whole + options.n_permutations * lazy.Work(passes=60 * half**2)
    )
    prepared = works.prepared_work(n_rows, n, n_hidden)
    return prepared + of_half + fits, prepared


def _half_of(*, fold: int, prepared: Prepared, options: Options, **columns: Array) -> dict[str, Any]:
    """Scores of one half, from the columns of all pairs by name."""
    kept = prepared(columns)
    if views.ERASED in options.views:
        check_nuisances(kept, options.erased, "erased")
    found = score_half(kept, fold, options)
    return {**vars(found.table), "by_vector": found.by_vector, "rank_left": found.rank_left}


def _results_of(
    *,
    prepared: Prepared,
    options: Options,
    value: list[Array],
    null: list[Array],
    left: list[Array],
    null_left: list[Array],
    by_vector: list[Array],
    rank_left: list[Array],
    **columns: Array,
) -> dict[str, Any]:
    """All outputs, from the columns of all pairs by name and what :func:`_half_of` found of each half."""
    kept, scores = prepared(columns), Scores.of_folds(value, null, left, null_left)
    table = summarise(scores, SCORES, len(options.views))
    rank, found = mean(mean(np.stack(by_vector, axis=-1), axis=-1), axis=-1)
    without = mean(mean(np.stack(rank_left, axis=-2), axis=-2), axis=-2)
    gain, reach = rank - rank[:1], jackknife_reach(without - without[:1])
    vectors = _scores.means(kept.offset, kept.label, kept.n_relations)
    unit = unit_rows(vectors)
    return {
        # There is one hold-out: the other half of the pairs.
        **{name: values[0] for name, values in table.items() if not name.endswith("_by_directions")},
        "target_rank_by_vector": rank,
        "target_found_by_vector": found,
        "gain": gain,
        "gain_low": gain - reach,
        "gain_high": gain + reach,
        "function_vector": vectors,
        "vector_cosine": unit @ unit.T,
        **kept.counts,
        "headline_directions": options.n_directions,
    }
