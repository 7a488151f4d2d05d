"""Findings of a run in plain words: computed from its numbers, scale by scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from saegeom_data.metrics.atom.crystal_search import finding as findings_crystals
from saegeom_data.metrics.atom.function_vectors import finding as findings_vectors
from saegeom_data.metrics.atom.parallelogram_quality import finding as findings_atom
from saegeom_data.metrics.brain.lobe_modularity import finding as findings_brain
from saegeom_data.metrics.galaxy.eigenvalue_slope import finding as findings_galaxy
from saegeom_data.report.parts import Finding
from saegeom_data.results.groups import Group, read_groups

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
        ``str`` of one is a paragraph.

    Examples
    --------
    >>> import xarray as xr
    >>> findings(xr.DataTree())
    []
    """
    return findings_of(read_groups(results))


def findings_of(groups: Sequence[Group]) -> list[Finding]:
    """As :func:`findings`, for groups that are read already."""
    return [
        *findings_galaxy.findings(groups),
        *findings_brain.findings(groups),
        *findings_atom.findings(groups),
        *findings_vectors.findings(groups),
        *findings_crystals.findings(groups),
    ]
