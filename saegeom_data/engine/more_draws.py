"""Draw until p is decided: stop early where it is clearly too large, and go on where it cannot tell yet.

A sequential test as that of Besag and Clifford (1991), by groups of draws. Where many draws are asked for, each as dear
as the measurement itself, a row begins with a few; where these leave p clearly too large it keeps them, else all are
drawn. After that a row is drawn for again only if it is undecided: not found, but within two Monte Carlo errors of
being found. The first draws stay what they were, since no draw of a null model depends on how many there are, and p is
that of all of them. At every level this finds no more than any stage alone: the ones before must have come near the
bound, and the last must find it too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from saegeom_data.data.selection import Selection
from saegeom_data.declare.claim import Claim, Null
from saegeom_data.declare.registry import get_metric
from saegeom_data.engine.check_run import check_run
from saegeom_data.engine.join import join
from saegeom_data.engine.left_out import LeftOut
from saegeom_data.engine.units import Unit, evaluate_units
from saegeom_data.results.discoveries import FALSE_DISCOVERY_RATE
from saegeom_data.results.groups import read_groups
from saegeom_data.results.judgement import Judgement, by_topic, judge, least_draws, more_draws
from saegeom_data.results.presentations import Failures, presentation_of
from saegeom_data.spec.models import MetricRun, RunSpec

# Parameters of draws with the numbers that are wanted, by group and row.
Wanted = dict[tuple[str, str], dict[str, int]]

# With so many draws p is 0.05 at least, and one of 0.25 is two Monte Carlo errors above that.
FIRST_DRAWS = 19
# Draws that begin anew are made twice: below so many times the first ones that costs more than stopping early saves.
_WORTH_STOPPING = 5
# A first judgement, a second with the draws that it asked for, and a third where these left a row near the bound.
_ROUNDS = 2
# No row of a run is drawn for without end: a p that is this near its bound with so many draws stays undecided.
MOST_DRAWS = 10_000


def drawn_on(
    run: RunSpec, selection: Selection, units: Sequence[Unit], compute: Callable[[Sequence[Unit]], list[Unit]]
) -> list[Unit]:
    """Compute undecided units again with the draws that they need.

    Parameters
    ----------
    run, selection
        What was measured.
    units
        Computed units of the run.
    compute
        Computes units.

    Returns
    -------
    list of Unit
        The same units in the same order; those that were drawn for again hold the new result, and in ``draws`` the
        parameters that were raised.
    """
    found = list(units)
    for rule in (_unclear, *[_undecided] * _ROUNDS):
        wanted = rule(found)
        again = []
        for unit in found:
            if (unit.group, unit.name) in wanted:
                again += _with_draws(run, selection, unit, wanted[unit.group, unit.name])
        if again:
            finished = {(unit.group, unit.name): unit for unit in compute(again)}
            found = [finished.get((unit.group, unit.name), unit) for unit in found]
    return found


def _unclear(units: Sequence[Unit]) -> Wanted:
    """Units that began with few draws and may be found: by group and row, with the draws that the run asks for."""
    begun = [unit for unit in units if unit.draws]
    if not begun:
        return {}
    clear: dict[tuple[str, str], bool] = {}
    for group, judgement in _judgements(begun):
        for row in judgement.rows:
            # One number of a row may be clear where another is not, and is then drawn for with it.
            clear[group, row] = clear.get((group, row), True) and row in judgement.not_found
    return {
        (unit.group, unit.name): {name: json.loads(unit.dataset.attrs["parameters"])[name] for name in unit.draws}
        for unit in begun
        if not clear.get((unit.group, unit.name))
    }


def _undecided(units: Sequence[Unit]) -> Wanted:
    """For each undecided unit, by group and row, its parameters of draws with the numbers that it needs."""
    wanted: Wanted = {}
    for group, judgement in _judgements(units):
        for row in judgement.undecided:
            raised = wanted.setdefault((group, row), {})
            for parameter, number in more_draws(judgement, row).items():
                if number <= MOST_DRAWS:
                    raised[parameter] = max(raised.get(parameter, 0), number)
    return {place: raised for place, raised in wanted.items() if raised}


def _judgements(units: Sequence[Unit]) -> Iterator[tuple[str, Judgement]]:
    """The name of each group, and what becomes of each topic of its claims."""
    for group in read_groups(join(units)):
        failures = Failures()
        presentation, nothing = presentation_of(group, failures), ()
        claims: Sequence[Claim] = failures.guarded(
            group.metric, "claims", presentation.claims, group, otherwise=nothing
        )  # fmt: skip
        for topic in by_topic(claims).values():
            yield group.name, judge(topic)


def _with_draws(run: RunSpec, selection: Selection, unit: Unit, draws: dict[str, int]) -> list[Unit]:
    """The lazy unit of the same row with more draws, without what is written tile by tile."""
    measured = next(measured for measured in run.metrics if measured.group == unit.group)
    raised = {**unit.draws, **draws}
    alone = measured.model_copy(update={"parameters": measured.parameters | raised, "saes": [unit.name]})
    found = evaluate_units(run.model_copy(update={"metrics": [alone]}), selection)
    return [
        # Attributes stay those of the group, whose parameters are what the run was asked for.
        replace(new, dataset=new.dataset[list(unit.dataset.data_vars)].assign_attrs(unit.dataset.attrs), draws=raised)
        for new in found
    ]


def first_units(run: RunSpec, selection: Selection, left_out: LeftOut | None = None) -> list[Unit]:
    """Lazy units that a run begins with, as :func:`evaluate_units` gives them, but for draws that may not be needed.

    Where drawing goes on until p is decided, each that begins with few draws says so in ``draws``; its attributes have
    the parameters of the run.
    """
    if run.draws != "until_decided":
        return evaluate_units(run, selection, left_out)
    # Before parameters are looked at, so that all that is wrong with the run is told at once.
    check_run(run)
    few = {measured.group: _begun_with(measured) for measured in run.metrics}
    metrics = [
        measured.model_copy(update={"parameters": measured.parameters | few[measured.group]})
        for measured in run.metrics
    ]
    asked = {measured.group: _resolved(measured) for measured in run.metrics}
    units = evaluate_units(run.model_copy(update={"metrics": metrics}), selection, left_out)
    return [_begun(unit, few[unit.group], asked[unit.group]) if few[unit.group] else unit for unit in units]


def _begun(unit: Unit, few: dict[str, int], asked: Mapping[str, Any]) -> Unit:
    said = json.loads(unit.dataset.attrs["parameters"]) | {name: asked[name] for name in few}
    return replace(unit, dataset=unit.dataset.assign_attrs(parameters=json.dumps(said)), draws=few)


def _begun_with(measured: MetricRun) -> dict[str, int]:
    """Parameters of a metric that set many dear draws, with the number that each row begins with."""
    asked = _resolved(measured)
    dear = {null.draws for null in get_metric(measured.metric).nulls if null.is_dear}
    worth = _WORTH_STOPPING * FIRST_DRAWS
    return {name: FIRST_DRAWS for name in sorted(dear) if isinstance(asked.get(name), int) and asked[name] >= worth}


def _resolved(measured: MetricRun) -> Mapping[str, Any]:
    """All parameters of a metric, defaults included."""
    return get_metric(measured.metric).check_parameters(measured.parameters)


def draws_lines(run: RunSpec, units: Sequence[Unit]) -> Iterator[str]:
    """Say of each metric of a run what its numbers of draws cannot find, before anything is drawn."""
    for measured in run.metrics:
        members = [unit for unit in units if unit.group == measured.group]
        if not members:
            continue
        metric = members[0].metric
        parameters = _resolved(measured)
        few = _begun_with(measured) if run.draws == "until_decided" else {}
        for parameter, number in few.items():
            yield (
                f"{measured.group}: {parameter}: got {parameters[parameter]:,}; drawing begins with {number}, and ends "
                "there where p is clearly too large"
            )
        by_parameter: dict[str, list[Null]] = {}
        for null in metric.nulls:
            # A metric may have draws of its default estimator only, and then leaves the parameter unset.
            if null.draws and isinstance(parameters.get(null.draws), int):
                by_parameter.setdefault(null.draws, []).append(null)
        for parameter, nulls in by_parameter.items():
            line = _line(measured.group, parameter, parameters[parameter], nulls, len(members), run.draws)
            if line:
                yield line


def _line(group: str, parameter: str, draws: int, nulls: Sequence[Null], n_rows: int, rule: str) -> str:
    """What a number of draws cannot find of some rows; empty where it can find any."""
    needed = least_draws(n_rows)
    where = f"{group}: {parameter}: got {draws:,}"
    if not draws:
        words = ", ".join(null.words for null in nulls)
        return f"{where}, so nothing can be beyond every null; not run: {words}; give {needed:,} or more"
    if draws >= needed:
        return ""
    rows = "1 row" if n_rows == 1 else f"{n_rows} rows"
    # The fewest rows that can be found together; more than there are where nothing can be found.
    fewest = next((m for m in range(1, n_rows + 1) if least_draws(n_rows, m) <= draws), None)
    if fewest is None:
        limit = f"nothing can be found: p is at least {1 / (draws + 1):.2g}, for a rate of {FALSE_DISCOVERY_RATE:g}"
    else:
        limit = f"of {rows} no fewer than {fewest} can be found, and only together"
    if rule == "until_decided":
        return f"{where}; where that cannot tell, drawing goes on to {needed:,}"
    return f"{where}; {limit}; give {needed:,} or more, or draws: until_decided"
