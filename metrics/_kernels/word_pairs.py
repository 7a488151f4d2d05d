"""Compiled loops over word pairs: scores of two pairs of a relation, and distances summed by relation."""

from __future__ import annotations

import numba
import numpy as np

from saegeom_data.typing import Array

# Scores of two pairs of a relation, in this order along the first axis of a kernel.
COSINE, AREA, RESIDUAL, LINE, ANALOGY, WITH_INPUTS, WITHOUT_OFFSET, OTHER_RELATION = range(8)
N_KERNELS = 8
# Offsets that each source is completed with: further ones are answered much alike, and would take most of the time.
N_ASKED = 5
# Below this share of the squared lengths that it is found from, a squared distance is rounding.
_ROUNDING = 1e-13
# Cosines closer than this tie, and so do candidates closer than this share of the largest similarity.
_TIE = 1e-10


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def score_cell(
    gram: Array,
    inverse: Array,
    word: Array,
    source: Array,
    target: Array,
    first: int,
    last: int,
    shuffled: Array,
    other: Array,
    next_same: Array,
    kernel: Array,
) -> None:
    """Fill ``kernel`` (kernels, n, n) with all scores of two pairs each of one cell; NaN where undefined.

    Parameters
    ----------
    gram
        Dot products of all words of the fold, sources before targets, (words, words).
    inverse
        1 over the length of each word, (words,); 0 for one of no length.
    word
        Number of the word of each, as several pairs may share one.
    source, target
        Word of each place: the pair at place k is ``source[k]``, ``target[k]``.
    first, last
        The cell's places, ``first <= k < last``.
    shuffled
        For each shuffled pairing and place, the place whose target it takes, (pairings, places).
    other
        For each place a place of another relation.
    next_same
        From :func:`ring_of_words`.
    """
    # What no pair of pairs fills, as those that share a word, stays undefined and out of every mean.
    kernel[:] = np.nan
    n = last - first
    # The cell's own dot products lie close together, and are read many times.
    mine = np.empty(2 * n, np.int64)
    mine[:n], mine[n:] = source[first:last], target[first:last]
    own, own_word = np.empty((2 * n, 2 * n)), word[mine]
    for i in range(2 * n):
        for j in range(2 * n):
            own[i, j] = gram[mine[i], mine[j]]
    square = np.empty(n)
    for i in range(n):
        square[i] = _length(own, i, n + i)
        for j in range(i):
            if _share(own_word, i, n + i, j, n + j):
                continue
            # (t_i - s_i) . (t_j - s_j), from dot products of words alone.
            dot = own[n + i, n + j] - own[n + i, j] - own[i, n + j] + own[i, j]
            scale = np.sqrt(square[i] * square[j])
            cosine = max(-1.0, min(1.0, dot / scale)) if scale > 0 else 0.0
            # Of nearly equal offsets the difference is rounding alone, and its root would be far larger than that.
            distance = square[i] + square[j] - 2 * dot
            distance = np.sqrt(distance) if distance > _ROUNDING * (square[i] + square[j]) else 0.0
            length = (np.sqrt(square[i]) + np.sqrt(square[j])) / 2
            kernel[COSINE, i, j] = kernel[COSINE, j, i] = cosine
            kernel[RESIDUAL, i, j] = kernel[RESIDUAL, j, i] = min(2.0, distance / length) if length > 0 else 0.0
            kernel[LINE, i, j] = kernel[LINE, j, i] = abs(cosine)
    _rank_cosines(own, own_word, n, shuffled[:, first:last] - first, kernel)
    _answer(gram, inverse, word, source, target, first, n, other, next_same, kernel)


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _length(gram: Array, a: int, b: int) -> float:
    """Squared length of an offset; 0 where it is rounding."""
    square = gram[b, b] - 2 * gram[a, b] + gram[a, a]
    return square if square > _ROUNDING * (gram[a, a] + gram[b, b]) else 0.0


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _share(word: Array, a: int, b: int, c: int, d: int) -> bool:
    """Whether two pairs have a word in common: they form no parallelogram."""
    return bool(word[a] == word[c] or word[a] == word[d] or word[b] == word[c] or word[b] == word[d])


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _rank_cosines(gram: Array, word: Array, n: int, shuffled: Array, kernel: Array) -> None:
    """Share of the cosines of shuffled pairings below each true one, ties counted half.

    ``gram`` and ``word`` are those of the cell's n sources and, after them, its targets.
    """
    true = np.empty(n * (n - 1) // 2)
    count = 0
    for i in range(n):
        for j in range(i):
            if not np.isnan(kernel[COSINE, i, j]):
                true[count] = kernel[COSINE, i, j]
                count += 1
    # Sorted, so that one search places a shuffled cosine among all true ones.
    true = np.sort(true[:count])
    # Of each shuffled cosine, from which true one on it is smaller, and from which on it is smaller or tied.
    smaller, tied = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
    total = 0
    square = np.empty(n)
    for draw in range(len(shuffled)):
        for i in range(n):
            b = n + shuffled[draw, i]
            square[i] = _length(gram, i, b)
            for j in range(i):
                d = n + shuffled[draw, j]
                if _share(word, i, b, j, d):
                    continue
                scale = np.sqrt(square[i] * square[j])
                dot = gram[b, d] - gram[b, j] - gram[i, d] + gram[i, j]
                cosine = max(-1.0, min(1.0, dot / scale)) if scale > 0 else 0.0
                place = _first_from(true, cosine - _TIE)
                tied[place] += 1
                while place < count and true[place] <= cosine + _TIE:
                    place += 1
                smaller[place] += 1
                total += 1
    if total == 0:
        return
    smaller, tied = np.cumsum(smaller), np.cumsum(tied)
    for i in range(n):
        for j in range(i):
            if not np.isnan(kernel[COSINE, i, j]):
                place = _first_from(true, kernel[COSINE, i, j])
                area = (smaller[place] + tied[place]) / (2.0 * total)
                kernel[AREA, i, j] = kernel[AREA, j, i] = area


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _first_from(ascending: Array, value: float) -> int:
    """Place of the first number that is at least ``value``."""
    low, high = 0, len(ascending)
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _answer(
    gram: Array,
    inverse: Array,
    word: Array,
    source: Array,
    target: Array,
    first: int,
    n: int,
    other: Array,
    next_same: Array,
    kernel: Array,
) -> None:
    """Whether a : b = c : ? is answered by d, for pairs (a, b) at i and (c, d) at j; and by c alone, or another step.

    (a, b) are the :data:`N_ASKED` pairs that follow (c, d) in the cell, beginning anew at its end.
    """
    n_words = len(word)
    largest = 0.0
    for k in range(n_words):
        largest = max(largest, gram[k, k])
    # Words of one activation, as those that end in the same token at the embedding, must tie despite rounding.
    tolerance = _TIE * np.sqrt(largest)
    start, step, other_step = np.empty((n, n_words)), np.empty((n, n_words)), np.empty((n, n_words))
    for i in range(n):
        a, b = source[first + i], target[first + i]
        left, right = source[other[first + i]], target[other[first + i]]
        for k in range(n_words):
            start[i, k] = gram[a, k] * inverse[k]
            step[i, k] = (gram[b, k] - gram[a, k]) * inverse[k]
            other_step[i, k] = (gram[right, k] - gram[left, k]) * inverse[k]
    # Places of the words of d, then of a, b and c, then of another pair, each word once.
    special, ends = np.empty(n_words, np.int64), np.zeros(4, np.int64)
    for j in range(n):
        c, d = source[first + j], target[first + j]
        alone = start[j, d] + tolerance
        n_alone = 0
        for k in range(n_words):
            n_alone += start[j, k] > alone
        for asked in range(1, min(n, N_ASKED + 1)):
            i = (j + asked) % n
            a, b = source[first + i], target[first + i]
            left, right = source[other[first + i]], target[other[first + i]]
            # The answer may be none of the words that the question gives.
            if _share(word, a, b, c, d) or word[d] == word[c]:
                continue
            if word[d] == word[left] or word[d] == word[right]:
                continue
            _list_places(word, next_same, (d, a, b, c, left, right), special, ends)
            best = start[j, d] + step[i, d] + tolerance
            n_nearer, n_own, n_inputs = _n_beyond(start[j], step[i], best), 0, 0
            # d is the answer if all that is nearer are words left out; more of these than there are settle it.
            if n_nearer <= ends[2]:
                for k in special[: ends[2]]:
                    n_inputs += start[j, k] + step[i, k] > best
                for k in special[: ends[1]]:
                    n_own += start[j, k] + step[i, k] > best
            kernel[WITH_INPUTS, i, j] = n_nearer == n_own
            kernel[ANALOGY, i, j] = n_nearer == n_inputs
            n_inputs = 0
            if n_alone <= ends[2]:
                for k in special[: ends[2]]:
                    n_inputs += start[j, k] > alone
            kernel[WITHOUT_OFFSET, i, j] = n_alone == n_inputs
            best = start[j, d] + other_step[i, d] + tolerance
            n_nearer, n_inputs = _n_beyond(start[j], other_step[i], best), 0
            if n_nearer <= ends[3]:
                for k in special[: ends[3]]:
                    n_inputs += start[j, k] + other_step[i, k] > best
            kernel[OTHER_RELATION, i, j] = n_nearer == n_inputs


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _n_beyond(start: Array, step: Array, best: float) -> int:
    """Words that are nearer to the point ``start + step`` than ``best``."""
    count = 0
    # Without a branch, so that vector instructions do it: faster than a loop that stops at the first.
    for k in range(start.shape[0]):
        count += start[k] + step[k] > best
    return count


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _list_places(
    word: Array, next_same: Array, given: tuple[int, int, int, int, int, int], special: Array, ends: Array
) -> None:
    """List all places of the words of d, of (a, b, c) and of another pair; ``ends`` says where each of these ends."""
    count = 0
    for place in range(6):
        is_known = False
        for earlier in range(place):
            is_known = is_known or word[given[earlier]] == word[given[place]]
        at = given[place]
        while not is_known:
            special[count] = at
            count += 1
            at = next_same[at]
            is_known = at == given[place]
        if place == 0:
            ends[1] = count
        elif place == 3:
            ends[2] = count
    ends[3] = count


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def ring_of_words(word: Array) -> Array:
    """For each place the next one with the same word, and for the last of a word the first of it, (words,)."""
    order = np.argsort(word, kind="mergesort")
    following = np.empty(len(word), np.int64)
    begin = 0
    for k in range(len(word)):
        if k + 1 < len(word) and word[order[k + 1]] == word[order[k]]:
            following[order[k]] = order[k + 1]
        else:
            following[order[k]] = order[begin]
            begin = k + 1
    return following


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def score_arrangements(
    gram: Array,
    word: Array,
    source: Array,
    target: Array,
    label: Array,
    bounds: Array,
    scored: Array,
    shuffled: Array,
    other: Array,
    total: Array,
) -> None:
    """Write all scores of several arrangements of the same words into ``total`` (arrangements, kernels + 1, relations).

    The last is the silhouette. NaN where undefined, and for relations that do not count.

    Parameters
    ----------
    source, target
        Word of each place, (arrangements, places).
    label
        Relation of each place, ascending, (places,).
    bounds
        Places where cells begin, (cells + 1,).
    scored
        Which relations count, (relations,).
    """
    inverse = np.zeros(len(word))
    for k in range(len(word)):
        if gram[k, k] > 0:
            inverse[k] = 1 / np.sqrt(gram[k, k])
    n_relations, next_same = len(scored), ring_of_words(word)
    for row in range(len(source)):
        known = np.zeros((N_KERNELS, n_relations))
        total[row] = 0
        for cell in range(len(bounds) - 1):
            first, last = bounds[cell], bounds[cell + 1]
            relation = label[first]
            if not scored[relation]:
                continue
            kernel = np.empty((N_KERNELS, last - first, last - first))
            score_cell(gram, inverse, word, source[row], target[row], first, last, shuffled, other, next_same, kernel)
            for k in range(N_KERNELS):
                size, value = 0, 0.0
                for i in range(last - first):
                    for j in range(last - first):
                        if not np.isnan(kernel[k, i, j]):
                            size += 1
                            value += kernel[k, i, j]
                if size:
                    known[k, relation] += 1
                    total[row, k, relation] += value / size
        for relation in range(n_relations):
            for k in range(N_KERNELS):
                count = known[k, relation]
                total[row, k, relation] = total[row, k, relation] / count if count else np.nan
        _silhouettes(gram, source[row], target[row], label, scored, total[row, N_KERNELS])


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _silhouettes(gram: Array, source: Array, target: Array, label: Array, scored: Array, mean: Array) -> None:
    """Mean silhouette (relations,) of each relation's offsets, from dot products of words."""
    n, n_relations = len(label), len(mean)
    total, count = np.zeros((n, n_relations)), np.zeros(n_relations)
    square = np.empty(n)
    for i in range(n):
        a, b = source[i], target[i]
        square[i] = _length(gram, a, b)
        count[label[i]] += 1
        for j in range(i):
            c, d = source[j], target[j]
            distance = square[i] + square[j] - 2 * (gram[b, d] - gram[b, c] - gram[a, d] + gram[a, c])
            # Below, a squared distance is rounding: its root would part offsets that are equal.
            if distance > _ROUNDING * (square[i] + square[j]):
                distance = np.sqrt(distance)
                total[i, label[j]] += distance
                total[j, label[i]] += distance
    for relation in range(n_relations):
        mean[relation] = 0.0 if scored[relation] else np.nan
    for i in range(n):
        own, nearest = total[i, label[i]] / (count[label[i]] - 1), np.inf
        for relation in range(n_relations):
            if relation != label[i]:
                nearest = min(nearest, total[i, relation] / count[relation])
        if max(own, nearest) > 0:
            mean[label[i]] += (nearest - own) / max(own, nearest) / count[label[i]]


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def sum_distances(points: Array, label: Array, bounds: Array, total: Array) -> None:
    """Add each point's distances to each relation, (numbers, points, relations), in the first ``bounds`` dimensions."""
    for i in range(points.shape[0]):
        for j in range(i):
            square, done = 0.0, 0
            for number in range(bounds.shape[0]):
                for dim in range(done, bounds[number]):
                    square += (points[i, dim] - points[j, dim]) ** 2
                done = bounds[number]
                distance = np.sqrt(square)
                total[number, i, label[j]] += distance
                total[number, j, label[i]] += distance


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def redeal(sources: Array, across: Array, offsets: Array, order: Array, sign: Array, gram: Array) -> None:
    """Dot products (2 n, 2 n) of sources and of the targets s_i + e_i o_k that they have with k = ``order[i]``.

    From those of sources with each other, of offsets with sources ``across`` (offsets, sources), and of offsets.
    """
    n = len(order)
    for i in range(n):
        mine = across[order[i]]
        for j in range(n):
            gram[i, j] = sources[i, j]
            gram[n + i, j] = gram[j, n + i] = sources[i, j] + sign[i] * mine[j]
    for i in range(n):
        mine = offsets[order[i]]
        for j in range(i + 1):
            # (s_i + e_i o_i) . (s_j + e_j o_j) = (s_i + e_i o_i) . s_j + s_i . e_j o_j + e_i e_j o_i . o_j
            value = gram[n + i, j] + sign[j] * across[order[j], i] + sign[i] * sign[j] * mine[order[j]]
            gram[n + i, n + j] = gram[n + j, n + i] = value
