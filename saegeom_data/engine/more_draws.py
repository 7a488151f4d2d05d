"""Go on drawing where p cannot tell yet, and say beforehand what a number of draws cannot find.

A row is drawn for again only if it is undecided: not found, but within two Monte Carlo errors of being found. The first
draws stay what they were, since no draw of a null model depends on how many there are, and p is that of all of them. At
every level this finds no more than either stage alone: the first must have come near the bound, and the second must
find it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from saegeom_data.data.selection import Selection
from saegeom_data.declare.claim import Claim, Null
from saegeom_data.engine.join import join
from saegeom_data.engine.units import Unit, evaluate_units
from saegeom_data.results.discoveries import FALSE_DISCOVERY_RATE
from saegeom_data.results.groups import read_groups
from saegeom_data.results.judgement import by_topic, judge, least_draws, more_draws
from saegeom_data.results.presentations import Failures, presentation_of
from saegeom_data.spec.models import RunSpec

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
    for _ in range(_ROUNDS):
        wanted = _undecided(found)
        if not wanted:
            break
        again = []
        for unit in found:
            if (unit.group, unit.name) in wanted:
                again += _with_draws(run, selection, unit, wanted[unit.group, unit.name])
        finished = {(unit.group, unit.name): unit for unit in compute(again)}
        found = [finished.get((unit.group, unit.name), unit) for unit in found]
    return found


def _undecided(units: Sequence[Unit]) -> dict[tuple[str, str], dict[str, int]]:
    """For each undecided unit, by group and row, its parameters of draws with the numbers that it needs."""
    wanted: dict[tuple[str, str], dict[str, int]] = {}
    for group in read_groups(join(units)):
        failures = Failures()
        presentation, nothing = presentation_of(group, failures), ()
        claims: Sequence[Claim] = failures.guarded(
            group.metric, "claims", presentation.claims, group, otherwise=nothing
        )  # fmt: skip
        for topic in by_topic(claims).values():
            judgement = judge(topic)
            for row in judgement.undecided:
                raised = wanted.setdefault((group.name, row), {})
                for parameter, number in more_draws(judgement, row).items():
                    if number <= MOST_DRAWS:
                        raised[parameter] = max(raised.get(parameter, 0), number)
    return {place: raised for place, raised in wanted.items() if raised}


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


def draws_lines(run: RunSpec, units: Sequence[Unit]) -> Iterator[str]:
    """Say of each metric of a run what its numbers of draws cannot find, before anything is drawn."""
    for measured in run.metrics:
        members = [unit for unit in units if unit.group == measured.group]
        if not members:
            continue
        metric = members[0].metric
        parameters = metric.check_parameters(measured.parameters)
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
