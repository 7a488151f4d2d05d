"""Write all pages of the guide into one folder, with an index: what Sphinx makes the site of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saegeom_data.data.staging import refuse_existing
from saegeom_data.guide.pages.markdown import join
from saegeom_data.guide.site.front import PART_PAGES, front_page, metrics_trees, part_page
from saegeom_data.guide.topics import METRICS, PARTS, topics

if TYPE_CHECKING:
    import xarray as xr

_FIGURES = "figures"
_ON_FRONT = ("eigenvalue_slope", "lobe_function")
# Figures stand between what a metric is and how it is computed.
_BEFORE = "\n## What is computed\n"


def write_sources(folder: Path, command: Any, results: Iterable[xr.DataTree] = ()) -> list[Path]:
    """Write all pages into a new folder.

    Parameters
    ----------
    folder
        The folder to make.
    command
        The group of all commands, as click has it.
    results
        Results of runs, whose figures are shown on the pages of their metrics.

    Returns
    -------
    list of Path
        The pages.

    Raises
    ------
    TargetExistsError
        If the folder exists.
    """
    from saegeom_data.guide.site.figures import Figures

    refuse_existing(folder)
    figures = Figures(results)
    pictures = figures.thumbnails(_FIGURES)
    found = topics(command, pictures)
    pages = {topic.name: topic.text() for topic in found.values()}
    for topic in found.values():
        if topic.part == METRICS and (shown := figures.shown(topic.name, _FIGURES)):
            head, mark, rest = pages[topic.name].partition(_BEFORE)
            pages[topic.name] = f"{head}\n{shown}\n{mark}{rest}"
    for part in PARTS:
        members = [topic for topic in found.values() if topic.part == part]
        if part == METRICS:
            pages[PART_PAGES[part]] = join([pages[PART_PAGES[part]], metrics_trees(members)])
        elif members:
            pages[PART_PAGES[part]] = part_page(part, members)
    pages["index"] = front_page(found, [(pictures[name], name) for name in _ON_FRONT if name in pictures])
    for name, text in pages.items():
        path = folder / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / _FIGURES).mkdir()
    figures.write(folder / _FIGURES)
    return [folder / f"{name}.md" for name in pages]
