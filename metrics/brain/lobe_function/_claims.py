"""What lobe_function tests: that lobes tell document types apart, and that they do so beyond the words of the text."""

from __future__ import annotations

from saegeom_data.declare.claim import Claim, NullTest
from saegeom_data.declare.group import Group
from saegeom_data.metrics.brain.lobe_function._outputs import WORD_PIECES
from saegeom_data.metrics.nulls import frequency_stratified, label_permutation
from saegeom_data.results.judgement import null_tests


def claims(group: Group) -> list[Claim]:
    """Two claims for each number of lobes and row."""
    if "n_lobes" not in group.data.coords:
        return []
    counts = [int(count) for count in group.data["n_lobes"].values]
    return [claim(group, row, count) for claim in (_of_types, _of_text) for count in counts for row in group.rows]


def types_topic(count: int) -> str:
    """Topic of the claim that lobes tell document types apart."""
    return f"document types, {count} lobes"


def text_topic(count: int) -> str:
    """Topic of the claim that they do so beyond word pieces."""
    return f"beyond word pieces, {count} lobes"


def _of_types(group: Group, row: str, count: int) -> Claim:
    tests = null_tests(
        group,
        row,
        "cramers_v_p",
        mean="cramers_v_null_mean",
        only=(label_permutation.LABEL, frequency_stratified.LABEL),
        n_lobes=count,
    )
    value, low, high = (group.value(row, f"cramers_v{end}", n_lobes=count) for end in ("", "_low", "_high"))
    statement = f"{count} lobes tell document types apart"
    return Claim(types_topic(count), row, statement, tests, value=value, low=low, high=high)


def _of_text(group: Group, row: str, count: int) -> Claim:
    value, low, high, p = (
        group.value(row, f"cramers_v_gain{end}", n_lobes=count) for end in ("", "_low", "_high", "_p")
    )
    mean = group.value(row, "cramers_v_word_pieces", n_lobes=count)
    return Claim(
        text_topic(count),
        row,
        f"{count} lobes tell document types apart better than word pieces of the same text",
        (NullTest(WORD_PIECES, p, None, mean, None if p is None else 1 - p),),
        opposite=f"word pieces of the same text tell document types apart better than {count} lobes",
        value=value,
        low=low,
        high=high,
    )
