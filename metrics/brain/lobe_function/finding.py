"""Findings on what lobes do, in words that follow from the numbers whichever way they fall."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.brain._shared.wording import lobes_in_words
from saegeom_data.metrics.brain.lobe_function._claims import claims, text_topic, types_topic
from saegeom_data.metrics.brain.lobe_function._type_shares import division
from saegeom_data.metrics.nulls import frequency_stratified, label_permutation
from saegeom_data.results.groups import find_group, range_and_largest
from saegeom_data.results.judgement import Judgement, by_topic, judge
from saegeom_data.results.wording import listing, out_of, spread


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Whether lobes tell document types apart, and whether they do so beyond the words of the text."""
    group = find_group(groups, "lobe_function", "winner_share_low", "cramers_v_gain", published=None)
    if group is None or "n_lobes" not in group.data.coords:
        return []
    topics = by_topic(claims(group))
    counts = [int(count) for count in group.data["n_lobes"].values]
    types = {count: judge(topics[types_topic(count)]) for count in counts if types_topic(count) in topics}
    counts = [count for count in types if types[count].rows]
    if not counts:
        return []
    text = {count: judge(topics[text_topic(count)]) for count in counts}
    clauses = [_clause(count, types[count], text[count]) for count in counts]
    headline = "; ".join([clauses[0], *(clause[0].lower() + clause[1:] for clause in clauses[1:])])
    evidence = [part for count in counts for part in _evidence(group, count, types[count], text[count])]
    if not any(text[count].rows for count in counts):
        evidence.append("Word pieces are not compared, as the store does not hold the text of enough of these blocks.")
    evidence.append("That types shuffled among documents give less says only that texts of these types differ.")
    return [Finding("brain", "document types", f"{headline}.", " ".join(evidence))]


def _clause(count: int, types: Judgement, text: Judgement) -> str:
    """What was found for one number of lobes, without a full stop."""
    lobes = lobes_in_words(count)
    if not types.found:
        doubt = f" ({types.doubt})" if types.doubt else ""
        if len(types.undecided) == len(types.rows):
            whether = f"Whether {lobes[0].lower()}{lobes[1:]} tell document types apart"
            return f"{whether}, beyond {types.every}, cannot be told yet{doubt}"
        return f"{lobes} do not tell document types apart at {types.anywhere}, beyond {types.every}{doubt}"
    if not text.rows:
        return f"{lobes} tell document types apart at {types.at(types.found)}, beyond {types.every}"
    if not text.found and not text.opposite:
        return f"{lobes} tell document types apart no better than word pieces of the same text at {text.anywhere}"
    sides = [
        f"{word} than word pieces of the same text at {text.at(rows)}"
        for word, rows in (("better", text.found), ("worse", text.opposite))
        if rows
    ]
    return f"{lobes} tell document types apart {listing(sides)}"


def _evidence(group: Group, count: int, types: Judgement, text: Judgement) -> list[str]:
    """V of one number of lobes beside its nulls, the comparison with word pieces, and which types go together."""
    rows, lobes = types.rows, lobes_in_words(count)
    values = {row: group.value(row, "cramers_v", n_lobes=count) or 0.0 for row in rows}
    nulls = [
        (label_permutation.LABEL, "with types shuffled among documents"),
        (frequency_stratified.LABEL, "with lobes shuffled among features of like firing rate"),
    ]
    against = [
        f"{spread(mean)} {words}"
        for label, words in nulls
        if (mean := _known(group, rows, "cramers_v_null_mean", n_lobes=count, null=label))
    ]
    doubt = f"; {types.doubt}" if types.doubt else ""
    # Word pieces are a null model of the metric too, and are told of by themselves.
    beyond = types.every if types.not_run else "these"
    found = [
        f"{lobes}: Cramér's V of winning lobe and document type, in documents that did not serve to find the lobes, is "
        f"{spread(list(values.values()))}, against {listing(against)} (beyond {beyond} at "
        f"{types.at(types.found)}, {types.p_words}{doubt})."
    ]
    if text.rows:
        found.append(_beyond_words(group, count, text))
    return [*found, *_types(group, rows, count)]


def _beyond_words(group: Group, count: int, text: Judgement) -> str:
    gain = {row: group.value(row, "cramers_v_gain", n_lobes=count) or 0.0 for row in text.rows}
    top = max(gain, key=gain.__getitem__)
    low, high = (group.value(top, f"cramers_v_gain_{end}", n_lobes=count) for end in ("low", "high"))
    n_blocks = [int(value) for value in _known(group, text.rows, "n_blocks_text")]
    return (
        f"On the {spread(n_blocks)} measured blocks whose text is known, V is "
        f"{spread(_known(group, text.rows, 'cramers_v_text', n_lobes=count))} for lobes found in as many others, and "
        f"{spread(_known(group, text.rows, 'cramers_v_word_pieces', n_lobes=count))} for lobes of as many word pieces: "
        f"a gain of {range_and_largest(group, gain, low, high)} ({text.p_words})."
    )


def _types(group: Group, rows: Sequence[str], count: int) -> list[str]:
    """The division of types that most layers have, by name."""
    divisions = {row: division(group, row, count) for row in rows}
    (most, _), *_ = Counter(divisions.values()).most_common()
    same = [row for row in rows if divisions[row] == most]
    if len(most) < 2:
        return []
    parts = [listing([name.replace("_", " ") for name in names]) for names in most]
    return [f"At {out_of(same, rows, 'layer')} one lobe wins most blocks of {'; another those of '.join(parts)}."]


def _known(group: Group, rows: Sequence[str], name: str, **where: object) -> list[float]:
    return [value for row in rows if (value := group.value(row, name, **where)) is not None]
