"""The page of one metric, made from its declaration and its docstring."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator

from saegeom_data.data.group_kinds import KINDS
from saegeom_data.data.schema import Variable
from saegeom_data.declare.guidance import Guidance
from saegeom_data.declare.metric import Metric
from saegeom_data.declare.output import Output
from saegeom_data.declare.registry import get_metric
from saegeom_data.guide.pages import cost, docstrings, worked
from saegeom_data.guide.pages.markdown import anchor_of, cell, join, prose, section, table

_NO_GUIDANCE = Guidance("", "")
_DIRECTIONS = {"higher": "↑", "lower": "↓", "": ""}
_OUTPUTS = """\
Dims are those of one {what}; a run puts several side by side along `{over}`. ↑: a higher value is more of what is asked
for, ↓: a lower one is. The dtype is float64 where none is named."""
_KINDS = {"float": "float", "integer": "integer", "boolean": "boolean", "string": "text"}


def metric_page(name: str) -> str:
    """Write the page of a metric, in Markdown.

    Raises
    ------
    UnknownNameError
        If no metric has that name.
    """
    metric = get_metric(name)
    told = metric.guidance or _NO_GUIDANCE
    said = docstrings.of(metric.function)
    return join(
        [
            f"# {metric.name}",
            f"**{told.question}**" if told.question else "",
            prose(said.summary),
            _facts(metric),
            section("What is computed", prose(said.body), told.formula),
            section("Inputs", _inputs(metric)),
            section("Outputs", _returned(said), _outputs(metric)),
            section("Null models", _nulls(metric)),
            section("Parameters", _parameters(metric, said), _raises(said)),
            section("How to read it", told.reading, _terms(metric)),
            section("How it misleads", "\n".join(f"- {way}" for way in told.misleads)),
            section("As published", told.published),
            section("Example", _session(metric, said)),
            section("Cases with a known answer", worked.examples(metric)),
            section("Cost", cost.assumptions(metric), cost.cost_table(metric)),
            section("Notes", prose(said.sections.get("Notes", "")), told.details),
            section("Versions", _versions(metric, told)),
            section("References", metric.reference + ".", prose(said.sections.get("References", ""))),
        ]
    )


def metric_title(name: str) -> str:
    """What a list of pages says of a metric: its question, or else its summary."""
    metric = get_metric(name)
    return (metric.guidance or _NO_GUIDANCE).question or metric.summary


def _facts(metric: Metric) -> str:
    changes = f"unchanged by {', '.join(metric.invariances)}" if metric.invariances else "no invariance is declared"
    what = "each SAE" if metric.over == "sae" else "each site"
    return "\n".join(
        [
            f"- {metric.scale} scale, measured for {what}, version {metric.version}",
            f"- walks over {_walk(metric)}; {changes}",
            f"- `saegeom run {metric.name} --data STORE` measures a store; in Python it is called as [below](#example)",
        ]
    )


def _walk(metric: Metric) -> str:
    return {"rows": "rows, block by block", "pairs": "pairs of rows, tile by tile", "whole": "all of its inputs"}[
        metric.pattern
    ]


def _inputs(metric: Metric) -> str:
    rows = [(*_variable(variable, metric), "yes") for variable in metric.inputs]
    rows += [(*_variable(variable, metric), "no") for variable in metric.optional]
    return table(("variable", "dims", "kind", "meaning", "required"), rows)


def _variable(variable: Variable, metric: Metric) -> tuple[str, str, str, str]:
    target = f"data-model.md#{group_anchor(variable, metric)}"
    return f"[`{variable.name}`]({target})", ", ".join(variable.dims), _KINDS[variable.kind], cell(variable.description)


def group_anchor(variable: Variable, metric: Metric) -> str:
    """Anchor, on the page of the data model, of the group that holds an input of a metric."""
    first = "relations" if metric.over == "site" else "saes/*"
    order = sorted(KINDS, key=lambda kind: not kind.path.startswith(first))
    held = (kind for kind in order if variable in (*kind.required, *kind.optional))
    kind = next(held, None)
    return "joined-for-one-sae" if kind is None else anchor_of(kind.name)


def _returned(said: docstrings.Docstring) -> str:
    # Below the name of the type.
    return prose(textwrap.dedent(said.sections.get("Returns", "").partition("\n")[2])).strip()


def _outputs(metric: Metric) -> str:
    rows = [
        (
            f"`{output.name}`",
            ", ".join(output.dims) or "scalar",
            output.units if output.dtype == "float64" else f"{output.units} ({output.dtype})",
            _range(output),
            _DIRECTIONS[output.direction],
            cell(output.description),
        )
        for output in metric.outputs
    ]
    return join(
        [
            _OUTPUTS.format(over=metric.over, what="SAE" if metric.over == "sae" else "site"),
            table(("output", "dims", "units", "range", "", "meaning"), rows),
        ]
    )


def _range(output: Output) -> str:
    low, high = output.bounds
    if low is None and high is None:
        return ""
    if high is None:
        return f"at least {low:g}"
    return f"at most {high:g}" if low is None else f"{low:g} to {high:g}"


def _nulls(metric: Metric) -> str:
    rows = [
        (f"`{null.label}`", cell(null.words), f"`{null.draws}`" if null.draws else "none: a law")
        for null in metric.nulls
    ]
    return table(("label", "in words", "number of draws"), rows)


def _parameters(metric: Metric, said: docstrings.Docstring) -> str:
    rows = [
        (f"`{name}`", f"`{_type(parameter)}`", f"`{parameter.default!r}`", cell(said.parameters.get(name, "")))
        for name, parameter in metric.parameters.items()
    ]
    return table(("parameter", "type", "default", "meaning"), rows) or "It has none."


def _type(parameter: inspect.Parameter) -> str:
    return str(parameter.annotation).replace("|", "\\|")


def _raises(said: docstrings.Docstring) -> str:
    errors = docstrings.entries(said.sections.get("Raises", ""))
    lines = [f"- [`{name}`](errors.md#{name.lower()}): {cell(words)}" for name, words in errors.items()]
    return "\n".join(["It raises", "", *lines]) if lines else ""


def _terms(metric: Metric) -> str:
    presentation = metric.load_presentation()
    terms = presentation.terms if presentation else {}
    return "\n\n".join(f"{term}\n: {meaning}" for term, meaning in terms.items())


def _session(metric: Metric, said: docstrings.Docstring) -> str:
    # The docstring stands in the module that has the name; a page does not.
    imported = f"```pycon\n>>> from {metric.function.__module__} import {metric.name}\n"
    return said.examples.replace("```pycon\n", imported, 1)


def _versions(metric: Metric, told: Guidance) -> str:
    return "\n".join(_version_lines(metric, told))


def _version_lines(metric: Metric, told: Guidance) -> Iterator[str]:
    for version in range(metric.version, 1, -1):
        yield f"- {version}: {told.versions.get(version, 'its numbers changed.')}"
    yield "- 1: the first."
