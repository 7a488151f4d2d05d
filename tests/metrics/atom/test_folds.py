"""Folds that share no words: what is kept together, how even they are, and what is counted."""

from __future__ import annotations

import numpy as np
import pytest

from saegeom_data.metrics.atom._word_pairs import folds
from saegeom_data.metrics.atom.function_vectors import function_vectors
from saegeom_data.metrics.atom.parallelogram_quality import parallelogram_quality
from saegeom_data.testing import simulate
from saegeom_data.typing import Array


def dealt(words: list[tuple[int, int, int]], n_folds: int, least: int = 4) -> tuple[Array, Array, Array, Array]:
    label, source, target = np.array(words).T
    rank = np.concatenate([np.arange(size) for size in np.bincount(label)])
    return label, source, target, folds.by_words(label, rank, source, target, n_folds, least)


def test_pairs_without_common_words_are_dealt_in_turn() -> None:
    words = [(relation, 100 * relation + i, 1000 + 100 * relation + i) for relation in range(3) for i in range(20)]
    *_, fold = dealt(words, 5)
    np.testing.assert_array_equal(fold, np.tile(np.arange(20) % 5, 3))


def test_pairs_that_share_a_word_are_together_and_folds_are_even() -> None:
    rng = np.random.default_rng(0)
    # Countries with a capital and a language; a language is that of up to four countries.
    language = np.concatenate([np.repeat([200, 201, 202], 4), np.arange(203, 231)])
    words = [(0, i, 100 + i) for i in range(40)] + [(1, i, int(language[i])) for i in range(40)]
    words += [(2, 300 + i, 400 + i) for i in rng.permutation(40)]
    label, source, target, fold = dealt(words, 5)
    assert folds.n_sharing(label, fold, source, target, 3).tolist() == [0, 0, 0]
    sizes = np.array([np.bincount(label[fold == k], minlength=3) for k in range(5)])
    assert (abs(sizes - 8) <= 1).all()
    np.testing.assert_array_equal(fold[:40], fold[40:80])


def test_a_group_as_large_as_its_relation_is_parted_and_counted() -> None:
    # All of one relation lead to one word: no fold can hold them together.
    words = [(0, i, 999) for i in range(20)] + [(1, 100 + i, 200 + i) for i in range(20)]
    label, source, target, fold = dealt(words, 5)
    sizes = np.array([np.bincount(label[fold == k], minlength=2) for k in range(5)])
    assert (sizes == 4).all()
    assert folds.n_sharing(label, fold, source, target, 2).tolist() == [20, 0]


def test_pairs_of_two_relations_are_counted_in_both_and_stay_in_one_fold() -> None:
    pairs = simulate.simulate_relations(n_relations=3, n_pairs=24)
    for name in ("source", "target", "source_activation", "target_activation"):
        pairs[name].values[24:30] = pairs[name].values[:6]
    for metric in (parallelogram_quality, function_vectors):
        result = metric(pairs, n_permutations=2)
        assert result.n_in_other_relations.values.tolist() == [6, 6, 0]
        assert result.n_sharing_words.values.tolist() == [0, 0, 0]
        apart = metric(pairs, n_permutations=2, apart="pairs")
        assert apart.n_in_other_relations.values.tolist() == [6, 6, 0]
        assert apart.n_sharing_words.values[0] > 0


@pytest.mark.parametrize("apart", ["words", "pairs"])
def test_order_of_rows_changes_no_fold(apart: str) -> None:
    pairs = simulate.simulate_relations(n_relations=3, n_pairs=24)
    pairs["target"].values[[0, 5, 30, 50]] = "shared"
    order = np.random.default_rng(0).permutation(72)
    result = parallelogram_quality(pairs, n_permutations=2, apart=apart)
    again = parallelogram_quality(pairs.isel(pairs=order), n_permutations=2, apart=apart)
    np.testing.assert_array_equal(again.pair_relation, result.pair_relation.values[order])
