"""Topics of the guide: pages written by hand, and pages made from what the package declares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from saegeom_data.errors import UnknownNameError

GUIDE, TUTORIALS, METRICS, REFERENCE = PARTS = ("Guide", "Tutorials", "Metrics", "Reference")
# Pages written by hand whose place is not by the alphabet: the first to read come first.
FIRST = ("start", "glossary", "questions")


@dataclass(frozen=True)
class Topic:
    """A page of the guide.

    Attributes
    ----------
    name
        What it is asked for by; for a page in a folder ``tutorials/start``.
    title
        What it is about.
    part
        Part of the guide that it belongs to.
    text
        Gives the page, in Markdown as MyST reads it.
    """

    name: str
    title: str
    part: str
    text: Callable[[], str]


def topics(command: Any, thumbnails: Mapping[str, str] | None = None) -> dict[str, Topic]:
    """All pages by name, in the order of the guide.

    Parameters
    ----------
    command
        The group of all commands, as click has it, for the reference of the command line.
    thumbnails
        The picture of each metric that has one, for the page of all metrics.

    Raises
    ------
    ValueError
        If a page written by hand has the name of one that is made.
    """
    found: dict[str, Topic] = {}
    for topic in (*_written(), *_reference(command), *_metrics(thumbnails or {})):
        if topic.name in found and topic.part == METRICS:
            # Of another package, whose author may call a metric what a page here is called.
            topic = replace(topic, name=f"metrics/{topic.name}")
        if topic.name in found:
            raise ValueError(f"{topic.name}: two pages of the guide have this name; rename the one written by hand")
        found[topic.name] = topic
    return dict(sorted(found.items(), key=lambda item: PARTS.index(item[1].part)))


def find_topic(name: str, known: Mapping[str, Topic]) -> Topic:
    """The page of a name, which may leave out its folder.

    Raises
    ------
    UnknownNameError
        If there is none; offers the nearest names.
    """
    by_last = {topic.name.rpartition("/")[2]: topic for topic in known.values()}
    topic = known.get(name) or by_last.get(name)
    if topic is None:
        raise UnknownNameError("topic of the guide", name, known)
    return topic


def _written() -> list[Topic]:
    """Pages beside this file, and tutorials below it."""
    folder = files("saegeom_data") / "guide"
    pages = [_page(file, "", GUIDE) for file in folder.iterdir() if file.name.endswith(".md")]
    tutorials = folder / "tutorials"
    if tutorials.is_dir():
        pages += [_page(file, "tutorials/", TUTORIALS) for file in tutorials.iterdir() if file.name.endswith(".md")]
    return sorted(pages, key=_place)


def _place(topic: Topic) -> tuple[int, int, str]:
    name = topic.name.rpartition("/")[2]
    return PARTS.index(topic.part), FIRST.index(name) if name in FIRST else len(FIRST), name


def _page(file: Traversable, folder: str, part: str) -> Topic:
    text = file.read_text(encoding="utf-8")
    title = next((line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")), file.name)
    return Topic(folder + file.name.removesuffix(".md"), title, part, lambda: text)


def _metrics(thumbnails: Mapping[str, str]) -> list[Topic]:
    from saegeom_data.declare.registry import list_metrics
    from saegeom_data.guide.pages.metric import metric_page, metric_title
    from saegeom_data.guide.pages.support import metrics_page

    overview = Topic("metrics", "All metrics, and what each needs", METRICS, lambda: metrics_page(thumbnails))
    pages = [Topic(name, metric_title(name), METRICS, lambda name=name: metric_page(name)) for name in list_metrics()]  # type: ignore[misc]
    return [overview, *pages]


def _reference(command: Any) -> list[Topic]:
    from saegeom_data.guide.pages.api import api_page
    from saegeom_data.guide.pages.commands import commands_page
    from saegeom_data.guide.pages.data_model import data_model_page
    from saegeom_data.guide.pages.errors import errors_page
    from saegeom_data.guide.pages.specs import specs_page

    made: dict[str, tuple[str, Callable[[], str]]] = {
        "data-model": ("What a store holds", data_model_page),
        "specs": ("Every key of every spec", specs_page),
        "commands": ("Every command", lambda: commands_page(command)),
        "api": ("Every public name of Python", api_page),
        "errors": ("Every error, and what to do", errors_page),
    }
    return [Topic(name, title, REFERENCE, text) for name, (title, text) in made.items()]
