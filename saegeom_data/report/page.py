"""Render the results of a run as one HTML file that needs no network: answers, figures, tables and evidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saegeom_data.data.staging import write_file
from saegeom_data.declare.answer import MARKS, Answer
from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding, Panel
from saegeom_data.declare.scales import OTHER, SCALE_TEXTS
from saegeom_data.report import payload
from saegeom_data.report.findings import findings_of
from saegeom_data.report.panels import panels_of
from saegeom_data.report.spark import spark
from saegeom_data.results import scalars
from saegeom_data.results.claims import COLUMNS, claims_of, statement
from saegeom_data.results.groups import firing_sentence, read_groups
from saegeom_data.results.presentations import Failures, by_metric
from saegeom_data.results.summary import Table, as_cells, table_of
from saegeom_data.results.undefined import undefined
from saegeom_data.results.wording import ABSENT
from saegeom_data.shown import without_secrets

if TYPE_CHECKING:
    import xarray as xr


NO_BREAK = "\u00a0"


@dataclass(frozen=True)
class _Block:
    """What one metric shows: its figures, and beside them its findings, each with its anchor."""

    panels: list[Panel]
    findings: list[tuple[str, Finding]]


@dataclass(frozen=True)
class _Section:
    """A scale's part of the page."""

    id: str
    title: str
    subtitle: str
    text: str
    blocks: list[_Block] = field(default_factory=list)
    tables: list[scalars.Values] = field(default_factory=list)

    @property
    def answers(self) -> list[tuple[str, Answer]]:
        """Short answers, each with the anchor of its finding."""
        return [
            (anchor, answer)
            for block in self.blocks
            for anchor, finding in block.findings
            for answer in finding.in_short
        ]


def write_report(results: xr.DataTree, path: Path) -> None:
    """Write the report of a run.

    Parameters
    ----------
    results
        Results of :func:`saegeom_data.evaluate`, computed or reopened; groups of any metric, in any combination.
    path
        The HTML file to write. It holds everything it needs and opens from disk.
    """
    write_file(path, render(results))


def render(results: xr.DataTree) -> str:
    """Return the report as HTML text; see :func:`write_report`."""
    groups = read_groups(results)
    failures = Failures()
    found, panels = findings_of(groups, failures), panels_of(groups, failures)
    sections = _sections(groups, found, panels)
    table = table_of(groups, failures)
    tested = claims_of(groups, failures)
    given = [answer for finding in found for answer in finding.in_short]
    return rendered(
        "report.html",
        title=results.attrs.get("title", "Geometry of features"),
        attrs=results.attrs,
        # Of scales that were not measured nothing is said.
        sections=sections,
        marks={mark: words for mark, words in MARKS.items() if any(answer.mark == mark for answer in given)},
        is_so_far=any(answer.aside for answer in given),
        spark=spark,
        unbroken=_unbroken,
        **_rows(groups, table),
        columns=_shown(table),
        rows=as_cells(table),
        tested=statement(tested),
        claim_columns=COLUMNS,
        claims=[entry.cells for entry in tested],
        undefined=undefined(groups, failures),
        left_out=_strings(results.attrs.get("left_out")),
        unmatched=_strings(results.attrs.get("unmatched")),
        restricted=firing_sentence(groups),
        failures=failures.lines,
        terms=_terms(groups, failures),
        provenance=_provenance(results, groups),
        spec=_pretty(results.attrs.get("spec")),
        css=asset("report.css"),
        script=asset("layout.js") + asset("report.js"),
        # Half a megabyte, which a page without figures need not carry.
        library=payload.library(panels),
        figures=payload.figures(panels),
    )


def _unbroken(sentence: str) -> str:
    """A sentence whose lines do not break inside what stands in brackets at its end: "(p ≤ 0.029)"."""
    before, bracket, after = sentence.rpartition(" (")
    return f"{before}{bracket}{after.replace(' ', NO_BREAK)}" if bracket else sentence


def _rows(groups: Sequence[Group], table: Table) -> dict[str, Any]:
    """What the rows of the results are, which words about them follow."""
    # SAEs before sites, in whichever order they were run.
    kinds = dict.fromkeys(group.over for group in sorted(groups, key=lambda group: group.over) if group.rows)
    nouns = {"sae": ("SAE", "features"), "site": ("site", "word pairs")}
    return {
        "has_features": "sae" in kinds,
        "has_l0": any("l0" in group.data.coords for group in groups),
        "row_noun": nouns["sae" if "sae" in kinds else "site"][0],
        "drawn": [nouns[kind][1] for kind in kinds],
        "n_rows": len(table.rows),
        "has_gaps": any(column.of(row).main == ABSENT for row in table.rows for column in table.columns),
    }


