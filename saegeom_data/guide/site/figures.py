"""Figures of runs, as SVG beside the pages of the metrics whose results they draw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from saegeom_data.errors import ParameterError
from saegeom_data.guide.pages.markdown import section
from saegeom_data.guide.site import matrices, words
from saegeom_data.report import plot
from saegeom_data.report.svg import svg_of
from saegeom_data.results.groups import read_groups

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.declare.group import Group
    from saegeom_data.declare.presentation import Panel


# Metrics whose results a figure shows in all but name: its lobes are those of lobe_function, found by the same code.
_ALSO = {"lobes": "lobes"}
_NONE = {"feature_logits": "The bundled sample has no `unembedding`: its model gives vectors of text, and no logits."}


class Figures:
    """Figures of runs by metric.

    Parameters
    ----------
    results
        Results of runs, computed or reopened. A metric of several is drawn from the first that has it.
    """

    def __init__(self, results: Iterable[xr.DataTree]) -> None:
        self._drawn: dict[str, list[tuple[Panel, str]]] = {}
        self._words: dict[str, str] = {}
        for tree in results:
            groups = read_groups(tree)
            self._words = words.shown(groups) | self._words
            found: dict[str, list[tuple[Panel, str]]] = {}
            for panel, drawn_of in _panels(tree, groups):
                # Some figures are of points by the thousand, which only a browser draws.
                try:
                    svg = svg_of(panel.figure)
                except ParameterError:
                    continue
                for metric in drawn_of:
                    found.setdefault(metric, []).append((panel, svg))
            # Figures of its own come first, then those that draw its results beside others'.
            for metric, drawn in found.items():
                self._drawn.setdefault(metric, sorted(drawn, key=lambda each, metric=metric: each[0].source != metric))  # type: ignore[misc]

    def write(self, folder: Path) -> None:
        """Write all figures into a folder that exists."""
        for drawn in self._drawn.values():
            for panel, svg in drawn:
                (folder / f"{panel.id}.svg").write_text(svg, encoding="utf-8")

    def thumbnails(self, folder: str) -> dict[str, str]:
        """The first figure of each metric that has one, as a path in a folder."""
        return {metric: f"{folder}/{drawn[0][0].id}.svg" for metric, drawn in self._drawn.items()}

    def shown(self, metric: str, folder: str) -> str:
        """Section of the figures of a metric; empty if there are none."""
        parts = [_shown(panel, folder) for panel, _ in self._drawn.get(metric, [])]
        none = _NONE.get(metric, "") if self._drawn else ""
        return section("On the bundled sample", *parts, self._words.get(metric, none))


def _panels(tree: xr.DataTree, groups: Sequence[Group]) -> Iterator[tuple[Panel, set[str]]]:
    """Every figure of results, and the metrics whose results it draws."""
    metric_of = {group.name: group.metric for group in groups}
    for panel in plot.panels(tree).values():
        # A trend over depth is of no one metric.
        if panel.source in metric_of.values():
            named = {metric_of[name] for name in panel.uses if name in metric_of}
            also = {_ALSO[panel.id]} if panel.id in _ALSO else set()
            yield panel, {panel.source, *named, *also}
    for panel in matrices.panels(groups):
        yield panel, {panel.source}


def _shown(panel: Panel, folder: str) -> str:
    alt = panel.alt.replace("[", "(").replace("]", ")")
    return section(panel.title, f"![{alt}]({folder}/{panel.id}.svg)", panel.reading, level=3)
