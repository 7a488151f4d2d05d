"""Scores of two word pairs each, against loops and other libraries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, silhouette_samples

from saegeom_data.metrics._kernels import word_pairs
from saegeom_data.metrics.atom._word_pairs.means import leave_one_out
from saegeom_data.metrics.atom._word_pairs.places import Places, Redealt
from saegeom_data.typing import Array

N = 14
LABEL = np.repeat([0, 1], 7)


@pytest.fixture
def entries() -> Array:
    """Words of two relations of seven pairs: sources, and after them targets, some of which are one word."""
    rng = np.random.default_rng(6)
    source = rng.standard_normal((N, 4))
    target = source + rng.standard_normal((2, 4))[LABEL] + 0.3 * rng.standard_normal((N, 4))
    target[3] = target[2]
    target[9] = source[0]
    return np.concatenate([source, target])


@pytest.fixture
def word() -> Array:
    numbers = np.arange(2 * N)
    numbers[N + 3], numbers[N + 9] = numbers[N + 2], numbers[0]
    return numbers


@pytest.fixture
def places(word: Array) -> Places:
    return Places.of(LABEL, word, np.ones(2, dtype=bool), 0, 0)


def cosine(vector: Array, other: Array) -> float:
    return float(vector @ other / np.linalg.norm(vector) / np.linalg.norm(other))


def share_words(word: Array, i: int, j: int) -> bool:
    return bool({word[i], word[N + i]} & {word[j], word[N + j]})


def test_cosines_and_residuals_are_those_of_a_loop(entries: Array, word: Array, places: Places) -> None:
    kernel = places.kernels(entries @ entries.T, 0)
    offset = entries[N:] - entries[:N]
    for i, j in itertools.product(range(7), repeat=2):
        got = kernel[[word_pairs.COSINE, word_pairs.RESIDUAL, word_pairs.LINE, word_pairs.AREA], i, j]
        if i == j or share_words(word, i, j):
            assert np.isnan(got).all()
            continue
        expected = cosine(offset[i], offset[j])
        length = (np.linalg.norm(offset[i]) + np.linalg.norm(offset[j])) / 2
        residual = np.linalg.norm(offset[i] - offset[j]) / length
        np.testing.assert_allclose(got[:3], [expected, residual, abs(expected)], atol=1e-10)
    assert np.isnan(kernel[word_pairs.COSINE, 2, 3])


def test_area_is_that_of_scikit_learn(entries: Array, word: Array, places: Places) -> None:
    kernel = places.kernels(entries @ entries.T, 0)
    shuffled = []
    for order in places.shuffled:
        target = N + order[:7]
        assert (order[:7] != np.arange(7)).all()
        offset = entries[target] - entries[:7]
        for i, j in itertools.combinations(range(7), 2):
            if not {word[i], word[target[i]]} & {word[j], word[target[j]]}:
                shuffled.append(cosine(offset[i], offset[j]))
    true = kernel[word_pairs.COSINE][np.tril_indices(7, -1)]
    true = true[~np.isnan(true)]
    # Rounded, so that true pairings that a shuffled one repeats tie whatever their last bits.
    values = np.round(np.concatenate([true, shuffled]), 9)
    expected = roc_auc_score(np.arange(len(values)) < len(true), values)
    assert np.nanmean(kernel[word_pairs.AREA]) == pytest.approx(expected, abs=1e-12)


def answer(entries: Array, word: Array, query: Array, barred: set[int]) -> int:
    """Word of the nearest entry that is not barred."""
    allowed = [k for k in range(len(word)) if word[k] not in barred]
    return int(word[max(allowed, key=lambda k: cosine(query, entries[k]))])


def test_analogies_and_their_baselines_are_those_of_a_loop(entries: Array, word: Array, places: Places) -> None:
    gram = entries @ entries.T
    counted = 0
    for cell, j in itertools.product(range(2), range(7)):
        kernel = places.kernels(gram, cell)[word_pairs.ANALOGY :]
        first = 7 * cell
        for i in range(7):
            a, c = first + i, first + j
            b, d = N + a, N + c
            left, right = places.other[a], N + places.other[a]
            is_asked = (i - j) % 7 in range(1, word_pairs.N_ASKED + 1)
            if not is_asked or share_words(word, a, c) or word[d] in (word[left], word[right]):
                assert np.isnan(kernel[:, i, j]).all()
                continue
            assert LABEL[left] != LABEL[a]
            inputs = {int(word[k]) for k in (a, b, c)}
            step, other = entries[b] - entries[a], entries[right] - entries[left]
            expected = [
                answer(entries, word, entries[c] + step, inputs) == word[d],
                answer(entries, word, entries[c] + step, set()) == word[d],
                answer(entries, word, entries[c], inputs) == word[d],
                answer(entries, word, entries[c] + other, inputs | {int(word[left]), int(word[right])}) == word[d],
            ]
            assert kernel[:, i, j].tolist() == expected
            counted += 1
    assert counted > 40


def test_means_of_an_arrangement_are_those_of_the_words_put_there(entries: Array, places: Places) -> None:
    rng = np.random.default_rng(1)
    order, target = rng.permutation(N), np.concatenate([rng.permutation(7), 7 + rng.permutation(7)])
    got = places.scores(entries @ entries.T, order[None], target[None])[0]
    moved = np.concatenate([entries[:N][order], entries[N:][target]])
    words = np.concatenate([places.word[:N][order], places.word[N:][target]])
    there = Places(LABEL, words, places.bounds, places.scored, places.shuffled, places.other)
    gram = moved @ moved.T
    expected = [np.nanmean(there.kernels(gram, cell), axis=(1, 2)) for cell in range(2)]
    np.testing.assert_allclose(got[:-1], np.transpose(expected), atol=1e-12)
    samples = silhouette_samples(moved[N:] - moved[:N], LABEL)
    np.testing.assert_allclose(got[-1], [samples[relation == LABEL].mean() for relation in range(2)], atol=1e-9)


def test_relations_that_do_not_count_have_no_scores(entries: Array, word: Array) -> None:
    places = Places.of(LABEL, word, np.array([False, True]), 0, 0)
    got = places.scores(entries @ entries.T)[0]
    assert np.isnan(got[:, 0]).all()
    assert np.isfinite(got[:, 1]).all()


def test_redealt_targets_lie_an_offset_from_their_sources(entries: Array) -> None:
    rng = np.random.default_rng(2)
    source, offset = entries[:N], entries[N:] - entries[:N]
    order, sign = rng.permutation(N), rng.choice([-1.0, 1.0], N)
    moved = np.concatenate([source, source + sign[:, None] * offset[order]])
    np.testing.assert_allclose(Redealt.of(source, offset).gram(order, sign), moved @ moved.T, atol=1e-12)


def test_leave_one_out_is_that_of_a_loop(entries: Array, places: Places) -> None:
    kernel = places.kernels(entries @ entries.T, 0)
    left = leave_one_out(kernel)
    for k in range(7):
        rest = np.delete(np.arange(7), k)
        np.testing.assert_allclose(left[:, k], np.nanmean(kernel[np.ix_(range(len(kernel)), rest, rest)], axis=(1, 2)))
    # Of two pairs nothing is left without either.
    assert leave_one_out(np.array([[np.nan, 0.5], [0.7, np.nan]])).tolist() == [0.6, 0.6]
