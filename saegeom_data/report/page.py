"""Render the results of a run as one HTML file that needs no network: text, tables and inline plotly figures."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saegeom_data.metrics.atom.crystal_search import figure as crystals
from saegeom_data.metrics.atom.parallelogram_quality import figure as atom
from saegeom_data.metrics.brain.lobe_function import figure as brain
from saegeom_data.metrics.galaxy.eigenvalue_slope import figure as galaxy
from saegeom_data.report.findings import findings_of
from saegeom_data.report.parts import Finding, Panel
from saegeom_data.results import scalars
from saegeom_data.results.groups import SCALES, Group, read_groups
from saegeom_data.results.summary import Table, as_cells, table_of

if TYPE_CHECKING:
    import xarray as xr

_SCALE_TEXTS = {
    "galaxy": (
        "Galaxy scale",
        "the whole cloud of features",
        "Every feature is an arrow: its decoder row. Here all arrows of a layer are looked at as one cloud of "
        "points: along how many directions it is spread (its spectrum), and whether its points gather in clumps (its "
        "clustering).",
    ),
    "brain": (
        "Brain scale",
        "lobes of features",
        "Features that fire on the same stretches of text are grouped into lobes, without looking at where their "
        "arrows point. Then one asks what the lobes do, and whether features of one lobe also lie near each other in "
        "space.",
    ),
    "atom": (
        "Atom scale",
        "parallelograms of words",
        "If the step from Austria to Vienna is the step from France to Paris, the four words form a parallelogram. "
        "Here the steps of whole relations are compared, before and after directions that carry something else are "
        "removed.",
    ),
    "other": ("Further metrics", "", "Metrics that this report has no figure for."),
}


@dataclass(frozen=True)
class _Section:
    """A scale's part of the page."""

    id: str
    title: str
    subtitle: str
    text: str
    findings: list[Finding] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    tables: list[scalars.Values] = field(default_factory=list)


def write_report(results: xr.DataTree, path: Path) -> None:
    """Write the report of a run.

    Parameters
    ----------
    results
        Results of :func:`saegeom_data.evaluate`, computed or reopened; groups of any metric, in any combination.
    path
        The HTML file to write. It holds everything it needs and opens from disk.
    """
    Path(path).write_text(render(results), encoding="utf-8")


def render(results: xr.DataTree) -> str:
    """Return the report as HTML text; see :func:`write_report`."""
    groups = read_groups(results)
    sections = _sections(groups)
    panels = [panel for section in sections for panel in section.panels]
    table = table_of(groups)
    return rendered(
        "report.html",
        title=results.attrs.get("title", "Geometry of features"),
        attrs=results.attrs,
        cards=[(key, *_SCALE_TEXTS[key]) for key in SCALES],
        sections=sections,
        columns=_shown(table),
        rows=[[pieces(cell) for cell in row] for row in as_cells(table)],
        unmatched=_strings(results.attrs.get("unmatched")),
        provenance=_provenance(results, groups),
        spec=_pretty(results.attrs.get("spec")),
        css=asset("report.css"),
        plotly=_plotly() if panels else "",
        figures=_script_safe({panel.id: json.loads(panel.figure.to_json()) for panel in panels}),
    )


def _sections(groups: Sequence[Group]) -> list[_Section]:
    found = findings_of(groups)
    panels = [*galaxy.panels(groups), *brain.panels(groups), *atom.panels(groups)]
    crystal = crystals.panel(groups)
    panels += [crystal] if crystal is not None else []
    drawn = {name for panel in panels for name in panel.uses}
    left = [group for group in groups if group.name not in drawn]
    sections = []
    for scale in (*SCALES, "other"):
        known = [group for group in left if (group.scale if group.scale in SCALES else "other") == scale]
        section = _Section(
            scale,
            *_SCALE_TEXTS[scale],
            [one for one in found if one.scale == scale],
            [panel for panel in panels if panel.scale == scale],
            [scalars.values(group) for group in known],
        )
        if section.panels or section.findings or section.tables:
            sections.append(section)
    return sections


def _shown(table: Table) -> list[tuple[str, str]]:
    return [(column.label, column.description) for column in table.columns]


def pieces(cell: str) -> tuple[str, list[str]]:
    """Split a cell into its value and the interval, null or gain behind it, so that columns can be narrow."""
    places = [place for mark in (" [", " (", ", gain ") if (place := cell.find(mark)) > 0]
    if not places:
        return cell, []
    behind = cell[min(places) :].strip(" ,")
    behind = behind[1:-1] if behind.startswith("(") else behind
    # Commas inside square brackets belong to an interval, which stays in one piece.
    return cell[: min(places)], re.split(r", (?![^\[]*\])| (?=\[)", behind)


def _provenance(results: xr.DataTree, groups: Sequence[Group]) -> list[tuple[str, str]]:
    attrs = results.attrs
    versions = _object(attrs.get("versions"))
    rows = [
        ("Dataset", attrs.get("dataset_title")),
        ("Licence", attrs.get("dataset_license", attrs.get("license"))),
        ("Citation", attrs.get("dataset_citation")),
        ("Manifest root of the dataset", attrs.get("dataset_root")),
        ("Address of the dataset", attrs.get("dataset_source")),
        ("Run", attrs.get("title")),
        ("Metrics", "; ".join(_made_by(group) for group in groups)),
        ("Random seeds", "; ".join(_seed(group) for group in groups if "seed" in group.parameters)),
        ("Software", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]
    return [(name, str(value)) for name, value in rows if value]


def _made_by(group: Group) -> str:
    version = group.data.attrs.get("metric_version")
    return f"{group.name} ({group.metric}{f', version {version}' if version is not None else ''})"


def _seed(group: Group) -> str:
    return f"{group.name} {group.parameters['seed']}"


def _strings(value: Any) -> list[str]:
    """A list of strings, however zarr has kept it."""
    if value is None:
        return []
    return [value] if isinstance(value, str) and value else [str(one) for one in value]


def _object(text: Any) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (TypeError, ValueError):
        return {}


def _pretty(text: Any) -> str:
    return json.dumps(_object(text), indent=2, ensure_ascii=False) if _object(text) else ""


def _script_safe(value: Any) -> str:
    """JSON that can stand inside a script element: nothing in it closes the element or opens a comment."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def rendered(template: str, **values: Any) -> str:
    """Fill in a template of this package; what it is given is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("saegeom_data.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return str(environment.get_template(template).render(**values))


def asset(name: str) -> str:
    """Text of a file of this package."""
    from importlib.resources import files

    return (files("saegeom_data.report") / name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
