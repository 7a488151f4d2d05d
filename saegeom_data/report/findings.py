"""Findings of a run in plain words: computed from its numbers, metric by metric, as their presentations say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from saegeom_data.declare.group import Group
from saegeom_data.declare.presentation import Finding, Presentation
from saegeom_data.declare.scales import SCALES
from saegeom_data.report import depth_findings
from saegeom_data.report.matched_depth import TREND
from saegeom_data.results.answers import answer
from saegeom_data.results.followed import followed
from saegeom_data.results.groups import read_groups
from saegeom_data.results.judgement import by_topic, judge
from saegeom_data.results.presentations import Failures, by_metric

if TYPE_CHECKING:
    import xarray as xr


def findings(results: xr.DataTree) -> list[Finding]:
    """Say what a run has found.

    Parameters
    ----------
    results
        Results of :func:`saegeom_data.evaluate`, computed or reopened.

    Returns
    -------
    list of Finding
        Answers to the questions that the metrics in ``results`` can answer, each with its effect, interval, null and p;
        ``str`` of one is a paragraph. In order of the scales, then of the metrics.

    Examples
    --------
    >>> import xarray as xr
    >>> findings(xr.DataTree())
    []
    """
    return findings_of(read_groups(results))


def plain_findings(group: Group, presentation: Presentation) -> list[Finding]:
    """Word what a metric claims: what a metric with claims and without findings of its own is given."""
    found = []
    for topic, claims in by_topic(presentation.claims(group)).items():
        judged = judge(claims)
        short = answer(judged, group)
        if short is not None:
            parts = [f"{judged.p_words}, against {judged.named(judged.nulls)}", judged.missing, judged.doubt]
            evidence = "; ".join(part for part in parts if part)
            found.append(Finding(group.scale, topic, short.sentence, f"{evidence}.", (short,)))
    return found


def findings_of(groups: Sequence[Group], failures: Failures | None = None) -> list[Finding]:
    """As :func:`findings`, for groups that are read already; ``failures`` receives what could not be said."""
    failures = failures or Failures()
    found: list[Finding] = []
    for group, presentation in by_metric(groups, failures):
        nothing: Sequence[Finding] = ()
        if presentation.findings is Presentation().findings:
            said = failures.guarded(group.metric, "findings", plain_findings, group, presentation, otherwise=nothing)
        else:
            said = failures.guarded(group.metric, "findings", presentation.findings, groups, otherwise=nothing)
        found += [replace(finding, source=group.metric) for finding in said]
    numbers = followed(groups, failures)
    found += failures.guarded(TREND, "findings", depth_findings.findings, numbers, otherwise=[])
    order = {scale: place for place, scale in enumerate(SCALES)}
    # Sorting is stable: within a scale the order of the metrics stays.
    return sorted(found, key=lambda finding: order.get(finding.scale, len(order)))
