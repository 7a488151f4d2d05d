"""Features on in each block, lobe by lobe, for many ways of dividing features into lobes at once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from saegeom_data.lazy import Work
from saegeom_data.metrics._kernels.bits import WORD
from saegeom_data.metrics.brain._shared.packed_occurrence import words_of
from saegeom_data.metrics.brain.lobe_function._short_blocks import unpacked
from saegeom_data.typing import Array

# Features whose bits are bytes at a time: unpacked, all would take eight times the bytes of their bits or more.
_SLICE = 1024

# Features on in each lobe of a division (blocks, lobes), and how many features each lobe has (lobes).
Division = tuple[Array, Array]


def features_on(
    bits: Array, first_word: Array, half: Array, which: int, lobe: Array, lengths: tuple[int, ...]
) -> Array:
    """Features on (blocks, columns) in the blocks of one half: a column for each lobe of each division, side by side.

    ``bits`` (features, words) are those of blocks in chunks of ``lengths``, packed by ``half`` (blocks); ``lobe``
    (divisions, features) is -1 for features in none. Sums of 0 and 1 are exact in single precision up to 2 ** 24.
    """
    member = np.concatenate(
        [(labels[:, None] == np.arange(labels.max() + 1)).astype(np.float32) for labels in lobe], axis=1
    )
    words, place = words_of(bits, first_word, which), _places(half, which, lengths)
    on = np.zeros((len(place), member.shape[1]), np.float32)
    for low in range(0, len(words), _SLICE):
        part = np.asarray(unpacked(words[low : low + _SLICE])[:, place])
        on += part.T.astype(np.float32) @ member[low : low + _SLICE]
    return on


def on_bytes(n_blocks: int, n_columns: int) -> int:
    """Bytes that :func:`features_on` takes for one half of so many blocks, and what is made of its columns."""
    return 40 * n_blocks * n_columns + 7 * _SLICE * (n_blocks + WORD)


def on_work(n_features: int, n_blocks: int, n_columns: int) -> Work:
    """What :func:`features_on` computes for one half of so many blocks."""
    return Work(products=n_features * n_blocks * n_columns / 4, passes=5 * n_features * n_blocks, calls=50)


def columns_of(lobe: Array, on: Array) -> list[Division]:
    """Columns (blocks, lobes) and sizes (lobes) of each division of ``lobe`` (divisions, features)."""
    sizes = [np.bincount(labels[labels >= 0]).astype(float) for labels in lobe]
    starts = np.cumsum([0, *(len(size) for size in sizes)])
    return [(on[:, start : start + len(size)].astype(float), size) for start, size in zip(starts, sizes, strict=False)]


def _places(half: Array, which: int, lengths: tuple[int, ...]) -> Array:
    """Bit of each block of a half among the words of that half, where each chunk begins a word."""
    bounds = np.cumsum([0, *lengths])
    counts = [np.count_nonzero(half[low:high] == which) for low, high in pairwise(bounds)]
    starts = np.cumsum([0, *(-(-count // WORD) * WORD for count in counts)])
    return np.concatenate([start + np.arange(count) for start, count in zip(starts[:-1], counts, strict=True)])
