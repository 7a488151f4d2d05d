"""Compiled loops over word pairs: scores of two pairs of a relation, and distances summed by relation.

Loops stand in place of sorts, slices and expressions of whole arrays that would be compiled for one use: they took half
of the time of compiling, which the first run of an installation waits for.
"""

from __future__ import annotations

import numba
import numpy as np

from saegeom_data.typing import Array

# Scores of two pairs of a relation, in this order.
COSINE, AREA, RESIDUAL, LINE, ANALOGY, WITH_INPUTS, WITHOUT_OFFSET, OTHER_RELATION = range(8)
N_KERNELS = 8
# Offsets that each source is completed with: further ones are answered much alike, and would take most of the time.
N_ASKED = 5
# Words that vector instructions take at a time, four times over: a rest would be taken one by one.
_BLOCK = 32
# Below this share of the squared lengths that it is found from, a squared distance is rounding.
_ROUNDING = 1e-13
# Cosines closer than this tie, and so do candidates closer than this share of the largest similarity.
_TIE = 1e-10


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _score_cell(
    gram: Array,
    along: Array,
    word: Array,
    source: Array,
    target: Array,
    kept: Array,
    first: int,
    last: int,
    shuffled: Array,
    other: Array,
    next_same: Array,
    most_same: int,
    mean: Array,
) -> None:
    """Fill ``mean`` (kernels,) with all scores of one cell, means over two pairs each; NaN where undefined.

    Parameters
    ----------
    gram
        Dot products of all words of the fold, sources before targets, (words, words).
    along
        Dot products of each word with all words divided to length 1, (words, words); 0 with one of no length.
    word
        Number of the word of each, as several pairs may share one.
    source, target
        Word of each place: the pair at place k is ``source[k]``, ``target[k]``.
    kept
        Which words are there, (words,) bool. A pair that lacks one counts in nothing, and no answer is sought among the
        others.
    first, last
        The cell's places, ``first <= k < last``.
    shuffled
        For each shuffled pairing and place, the place whose target it takes, (pairings, places).
    other
        For each place a place of another relation.
    next_same, most_same
        From :func:`ring_of_words`.
    """
    n = last - first
    # The cell's own dot products lie close together, and are read many times.
    mine, own_word, there = np.empty(2 * n, np.int64), np.empty(2 * n, np.int64), np.empty(2 * n, np.bool_)
    for i in range(2 * n):
        mine[i] = source[first + i] if i < n else target[first + i - n]
        own_word[i], there[i] = word[mine[i]], kept[mine[i]]
    own = np.empty((2 * n, 2 * n))
    for i in range(2 * n):
        for j in range(2 * n):
            own[i, j] = gram[mine[i], mine[j]]
    square, root = np.empty(n), np.empty(n)
    true = np.empty(n * (n - 1) // 2)
    count = 0
    mean[:] = 0
    for i in range(n):
        square[i] = _length(own, i, n + i)
        root[i] = np.sqrt(square[i])
        if not (there[i] and there[n + i]):
            continue
        for j in range(i):
            if _share(own_word, i, n + i, j, n + j) or not (there[j] and there[n + j]):
                continue
            # (t_i - s_i) . (t_j - s_j), from dot products of words alone.
            dot = own[n + i, n + j] - own[n + i, j] - own[i, n + j] + own[i, j]
            scale = root[i] * root[j]
            cosine = max(-1.0, min(1.0, dot / scale)) if scale > 0 else 0.0
            # Of nearly equal offsets the difference is rounding alone, and its root would be far larger than that.
            distance = square[i] + square[j] - 2 * dot
            distance = np.sqrt(distance) if distance > _ROUNDING * (square[i] + square[j]) else 0.0
            length = (root[i] + root[j]) / 2
            mean[COSINE] += cosine
            mean[RESIDUAL] += min(2.0, distance / length) if length > 0 else 0.0
            mean[LINE] += abs(cosine)
            true[count] = cosine
            count += 1
    for kernel in (COSINE, RESIDUAL, LINE):
        mean[kernel] = mean[kernel] / count if count else np.nan
    mean[AREA] = _area(own, own_word, there, first, shuffled, np.sort(true[:count]))
    _answer(gram, along, word, source, target, kept, first, n, other, next_same, most_same, mean)


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
def _area(gram: Array, word: Array, there: Array, first: int, shuffled: Array, true: Array) -> float:
    """Share of two cosines, a true and a shuffled one, of which the true one is larger, ties counted half.

    ``gram``, ``word`` and ``there`` are those of the cell's n sources and, after them, its targets. The cell's
    places begin at ``first``; ``true`` ascends.
    """
    n, below, total = len(word) // 2, 0, 0
    if not len(true):
        return np.nan
    # A search by halves guesses wrong every other time; in a table of four times as many steps the place is near.
    last = 4.0 * len(true)
    steps = last / (true[-1] - true[0] + _TIE)
    begin = np.empty(4 * len(true) + 1, np.int64)
    place = 0
    for step in range(len(begin)):
        while place < len(true) and int((true[place] - true[0]) * steps) < step:
            place += 1
        begin[step] = place
    inverse, taken = np.empty(n), np.empty(n, np.int64)
    has_shared = False
    for i in range(2 * n):
        for j in range(i):
            has_shared = has_shared or word[i] == word[j]
    for draw in range(len(shuffled)):
        for i in range(n):
            # Along its cycle to the next target that is there, if there is another.
            at = shuffled[draw, first + i] - first
            while at != i and not (there[at] and there[n + at]):
                at = shuffled[draw, first + at] - first
            taken[i] = -1 if at == i or not (there[i] and there[n + i]) else n + at
            if taken[i] < 0:
                continue
            b = taken[i]
            square = _length(gram, i, b)
            inverse[i] = 1 / np.sqrt(square) if square > 0 else 0.0
            for j in range(i):
                d = taken[j]
                if d < 0 or (has_shared and _share(word, i, b, j, d)):
                    continue
                dot = gram[b, d] - gram[b, j] - gram[i, d] + gram[i, j]
                cosine = max(-1.0, min(1.0, dot * inverse[i] * inverse[j]))
                least = cosine - _TIE
                place = begin[int(min(max((least - true[0]) * steps, 0.0), last))]
                while place < len(true) and true[place] < least:
                    place += 1
                below += 2 * (len(true) - place)
                while place < len(true) and true[place] <= cosine + _TIE:
                    below -= 1
                    place += 1
                total += len(true)
    return below / (2.0 * total) if total else np.nan


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _answer(
    gram: Array,
    along: Array,
    word: Array,
    source: Array,
    target: Array,
    kept: Array,
    first: int,
    n: int,
    other: Array,
    next_same: Array,
    most_same: int,
    mean: Array,
) -> None:
    """How often a : b = c : ? is answered by d, for pairs (a, b) and (c, d); and by c alone, or another step.

    (a, b) are the :data:`N_ASKED` pairs that follow (c, d) in the cell, beginning anew at its end.
    """
    n_words = len(word)
    largest = 0.0
    for k in range(n_words):
        largest = max(largest, gram[k, k])
    # Words of one activation, as those that end in the same token at the embedding, must tie despite rounding.
    tolerance = _TIE * np.sqrt(largest)
    start = np.full(along.shape[1], -np.inf)
    # Places of the words of d, then of a, b and c, then of another pair, each word once.
    special, ends = np.empty(n_words, np.int64), np.zeros(4, np.int64)
    n_asked, n_asked_other = 0, 0
    for j in range(n):
        c, d = source[first + j], target[first + j]
        if not (kept[c] and kept[d]):
            continue
        for k in range(n_words):
            if kept[k]:
                start[k] = along[c, k]
        alone = start[d] + tolerance
        n_alone = _n_beyond(start, along[c], along[c], alone)
        for asked in range(1, min(n, N_ASKED + 1)):
            i = (j + asked) % n
            a, b = source[first + i], target[first + i]
            left, right = source[other[first + i]], target[other[first + i]]
            if _share(word, a, b, c, d) or word[d] == word[c] or not (kept[a] and kept[b]):
                continue
            if word[d] == word[left] or word[d] == word[right]:
                continue
            best = start[d] + (along[b, d] - along[a, d]) + tolerance
            other_best = start[d] + (along[right, d] - along[left, d]) + tolerance
            n_nearer = _n_beyond(start, along[a], along[b], best)
            n_other = _n_beyond(start, along[left], along[right], other_best)
            has_other = kept[left] and kept[right]
            n_asked += 1
            n_asked_other += has_other
            # More than all places that the six words can have: no answer is right.
            if min(n_nearer, n_alone, n_other) > 6 * most_same:
                continue
            _list_places(word, next_same, (d, a, b, c, left, right), special, ends)
            n_own, n_inputs, n_inputs_alone, n_inputs_other = 0, 0, 0, 0
            for place in range(ends[3]):
                k = special[place]
                is_nearer = start[k] + (along[b, k] - along[a, k]) > best
                n_own += is_nearer and place < ends[1]
                n_inputs += is_nearer and place < ends[2]
                n_inputs_alone += start[k] > alone and place < ends[2]
                n_inputs_other += start[k] + (along[right, k] - along[left, k]) > other_best
            mean[WITH_INPUTS] += n_nearer == n_own
            mean[ANALOGY] += n_nearer == n_inputs
            mean[WITHOUT_OFFSET] += n_alone == n_inputs_alone
            mean[OTHER_RELATION] += has_other and n_other == n_inputs_other
    for kernel in (ANALOGY, WITH_INPUTS, WITHOUT_OFFSET):
        mean[kernel] = mean[kernel] / n_asked if n_asked else np.nan
    mean[OTHER_RELATION] = mean[OTHER_RELATION] / n_asked_other if n_asked_other else np.nan


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _n_beyond(start: Array, left: Array, right: Array, best: float) -> int:
    """Words that are nearer to the point ``start + right - left`` than ``best``."""
    count = 0
    # Without a branch, so that vector instructions do it: faster than a loop that stops at the first.
    for k in range(start.shape[0]):
        count += start[k] + (right[k] - left[k]) > best
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
def ring_of_words(word: Array) -> tuple[Array, int]:
    """For each place the next one with the same word, and for the last of a word the first of it, (words,).

    With it the largest number of places that have one word.
    """
    largest = 0
    for k in range(len(word)):
        largest = max(largest, word[k])
    count, at = np.zeros(largest + 1, np.int64), np.full(largest + 1, -1)
    following = np.empty(len(word), np.int64)
    # From the last place to the first, so that the next place of a word is the one seen before.
    for k in range(len(word) - 1, -1, -1):
        following[k] = at[word[k]]
        at[word[k]] = k
        count[word[k]] += 1
    most = 0
    for k in range(len(word)):
        most = max(most, count[word[k]])
        if following[k] < 0:
            following[k] = at[word[k]]
    return following, most


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def score_arrangements(
    gram: Array,
    word: Array,
    source: Array,
    target: Array,
    kept: Array,
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
        Word of each place, (arrangements, places); (1, places) for all arrangements alike.
    kept
        Which words are there, (arrangements, words) bool; (1, words) for all arrangements alike.
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
    along = np.zeros((len(word), (len(word) + _BLOCK - 1) // _BLOCK * _BLOCK))
    for i in range(len(word)):
        for k in range(len(word)):
            along[i, k] = gram[i, k] * inverse[k]
    n_relations = len(scored)
    next_same, most_same = ring_of_words(word)
    mean = np.empty(N_KERNELS)
    for row in range(len(total)):
        sources, targets, there = source[row % len(source)], target[row % len(target)], kept[row % len(kept)]
        known = np.zeros((N_KERNELS, n_relations))
        total[row] = 0
        for cell in range(len(bounds) - 1):
            relation = label[bounds[cell]]
            if not scored[relation]:
                continue
            given = (gram, along, word, sources, targets, there, bounds[cell], bounds[cell + 1])
            _score_cell(*given, shuffled, other, next_same, most_same, mean)
            for k in range(N_KERNELS):
                if not np.isnan(mean[k]):
                    known[k, relation] += 1
                    total[row, k, relation] += mean[k]
        for relation in range(n_relations):
            for k in range(N_KERNELS):
                count = known[k, relation]
                total[row, k, relation] = total[row, k, relation] / count if count else np.nan
        _silhouettes(gram, sources, targets, there, label, scored, total[row, N_KERNELS])


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _silhouettes(
    gram: Array, source: Array, target: Array, kept: Array, label: Array, scored: Array, mean: Array
) -> None:
    """Mean silhouette (relations,) of each relation's offsets, from dot products of words; 0 of an only offset."""
    n_relations = len(mean)
    there, n_there = np.empty(len(label), np.int64), 0
    for i in range(len(label)):
        if kept[source[i]] and kept[target[i]]:
            there[n_there] = i
            n_there += 1
    total, count = np.zeros((len(label), n_relations)), np.zeros(n_relations)
    square = np.empty(len(label))
    for at in range(n_there):
        i = there[at]
        a, b = source[i], target[i]
        square[i] = _length(gram, a, b)
        count[label[i]] += 1
        for before in range(at):
            j = there[before]
            c, d = source[j], target[j]
            distance = square[i] + square[j] - 2 * (gram[b, d] - gram[b, c] - gram[a, d] + gram[a, c])
            # Below, a squared distance is rounding: its root would part offsets that are equal.
            if distance > _ROUNDING * (square[i] + square[j]):
                distance = np.sqrt(distance)
                total[i, label[j]] += distance
                total[j, label[i]] += distance
    for relation in range(n_relations):
        mean[relation] = 0.0 if scored[relation] and count[relation] else np.nan
    for at in range(n_there):
        i = there[at]
        if count[label[i]] < 2:
            continue
        own, nearest = total[i, label[i]] / (count[label[i]] - 1), np.inf
        for relation in range(n_relations):
            if relation != label[i] and count[relation]:
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
