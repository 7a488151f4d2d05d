"""Ways to remove distractors: each does what it says on training pairs, and gives way on none."""

import numpy as np
import pytest
import xarray as xr
from sklearn.covariance import LedoitWolf

from saegeom_data.errors import DataValueError, ParameterError
from saegeom_data.metrics._statistics import discriminant
from saegeom_data.metrics.atom._word_pairs import prepare, splits, views
from saegeom_data.metrics.atom.parallelogram_quality import parallelogram_quality
from saegeom_data.testing import checks, simulate

WAYS = ("lda", "principal_components_removed", "whitened", "erased")
VIEWS = views.view_names(WAYS)


def training(pairs: xr.Dataset, rows=None, **options) -> views.Training:
    columns = {name: pairs[name].values for name in pairs.data_vars}
    relations = tuple(sorted(set(pairs.relation.values)))
    kept = prepare.prepare(columns, relations=relations, max_pairs=500, n_folds=5, seed=0)
    rows = np.ones(len(kept.label), dtype=bool) if rows is None else rows(kept)
    basis = discriminant.fit_basis(kept.offset[rows], None)
    given = {"n_directions": 3, "n_components": 2, "erased": ("length",), "seed": 0, "fold": 1} | options
    return views.Training(kept, rows, basis, basis.whiten(kept.offset[rows]), **given)


def loud(**options) -> xr.Dataset:
    return simulate.simulate_relations(distractor_strength=2.0, noise=0.3, **options)


@pytest.mark.parametrize("view", VIEWS)
def test_views_are_linear_and_follow_a_rotation(view):
    pairs = loud()
    fitted = training(pairs)
    apply = views.fit(view, fitted)
    source, target = fitted.pairs.source, fitted.pairs.target
    np.testing.assert_allclose(apply(target) - apply(source), apply(target - source), atol=1e-10)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((24, 24)))[0]
    names = ("source_activation", "target_activation")
    turned = training(pairs.assign({name: (("pairs", "hidden"), pairs[name].values @ turn) for name in names}))
    moved = views.fit(view, turned)(turned.pairs.offset)
    # Discriminants may each change sign; products of points do not.
    np.testing.assert_allclose(moved @ moved.T, apply(fitted.pairs.offset) @ apply(fitted.pairs.offset).T, atol=1e-8)


@pytest.mark.parametrize("n_hidden", [24, 200])
def test_erased_offsets_follow_no_erased_variable_and_are_moved_least(n_hidden):
    fitted = training(loud(n_hidden=n_hidden), erased=("length", "capitalisation"))
    fitted.pairs.nuisance[:, 3] = np.random.default_rng(0).integers(-1, 2, len(fitted.rows))
    offset = fitted.pairs.offset
    values = fitted.pairs.nuisance[:, [0, 3]]
    values = values - values.mean(axis=0)
    covariance = values.T @ (offset - offset.mean(axis=0))
    moved = views.fit("erased", fitted)(offset)
    assert np.abs(values.T @ (moved - moved.mean(axis=0))).max() < 1e-9 * np.abs(covariance).max()
    # The map of Belrose et al. 2023, theorem 3.1, from the shrunk covariance itself.
    delta = fitted.basis.shrinkage
    total = np.cov(offset.T, ddof=0)
    total = (1 - delta) * total + delta * np.trace(total) / n_hidden * np.eye(n_hidden)
    variance, axes = np.linalg.eigh(total)
    root, inverse = axes * np.sqrt(variance) @ axes.T, axes / np.sqrt(variance) @ axes.T
    span = np.linalg.qr(inverse @ covariance.T)[0]
    np.testing.assert_allclose(moved, offset - offset @ inverse @ span @ span.T @ root, atol=1e-8)


@pytest.mark.parametrize("n_hidden", [24, 300])
def test_whitened_words_have_the_inverse_shrunk_covariance_between_them(n_hidden):
    fitted = training(loud(n_hidden=n_hidden))
    words = fitted.pairs.words(fitted.rows)
    law = LedoitWolf().fit(words)
    moved = views.fit("whitened", fitted)(words)
    np.testing.assert_allclose(moved @ moved.T, words @ np.linalg.inv(law.covariance_) @ words.T, rtol=1e-6, atol=1e-6)
    identity = np.eye(n_hidden)
    for view in ("whitened", "whitened_at_random"):
        singular = np.linalg.svd(views.fit(view, fitted)(identity), compute_uv=False)
        np.testing.assert_allclose(singular**-2, np.linalg.eigvalsh(law.covariance_), rtol=1e-6)
    other = training(loud(n_hidden=n_hidden), seed=0, fold=2)
    again = views.fit("whitened_at_random", fitted)(words)
    assert not np.allclose(views.fit("whitened_at_random", other)(words), again)
    np.testing.assert_array_equal(views.fit("whitened_at_random", fitted)(words), again)


