"""The first page of the site, and the pages that list each of its parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from saegeom_data.guide.pages.markdown import join, section
from saegeom_data.guide.topics import GUIDE, METRICS, PARTS, REFERENCE, SECTIONS, TUTORIALS, Topic, by_section

# Where each part is listed. Metrics have a page of their own, which `saegeom guide` shows too.
PART_PAGES: Mapping[str, str] = {
    GUIDE: "pages/guide",
    TUTORIALS: "pages/tutorials",
    METRICS: "metrics",
    REFERENCE: "pages/reference",
}
_WORDS: Mapping[str, str] = {
    GUIDE: "How to bring data, measure, read what comes out, and share it; and what was found.",
    TUTORIALS: "Notebooks that run as they stand, on data that comes with the package.",
    METRICS: "One page for each: formula, null models, figure, how it misleads, what it takes.",
    REFERENCE: "What a store holds, every key of a spec, every command, error and public name.",
}
_TEXT = """\
# saegeom-data

Sparse autoencoders (SAEs) turn the activations of a language model into dictionaries of feature vectors. saegeom-data
measures the geometry of such dictionaries: lazily, over data larger than memory, and with what it claims tested against
null models. It began with [The Geometry of Concepts](https://arxiv.org/abs/2410.19750) (Li et al. 2025), whose numbers
it gives with the published estimators and with corrected ones.

{cards}

## Begin

::::{{tab-set}}
:::{{tab-item}} Shell
```bash
pip install saegeom-data
saegeom run --output results        # the bundled sample: a table, findings, report.html
saegeom atlas results               # its features on a map, in one file
saegeom run galaxy --data mine.zarr --plan
```
:::
:::{{tab-item}} Python
```python
import saegeom_data
from saegeom_data.metrics import eigenvalue_slope

tree = saegeom_data.open(saegeom_data.sample_path())  # or any store: a path, https://, hf://, s3://
sae = saegeom_data.select_sae(tree, "layer_3")
result = eigenvalue_slope(sae)  # builds a graph, computes nothing
print(result[["slope", "slope_low", "slope_high", "slope_null"]].compute())
```
:::
::::

[Start to finish on the sample](tutorials/sample.md) takes ten minutes. With an SAE of your own, begin with
[your own SAE](own_sae.md); with a question, with [figures by question](questions.md).

{figures}

## Three scales

- **Galaxy**, the whole cloud of features: its [spectrum](eigenvalue_slope.md), [isotropy](isotropy.md),
  [clustering](clustering_entropy.md), [neighbours](neighbour_angle.md), [dimension](intrinsic_dimension.md),
  [hubs](hubness.md) and [packing](packing.md).
- **Brain**, features that fire together: [lobes](lobes.md), [what they do](lobe_function.md),
  [whether they are places](lobe_modularity.md), [communities](coactivation_graph.md), and
  [what a feature fires on](feature_tokens.md).
- **Atom**, single directions: [parallelograms of word pairs](parallelogram_quality.md),
  [function vectors](function_vectors.md) and [crystals](crystal_search.md).

What was found at each, and what should not be concluded, is in [the paper, claim by claim](paper.md).
"""


def front_page(found: Mapping[str, Topic], pictures: Iterable[tuple[str, str]]) -> str:
    """Write the first page, from which every other can be reached.

    Parameters
    ----------
    found
        All pages.
    pictures
        Paths of figures that it shows, each with the metric that it is of.
    """
    shown = "\n".join(_picture(path, metric) for path, metric in pictures)
    figures = f"::::{{grid}} 1 2 2 2\n:gutter: 3\n:class-container: front-figures\n\n{shown}\n::::" if shown else ""
    parts = [part for part in PARTS if any(topic.part == part for topic in found.values())]
    cards = "\n".join(_card(part) for part in parts)
    text = _TEXT.format(cards=f"::::{{grid}} 1 2 4 4\n:gutter: 3\n\n{cards}\n::::", figures=figures)
    return join([text, _tree([PART_PAGES[part] for part in parts])])


def part_page(part: str, members: Iterable[Topic]) -> str:
    """Write the page that lists the pages of a part."""
    sections = by_section(members)
    listed = [section(title, _list(topics)) if title else _list(topics) for title, topics in sections.items()]
    return join([f"# {part}", _WORDS[part], *listed, _part_trees(part, sections, prefix="../")])


def metrics_trees(members: Iterable[Topic]) -> str:
    """Write the trees of the pages of all metrics, for the side of their pages."""
    own = [topic for topic in members if topic.name != PART_PAGES[METRICS]]
    return _part_trees(METRICS, by_section(own))


def _part_trees(part: str, sections: Mapping[str, list[Topic]], prefix: str = "") -> str:
    """Write the trees of a part: Sphinx refuses a page that stands in none."""
    return join(
        _tree([prefix + topic.name for topic in topics], caption=title or part) for title, topics in sections.items()
    )


def _list(topics: Iterable[Topic]) -> str:
    return "\n".join(f"- [{topic.title}](../{topic.name}.md){_said(topic)}" for topic in topics)


def _said(topic: Topic) -> str:
    words = SECTIONS.get(topic.part, {}).get(topic.section, {}).get(topic.name.rpartition("/")[2], "")
    return f": {words}" if words else ""


def _tree(names: Iterable[str], *, caption: str = "") -> str:
    options = [":maxdepth: 1", *([f":caption: {caption}"] if caption else []), ":hidden:"]
    return "\n".join(["```{toctree}", *options, "", *names, "```"])


def _card(part: str) -> str:
    return f":::{{grid-item-card}} {part}\n:link: {PART_PAGES[part]}\n:link-type: doc\n\n{_WORDS[part]}\n:::"


def _picture(path: str, metric: str) -> str:
    return f":::{{grid-item-card}} {metric}\n:link: {metric}\n:link-type: doc\n:img-bottom: {path}\n:::"
