"""Finding on block length: whether lobes do better than word pieces in shorter and in longer blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from saegeom_data.declare.answer import Answer
from saegeom_data.declare.claim import Claim
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.brain._shared.wording import lobes_in_words
from saegeom_data.metrics.brain.lobe_function._claims import block_lengths, length_topic
from saegeom_data.metrics.brain.lobe_function._compared import OF_LENGTHS
from saegeom_data.results.answers import answer, answers
from saegeom_data.results.judgement import Judgement, judge
from saegeom_data.results.wording import listing, spread


def length_finding(group: Group, topics: Mapping[str, list[Claim]], counts: Sequence[int]) -> list[Finding]:
    """What was tested at each block length; nothing where block length was not varied."""
    lengths = block_lengths(group)
    judged = {
        (count, length): judge(topics.get(length_topic(count, length), [])) for count in counts for length in lengths
    }
    tested = {place: judgement for place, judgement in judged.items() if judgement.rows}
    if not tested:
        return []
    known = [count for count in counts if any(place[0] == count for place in tested)]
    of_count = {count: {place[1]: tested[place] for place in tested if place[0] == count} for count in known}
    clauses = [_clause(count, of_count[count]) for count in known]
    headline = "; ".join([clauses[0], *(clause[0].lower() + clause[1:] for clause in clauses[1:])])
    evidence = [_evidence(group, count, of_count[count]) for count in known]
    evidence.append(_saturation(group, sorted({length for _, length in tested})))
    skipped = [int(length) for length in group.data["block_length"].values if length not in lengths]
    if skipped:
        evidence.append(f"Not measured: {_tokens(skipped)}, as too few sequences are as long.")
    evidence.append("Of fewer blocks V is larger by chance alone: it compares within a length, not between lengths.")
    short = answers(*(each for by_length in of_count.values() for each in _short(group, by_length)))
    return [Finding("brain", "block length", f"{headline}.", " ".join(evidence), short)]


def _short(group: Group, by_length: Mapping[int, Judgement]) -> list[Answer | None]:
    """One number of lobes at each length; where it is better or worse at none, once for all lengths."""
    if any(judged.found or judged.opposite or judged.undecided for judged in by_length.values()):
        return [answer(judged, group, null=0.0) for judged in by_length.values()]
    # The length that comes nearest: at the others p is larger still.
    length, judged = min(by_length.items(), key=lambda item: min(claim.p or 0.0 for claim in item[1].claims))
    lengths = f"of {_tokens(list(by_length), 'or')}"
    return [answer(judged, group, null=0.0, words=(f"of {length} tokens", lengths))]


def _clause(count: int, by_length: Mapping[int, Judgement]) -> str:
    """At which lengths lobes do better than word pieces, or worse, without a full stop."""
    sides = {
        "better than": [length for length, judged in by_length.items() if judged.found],
        "worse than": [length for length, judged in by_length.items() if judged.opposite],
    }
    parts = [
        f"{side} word pieces of the same text in blocks of {_tokens(lengths)}, at "
        f"{listing([_at(by_length[length], side) for length in lengths])}"
        for side, lengths in sides.items()
        if lengths
    ]
    lobes = f"{lobes_in_words(count)} tell document types apart"
    if not parts:
        return f"{lobes} no better than word pieces of the same text in blocks of {_tokens(list(by_length), 'or')}"
    rest = [length for length in by_length if not any(length in lengths for lengths in sides.values())]
    return f"{lobes} {listing(parts)}" + (f", and no better in blocks of {_tokens(rest, 'or')}" if rest else "")


def _at(judged: Judgement, side: str) -> str:
    return judged.at(judged.found if side == "better than" else judged.opposite)


def _evidence(group: Group, count: int, by_length: Mapping[int, Judgement]) -> str:
    """V of lobes and of word pieces at each length, with chance, blocks and p."""
    parts = []
    for length, judged in by_length.items():
        at = {"n_lobes": count, "block_length": length}
        value, other, chance, gain, n_blocks = (
            [known for row in judged.rows if (known := group.value(row, name, **at)) is not None]
            for name in (
                OF_LENGTHS.value, OF_LENGTHS.other, "cramers_v_by_length_null_mean", OF_LENGTHS.gain,
                OF_LENGTHS.n_blocks,
            )
        )  # fmt: skip
        parts.append(
            f"{spread(value)} in blocks of {length} tokens, against {spread(other)} for word pieces and "
            f"{spread(chance)} with types shuffled among documents (a gain of {spread(gain)}, {judged.p_words}, on "
            f"{spread([int(blocks) for blocks in n_blocks])} measured blocks)"
        )
    rows = next(iter(by_length.values())).rows
    where = f" of {rows[0]}" if len(rows) == 1 and len(group.rows) > 1 else ""
    return f"{lobes_in_words(count)}{where}: Cramér's V is {listing(parts)}."


def _saturation(group: Group, lengths: Sequence[int]) -> str:
    """Share of blocks that the median feature is on in, at the shortest and longest length."""
    shares = []
    for length in dict.fromkeys((lengths[0], lengths[-1])):
        known = [group.value(row, "median_share_on", block_length=length) for row in group.rows]
        shares.append(f"{spread([share for share in known if share is not None])} of blocks of {length} tokens")
    return f"The median feature is on in {listing(shares)}."


def _tokens(lengths: Sequence[int], joined_by: str = "and") -> str:
    return f"{listing([str(length) for length in lengths], joined_by)} tokens"