def test_removed_components_are_gone():
    fitted = training(loud())
    moved = views.fit("principal_components_removed", fitted)(fitted.pairs.offset)
    # Two of 24 dimensions are projected out.
    assert np.linalg.matrix_rank(moved - moved.mean(axis=0), tol=1e-8) == 22


def test_no_view_sees_what_it_is_scored_on():
    pairs = simulate.simulate_relations(n_relations=5)
    columns = {name: pairs[name].values for name in pairs.data_vars}
    relations = tuple(pairs.attrs["relations"])
    kept = prepare.prepare(columns, relations=relations, max_pairs=500, n_folds=3, seed=0)
    draws = splits.null_draws(kept, 3, 0)
    asked = (kept, ("pairs", "relations"), 3, 4, draws, 0)
    found = [split for fold in range(3) for split in splits.splits_of(fold, *asked)]
    # Three folds, and three groups of relations in each of three folds.
    assert len(found) == 3 + 9
    scored = np.zeros((2, 3, 5), dtype=int)
    for split in found:
        assert not (split.train & split.held_out).any()
        scored[split.place, split.fold] += split.scored
        if split.place:
            assert not set(kept.label[split.train]) & set(np.flatnonzero(split.scored))
            assert split.n_directions <= len(set(kept.label[split.train])) - 1
        labels = split.permuted_labels(slice(None))
        _, true = np.unique(kept.label[split.train], return_inverse=True)
        assert (np.sort(labels, axis=1) == np.sort(true)).all()
        # Offsets are dealt anew among the pairs of one fold, all of them.
        for draws, rows in ((split.training, split.train), (split.testing, split.held_out)):
            fold = kept.fold[rows]
            assert (fold[draws.order] == fold).all()
            assert (np.sort(draws.order, axis=1) == np.arange(rows.sum())).all()
    assert (scored == 1).all()


def test_held_out_relations_share_the_raw_view_and_have_fewer_directions():
    pairs = simulate.simulate_relations(n_relations=6, n_pairs=20, distractor_strength=2.0)
    options = {"n_permutations": 9, "removals": WAYS, "hold_out": ("pairs", "relations")}
    result = parallelogram_quality(pairs, **options)
    raw = result.sel(view="raw")
    for name in result.score.values:
        checks.assert_equal(
            raw[[name]].sel(hold_out="relations", drop=True), raw[[name]].sel(hold_out="pairs", drop=True)
        )
    swept = result.score_by_directions.sel(score="silhouette")
    assert np.isfinite(swept.sel(hold_out="pairs")).all()
    assert np.isfinite(swept.sel(hold_out="relations")).values.tolist() == [True, True, False, False]
    alone = parallelogram_quality(pairs, **(options | {"hold_out": ("pairs",)}))
    checks.assert_equal(alone.sel(hold_out="pairs"), result.sel(hold_out="pairs"), relative=1e-12)
    # A shared distractor is learnt from other relations; what tells a new relation from others is not.
    gain = result.improvement.sel(view="lda", score="parallelogram_residual")
    assert float(gain.sel(hold_out="relations")) > 0.3
    silhouette = result.silhouette.sel(view="lda")
    assert float(silhouette.sel(hold_out="relations")) < float(silhouette.sel(hold_out="pairs"))


def test_sweep_of_all_scores_holds_the_headline_and_its_null():
    pairs = simulate.simulate_relations(n_relations=5, n_pairs=20, noise=0.5)
    result = parallelogram_quality(pairs, n_permutations=19, sweep="all", headline_directions=3)
    swept = result.sel(directions=3, hold_out="pairs")
    lda = result.sel(view="lda", hold_out="pairs")
    np.testing.assert_allclose(swept.score_by_directions, [float(lda[name]) for name in result.score.values])
    np.testing.assert_allclose(swept.null_mean_by_directions, lda.null_mean)


def test_whitening_gains_nothing_over_its_random_counterpart_where_words_are_isotropic():
    gains = {"silhouette": [], "offset_consistency": []}
    for seed in range(12):
        pairs = simulate.simulate_relations(n_relations=5, n_pairs=20, noise=0.3, seed=seed)
        result = parallelogram_quality(pairs, n_permutations=2, removals=["whitened"]).sel(hold_out="pairs")
        assert result.view.values.tolist() == ["raw", "whitened", "whitened_at_random"]
        for name, found in gains.items():
            found.append(float(result[name].sel(view="whitened") - result[name].sel(view="whitened_at_random")))
    for name, found in gains.items():
        error = np.std(found, ddof=1) / len(found) ** 0.5
        assert abs(np.mean(found)) < 3.5 * error + 0.01, name


