"""Compiled loops over word pairs: scores of two pairs of a relation, and distances summed by relation."""

from __future__ import annotations

import numba
import numpy as np

from saegeom_data.typing import Array

# Scores of two pairs of a relation, in this order along the first axis of a kernel.
COSINE, AREA, RESIDUAL, LINE, ANALOGY, WITH_INPUTS, WITHOUT_OFFSET, OTHER_RELATION = range(8)
N_KERNELS = 8
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
    """
    kernel[:] = np.nan
    n = last - first
    square = np.empty(n)
    for i in range(n):
        square[i] = _length(gram, source[first + i], target[first + i])
    for i in range(n):
        a, b = source[first + i], target[first + i]
        for j in range(i):
            c, d = source[first + j], target[first + j]
            if _share(word, a, b, c, d):
                continue
            dot = gram[b, d] - gram[b, c] - gram[a, d] + gram[a, c]
            scale = np.sqrt(square[i] * square[j])
            cosine = dot / scale if scale > 0 else 0.0
            distance = square[i] + square[j] - 2 * dot
            distance = np.sqrt(distance) if distance > _ROUNDING * (square[i] + square[j]) else 0.0
            length = (np.sqrt(square[i]) + np.sqrt(square[j])) / 2
            kernel[COSINE, i, j] = kernel[COSINE, j, i] = cosine
            kernel[RESIDUAL, i, j] = kernel[RESIDUAL, j, i] = distance / length if length > 0 else 0.0
            kernel[LINE, i, j] = kernel[LINE, j, i] = abs(cosine)
    _rank_cosines(gram, word, source, target, first, n, shuffled, kernel)
    _answer(gram, inverse, word, source, target, first, n, other, kernel)


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _length(gram: Array, a: int, b: int) -> float:
    """Squared length of an offset; 0 where it is rounding."""
    square = gram[b, b] - 2 * gram[a, b] + gram[a, a]
    return square if square > _ROUNDING * (gram[a, a] + gram[b, b]) else 0.0


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _share(word: Array, a: int, b: int, c: int, d: int) -> bool:
    """Whether two pairs have a word in common: they form no parallelogram."""
    return word[a] == word[c] or word[a] == word[d] or word[b] == word[c] or word[b] == word[d]


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _rank_cosines(
    gram: Array, word: Array, source: Array, target: Array, first: int, n: int, shuffled: Array, kernel: Array
) -> None:
    """Share of the cosines of shuffled pairings below each true one, ties counted half."""
    true = np.empty(n * (n - 1) // 2)
    count = 0
    for i in range(n):
        for j in range(i):
            if not np.isnan(kernel[COSINE, i, j]):
                true[count] = kernel[COSINE, i, j]
                count += 1
    true = np.sort(true[:count])
    # Of each shuffled cosine, from which true one on it is smaller, and from which on it is not larger.
    smaller, tied = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
    total = 0
    square = np.empty(n)
    for draw in range(len(shuffled)):
        for i in range(n):
            square[i] = _length(gram, source[first + i], target[shuffled[draw, first + i]])
        for i in range(n):
            a, b = source[first + i], target[shuffled[draw, first + i]]
            for j in range(i):
                c, d = source[first + j], target[shuffled[draw, first + j]]
                if _share(word, a, b, c, d):
                    continue
                scale = np.sqrt(square[i] * square[j])
                dot = gram[b, d] - gram[b, c] - gram[a, d] + gram[a, c]
                cosine = dot / scale if scale > 0 else 0.0
                smaller[np.searchsorted(true, cosine + _TIE, side="right")] += 1
                tied[np.searchsorted(true, cosine - _TIE, side="left")] += 1
                total += 1
    if total == 0:
        return
    smaller, tied = np.cumsum(smaller), np.cumsum(tied)
    for i in range(n):
        for j in range(i):
            if not np.isnan(kernel[COSINE, i, j]):
                place = np.searchsorted(true, kernel[COSINE, i, j])
                area = (smaller[place] + tied[place]) / (2.0 * total)
                kernel[AREA, i, j] = kernel[AREA, j, i] = area


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
    kernel: Array,
) -> None:
    """Whether a : b = c : ? is answered by d, for pairs (a, b) at i and (c, d) at j, and by what else c is."""
    # Words of one activation, as those that end in the same token at the embedding, must tie despite rounding.
    largest = 0.0
    for k in range(len(word)):
        largest = max(largest, gram[k, k])
    tolerance = _TIE * np.sqrt(largest)
    for i in range(n):
        a, b = source[first + i], target[first + i]
        left, right = source[other[first + i]], target[other[first + i]]
        for j in range(n):
            c, d = source[first + j], target[first + j]
            if i == j or _share(word, a, b, c, d) or word[d] == word[c]:
                continue
            if word[d] == word[left] or word[d] == word[right]:
                continue
            barred = (word[a], word[b], word[c], word[left], word[right])
            found = _nearest(gram, inverse, word, b, a, c, d, barred, 3, tolerance)
            kernel[ANALOGY, i, j] = found >= 1
            kernel[WITH_INPUTS, i, j] = found == 2
            kernel[WITHOUT_OFFSET, i, j] = _nearest(gram, inverse, word, a, a, c, d, barred, 3, tolerance) >= 1
            kernel[OTHER_RELATION, i, j] = _nearest(gram, inverse, word, right, left, c, d, barred, 5, tolerance) >= 1


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _nearest(
    gram: Array,
    inverse: Array,
    word: Array,
    plus: int,
    minus: int,
    c: int,
    d: int,
    barred: tuple[int, int, int, int, int],
    n_barred: int,
    tolerance: float,
) -> int:
    """2 if d is nearest to plus - minus + c among all words, 1 if among those that are not barred, else 0."""
    best = (gram[plus, d] - gram[minus, d] + gram[c, d]) * inverse[d] + tolerance
    found = 2
    # Stops at the first word nearer than d: most wrong answers show after a few candidates.
    for candidate in range(len(word)):
        if (gram[plus, candidate] - gram[minus, candidate] + gram[c, candidate]) * inverse[candidate] > best:
            this = word[candidate]
            is_barred = False
            for k in range(n_barred):
                is_barred = is_barred or this == barred[k]
            if is_barred:
                found = 1
            elif this != word[d]:
                return 0
    return found


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def score_arrangement(
    gram: Array,
    inverse: Array,
    word: Array,
    source: Array,
    target: Array,
    bounds: Array,
    scored: Array,
    shuffled: Array,
    other: Array,
    total: Array,
) -> None:
    """Write the mean of every kernel over each scored cell into ``total`` (kernels, cells); NaN where undefined.

    ``bounds`` (cells + 1) are the places where cells begin, ``scored`` (cells) which of them count; all else is as
    :func:`score_cell` takes it.
    """
    for cell in range(len(scored)):
        if not scored[cell]:
            continue
        first, last = bounds[cell], bounds[cell + 1]
        kernel = np.empty((N_KERNELS, last - first, last - first))
        score_cell(gram, inverse, word, source, target, first, last, shuffled, other, kernel)
        for k in range(N_KERNELS):
            size, value = 0, 0.0
            for i in range(last - first):
                for j in range(last - first):
                    if not np.isnan(kernel[k, i, j]):
                        size += 1
                        value += kernel[k, i, j]
            total[k, cell] = value / size if size else np.nan


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def sum_offset_distances(gram: Array, source: Array, target: Array, label: Array, total: Array) -> None:
    """Add the distances of each place's offset to those of each relation, from dot products, (places, relations)."""
    n = len(label)
    square = np.empty(n)
    for i in range(n):
        a, b = source[i], target[i]
        square[i] = _length(gram, a, b)
        for j in range(i):
            c, d = source[j], target[j]
            distance = square[i] + square[j] - 2 * (gram[b, d] - gram[b, c] - gram[a, d] + gram[a, c])
            if distance > _ROUNDING * (square[i] + square[j]):
                distance = np.sqrt(distance)
                total[i, label[j]] += distance
                total[j, label[i]] += distance


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
