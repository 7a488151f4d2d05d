"""Scores of two word pairs each, against loops and other libraries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, silhouette_samples

from saegeom_data.metrics._kernels import word_pairs
from saegeom_data.metrics.atom._word_pairs.places import Places, Redealt
from saegeom_data.metrics.nulls.label_permutation import followed
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
    got = places.scores(entries @ entries.T)[0, [word_pairs.COSINE, word_pairs.RESIDUAL, word_pairs.LINE], 0]
    offset = entries[N:] - entries[:N]
    found = []
    for i, j in itertools.combinations(range(7), 2):
        if not share_words(word, i, j):
            expected = cosine(offset[i], offset[j])
            length = (np.linalg.norm(offset[i]) + np.linalg.norm(offset[j])) / 2
            found.append([expected, np.linalg.norm(offset[i] - offset[j]) / length, abs(expected)])
    # Pairs 2 and 3 have one target.
    assert len(found) == 20
    np.testing.assert_allclose(got, np.mean(found, axis=0), atol=1e-10)


def test_area_is_that_of_scikit_learn(entries: Array, word: Array, places: Places) -> None:
    got = places.scores(entries @ entries.T)[0, word_pairs.AREA, 0]
    offset = entries[N:] - entries[:N]
    true = [cosine(offset[i], offset[j]) for i, j in itertools.combinations(range(7), 2) if not share_words(word, i, j)]
    shuffled = []
    for order in places.shuffled:
        target = N + order[:7]
        assert (order[:7] != np.arange(7)).all()
        offset = entries[target] - entries[:7]
        for i, j in itertools.combinations(range(7), 2):
            if not {word[i], word[target[i]]} & {word[j], word[target[j]]}:
                shuffled.append(cosine(offset[i], offset[j]))
    # Rounded, so that true pairings that a shuffled one repeats tie whatever their last bits.
    values = np.round(np.concatenate([true, shuffled]), 9)
    expected = roc_auc_score(np.arange(len(values)) < len(true), values)
    assert got == pytest.approx(expected, abs=1e-12)


def answer(entries: Array, word: Array, query: Array, barred: set[int]) -> int:
    """Word of the nearest entry that is not barred."""
    allowed = [k for k in range(len(word)) if word[k] not in barred]
    return int(word[max(allowed, key=lambda k: cosine(query, entries[k]))])


def test_analogies_and_their_baselines_are_those_of_a_loop(entries: Array, word: Array, places: Places) -> None:
    got = places.scores(entries @ entries.T)[0, word_pairs.ANALOGY : word_pairs.N_KERNELS]
    found: list[list[list[bool]]] = [[], []]
    for relation, i, j in itertools.product(range(2), range(7), range(7)):
        a, c = 7 * relation + i, 7 * relation + j
        b, d = N + a, N + c
        left, right = places.other[a], N + places.other[a]
        assert LABEL[left] != LABEL[a]
        is_asked = (i - j) % 7 in range(1, word_pairs.N_ASKED + 1)
        if not is_asked or share_words(word, a, c) or word[d] in (word[left], word[right]):
            continue
        inputs = {int(word[k]) for k in (a, b, c)}
        step, other = entries[b] - entries[a], entries[right] - entries[left]
        found[relation].append(
            [
                answer(entries, word, entries[c] + step, inputs) == word[d],
                answer(entries, word, entries[c] + step, set()) == word[d],
                answer(entries, word, entries[c], inputs) == word[d],
                answer(entries, word, entries[c] + other, inputs | {int(word[left]), int(word[right])}) == word[d],
            ]
        )
    assert sum(map(len, found)) > 40
    np.testing.assert_allclose(got.T, [np.mean(answers, axis=0) for answers in found], atol=1e-12)


def test_means_of_an_arrangement_are_those_of_the_words_put_there(entries: Array, places: Places) -> None:
    rng = np.random.default_rng(1)
    order, target = rng.permutation(N), np.concatenate([rng.permutation(7), 7 + rng.permutation(7)])
    got = places.scores(entries @ entries.T, order[None], target[None])[0]
    moved = np.concatenate([entries[:N][order], entries[N:][target]])
    words = np.concatenate([places.word[:N][order], places.word[N:][target]])
    there = Places(LABEL, words, places.bounds, places.scored, places.shuffled, places.other)
    np.testing.assert_allclose(got, there.scores(moved @ moved.T)[0], atol=1e-12)
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


def test_scores_without_pairs_are_those_of_the_rest(entries: Array, word: Array, places: Places) -> None:
    there = np.ones(N, dtype=bool)
    there[[1, 12]] = False
    got = places.scores(entries @ entries.T, kept=np.tile(there, 2)[None])[0]
    rest = np.flatnonzero(np.tile(there, 2))
    # Analogies are asked with other pairs then.
    fewer = Places(
        LABEL[there],
        word[rest],
        np.array([0, 6, 12]),
        places.scored,
        np.zeros((0, 12), np.int64),
        np.arange(11, -1, -1),
    )
    expected = fewer.scores(entries[rest] @ entries[rest].T)[0]
    same = [word_pairs.COSINE, word_pairs.RESIDUAL, word_pairs.LINE, word_pairs.N_KERNELS]
    np.testing.assert_allclose(got[same], expected[same], atol=1e-10)


def test_the_area_without_pairs_is_that_of_shortened_cycles(entries: Array, word: Array, places: Places) -> None:
    there = np.ones(N, dtype=bool)
    there[[1, 12]] = False
    got = places.scores(entries @ entries.T, kept=np.tile(there, 2)[None])[0, word_pairs.AREA]
    number = np.cumsum(there) - 1
    closed = followed(places.shuffled, there)[:, there]
    # In the order of memory that all callers have: the loops are compiled for each kind of array.
    shuffled = np.ascontiguousarray(number[closed])
    rest = np.flatnonzero(np.tile(there, 2))
    left = Places(LABEL[there], word[rest], np.array([0, 6, 12]), places.scored, shuffled, np.arange(11, -1, -1))
    np.testing.assert_allclose(got, left.scores(entries[rest] @ entries[rest].T)[0, word_pairs.AREA], atol=1e-12)
