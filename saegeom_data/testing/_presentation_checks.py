"""Checks of how a metric is shown: a rename of an output fails here instead of emptying a page."""

from __future__ import annotations

from collections.abc import Iterator

import xarray as xr

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Headline, Presentation
from saegeom_data.testing._case import Case


def presentation_names_declared_outputs(case: Case) -> None:
    """Every output that a headline, its interval or what is followed over depth names is declared."""
    shown = case.metric.load_presentation()
    if shown is None:
        return
    declared = {output.name for output in case.metric.outputs}
    for name in _named(shown, shown_group(case)):
        if name not in declared:
            raise AssertionError(f"presentation: got {name!r}, expected one of the outputs {sorted(declared)}")


def presentation_shows_results(case: Case) -> None:
    """Headlines are read, and figures and findings made, from results of two rows without an error."""
    shown = case.metric.load_presentation()
    if shown is None:
        return
    group = shown_group(case)
    for headline in shown.headlines_of(group):
        for reading in headline.readings:
            for row in group.rows:
                reading.read(group, row)
    for panel in shown.figures([group]):
        # A figure fails when it is written rather than when it is made.
        panel.figure.to_json()
    for finding in shown.findings([group]):
        if not (finding.headline and finding.evidence):
            raise AssertionError(f"finding {finding.topic!r}: got no text, expected a headline and evidence")


def _named(shown: Presentation, group: Group) -> Iterator[str]:
    headlines: tuple[Headline, ...] = tuple(shown.headlines(group)) if callable(shown.headlines) else shown.headlines
    for headline in headlines:
        yield from (reading.output for reading in headline.readings)
    if shown.over_depth is not None:
        yield shown.over_depth.output


def shown_group(case: Case) -> Group:
    """The result of the example as two rows of a run, at layers 0 and 1."""
    over = case.metric.over
    # Two rows, because much is drawn, and said, only where layers can be compared.
    both = xr.concat([case.result, case.result], dim=over, combine_attrs="override", data_vars="all")
    rows = ["first", "second"]
    data = both.assign_coords({over: rows, "layer": (over, [0, 1])})
    if over == "sae":
        data = data.assign_coords(width=(over, [8, 8]), l0=(over, [4.0, 4.0]))
    parameters = case.metric.check_parameters(case.metric.quick)
    return Group(case.metric.name, case.metric.name, case.metric.scale, parameters, data)
