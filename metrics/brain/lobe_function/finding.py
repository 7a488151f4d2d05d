"""Findings on what lobes do, in words that follow from the numbers whichever way they fall."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from saegeom_data.declare.answer import Answer
from saegeom_data.declare.claim import Claim, Null
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.brain._shared.wording import lobes_in_words
from saegeom_data.metrics.brain.lobe_function._claims import claims, text_topic, types_topic, untrained_topic
from saegeom_data.metrics.brain.lobe_function._compared import OF_TEXT, OF_UNTRAINED, TEXT, TOLD, UNTRAINED, Compared
from saegeom_data.metrics.brain.lobe_function._type_shares import division
from saegeom_data.metrics.brain.lobe_function.length_finding import length_finding
from saegeom_data.metrics.nulls import frequency_stratified, label_permutation
from saegeom_data.results.answers import answer, answers
from saegeom_data.results.groups import find_group, range_and_largest
from saegeom_data.results.judgement import Judgement, by_topic, judge
from saegeom_data.results.wording import listing, out_of, spread

# What is 1 to the digits that are shown: nothing can be better.
_CEILING = 0.9995


@dataclass(frozen=True)
class _Beside:
    """The comparison of one number of lobes with a baseline, and what became of the claims."""

    names: Compared
    judged: Judgement

    @property
    def null(self) -> Null:
        """Null model that the baseline is."""
        return self.names.baseline.null

    @property
    def words(self) -> str:
        """What the baseline is called."""
        return self.names.baseline.in_full


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Whether lobes tell document types apart, beyond the text and an untrained SAE, and at which block lengths."""
    group = find_group(groups, "lobe_function", "winner_share_low", "cramers_v_gain", published=None)
    if group is None or "n_lobes" not in group.data.coords:
        return []
    topics = by_topic(claims(group))
    counts = [int(count) for count in group.data["n_lobes"].values]
    types = {count: judge(topics[types_topic(count)]) for count in counts if types_topic(count) in topics}
    counts = [count for count in types if types[count].rows]
    if not counts:
        return []
    beside = {count: _baselines(topics, count) for count in counts}
    clauses = [_clause(group, count, types[count], beside[count]) for count in counts]
    headline = "; ".join([clauses[0], *(clause[0].lower() + clause[1:] for clause in clauses[1:])])
    evidence = [part for count in counts for part in _evidence(group, count, types[count], beside[count])]
    evidence += _not_compared([judged for count in counts for judged in beside[count]])
    evidence.append("That types shuffled among documents give less says only that texts of these types differ.")
    of_lengths = length_finding(group, topics, counts)
    if not of_lengths:
        evidence.append("Block length is not varied, as the store holds no codes and tokens that would tell.")
    return [
        Finding("brain", "document types", f"{headline}.", " ".join(evidence), _short(group, types, beside)),
        *of_lengths,
    ]


def _short(group: Group, types: Mapping[int, Judgement], beside: Mapping[int, Sequence[_Beside]]) -> tuple[Answer, ...]:
    """Lobes against each baseline, or where there is none against their null models, and then so far only."""
    found: list[Answer | None] = []
    for count, judged in types.items():
        known = [each for each in beside[count] if each.judged.rows]
        found += [answer(each.judged, group, null=0.0) for each in known if judged.found]
        if not (known and judged.found):
            found.append(answer(judged, group, not_run=[each.null for each in beside[count]]))
    return answers(*found)


def _baselines(topics: Mapping[str, list[Claim]], count: int) -> list[_Beside]:
    text, untrained = (judge(topics.get(topic(count), [])) for topic in (text_topic, untrained_topic))
    return [_Beside(OF_TEXT, text), _Beside(OF_UNTRAINED, untrained)]


def _clause(group: Group, count: int, types: Judgement, beside: Sequence[_Beside]) -> str:
    """What was found for one number of lobes, without a full stop."""
    lobes = lobes_in_words(count)
    if not types.found:
        doubt = f" ({types.doubt})" if types.doubt else ""
        if len(types.undecided) == len(types.rows):
            whether = f"Whether {lobes[0].lower()}{lobes[1:]} tell document types apart"
            return f"{whether}, beyond {types.every}, cannot be told yet{doubt}"
        return f"{lobes} do not tell document types apart at {types.anywhere}, beyond {types.every}{doubt}"
    known = [each for each in beside if each.judged.rows]
    not_run = [*types.not_run, *(each.null for each in beside if not each.judged.rows)]
    missing = f"not run: {listing([null.words for null in not_run])}" if not_run else ""
    if not known:
        run = listing([null.words for null in types.nulls])
        return (
            f"{lobes} tell document types apart at {types.at(types.found)}, beyond the nulls that were run ({run}; "
            f"{missing})"
        )
    notes = [note for each in known for note in _notes(group, count, each)]
    aside = "; ".join([*notes, missing] if missing else notes)
    return f"{lobes} tell document types apart {listing([_side(each) for each in known])}" + (
        f" ({aside})" if aside else ""
    )


