"""Topics of the guide: pages written by hand, and pages made from what the package declares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from saegeom_data.errors import UnknownNameError

GUIDE, TUTORIALS, METRICS, REFERENCE = PARTS = ("Guide", "Tutorials", "Metrics", "Reference")
# Pages written by hand by what a reader wants, in the order in which they are read, and what each is about; pages that
# are not here come after them.
SECTIONS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    GUIDE: {
        "Bring your data": {
            "own_sae": "arrays in memory, lazy arrays, and a store that any metric takes",
            "import": "checkpoints of eleven formats, suites of them, and cached activations",
            "build": "activations, SAEs, codes and labels from a model and text, by a spec",
            "word_pairs": "relations of words, for parallelograms and function vectors",
            "coming_from": "SAELens, dictionary_learning, sparsify, delphi, Neuronpedia, SAEBench, AnnData, both ways",
        },
        "Measure and read": {
            "questions": "which metric answers a question, and how to read what it says",
            "runs": "what comes with the package, and why numbers may differ from the paper's",
            "features": "names of features, contexts, labels, and the atlas",
            "compare": "two runs beside each other, and values that others should find",
            "depth": "a number over layers, at one L0 and width",
            "glossary": "terms of the field, and those of this package",
        },
        "Scale and share": {
            "memory": "data larger than memory, and plans that say what a run takes",
            "clusters": "one run on threads, processes, or a dask cluster",
            "plan_times": "planned times beside measured ones, for every metric",
            "publish": "stores with card, licences and checksums, and opening them anywhere",
        },
        "What was found": {
            "paper": "what the paper says, what its procedure gives, and what the right estimator gives",
            "sample": "the default run on the SAEs of a sentence transformer",
            "gemma": "the same questions put to a causal model",
        },
        "What it promises": {
            "reliability": "killed processes, full disks and damaged files",
            "calibration": "size, coverage and power of every metric, on data of known truth",
            "speed": "times and memory beside other libraries",
        },
    },
    TUTORIALS: {
        "First steps": {
            "sample": "open, measure, test and draw, in ten minutes",
            "figures_of_the_paper": "each figure of the paper, and what may be concluded from it",
            "atlas": "features on a map, to search and to read one by one",
        },
        "Your own": {
            "own_sae": "from weights to a sealed store with results, and a check of the numbers",
            "model_and_text": "from a language model and text files to a store with SAEs and codes",
            "own_metric": "declaration, tests and figure of a metric that you write",
            "two_dictionaries": "whether they are alike, hold the same features, and change over depth",
        },
        "Scale and share": {
            "larger_than_memory": "plans and limits of memory",
            "cluster": "the same run on dask workers",
            "publish": "publish, open over HTTPS, and check what others published",
        },
    },
}
MORE = "More"
# What the site has under these names: its first page, and folders.
_TAKEN = ("index", "figures", "tutorials", "api")


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
    section
        Section of that part.
    text
        Gives the page, in Markdown as MyST reads it.
    """

    name: str
    title: str
    part: str
    section: str
    text: Callable[[], str]


def topics(command: Any, thumbnails: Mapping[str, str] | None = None) -> dict[str, Topic]:
    """All pages by name, in the order of the guide.

    Parameters
    ----------
    command
        The group of all commands, as click has it, for the reference of the command line.
    thumbnails
        For the site: the picture of each metric that has one, for the page of all metrics.

    Raises
    ------
    ValueError
        If a page written by hand has the name of one that is made.
    """
    found: dict[str, Topic] = {}
    for topic in (*_written(), *_reference(command), *_metrics(thumbnails)):
        if (topic.name in found or topic.name in _TAKEN) and topic.part == METRICS:
            # Of another package, whose author may call a metric what a page here is called.
            topic = replace(topic, name=f"metrics/{topic.name}")
        if topic.name in found:
            raise ValueError(f"{topic.name}: two pages of the guide have this name; rename the one written by hand")
        found[topic.name] = topic
    # Stable, so that pages of a part stay in their order.
    return dict(sorted(found.items(), key=lambda item: PARTS.index(item[1].part)))


def by_section(members: Iterable[Topic]) -> dict[str, list[Topic]]:
    """Pages of a part by the section that they are in, both in their order; those in none are under an empty text."""
    found: dict[str, list[Topic]] = {}
    for topic in members:
        found.setdefault(topic.section, []).append(topic)
    return found


def find_topic(name: str, known: Mapping[str, Topic]) -> Topic:
    """The page of a name, which may leave out its folder, and its end where no other page begins so.

    Raises
    ------
    UnknownNameError
        If there is none, or several that begin so; offers the nearest names.

    Examples
    --------
    >>> page = Topic("tutorials/atlas", "Reading the atlas", TUTORIALS, "First steps", str)
    >>> find_topic("atl", {page.name: page}).name
    'tutorials/atlas'
    """
    by_last = {topic.name.rpartition("/")[2]: topic for topic in known.values()}
    topic = known.get(name) or by_last.get(name)
    if topic is not None:
        return topic
    begun = [topic for last, topic in by_last.items() if name and last.startswith(name)]
    if len(begun) == 1:
        return begun[0]
    raise UnknownNameError("topic of the guide", name, {*known, *by_last}, "saegeom guide lists all")


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
    order = [each for names in SECTIONS[topic.part].values() for each in names]
    return PARTS.index(topic.part), order.index(name) if name in order else len(order), name


def _page(file: Traversable, folder: str, part: str) -> Topic:
    text = file.read_text(encoding="utf-8")
    title = next((line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")), file.name)
    name = file.name.removesuffix(".md")
    section = next((section for section, names in SECTIONS[part].items() if name in names), MORE)
    return Topic(folder + name, title, part, section, lambda: text)


def _metrics(thumbnails: Mapping[str, str] | None) -> list[Topic]:
    from saegeom_data.guide.pages.metric import metric_page, metric_title
    from saegeom_data.guide.pages.support import metrics_by_scale, metrics_page

    overview = Topic("metrics", "All metrics, and what each needs", METRICS, "", lambda: metrics_page(thumbnails))
    pages = [
        Topic(name, metric_title(name), METRICS, section, lambda name=name: metric_page(name))  # type: ignore[misc]
        for section, names in metrics_by_scale().items()
        for name in names
    ]
    return [overview, *pages]


def _reference(command: Any) -> list[Topic]:
    from saegeom_data.guide.pages.api import MODULES, api_page, module_page
    from saegeom_data.guide.pages.commands import commands_page
    from saegeom_data.guide.pages.data_model import data_model_page
    from saegeom_data.guide.pages.errors import errors_page
    from saegeom_data.guide.pages.specs import specs_page

    made: dict[str, tuple[str, Callable[[], str]]] = {
        "data-model": ("What a store holds", data_model_page),
        "specs": ("Every key of every spec", specs_page),
        "commands": ("Every command", lambda: commands_page(command)),
        "errors": ("Every error, and what to do", errors_page),
        "api": ("Every public name of Python", api_page),
    }
    pages = [Topic(name, title, REFERENCE, "", text) for name, (title, text) in made.items()]
    modules = [
        Topic(f"api/{name}", words, REFERENCE, "Python", lambda name=name: module_page(name))  # type: ignore[misc]
        for name, words in MODULES.items()
    ]
    return pages + modules
