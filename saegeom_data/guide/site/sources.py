"""Write all pages of the guide into one folder, with an index: what Sphinx makes the site of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saegeom_data.data.staging import refuse_existing
from saegeom_data.guide.pages.markdown import join, section
from saegeom_data.guide.topics import METRICS, PARTS, Topic, topics

if TYPE_CHECKING:
    import xarray as xr

_FIGURES = "figures"
_INTRODUCTION = """\
Measure the geometry of the features of sparse autoencoders, over data larger than memory, with a null model and an
interval beside every number. Pages of metrics, data, specs, commands and errors are made from what the package
declares."""


def write_sources(folder: Path, command: Any, results: xr.DataTree | None = None) -> list[Path]:
    """Write all pages into a new folder.

    Parameters
    ----------
    folder
        The folder to make.
    command
        The group of all commands, as click has it.
    results
        Results whose figures are shown on the pages of their metrics.

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
    figures = None if results is None else Figures(results)
    found = topics(command, None if figures is None else figures.thumbnails(_FIGURES))
    pages = {topic.name: topic.text() for topic in found.values()}
    if figures is not None:
        for topic in found.values():
            if topic.part == METRICS and topic.name != "metrics":
                pages[topic.name] += "\n" + figures.shown(topic.name, _FIGURES) + "\n"
    pages["index"] = index_page(found)
    for name, text in pages.items():
        path = folder / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if figures is not None:
        (folder / _FIGURES).mkdir()
        figures.write(folder / _FIGURES)
    return [folder / f"{name}.md" for name in pages]


def index_page(found: Mapping[str, Topic]) -> str:
    """Write the first page, from which every other can be reached."""
    parts = [_part(part, [topic for topic in found.values() if topic.part == part]) for part in PARTS]
    return join(["# saegeom-data", _INTRODUCTION, *parts])


def _part(title: str, members: Iterable[Topic]) -> str:
    names = [topic.name for topic in members]
    # Every page is named, so that Sphinx refuses one that nothing leads to.
    tree = "\n".join(["```{toctree}", ":maxdepth: 1", f":caption: {title}", "", *names, "```"])
    return section(title, tree) if names else ""
