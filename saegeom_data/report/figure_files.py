"""Write the figures of a run as files: each as SVG, and its numbers as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from saegeom_data.data.staging import refuse_existing, write_file
from saegeom_data.errors import ParameterError
from saegeom_data.report.figure_data import csv_of
from saegeom_data.report.panels import panels_of
from saegeom_data.report.svg import svg_of
from saegeom_data.results.groups import read_groups
from saegeom_data.results.presentations import Failures

if TYPE_CHECKING:
    import xarray as xr


def write_figures(results: xr.DataTree, folder: Path) -> tuple[list[Path], list[str]]:
    """Write every figure of a run into a new folder, each under its name in the report.

    Parameters
    ----------
    results
        Results of :func:`saegeom_data.evaluate`, computed or reopened.
    folder
        The folder to make.

    Returns
    -------
    paths
        The files, in the order of the report.
    problems
        What could not be drawn, in words; its CSV is written where there is one.

    Raises
    ------
    TargetExistsError
        If the folder exists.
    """
    refuse_existing(folder)
    failures = Failures()
    panels = panels_of(read_groups(results), failures)
    problems, files = list(failures.lines), {}
    for panel in panels:
        files[folder / f"{panel.id}.csv"] = csv_of(panel.figure)
        try:
            files[folder / f"{panel.id}.svg"] = svg_of(panel.figure)
        except ParameterError as error:
            problems.append(f"{panel.id}: no SVG; {error}; its report has one, under Download")
    # Only now that all are drawn: an error leaves no folder behind.
    folder.mkdir(parents=True)
    for path, text in files.items():
        write_file(path, text)
    return list(files), problems