def _sections(groups: Sequence[Group], found: Sequence[Finding], panels: Sequence[Panel]) -> list[_Section]:
    """Parts of the page, one for each scale that holds anything; those of further scales together."""
    # What no figure uses is shown as a table, so that no result is left out of the page.
    drawn = {name for panel in panels for name in panel.uses}
    anchors = [(f"finding-{place}", finding) for place, finding in enumerate(found, 1)]
    texts = [*SCALE_TEXTS.items(), ("other", OTHER)]
    sections = []
    for scale, text in texts:
        section = _Section(
            scale,
            text.title,
            text.subtitle,
            text.text,
            _blocks(
                [(anchor, finding) for anchor, finding in anchors if _section_of(finding.scale) == scale],
                [panel for panel in panels if _section_of(panel.scale) == scale],
            ),
            [
                scalars.values(group)
                for group in groups
                if group.name not in drawn and _section_of(group.scale) == scale
            ],
        )
        if section.blocks or section.tables:
            sections.append(section)
    return sections


def _blocks(found: Sequence[tuple[str, Finding]], panels: Sequence[Panel]) -> list[_Block]:
    """Figures and findings of each metric together, in the order in which either comes first."""
    sources = dict.fromkeys([*(panel.source for panel in panels), *(finding.source for _, finding in found)])
    return [
        _Block(
            [panel for panel in panels if panel.source == source],
            [(anchor, finding) for anchor, finding in found if finding.source == source],
        )
        for source in sources
    ]


def _section_of(scale: str) -> str:
    return scale if scale in SCALE_TEXTS else "other"


def _terms(groups: Sequence[Group], failures: Failures) -> dict[str, str]:
    """Terms of the metrics that were run, each explained once."""
    terms: dict[str, str] = {}
    for _, presentation in by_metric(groups, failures):
        terms |= {term: text for term, text in presentation.terms.items() if term not in terms}
    return terms


def _shown(table: Table) -> list[tuple[str, str]]:
    return [(column.label, column.description) for column in table.columns]


def _provenance(results: xr.DataTree, groups: Sequence[Group]) -> list[tuple[str, str]]:
    attrs = results.attrs
    versions = _object(attrs.get("versions"))
    rows = [
        ("Dataset", attrs.get("dataset_title")),
        ("Licence", attrs.get("dataset_license", attrs.get("license"))),
        ("Citation", attrs.get("dataset_citation")),
        ("Manifest root of the dataset", attrs.get("dataset_root")),
        ("Not checked", attrs.get("dataset_unchecked")),
        ("Address of the dataset", attrs.get("dataset_source")),
        ("Run", attrs.get("title")),
        ("Metrics", "; ".join(_made_by(group) for group in groups)),
        ("Random seeds", "; ".join(_seed(group) for group in groups if "seed" in group.parameters)),
        ("Software", ", ".join(f"{name} {version}" for name, version in versions.items())),
    ]
    return [(name, without_secrets(str(value))) for name, value in rows if value]


def _made_by(group: Group) -> str:
    version = group.data.attrs.get("metric_version")
    which = ", of features that fire" if group.data.attrs.get("features") == "firing" else ""
    return f"{group.name} ({group.metric}{f', version {version}' if version is not None else ''}{which})"


def _seed(group: Group) -> str:
    return f"{group.name} {group.parameters['seed']}"


def _strings(value: Any) -> list[str]:
    """A list of strings, however zarr has kept it."""
    if value is None:
        return []
    return [value] if isinstance(value, str) and value else [str(item) for item in value]


def _object(text: Any) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (TypeError, ValueError):
        return {}


def _pretty(text: Any) -> str:
    return json.dumps(_object(text), indent=2, ensure_ascii=False) if _object(text) else ""


def script_safe(value: Any) -> str:
    """JSON that can stand inside a script element: nothing in it closes the element or opens a comment."""
    # An error here instead of NaN, which is no JSON: a browser would drop every figure of the page.
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    # Escapes of JSON, as a browser reads no HTML entities inside a script.
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def rendered(template: str, package: str = "saegeom_data.report", **values: Any) -> str:
    """Fill in a template of a package, this one by default; what it is given is escaped."""
    return str(_environment(package).get_template(template).render(**values))


@cache
def _environment(package: str) -> Any:
    """Templates of a package. Kept, as to compile one takes as long as to fill it in."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package, "."),
        # Names in results come from anybody: nothing of them may reach the page as HTML.
        autoescape=True,
        # A missing value is an error here, and not an empty place in a report.
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def asset(name: str, package: str = "saegeom_data.report") -> str:
    """Text of a file of a package, this one by default."""
    from importlib.resources import files

    return (files(package) / name).read_text(encoding="utf-8")
