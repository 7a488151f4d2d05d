"""How the outputs of each comparison of an SAE's lobes with other lobes are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from saegeom_data.declare.claim import Null
from saegeom_data.typing import Array

_ENDS = ("low", "high", "p")


@dataclass(frozen=True)
class Baseline:
    """What lobes are held against: a null model, what it is called, and what it is called at its first mention."""

    null: Null
    words: str
    in_full: str


TEXT = Baseline(
    Null("word_pieces", "lobes of word pieces of the same text"), "word pieces", "word pieces of the same text"
)
UNTRAINED = Baseline(
    Null("untrained_sae", "lobes of an untrained SAE of the same activations"), "an untrained SAE", "an untrained SAE"
)


@dataclass(frozen=True)
class Compared:
    """Names of the outputs of one comparison: V, V of the other side, the gain, and the number of blocks.

    ``value`` is empty where V of the SAE is an output of its own already.
    """

    baseline: Baseline

    value: str
    other: str
    gain: str
    n_blocks: str

    @property
    def outputs(self) -> dict[str, str]:
        """Names of the outputs over ``n_lobes``, by what they are."""
        named = {"value": self.value, "other": self.other, "gain": self.gain}
        return {part: name for part, name in named.items() if name} | {end: f"{self.gain}_{end}" for end in _ENDS}

    def named(self, found: Mapping[str, Array]) -> dict[str, Array]:
        """Values by the names of outputs."""
        return {name: found[part] for part, name in self.outputs.items()}


OF_TEXT = Compared(TEXT, "cramers_v_text", "cramers_v_word_pieces", "cramers_v_gain", "n_blocks_text")
OF_UNTRAINED = Compared(UNTRAINED, "", "cramers_v_untrained", "cramers_v_gain_untrained", "n_blocks_untrained")
OF_LENGTHS = Compared(TEXT, "", "cramers_v_by_length_word_pieces", "cramers_v_by_length_gain", "n_blocks_by_length")
OF_LENGTHS_UNTRAINED = Compared(
    UNTRAINED, "", "cramers_v_by_length_untrained", "cramers_v_by_length_gain_untrained", "n_blocks_by_length"
)
# V of the SAE's lobes over all ways, and the ends of its interval the first way alone.
TOLD = {"mean": "cramers_v_cross_fitted", "first_low": "cramers_v_low", "first_high": "cramers_v_high"}
# The same at each block length, over all ways.
V_BY_LENGTH = "cramers_v_by_length"
TOLD_BY_LENGTH = {"mean": V_BY_LENGTH, "low": f"{V_BY_LENGTH}_low", "high": f"{V_BY_LENGTH}_high"}
# What is beside comparisons at each block length.
OF_LENGTHS_ALONE = (
    *TOLD_BY_LENGTH.values(),
    "cramers_v_by_length_null_mean",
    "median_share_on",
)