def _side(beside: _Beside) -> str:
    """Whether lobes are better than one baseline, or worse, or neither."""
    judged = beside.judged
    sides = [
        f"{word} than {beside.words} at {judged.at(rows)}"
        for word, rows in (("better", judged.found), ("worse", judged.opposite))
        if rows
    ]
    return listing(sides) if sides else f"no better than {beside.words} at {judged.anywhere}"


def _notes(group: Group, count: int, beside: _Beside) -> list[str]:
    """On how many blocks lobes and word pieces were compared, and where nothing could be better than these."""
    judged, names = beside.judged, beside.names
    full = [row for row in judged.rows if _at_ceiling(group, row, names.other, count)]
    blocks = spread([int(value) for value in group.values(judged.rows, names.n_blocks)])
    notes = [f"on {blocks} blocks whose text is known"] if names is OF_TEXT else []
    if full and len(judged.found) < len(judged.rows):
        what = "word pieces reach" if names is OF_TEXT else "the untrained SAE reaches"
        where = "" if len(full) == len(judged.rows) else f" at {judged.at(full)}"
        few = "" if names is OF_TEXT else f" on {blocks} blocks"
        notes.append(f"{what} V = 1.000{few}{where}, so that nothing could be better there")
    return notes


def _at_ceiling(group: Group, row: str, name: str, count: int) -> bool:
    return (group.value(row, name, n_lobes=count) or 0.0) >= _CEILING


def _not_compared(beside: Sequence[_Beside]) -> list[str]:
    """Why a baseline was not run for any number of lobes."""
    run = {each.null for each in beside if each.judged.rows}
    why = {
        TEXT.null: "Word pieces are not compared, as the store does not hold the text of enough of these blocks.",
        UNTRAINED.null: "What an SAE tells without training is not compared, as the store holds no untrained SAE.",
    }
    return [words for null, words in why.items() if null not in run]


def _evidence(group: Group, count: int, types: Judgement, beside: Sequence[_Beside]) -> list[str]:
    """V of one number of lobes beside its nulls and baselines, and which types go together."""
    rows, lobes = types.rows, lobes_in_words(count)
    values = {row: group.value(row, "cramers_v", n_lobes=count) or 0.0 for row in rows}
    nulls = [
        (label_permutation.LABEL, "with types shuffled among documents"),
        (frequency_stratified.LABEL, "with lobes shuffled among features of like firing rate"),
    ]
    against = [
        f"{spread(mean)} {words}"
        for label, words in nulls
        if (mean := group.values(rows, "cramers_v_null_mean", n_lobes=count, null=label))
    ]
    doubt = f"; {types.doubt}" if types.doubt else ""
    # Word pieces and untrained SAEs are null models of the metric too, and are told of by themselves.
    beyond = types.every if types.not_run else "these"
    found = [
        f"{lobes}: Cramér's V of winning lobe and document type, in documents that did not serve to find the lobes, is "
        f"{spread(list(values.values()))}, against {listing(against)} (beyond {beyond} at "
        f"{types.at(types.found)}, {types.p_words}{doubt})."
    ]
    found += [_beyond(group, count, each) for each in beside if each.judged.rows]
    return [*found, *_types(group, rows, count)]


def _beyond(group: Group, count: int, beside: _Beside) -> str:
    """V of the lobes and of a baseline, and the gain with its interval, on so many blocks."""
    judged, names = beside.judged, beside.names
    gain = {row: group.value(row, names.gain, n_lobes=count) or 0.0 for row in judged.rows}
    top = max(gain, key=gain.__getitem__)
    low, high = (group.value(top, f"{names.gain}_{end}", n_lobes=count) for end in ("low", "high"))
    n_blocks = spread([int(value) for value in group.values(judged.rows, names.n_blocks)])
    value = spread(group.values(judged.rows, names.value or TOLD["mean"], n_lobes=count))
    other = spread(group.values(judged.rows, names.other, n_lobes=count))
    sides = (
        f"On the {n_blocks} blocks whose text is known V is {value} for lobes found on either half of the documents "
        f"and measured on the other, and {other} for lobes of as many word pieces"
        if names is OF_TEXT
        else f"On {n_blocks} blocks V is {value} for lobes found on either half of the documents and measured on the "
        f"other, and {other} for lobes of an untrained SAE of the same activations, width and L0"
    )
    return f"{sides}: a gain of {range_and_largest(group, gain, low, high)} ({judged.p_words})."


def _types(group: Group, rows: Sequence[str], count: int) -> list[str]:
    """The division of types that most layers have, by name."""
    divisions = {row: division(group, row, count) for row in rows}
    (most, _), *_ = Counter(divisions.values()).most_common()
    same = [row for row in rows if divisions[row] == most]
    if len(most) < 2:
        return []
    parts = [listing([name.replace("_", " ") for name in names]) for names in most]
    return [f"At {out_of(same, rows, 'layer')} one lobe wins most blocks of {'; another those of '.join(parts)}."]
