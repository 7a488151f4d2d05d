"""Findings on slopes of spectra, in words that follow from the claims and numbers whichever way they fall."""

from __future__ import annotations

import math
from collections.abc import Sequence

from saegeom_data.declare.answer import Answer, Mark
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding
from saegeom_data.metrics.galaxy.eigenvalue_slope._fits import FORMS
from saegeom_data.metrics.galaxy.eigenvalue_slope._steepest import steepest_by_window
from saegeom_data.metrics.galaxy.eigenvalue_slope.claims import BENT, ISOTROPIC, STEEPER, claims
from saegeom_data.report.matched_depth import Matching, matching
from saegeom_data.results.answers import answer, answers, series
from saegeom_data.results.groups import find_group
from saegeom_data.results.judgement import Judgement, judge, nulls_of
from saegeom_data.results.wording import interval, listing, number, out_of, plural, spread

_FORMS = dict(zip(FORMS, ("a power law", "a log-normal", "a broken power law"), strict=True))


def findings(groups: Sequence[Group]) -> list[Finding]:
    """Whether the slope is steepest in the middle, how it compares with isotropic rows, and whether it is one slope."""
    slopes = find_group(groups, "eigenvalue_slope", "slope")
    if slopes is None:
        return []
    found = (_steepest(slopes), _against_noise(slopes))
    return [finding for finding in found if finding is not None]


