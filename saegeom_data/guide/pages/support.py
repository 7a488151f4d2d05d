"""All metrics on one page: by question, and what each needs and takes."""

from __future__ import annotations

from collections.abc import Mapping

from saegeom_data.data import schema
from saegeom_data.declare.metric import Metric
from saegeom_data.declare.registry import get_metric, list_metrics
from saegeom_data.declare.scales import OTHER, SCALE_TEXTS
from saegeom_data.guide.pages.cost import WIDTHS, fits, peak, reference_machine
from saegeom_data.guide.pages.markdown import join, section, table
from saegeom_data.guide.pages.metric import metric_title

_YES, _MAY = "●", "○"
# What users have or lack, and an input that tells.
_NEEDS: Mapping[str, schema.Variable] = {
    "decoder": schema.decoder,
    "occurrence": schema.occurrence,
    "documents": schema.block_document,
    "types": schema.block_document_type,
    "codes": schema.code_data,
    "tokens": schema.token_id,
    "token texts": schema.vocabulary_token,
    "unembedding": schema.unembedding,
    "word pairs": schema.source_activation,
}
_INTRODUCTION = """\
Each metric answers one question, beside a null model or an exact law. Its page has the formula, what goes in and comes
out, how to read it and how it misleads, cases with a known answer, and what it takes at three sizes. Which metric
answers which question is on [figures by question](questions.md); `saegeom new metric` begins one of your own.

```bash
saegeom run isotropy hubness --data mine.zarr -o results
```"""
_KEY = f"""\
{_YES}: needed. {_MAY}: used where the data has it. Every metric is lazy: building its graph computes nothing. Every
metric runs on a dask cluster. A metric is *out of core* if its plan for an SAE of a million features takes less memory
than its data has bytes, whatever the widths of results that are written tile by tile. Memory is the peak of a plan, as
on the page of the metric, which also says what of it can be lowered."""

_REFERENCE = """\
A time on the page of a metric is what its stages say that they compute, by kinds of work, at the rates of one
machine, so that pages are the same wherever they are made: one core of a virtual server with an Intel Xeon that has
AVX-512. Yours has other rates, and more cores: `saegeom run --plan` measures its rates in under a second, and
divides by the cores that each stage can use. [Planned and measured times](plan_times.md) compares plans with clocks,
for 4,800 features at most. Of wider SAEs a time tells the order of magnitude."""


def metrics_page(thumbnails: Mapping[str, str] | None = None) -> str:
    """Write the page of all metrics.

    Parameters
    ----------
    thumbnails
        For the site, which has cards: the picture of each metric that has one. Without it, metrics are listed.
    """
    scales = metrics_by_scale()
    texts = {said.title: said.text for said in (*SCALE_TEXTS.values(), OTHER)}
    parts = [
        section(title, texts[title], _listed(names) if thumbnails is None else _grid(names, thumbnails))
        for title, names in scales.items()
    ]
    names = [name for members in scales.values() for name in members]
    needs = section("What each needs and takes", _KEY, _support(names))
    reference = section("The reference machine", _REFERENCE, reference_machine())
    return join(["# Metrics", _INTRODUCTION, *parts, needs, reference])


def metrics_by_scale() -> dict[str, list[str]]:
    """Names of all metrics by the title of their scale, in the order of scales.

    Examples
    --------
    >>> list(metrics_by_scale())[0]
    'Galaxy scale'
    """
    found: dict[str, list[str]] = {said.title: [] for said in (*SCALE_TEXTS.values(), OTHER)}
    for name in list_metrics():
        found[SCALE_TEXTS.get(get_metric(name).scale, OTHER).title].append(name)
    return {title: names for title, names in found.items() if names}


def _listed(names: list[str]) -> str:
    return table(("metric", "question"), [(f"[{name}]({name}.md)", metric_title(name)) for name in names])


def _grid(names: list[str], thumbnails: Mapping[str, str]) -> str:
    cards = "\n".join(_card(name, thumbnails.get(name, "")) for name in names)
    return f"::::{{grid}} 1 2 3 3\n:gutter: 3\n:class-container: metric-cards\n\n{cards}\n::::"


def _card(name: str, picture: str) -> str:
    options = [":link: " + name, ":link-type: doc", *([f":img-top: {picture}"] if picture else [])]
    return "\n".join([f":::{{grid-item-card}} {name}", *options, "", metric_title(name), ":::"])


def _support(names: list[str]) -> str:
    heads = ("metric", *_NEEDS, "out of core", *(f"memory at {width:,}" for width in WIDTHS))
    return table(heads, [_line(get_metric(name)) for name in names])


def _line(metric: Metric) -> list[str]:
    marks = [
        _YES if variable in metric.inputs else _MAY if variable in metric.optional else ""
        for variable in _NEEDS.values()
    ]
    widths = WIDTHS if metric.over == "sae" else (0, 0, 0)
    memory = [peak(metric.name, width) for width in widths]
    return [f"[{metric.name}]({metric.name}.md)", *marks, _YES if fits(metric.name, widths[-1]) else "", *memory]
