"""Occurrence at random with the margins of the data: how active each block is, and how often each feature fires.

Feature i is on in block b with the odds exp(a_b + b_i), independently of all others: of all laws with the same expected
margins the one of largest entropy, the Rasch model. Blocks and features of equal margins have equal logits, so the fit
works on distinct margins alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saegeom_data.metrics._statistics.bit_counts import n_active
from saegeom_data.typing import Array

LABEL = "fixed_margins"

_SWEEPS = 1000
_TOLERANCE = 1e-9
_LARGEST_STEP = 2.0
# Logits that stand for infinity: of two that meet, the one that was set first is larger by as much as is certain.
_CERTAIN = 2.0**60
_LEAST_CERTAIN = 64.0
_ELEMENTS = 2**22
_WORD = 64
_TRIES = 1000


def block_activity(bits: Array) -> Array:
    """Number of features (rows of ``bits`` (features, words)) that are on in each block, and 0 past the last."""
    total = np.zeros(bits.shape[1] * _WORD, np.int64)
    # As many rows as eight bits can count.
    for start in range(0, len(bits), 255):
        rows = np.ascontiguousarray(bits[start : start + 255]).view(np.uint8)
        total += np.unpackbits(rows, axis=1, bitorder="little").sum(axis=0, dtype=np.uint8)
    return total


def fit_occurrence(bits: Array, is_masked: Array) -> dict[str, Array]:
    """Fit packed occurrence (features, words): logits of each block and feature.

    NaN for masked features, blocks with none on, and bits that are no block.
    """
    live = np.flatnonzero(~is_masked)
    words = np.ascontiguousarray(bits[live])
    activity = block_activity(words)
    active = np.flatnonzero(activity)
    found = {"block_logit": np.full(len(activity), np.nan), "feature_logit": np.full(len(bits), np.nan)}
    if len(live):
        found["block_logit"][active], found["feature_logit"][live] = fit_margins(activity[active], n_active(words))
    return found


def fit_margins(blocks: Array, features: Array) -> tuple[Array, Array]:
    """Logits (blocks) and (features) whose expected margins are those given.

    Margins that leave no choice (blocks with none or all of the features, features in none or all of the blocks, and
    those of what is left without them) have logits that stand for infinity. Margins that only one arrangement has all
    the same have no finite logits, and are approached.
    """
    margins = [blocks.astype(float), features.astype(float)]
    logits = [np.full(len(margin), np.nan) for margin in margins]
    left = _settle_certain(margins, logits)
    if left[0].any() and left[1].any():
        grouped = [np.unique(margin[rest], return_inverse=True, return_counts=True) for margin, rest in
                   zip(margins, left, strict=True)]  # fmt: skip
        fitted = _fit(_Side(grouped[0][0], grouped[0][2]), _Side(grouped[1][0], grouped[1][2]))
        for logit, rest, (_, inverse, _), values in zip(logits, left, grouped, fitted, strict=True):
            logit[rest] = values[inverse]
    for logit in logits:
        logit[np.isnan(logit)] = 0.0
    return logits[0], logits[1]


def _settle_certain(margins: list[Array], logits: list[Array]) -> list[Array]:
    """Set the logits of margins that leave no choice, take these out of ``margins``, and say what is left."""
    left = [np.ones(len(margin), bool) for margin in margins]
    size, found = _CERTAIN, True
    while found:
        found = False
        for side, other in ((0, 1), (1, 0)):
            never = left[side] & (margins[side] <= 0)
            always = left[side] & (margins[side] >= left[other].sum()) & ~never
            if never.any() or always.any():
                found = True
                logits[side][never], logits[side][always] = -size, size
                margins[other] -= np.count_nonzero(always)
                left[side] &= ~(never | always)
                size = max(size / 2, _LEAST_CERTAIN)
    return left


@dataclass(frozen=True)
class _Side:
    """Distinct margins of one side, and how many have each."""

    margin: Array
    times: Array

    def start(self, n_others: int) -> Array:
        """Logits ln(m / (n - m)) of margins m among n others: exact if all others were alike."""
        return np.asarray(np.log(self.margin) - np.log(n_others - self.margin))


def _fit(rows: _Side, columns: _Side) -> tuple[Array, Array]:
    """Newton's method on one side's logits given the other's, in turn, until both margins hold."""
    n_rows, n_columns = rows.times.sum(), columns.times.sum()
    row, column = rows.start(n_columns), columns.start(n_rows)
    overall = (rows.margin @ rows.times) / (n_rows * n_columns)
    # Both starts hold the overall odds, which count once.
    column -= np.log(overall / (1 - overall))
    for _ in range(_SWEEPS):
        row_step, row_error = _newton(row, column, rows, columns)
        row += row_step
        column_step, column_error = _newton(column, row, columns, rows)
        if max(row_error, column_error) < _TOLERANCE:
            break
        column += column_step
    return row, column


def _newton(logit: Array, other_logit: Array, side: _Side, other: _Side) -> tuple[Array, float]:
    """Step of the logits of one side, and the largest error of its margins."""
    expected, slope = np.empty(len(logit)), np.empty(len(logit))
    size = max(1, _ELEMENTS // len(other_logit))
    for start in range(0, len(logit), size):
        part = slice(start, start + size)
        probability = _probability(logit[part, None] + other_logit)
        expected[part] = probability @ other.times
        slope[part] = (probability * (1 - probability)) @ other.times
    short = side.margin - expected
    # Where probabilities are near 0 or 1 the slope vanishes, and a full step would land far beyond the solution.
    step = np.clip(short / np.maximum(slope, np.finfo(float).tiny), -_LARGEST_STEP, _LARGEST_STEP)
    return step, float(np.abs(short).max())


def _probability(logit: Array) -> Array:
    """1 / (1 + exp(-logit)), of any shape."""
    from scipy.special import expit

    return np.asarray(expit(logit))


def draw_bits(block_logit: Array, feature_logit: Array, least: int, most: int, rng: np.random.Generator) -> Array:
    """Draw occurrence, packed (features, words) as in :mod:`._bits`; probabilities are multiples of 2 ** -32.

    Features that come out on in fewer than ``least`` or more than ``most`` blocks are drawn anew: those of the data
    were chosen in the same way.
    """
    from saegeom_data.metrics._kernels.permutations import draw_rows

    # Blocks of one logit share thresholds, so that these fit memory however many blocks there are.
    value, place = np.unique(block_logit, return_inverse=True)
    bits = np.zeros((len(feature_logit), -(-len(place) // _WORD)), np.uint64)
    size = max(1, _ELEMENTS // max(len(value), 1))
    waiting = np.arange(len(feature_logit))
    for _ in range(_TRIES):
        again = [waiting[:0]]
        for start in range(0, len(waiting), size):
            rows = waiting[start : start + size]
            thresholds = (_probability(feature_logit[rows, None] + value) * (2**32 - 1)).astype(np.uint32)
            drawn = np.empty((len(rows), bits.shape[1]), np.uint64)
            draw_rows(rng.integers(0, 2**64, len(rows), dtype=np.uint64), thresholds, place, drawn)
            count = np.bitwise_count(drawn).sum(axis=1, dtype=np.int64)
            bits[rows] = drawn
            again.append(rows[(count < least) | (count > most)])
        waiting = np.concatenate(again)
        if not len(waiting):
            break
    return bits


def draw_bytes(n_features: int, n_blocks: int) -> int:
    """Bytes that :func:`draw_bits` takes, its result included."""
    return n_features * n_blocks // 4 + 20 * max(_ELEMENTS, n_blocks)
