"""Compiled loops over word pairs: analogies, and distances summed by relation."""

from __future__ import annotations

import numba
import numpy as np

from saegeom_data.typing import Array

UNDEFINED, WRONG, RIGHT, RIGHT_WITH_INPUTS = -1, 0, 1, 2


@numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def scan_analogies(
    similarity: Array, word: Array, place: Array, targets: Array, tolerance: float, outcome: Array
) -> None:
    """Say of each analogy whether its answer is nearest; ``outcome`` (draws, pairs, pairs) is left where undefined."""
    # Stops at the first word nearer than the answer: most analogies of a shuffled pairing end after a few candidates.
    n = targets.shape[1]
    for draw in range(targets.shape[0]):
        for i in range(n):
            b = n + targets[draw, i]
            word_a, word_b = word[place[i]], word[place[b]]
            for c in range(n):
                answer = place[n + targets[draw, c]]
                word_c, right = word[place[c]], word[answer]
                if i == c or right in (word_a, word_b, word_c):
                    continue
                best = similarity[b, answer] - similarity[i, answer] + similarity[c, answer] + tolerance
                found = RIGHT_WITH_INPUTS
                for other in range(similarity.shape[1]):
                    if similarity[b, other] - similarity[i, other] + similarity[c, other] > best:
                        if word[other] in (word_a, word_b, word_c):
                            found = RIGHT
                        elif word[other] != right:
                            found = WRONG
                            break
                outcome[draw, i, c] = found


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
