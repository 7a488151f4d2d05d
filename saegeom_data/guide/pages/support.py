"""All metrics on one page: by question, and what each needs and takes."""

from __future__ import annotations

from collections.abc import Mapping

from saegeom_data.data import schema
from saegeom_data.declare.metric import Metric
from saegeom_data.declare.registry import get_metric, list_metrics
from saegeom_data.declare.scales import OTHER, SCALE_TEXTS
from saegeom_data.guide.pages.cost import WIDTHS, fits, peak
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
_KEY = f"""\
{_YES}: needed. {_MAY}: used where the data has it. Every metric is lazy: building its graph computes nothing. Every
metric runs on a dask cluster. A metric is *out of core* if its plan for an SAE of a million features takes less memory
than its data has bytes, whatever the widths of results that are written tile by tile. Memory is the peak of a plan, as
on the page of the metric, which also says what of it can be lowered."""


def metrics_page(thumbnails: Mapping[str, str]) -> str:
    """Write the page of all metrics; ``thumbnails`` has the picture of each metric that has one."""
    names = list_metrics()
    scales = dict.fromkeys(get_metric(name).scale for name in sorted(names, key=_place))
    parts = [_scale(scale, [name for name in names if get_metric(name).scale == scale], thumbnails) for scale in scales]
    return join(["# Metrics", *parts, section("What each needs and takes", _KEY, _support(names))])


def _place(name: str) -> tuple[int, str]:
    scales = list(SCALE_TEXTS)
    scale = get_metric(name).scale
    return (scales.index(scale) if scale in scales else len(scales), name)


def _scale(scale: str, names: list[str], thumbnails: Mapping[str, str]) -> str:
    said = SCALE_TEXTS.get(scale, OTHER)
    cards = "\n".join(_card(name, thumbnails.get(name, "")) for name in names)
    grid = f"::::{{grid}} 1 2 3 3\n:gutter: 3\n\n{cards}\n::::"
    return section(said.title, said.text, grid)


def _card(name: str, picture: str) -> str:
    options = [":link: " + name, ":link-type: doc", *([f":img-top: {picture}"] if picture else [])]
    return "\n".join([f":::{{grid-item-card}} {name}", *options, "", metric_title(name), ":::"])


def _support(names: list[str]) -> str:
    heads = ("metric", *_NEEDS, "out of core", *(f"memory at {width:,}" for width in WIDTHS))
    return table(heads, [_line(get_metric(name)) for name in sorted(names, key=_place)])


def _line(metric: Metric) -> list[str]:
    marks = [
        _YES if variable in metric.inputs else _MAY if variable in metric.optional else ""
        for variable in _NEEDS.values()
    ]
    widths = WIDTHS if metric.over == "sae" else (0, 0, 0)
    memory = [peak(metric.name, width) for width in widths]
    return [f"[{metric.name}]({metric.name}.md)", *marks, _YES if fits(metric.name, widths[-1]) else "", *memory]