def _steepest(group: Group) -> Finding | None:
    """Whether the slope is steepest in the middle third of the layers, and on how many windows of ranks."""
    rows = _by_layer(group, "slope")
    if len(rows) < 3:
        return None
    middle = rows[len(rows) // 3 : len(rows) - len(rows) // 3]
    outer = [row for row in rows if row not in middle]
    steepest = min(rows, key=lambda row: _known(group, row, "slope"))
    is_middle = steepest in middle
    # Compared with the best of the other part: that it exceeds some layer there shows little.
    rival = min(outer if is_middle else middle, key=lambda row: _known(group, row, "slope"))
    difference, reach = _lead(group, steepest, rival, len(rows))
    layer, by_window = group.coordinate(steepest, "layer"), steepest_by_window(group, rows)
    where = f", on {by_window[steepest]} of {plural(by_window.total(), 'window')} of ranks" if by_window else ""
    if is_middle:
        headline = f"The spectrum is steepest in a middle layer, layer {layer}{where}"
    else:
        headline = f"The spectrum is not steepest in the middle layers but at layer {layer}{where}"
    found = matching(group, rows)
    doubts = ["its lead is no larger than its uncertainty"] if reach is not None and difference + reach >= 0 else []
    doubts += [f"{found.differ} between layers"] if found.differing else []
    headline += f", though {' and '.join(doubts)}" if doubts else ""
    third = f"{group.coordinate(middle[0], 'layer')} to {group.coordinate(middle[-1], 'layer')}"
    # Under exchangeable layers each is as likely to be the steepest: the chance of a middle one is their share.
    share = len(middle) / len(rows)
    ends = "" if reach is None else f" {interval(difference - reach, difference + reach)}"
    evidence = (
        f"{_matched(found)} its slope over ranks {_window(group)} is {_slope(group, steepest)}, against "
        f"{_slope(group, rival)} at layer {group.coordinate(rival, 'layer')}, the steepest "
        f"{'outside' if is_middle else 'inside'} the middle third (layers {third}): a difference of "
        f"{number(difference)}{ends}{_for_any_pair(len(rows)) if ends else ''}.{_by_windows(group, by_window)} If "
        f"depth did not matter, the steepest layer would be a middle one with p = {share:.2f}."
    )
    is_clear = None if reach is None else difference + reach < 0
    short = _steepest_in_short(group, rows, steepest, is_middle=is_middle, is_clear=is_clear)
    return Finding("galaxy", "steepest layer", headline + ".", evidence, (short,))


def _steepest_in_short(
    group: Group, rows: Sequence[str], steepest: str, *, is_middle: bool, is_clear: bool | None
) -> Answer:
    """Whether a middle layer is the steepest, as far as the uncertainty of its lead tells."""
    layer, differ = group.coordinate(steepest, "layer"), matching(group, rows).differ
    where = f"in a middle layer, {layer}" if is_middle else f"at layer {layer}, not in a middle layer"
    mark: Mark = "holds" if is_middle else "not shown"
    if is_clear:
        sentence = f"{'So far, the' if differ else 'The'} spectrum is steepest {where}."
    else:
        mark = "cannot be told"
        doubt = "of unknown uncertainty" if is_clear is None else "no larger than its uncertainty"
        sentence = f"Which layer is steepest cannot be told: the lead of layer {layer} is {doubt}."
    made = [claim for claim in claims(group) if claim.topic == STEEPER and claim.row in rows]
    drawn = series(made, group, [steepest] if is_clear else [], None) if made else None
    return Answer(sentence, mark, f"{differ} between layers" if differ else "", drawn)


def _against_noise(group: Group) -> Finding | None:
    """How slopes compare with those of isotropic rows, and whether the spectrum is a power law at all."""
    made = claims(group)
    steeper, bent = (judge([claim for claim in made if claim.topic == topic]) for topic in (STEEPER, BENT))
    if not steeper.claims:
        return None
    headline = f"The spectrum {_compared(steeper)}{_law(steeper, bent)}."
    rows = steeper.rows
    slopes = [_known(group, row, "slope") for row in rows]
    nulls = [
        f"{null.words} have {spread(values)}"
        for null in nulls_of(group)
        if null.label in ISOTROPIC and (values := group.values(rows, "slope_null", null=null.label))
    ]
    evidence = [
        f"Slopes over ranks {_window(group)} are {spread(slopes)}; {listing(nulls)}, by laws that need no simulation "
        f"(jackknife t-test, two-sided {steeper.p_words}).",
        *_share(group, rows),
        *_bend(group, bent),
    ]
    short = answers(answer(steeper, group), answer(bent, group, null=0.0))
    return Finding("galaxy", "slope against noise", headline, " ".join(evidence), short)


def _compared(judged: Judgement) -> str:
    """On which side of the nulls the slopes lie, and at how many layers."""
    named = listing([f"that of {null.words}" for null in judged.nulls])
    parts = []
    if judged.found:
        parts.append(f"steeper than {named} at {judged.at(judged.found)}")
    if judged.opposite:
        parts.append(f"flatter than {named} at {judged.at(judged.opposite)}")
    missing = f" ({judged.missing})" if judged.missing else ""
    if parts:
        return f"is {listing(parts)}{missing}"
    return f"cannot be told from {named} at {judged.anywhere}{missing}"


def _law(steeper: Judgement, bent: Judgement) -> str:
    """Whether the spectrum is a power law where it differs from isotropic rows."""
    differs = [*steeper.found, *steeper.opposite]
    rejected = [row for row in (*bent.found, *bent.opposite) if row in differs]
    kept = [row for row in bent.not_found if row in differs]
    if rejected:
        return f", but not a power law at {out_of(rejected, bent.rows, 'layer')}"
    return f", and a power law is not rejected at {out_of(kept, bent.rows, 'layer')}" if kept else ""


def _share(group: Group, rows: Sequence[str]) -> list[str]:
    """Slopes over the ranks that are the published share of the hidden size."""
    slopes = group.values(rows, "slope_by_share")
    if not slopes:
        return []
    nulls = [group.values(rows, "slope_by_share_null", null=label) for label in ISOTROPIC]
    share = [100 * float(group.parameters.get(f"{end}_share", 0)) for end in ("first", "last")]
    noise = f", of isotropic rows {listing([spread(values) for values in nulls if values])}" if any(nulls) else ""
    return [f"Over {share[0]:g} to {share[1]:g} percent of the hidden size they are {spread(slopes)}{noise}."]


def _bend(group: Group, judged: Judgement) -> list[str]:
    """The curvature that is left once few rows are allowed for, and how well other laws fit."""
    if not judged.claims:
        return []
    bends = [claim.value for claim in judged.claims if claim.value is not None]
    widest = max(judged.claims, key=lambda claim: abs(claim.value or 0.0))
    explained = [
        f"{words} {spread(values, 2)}"
        for form, words in _FORMS.items()
        if (values := group.values(judged.rows, "power_law_r_squared", form=form))
    ]
    told = f" R squared of log eigenvalues: {listing(explained)}." if explained else ""
    return [
        f"Beyond the curvature that as many rows give a power law it is curved by {spread(bends)} "
        f"(largest in size {number(widest.value)} {interval(widest.low, widest.high)}; two-sided {judged.p_words})."
        + told
    ]


def _by_layer(group: Group, name: str) -> list[str]:
    rows = [
        row for row in group.rows if group.value(row, name) is not None and group.coordinate(row, "layer") is not None
    ]
    layers = {group.coordinate(row, "layer") for row in rows}
    # With several SAEs of one layer there is no order, and no middle.
    return sorted(rows, key=lambda row: group.coordinate(row, "layer")) if len(layers) == len(rows) else []


def _known(group: Group, row: str, name: str) -> float:
    value = group.value(row, name)
    if value is None:
        raise ValueError(f"{group.name}/{name}: no value for {row}")
    return value


def _lead(group: Group, row: str, other: str, n_rows: int) -> tuple[float, float | None]:
    """Difference of two slopes, and half the width of its interval, which holds for every pair of layers at once.

    Each layer's own interval is widened so that all n hold together (Bonferroni), and half-widths add: that bounds the
    error of a difference of SAEs that depend on each other in any way, of a pair that was chosen by its slopes.
    """
    from scipy.special import stdtrit

    difference = _known(group, row, "slope") - _known(group, other, "slope")
    reach = 0.0
    for each in (row, other):
        error, degrees = (group.value(each, f"slope_{name}") for name in ("standard_error", "degrees"))
        if error is None:
            return difference, None
        # Degrees without end are those of a normal law.
        reach += float(stdtrit(math.inf if degrees is None else degrees, 1 - 0.025 / n_rows)) * error
    return difference, reach


def _for_any_pair(n_rows: int) -> str:
    return f" (95 percent for all pairs of the {n_rows} layers, however their SAEs depend on each other)"


def _by_windows(group: Group, by_window: dict[str, int]) -> str:
    """The layers that are steepest by window, with the number of windows of each."""
    if not by_window:
        return ""
    counts = [
        f"layer {group.coordinate(row, 'layer')} on {count}"
        for row, count in sorted(by_window.items(), key=lambda item: -item[1])
    ]
    return f" By window of ranks the steepest is {listing(counts)}."


def _window(group: Group) -> str:
    return f"{group.parameters.get('first_rank', '?')} to {group.parameters.get('last_rank', '?')}"


def _slope(group: Group, row: str) -> str:
    low, high = group.value(row, "slope_low"), group.value(row, "slope_high")
    return number(group.value(row, "slope")) + (
        f" {interval(low, high)}" if low is not None and high is not None else ""
    )


def _matched(found: Matching) -> str:
    if found.differing:
        return f"{found.differences}, so this may come from {found.what} rather than depth:"
    if "l0" in found.unknown:
        return "With L0 not known for every SAE,"
    return f"At matched L0 ({found.span('l0')})"
