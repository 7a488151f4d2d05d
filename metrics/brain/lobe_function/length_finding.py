"""Finding on block length: whether lobes do better than their baselines in shorter and in longer blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from saegeom_data.declare.answer import Answer
from saegeom_data.declare.claim import Claim
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.brain._shared.wording import lobes_in_words
from saegeom_data.metrics.brain.lobe_function._claims import block_lengths, length_topic
from saegeom_data.metrics.brain.lobe_function._compared import (
    OF_LENGTHS,
    OF_LENGTHS_UNTRAINED,
    UNTRAINED,
    V_BY_LENGTH,
    Compared,
)
from saegeom_data.results.answers import answer, answers
from saegeom_data.results.judgement import Judgement, judge, values_and_largest
from saegeom_data.results.wording import listing, spread

# Judgements by block length, of each comparison that was made.
_Judged = Mapping[Compared, Mapping[int, Judgement]]


def length_finding(group: Group, topics: Mapping[str, list[Claim]], counts: Sequence[int]) -> list[Finding]:
    """What was tested at each block length; nothing where block length was not varied."""
    lengths = block_lengths(group)
    judged = {count: _judged(topics, count, lengths) for count in counts}
    tested = {count: of_count for count, of_count in judged.items() if of_count}
    if not tested:
        return []
    clauses = [clause for count, of_count in tested.items() for clause in _clauses(count, of_count)]
    headline = "; ".join([clauses[0], *(clause[0].lower() + clause[1:] for clause in clauses[1:])])
    is_beside = any(OF_LENGTHS_UNTRAINED in of_count for of_count in tested.values())
    headline += "." if is_beside else f" (not run: {UNTRAINED.null.words})."
    evidence = [_evidence(group, count, of_count) for count, of_count in tested.items()]
    if not is_beside:
        evidence.append("An untrained SAE is not compared at these lengths, as the store holds no codes of one.")
    known = {length for of_count in tested.values() for by_length in of_count.values() for length in by_length}
    evidence.append(_saturation(group, sorted(known)))
    skipped = [int(length) for length in group.data["block_length"].values if length not in lengths]
    if skipped:
        evidence.append(f"Not measured: {_tokens(skipped)}, as too few sequences are as long.")
    evidence.append("Of fewer blocks V is larger by chance alone: it compares within a length, not between lengths.")
    short = [
        each for of_count in tested.values() for by_length in of_count.values() for each in _short(group, by_length)
    ]
    return [Finding("brain", "block length", headline, " ".join(evidence), answers(*short))]


def _judged(topics: Mapping[str, list[Claim]], count: int, lengths: Sequence[int]) -> _Judged:
    """What became of the claims of one number of lobes, without comparisons and lengths that no row has."""
    found = {
        names: {length: judge(topics.get(length_topic(names, count, length), [])) for length in lengths}
        for names in (OF_LENGTHS, OF_LENGTHS_UNTRAINED)
    }
    tested = {
        names: {length: judgement for length, judgement in by_length.items() if judgement.rows}
        for names, by_length in found.items()
    }
    return {names: by_length for names, by_length in tested.items() if by_length}


def _short(group: Group, by_length: Mapping[int, Judgement]) -> list[Answer | None]:
    """One comparison at each length; once for all lengths where lobes are better at all of them, or at none."""
    judgements = by_length.values()
    lengths = list(by_length)
    # Of all lengths the one whose p says least: the largest of those that hold, the smallest of those that do not.
    if all(len(judged.found) == len(judged.rows) for judged in judgements):
        length, words = max(by_length, key=lambda length: _p(by_length[length], max)), _tokens(lengths)
    elif not any(judged.found or judged.opposite or judged.undecided for judged in judgements):
        length, words = min(by_length, key=lambda length: _p(by_length[length], min)), _tokens(lengths, "or")
    else:
        return [answer(judged, group, null=0.0) for judged in judgements]
    return [answer(by_length[length], group, null=0.0, words=(f"of {length} tokens", f"of {words}"))]


def _p(judged: Judgement, end: Callable[[Iterable[float]], float]) -> float:
    """Largest or smallest p of the claims of one length."""
    return end([claim.p or 0.0 for claim in judged.claims])


def _clauses(count: int, of_count: _Judged) -> list[str]:
    """What was found of one number of lobes beside each baseline, without a full stop."""
    subjects = [f"{lobes_in_words(count)} tell document types apart", "They do so"]
    return [
        f"{subject} {_sides(names.baseline.in_full, by_length)}"
        for subject, (names, by_length) in zip(subjects, of_count.items(), strict=False)
    ]


def _sides(baseline: str, by_length: Mapping[int, Judgement]) -> str:
    """At which lengths lobes do better than a baseline, or worse."""
    sides = {
        "better than": [length for length, judged in by_length.items() if judged.found],
        "worse than": [length for length, judged in by_length.items() if judged.opposite],
    }
    parts = [
        f"{side} {baseline} in blocks of {_tokens(lengths)}, at {_at([by_length[length] for length in lengths], side)}"
        for side, lengths in sides.items()
        if lengths
    ]
    if not parts:
        return f"no better than {baseline} in blocks of {_tokens(list(by_length), 'or')}"
    rest = [length for length in by_length if not any(length in lengths for lengths in sides.values())]
    return listing(parts) + (f", and no better in blocks of {_tokens(rest, 'or')}" if rest else "")


def _at(judged: Sequence[Judgement], side: str) -> str:
    """At how many layers of each length; once where it is the same for all."""
    words = [each.at(each.found if side == "better than" else each.opposite) for each in judged]
    return words[0] if len(set(words)) == 1 else listing(words)


def _evidence(group: Group, count: int, of_count: _Judged) -> str:
    """V of lobes and of each baseline at each length, with chance, blocks, and gains with interval and p."""
    lengths = sorted({length for by_length in of_count.values() for length in by_length})
    parts = []
    for length in lengths:
        judged = {names: by_length[length] for names, by_length in of_count.items() if length in by_length}
        rows = list(dict.fromkeys(row for each in judged.values() for row in each.rows))
        value, chance, n_blocks = (
            group.values(rows, name, n_lobes=count, block_length=length)
            for name in (V_BY_LENGTH, "cramers_v_by_length_null_mean", OF_LENGTHS.n_blocks)
        )
        others = [
            f"{spread(group.values(each.rows, names.other, n_lobes=count, block_length=length))} for "
            f"{names.baseline.words} (a gain of "
            f"{values_and_largest(group, each.claims)}, {each.p_words})"
            for names, each in judged.items()
        ]
        parts.append(
            f"{spread(value)} in blocks of {length} tokens, against "
            f"{listing([*others, f'{spread(chance)} with types shuffled among documents'])}, on "
            f"{spread([int(blocks) for blocks in n_blocks])} measured blocks"
        )
    rows = next(iter(of_count[next(iter(of_count))].values())).rows
    where = f" of {rows[0]}" if len(rows) == 1 and len(group.rows) > 1 else ""
    return f"{lobes_in_words(count)}{where}: Cramér's V is {'; '.join(parts)}."


def _saturation(group: Group, lengths: Sequence[int]) -> str:
    """Share of blocks that the median feature is on in, at the shortest and longest length."""
    shares = []
    for length in dict.fromkeys((lengths[0], lengths[-1])):
        known = [group.value(row, "median_share_on", block_length=length) for row in group.rows]
        shares.append(f"{spread([share for share in known if share is not None])} of blocks of {length} tokens")
    return f"The median feature is on in {listing(shares)}."


def _tokens(lengths: Sequence[int], joined_by: str = "and") -> str:
    return f"{listing([str(length) for length in lengths], joined_by)} tokens"
