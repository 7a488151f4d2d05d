"""Intervals of word pairs: fits without a group are those of the rest, and intervals hold what they are about."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import xarray as xr
from scipy.linalg import eigh
from soak import lowest, times

from saegeom_data.metrics._statistics import discriminant
from saegeom_data.metrics.atom._word_pairs import prepare, scores, views
from saegeom_data.metrics.atom.function_vectors import _scores as vectors
from saegeom_data.metrics.atom.function_vectors import function_vectors
from saegeom_data.metrics.atom.parallelogram_quality import _held_out as held_out
from saegeom_data.metrics.atom.parallelogram_quality import parallelogram_quality
from saegeom_data.testing import simulate

SIZES = {"n_relations": 4, "n_pairs": 20, "n_hidden": 12}


def prepared(**options) -> prepare.WordPairs:
    pairs = simulate.simulate_relations(**SIZES, distractor_strength=2.0, noise=0.3, **options)
    columns = {str(name): values.values for name, values in pairs.items()}
    relations = tuple(sorted(set(pairs.relation.values)))
    return prepare.prepare(columns, relations=relations, max_pairs=100, n_folds=5, seed=0)


def training(kept: prepare.WordPairs) -> views.Training:
    rows = kept.fold != 0
    basis = discriminant.fit_basis(kept.offset[rows], None)
    return views.Training(kept, rows, basis, basis.whiten(kept.offset[rows]), 3, 2, ("length",), 0, 0)


def products(apply: views.Map, points: np.ndarray) -> np.ndarray:
    """Of mapped points with each other, in which signs of axes do not show."""
    return apply(points) @ apply(points).T


def test_groups_hold_equal_parts_of_every_fold_and_relation() -> None:
    kept = prepared()
    for fold in range(5):
        counts = np.bincount(kept.group[kept.fold == fold], minlength=scores.N_GROUPS)
        assert counts.max() - counts.min() <= 1
        for relation in range(4):
            assert np.bincount(kept.group[(kept.fold == fold) & (kept.label == relation)]).max() == 1
    assert len(set(np.bincount(kept.group))) == 1


def test_discriminants_without_a_group_are_those_of_the_rest() -> None:
    fitted = training(prepared())
    gone = fitted.pairs.group[fitted.rows] == 3
    offset, label = fitted.pairs.offset[fitted.rows], fitted.label
    n, delta = len(offset), fitted.basis.shrinkage
    target = ((offset - offset.mean(axis=0)) ** 2).sum() / n / offset.shape[1]
    rest = offset[~gone] - offset[~gone].mean(axis=0)
    means = np.stack([rest[label[~gone] == relation].mean(axis=0) for relation in range(4)])
    count = np.bincount(label[~gone])
    between = (means.T * count) @ means / n
    total = (1 - delta) * rest.T @ rest / n + delta * target * np.eye(offset.shape[1])
    # Largest between relations, and 1 within them, where shrinkage is as large as for all.
    _, axes = eigh(between, total - (1 - delta) * between, subset_by_index=[9, 11])
    expected = offset @ axes @ axes.T @ offset.T
    np.testing.assert_allclose(products(views.fit_without("lda", fitted, gone), offset), expected, atol=1e-8)


def test_principal_axes_without_a_group_are_those_of_the_rest() -> None:
    fitted = training(prepared())
    gone = fitted.pairs.group[fitted.rows] == 3
    offset = fitted.pairs.offset[fitted.rows]
    axes = np.linalg.svd(offset[~gone] - offset[~gone].mean(axis=0))[2][:2].T
    expected = offset - offset @ axes @ axes.T
    got = views.fit_without("principal_components_removed", fitted, gone)(offset)
    np.testing.assert_allclose(got, expected, atol=1e-8)


@pytest.mark.parametrize("view", ["raw", "whitened", "erased"])
def test_other_views_without_a_group_are_fitted_to_the_rest(view: str) -> None:
    fitted = training(prepared())
    gone = fitted.pairs.group[fitted.rows] == 3
    offset = fitted.pairs.offset
    got = products(views.fit_without(view, fitted, gone), offset)
    np.testing.assert_allclose(got, products(views.fit(view, fitted.without(gone)), offset), atol=1e-8)
    assert (view == "raw") == np.allclose(got, products(views.fit(view, fitted), offset))


def test_draws_without_a_group_are_as_many_for_each() -> None:
    for n in (2, 30, 99, 500):
        draw, group = scores.draws_without(n)
        assert len(set(np.bincount(group))) == 1
        assert draw.max() == min(n, len(draw)) - 1
        # No draw meets a group twice.
        assert len(set(zip(draw.tolist(), group.tolist(), strict=True))) == min(len(draw), n * scores.N_GROUPS)


def of_parallelograms(hold_out: str, n_draws: int) -> np.ndarray:
    given = {"n_components_removed": 1, "erased": (), "n_folds": 5, "shrinkage": None, "seed": 4}
    ways, asked = ("raw", "lda", "principal_components_removed"), {"directions": (2, 3), "sweep_all": True}
    options = held_out.Options(
        views=ways, hold_outs=(hold_out,), headline_directions=3, n_permutations=n_draws, **asked, **given
    )
    kept = prepared()
    return np.stack([held_out.score_fold(kept, fold, options)[0].null for fold in range(5)], axis=-2)


def of_vectors(n_draws: int) -> np.ndarray:
    columns = {"n_components_removed": 1, "erased": (), "shrinkage": None, "seed": 4}
    ways = ("raw", "lda", "principal_components_removed")
    options = vectors.Options(views=ways, n_directions=3, n_permutations=n_draws, **columns)
    pairs = simulate.simulate_relations(**SIZES)
    given = {str(name): values.values for name, values in pairs.items()}
    relations = tuple(sorted(set(pairs.relation.values)))
    kept = prepare.prepare(given, relations=relations, max_pairs=100, n_folds=2, seed=0)
    return np.stack([vectors.score_half(kept, half, options).table.null for half in range(2)], axis=-2)


@pytest.mark.parametrize(
    "drawn",
    [partial(of_parallelograms, "pairs"), partial(of_parallelograms, "relations"), of_vectors],
    ids=["pairs", "relations", "vectors"],
)
def test_more_draws_go_on_from_fewer(drawn) -> None:
    few, many = drawn(9), drawn(19)
    assert np.isfinite(many).any(axis=(1, 2, 3, 4, 5)).all()
    # Products of matrices of another size are rounded in another way.
    np.testing.assert_allclose(few, many[..., :9], atol=1e-9)


def one_offset(seed: int) -> xr.Dataset:
    """Targets near their own sources, and one offset that all relations share: discriminants find noise."""
    pairs = simulate.simulate_relations(**SIZES, offset_strength=0, noise=1.0, seed=seed)
    common = np.random.default_rng(0).standard_normal(SIZES["n_hidden"])
    return pairs.assign(target_activation=pairs.target_activation + common)


def covered(results: list[xr.Dataset], names: tuple[str, ...], view: str, **where) -> dict[str, float]:
    """How often intervals of scores hold the mean of all results."""
    found = {}
    for name in names:
        at = {"view": view, **where}
        value = np.array([float(result[name].sel(at)) for result in results])
        ends = [[float(result[end].sel(score=name, **at)) for result in results] for end in ("low", "high")]
        found[name] = float(np.mean((ends[0] <= value.mean()) & (value.mean() <= ends[1])))
    return found


@pytest.mark.statistical
def test_intervals_hold_the_mean_over_other_pairs_where_views_follow_noise() -> None:
    n = times(12, 100)
    given = {"n_permutations": 2, "removals": ("lda",), "n_dropped_directions": 0}
    results = [parallelogram_quality(one_offset(seed), seed=1000 + seed, **given) for seed in range(n)]
    for view in ("raw", "lda"):
        for name, share in covered(results, held_out.SCORES, view, hold_out="pairs").items():
            assert share >= lowest(0.9, n), (view, name)


@pytest.mark.statistical
def test_intervals_of_vectors_hold_the_mean_over_other_pairs() -> None:
    n = times(12, 100)
    given = {"n_permutations": 2, "removals": ("lda",)}
    results = [function_vectors(one_offset(seed), seed=1000 + seed, **given) for seed in range(n)]
    for view in ("raw", "lda"):
        for name, share in covered(results, vectors.SCORES, view).items():
            assert share >= lowest(0.9, n), (view, name)
