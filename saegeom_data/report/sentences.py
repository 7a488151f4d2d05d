"""Findings of a run in plain words: computed from its numbers, scale by scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from saegeom_data.report import findings_atom, findings_brain, findings_crystals, findings_galaxy, findings_vectors
from saegeom_data.report.groups import Group, read_groups
from saegeom_data.report.parts import Finding

if TYPE_CHECKING:
    import xarray as xr


def findings(results: xr.DataTree) -> list[Finding]:
    """Say what a run has found.

    Parameters
    ----------
    results
        Results of :func:`saegeom_data.runner.evaluate`, computed or reopened.

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
