"""Figures of a run, as SVG beside the pages of the metrics that draw them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from saegeom_data.errors import ParameterError
from saegeom_data.guide.pages.markdown import section
from saegeom_data.report import plot
from saegeom_data.report.svg import svg_of

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.declare.presentation import Panel


class Figures:
    """Figures of a run by metric.

    Parameters
    ----------
    results
        Results of a run, computed or reopened.
    """

    def __init__(self, results: xr.DataTree) -> None:
        self._drawn: dict[str, list[tuple[Panel, str]]] = {}
        for panel in plot.panels(results).values():
            # Some figures are of points by the thousand, which only a browser draws.
            try:
                self._drawn.setdefault(panel.source, []).append((panel, svg_of(panel.figure)))
            except ParameterError:
                continue

    def write(self, folder: Path) -> None:
        """Write all figures into a folder that exists."""
        for drawn in self._drawn.values():
            for panel, svg in drawn:
                (folder / f"{panel.id}.svg").write_text(svg, encoding="utf-8")

    def thumbnails(self, folder: str) -> dict[str, str]:
        """The first figure of each metric that has one, as a path in a folder."""
        return {metric: f"{folder}/{drawn[0][0].id}.svg" for metric, drawn in self._drawn.items() if metric}

    def shown(self, metric: str, folder: str) -> str:
        """Section of the figures of a metric; empty if there are none."""
        parts = [_shown(panel, folder) for panel, _ in self._drawn.get(metric, [])]
        return section("On the bundled sample", *parts)


def _shown(panel: Panel, folder: str) -> str:
    alt = panel.alt.replace("[", "(").replace("]", ")")
    return section(panel.title, f"![{alt}]({folder}/{panel.id}.svg)", panel.reading, level=3)