def test_a_relation_of_thousands_of_pairs_does_not_move_the_macro_scores():
    pairs = simulate.simulate_relations(n_relations=4, n_pairs=30, noise=0.4, seed=1)
    vector = np.random.default_rng(2).standard_normal(24) / 24**0.5
    few, many = (_with_clean_relation(pairs, vector, n) for n in (30, 3000))
    before, after = (parallelogram_quality(data, n_permutations=9).sel(hold_out="pairs") for data in (few, many))
    assert before.n_pairs.values.tolist() == [30, 30, 30, 30, 30]
    assert after.n_pairs.values.tolist() == [30, 30, 30, 30, 200]
    pooled = [
        {name: result[f"{name}_by_relation"].weighted(result.n_pairs).mean("relation") for name in before.score.values}
        for result in (before, after)
    ]
    for name in before.score.values:
        reach = (before.high - before.low).sel(score=name).clip(min=0.05)
        assert (np.abs(after[name] - before[name]) < reach).all(), name
    # Averages over pairs would move: the relation that grew is cleaner than the others.
    for name in ("offset_consistency", "trapezoid_cosine", "parallelogram_residual"):
        reach = (before.high - before.low).sel(score=name, view="raw").clip(min=0.05)
        assert np.abs(pooled[1][name] - pooled[0][name]).sel(view="raw") > 2 * reach, name


def _with_clean_relation(pairs: xr.Dataset, vector: np.ndarray, n_pairs: int) -> xr.Dataset:
    """The same pairs and one relation more, whose offsets hardly vary."""
    rng = np.random.default_rng(3)
    source = rng.standard_normal((n_pairs, 24))
    clean = xr.Dataset(
        {
            "relation": ("pairs", np.full(n_pairs, "relation 4", dtype=object)),
            "source": ("pairs", np.array([f"from{i}" for i in range(n_pairs)], dtype=object)),
            "target": ("pairs", np.array([f"to{i}" for i in range(n_pairs)], dtype=object)),
            "length_difference": ("pairs", rng.integers(-6, 7, n_pairs)),
            "source_activation": (("pairs", "hidden"), source),
            "target_activation": (("pairs", "hidden"), source + vector + 0.05 * rng.standard_normal((n_pairs, 24))),
        }
    )
    both = xr.concat([pairs, clean], "pairs", data_vars="minimal", combine_attrs="override")
    return both.assign_attrs(relations=[*(f"relation {i}" for i in range(5))])


def test_constant_columns_change_nothing():
    pairs = loud()
    names = ("source_activation", "target_activation")
    wider = pairs.assign(
        {name: (("pairs", "more"), np.hstack([pairs[name].values, np.full((120, 3), 7.0)])) for name in names}
    ).rename(more="hidden")
    # Hardly any shrinkage, as what it shrinks to depends on the number of columns.
    options = {"n_permutations": 9, "shrinkage": 1e-4, "removals": ["lda", "principal_components_removed"]}
    got, expected = parallelogram_quality(wider, **options), parallelogram_quality(pairs, **options)
    for name in ("silhouette", "offset_consistency", "parallelogram_residual"):
        np.testing.assert_allclose(got[name], expected[name], atol=2e-3)


def test_offsets_that_do_not_vary_are_refused():
    pairs = simulate.simulate_relations()
    same = pairs.assign(target_activation=pairs.source_activation + 1.0)
    with pytest.raises(DataValueError, match="all offsets are the same but for rounding"):
        parallelogram_quality(same)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hold_out": ()}, "hold_out: got none"),
        ({"hold_out": ("relations",), "n_relations": 2}, "hold_out: got 'relations' with 2 relations, expected 3"),
        ({"hold_out": ("words",)}, "hold_out"),
        ({"removals": ("lda", "lda")}, "removals: got .*expected each name once"),
        ({"removals": ("erased",), "erased": ()}, "erased: got none"),
        ({"removals": ("magic",)}, "removals"),
        ({"n_dropped_directions": -1}, "n_dropped_directions: got -1"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    n_relations = parameters.pop("n_relations", 4)
    with pytest.raises(ParameterError, match=message):
        parallelogram_quality(simulate.simulate_relations(n_relations=n_relations), **parameters)
