"""What lobe_function tests: that lobes tell document types apart, and that they do so better than other lobes."""

from __future__ import annotations

from saegeom_data.declare.claim import Claim, NullTest
from saegeom_data.declare.group import Group
from saegeom_data.metrics.brain.lobe_function._compared import (
    OF_LENGTHS,
    OF_LENGTHS_UNTRAINED,
    OF_TEXT,
    OF_UNTRAINED,
    UNTRAINED,
    Compared,
)
from saegeom_data.metrics.nulls import frequency_stratified, label_permutation
from saegeom_data.results.judgement import null_tests


def claims(group: Group) -> list[Claim]:
    """For each number of lobes and row a claim on types, and one on each baseline, also at each block length."""
    if "n_lobes" not in group.data.coords:
        return []
    counts = [int(count) for count in group.data["n_lobes"].values]
    kinds = (_of_types, _of_text, _of_untrained)
    found = [claim(group, row, count) for claim in kinds for count in counts for row in group.rows]
    lengths = [
        (names, count, length)
        for names in (OF_LENGTHS, OF_LENGTHS_UNTRAINED)
        for count in counts
        for length in block_lengths(group)
    ]
    return found + [_of_length(group, row, *which) for which in lengths for row in group.rows]


def block_lengths(group: Group) -> list[int]:
    """Block lengths at which any row has a number."""
    if not group.has("block_length", OF_LENGTHS.n_blocks):
        return []
    lengths = [int(length) for length in group.data["block_length"].values]
    return [
        length
        for length in lengths
        if any(group.value(row, OF_LENGTHS.n_blocks, block_length=length) or 0 > 0 for row in group.rows)
    ]


def types_topic(count: int) -> str:
    """Topic of the claim that lobes tell document types apart."""
    return f"document types, {count} lobes"


def text_topic(count: int) -> str:
    """Topic of the claim that they do so beyond word pieces."""
    return f"beyond word pieces, {count} lobes"


def untrained_topic(count: int) -> str:
    """Topic of the claim that they do so beyond an untrained SAE."""
    return f"beyond an untrained SAE, {count} lobes"


def length_topic(names: Compared, count: int, length: int) -> str:
    """Topic of the claim that they do so beyond a baseline in blocks of one length."""
    return f"beyond {names.baseline.words}, {count} lobes, blocks of {length} tokens"


def _of_types(group: Group, row: str, count: int) -> Claim:
    tests = null_tests(
        group,
        row,
        "cramers_v_p",
        mean="cramers_v_null_mean",
        deviation="cramers_v_null_sd",
        only=(label_permutation.LABEL, frequency_stratified.LABEL),
        n_lobes=count,
    )
    value, low, high = (group.value(row, f"cramers_v{end}", n_lobes=count) for end in ("", "_low", "_high"))
    statement = f"{count} lobes tell document types apart"
    at = {"n_lobes": count}
    return Claim(types_topic(count), row, statement, tests, value=value, low=low, high=high, at=at)


def _of_text(group: Group, row: str, count: int) -> Claim:
    return _gain(group, row, OF_TEXT, text_topic(count), n_lobes=count)


def _of_untrained(group: Group, row: str, count: int) -> Claim:
    return _gain(group, row, OF_UNTRAINED, untrained_topic(count), n_lobes=count)


def _of_length(group: Group, row: str, names: Compared, count: int, length: int) -> Claim:
    return _gain(
        group,
        row,
        names,
        length_topic(names, count, length),
        f" in blocks of {length} tokens",
        n_lobes=count,
        block_length=length,
    )


def _gain(group: Group, row: str, names: Compared, topic: str, where: str = "", *, n_lobes: int, **at: int) -> Claim:
    """Claim that lobes tell types apart better than a baseline; ``where`` says in which blocks."""
    null, words = names.baseline.null, names.baseline.words
    value, low, high, p = (
        group.value(row, f"{names.gain}{end}", n_lobes=n_lobes, **at) for end in ("", "_low", "_high", "_p")
    )
    mean = group.value(row, names.other, n_lobes=n_lobes, **at)
    tell = "tells" if names.baseline is UNTRAINED else "tell"
    return Claim(
        topic,
        row,
        f"{n_lobes} lobes tell document types apart better than {words}{where}",
        (NullTest(null, p, None, mean, None if p is None else 1 - p),),
        opposite=f"{words}{where} {tell} document types apart better than {n_lobes} lobes",
        value=value,
        low=low,
        high=high,
        at={"n_lobes": n_lobes, **at},
    )
