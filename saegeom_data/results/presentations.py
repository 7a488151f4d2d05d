"""Presentations of the metrics of a run, found through the registry; a plain one where a metric brings none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from saegeom_data.declare.group import Group
from saegeom_data.declare.metric import Metric
from saegeom_data.declare.presentation import Headline, Presentation, Reading
from saegeom_data.declare.registry import get_metric, list_metrics
from saegeom_data.declare.scales import SCALES
from saegeom_data.results.scalars import scalar_names

_Shown = TypeVar("_Shown")


@dataclass
class Failures:
    """What could not be presented, in words: a presentation that fails costs what it should have given, no more."""

    lines: list[str] = field(default_factory=list)

    def guarded(
        self, metric: str, what: str, function: Callable[..., _Shown], *arguments: Any, otherwise: _Shown
    ) -> _Shown:
        """Call a function of a presentation; if it raises, note it and return ``otherwise``."""
        try:
            return function(*arguments)
        # Whatever is raised: this is the code of other authors, and a report must not fail with it.
        except Exception as error:
            line = f"{metric}: its {what} failed ({type(error).__name__}: {error}); tell the author of the metric"
            # A reading that fails does so at every row, and is told once.
            if line not in self.lines:
                self.lines.append(line)
            return otherwise


def declared_metric(name: str) -> Metric | None:
    """The metric of that name, or None where it is not installed."""
    return get_metric(name) if name in list_metrics() else None


def presentation_of(group: Group, failures: Failures) -> Presentation:
    """Presentation of a result: its metric's, or a plain one where there is none or it cannot be loaded."""
    metric = failures.guarded(group.metric, "declaration", declared_metric, group.metric, otherwise=None)
    plain = Presentation(headlines=plain_headlines)
    if metric is None:
        return plain
    return failures.guarded(group.metric, "presentation", metric.load_presentation, otherwise=None) or plain


def plain_headlines(group: Group) -> Iterator[Headline]:
    """A column for each number that a result has one of per row, with its interval, named by group and output."""
    names = scalar_names(group)
    labels = _labels(group.metric)
    for name in names:
        ends = (f"{name}_low", f"{name}_high")
        # The end of another number's interval is no number of its own.
        if name in {f"{other}{end}" for other in names for end in ("_low", "_high")}:
            continue
        interval = None
        if set(ends) <= set(names):
            interval = (
                Reading(ends[0], key=f"{group.name}/{ends[0]}"),
                Reading(ends[1], key=f"{group.name}/{ends[1]}"),
            )
        description = str(group.data[name].attrs.get("description", ""))
        key = f"{group.name}/{name}"
        yield Headline(labels.get(name) or key, (Reading(name, key=key, interval=interval),), description=description)


def _labels(metric: str) -> dict[str, str]:
    declared = declared_metric(metric)
    return {output.name: output.label for output in declared.outputs} if declared is not None else {}


def in_order(groups: Sequence[Group], failures: Failures) -> list[tuple[Group, Presentation]]:
    """Results with their presentations: by scale, others last, then by place, then as they were run."""
    scales = {scale: index for index, scale in enumerate(SCALES)}
    pairs = [(group, presentation_of(group, failures)) for group in groups]
    return sorted(pairs, key=lambda pair: (scales.get(pair[0].scale, len(scales)), pair[1].place))


def by_metric(groups: Sequence[Group], failures: Failures) -> list[tuple[Group, Presentation]]:
    """The first result of each metric with its presentation, in order."""
    first: dict[str, tuple[Group, Presentation]] = {}
    for group, presentation in in_order(groups, failures):
        first.setdefault(group.metric, (group, presentation))
    return list(first.values())
