"""Panels of a report: those that metrics bring, plain ones for metrics that bring none, and trends over depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Headline, Panel, Presentation
from saegeom_data.declare.scales import SCALES
from saegeom_data.report import depth_figure, draw, theme
from saegeom_data.report.matched_depth import TREND, matching_line
from saegeom_data.results.followed import Followed, followed
from saegeom_data.results.presentations import Failures, by_metric, in_order

_MOST_PLAIN = 4


def panels_of(groups: Sequence[Group], failures: Failures) -> list[Panel]:
    """All panels in order: by scale, by place of the metric, and the trends over depth of a scale at its end.

    Parameters
    ----------
    groups
        Results of a run.
    failures
        Receives what could not be drawn: a presentation that fails costs its own panels.
    """
    found = panels_of_metrics(groups, failures)
    numbers = followed(groups, failures)
    found += failures.guarded(TREND, "figure", depth_figure.panels, numbers, otherwise=())
    return _with_cautions(_by_scale(found), numbers)


def panels_of_metrics(groups: Sequence[Group], failures: Failures, only: str = "") -> list[Panel]:
    """Panels that metrics bring, and plain ones where they bring none, in order; of one metric alone if it is named."""
    found: list[Panel] = []
    for group, presentation in by_metric(groups, failures):
        # Figures of a metric are given all groups, so they are asked for once, however often it was run.
        if presentation.figures is not Presentation().figures and only in ("", group.metric):
            nothing: Sequence[Panel] = ()
            drawn = failures.guarded(group.metric, "figures", presentation.figures, groups, otherwise=nothing)
            found += [replace(panel, source=group.metric) for panel in drawn]
    for group, presentation in in_order(groups, failures):
        # Each result by itself, unlike above: a plain panel is of one result, and those of a metric
        # may have other parameters.
        if presentation.figures is Presentation().figures and only in ("", group.metric):
            found += failures.guarded(group.metric, "plain figure", plain_panels, group, presentation, otherwise=())
    return _by_scale(found)


def _by_scale(panels: Sequence[Panel]) -> list[Panel]:
    order = {scale: place for place, scale in enumerate(SCALES)}
    return sorted(panels, key=lambda panel: order.get(panel.scale, len(order)))


def _with_cautions(panels: Sequence[Panel], numbers: Sequence[Followed]) -> list[Panel]:
    """Say under the first panel of each scale whether its layers can be compared as they are."""
    told, found = set(), []
    for panel in panels:
        line = matching_line([number for number in numbers if number.group.scale == panel.scale])
        if line and panel.scale not in told and panel.id != depth_figure.panel_id(panel.scale):
            panel = replace(panel, reading=f"{panel.reading} {line}")
        # Told even where nothing was added: a first panel that adjusts for it says so itself.
        told.add(panel.scale)
        found.append(panel)
    return found


def plain_panels(group: Group, presentation: Presentation) -> list[Panel]:
    """Draw the first headline numbers of a result over its rows: what a metric without figures of its own is given."""
    headlines = [headline for headline in presentation.headlines_of(group) if _is_drawn(group, headline)][:_MOST_PLAIN]
    # A single number is in the table already.
    if not headlines or len(group.rows) < 2:
        return []
    titles = [theme.heading(theme.safe(headline.label)) for headline in headlines]
    fig = theme.figure(rows=len(headlines), titles=titles, height=60 + 300 * len(headlines), vertical_spacing=0.18)
    spoken = []
    for row, headline in enumerate(headlines, 1):
        reading = headline.values[0]
        low, high = (end.output for end in reading.interval) if reading.interval else ("", "")
        values = draw.by_row(
            fig, group, reading.output, theme.BLUE, low=low, high=high, at=(row, 1), where=reading.where
        )
        draw.layer_axis(fig, group, row=row, col=1)
        units = str(group.data[reading.output].attrs.get("units", "1"))
        fig.update_yaxes(title_text=theme.safe("" if units == "1" else units), row=row, col=1)
        spoken.append(f"{headline.label}: {draw.spoken(group, values)}.")
    bars = "Bars are intervals." if any(headline.values[0].interval for headline in headlines) else ""
    reading_text = (
        f"Numbers of {group.metric} at each {'layer or SAE' if group.over == 'sae' else 'site'}. {bars}".strip()
    )
    return [
        Panel(f"plain-{group.name}", group.scale, group.name, fig, " ".join(spoken), reading_text, (), group.metric)
    ]


def _is_drawn(group: Group, headline: Headline) -> bool:
    """Whether its first value is a number of at least one row."""
    reading = headline.values[0]
    return any(isinstance(reading.read(group, row), int | float) for row in group.rows)
