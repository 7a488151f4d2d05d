"""Figures of results in Python: one function for each metric that was run, those of other packages too.

``saegeom_data.plot.eigenvalue_slope(results)`` gives the figure that the report shows, as a plotly figure: it can be
changed, shown in a notebook, and saved. A metric that draws several is asked for one by its name in the report.

Examples
--------
>>> from saegeom_data import evaluate, plot
>>> from saegeom_data.testing import simulate_store
>>> results = evaluate(simulate_store(n_saes=3), "isotropy")
>>> plot.names(results)
['isotropy']
>>> figure = plot.isotropy(results)
>>> type(figure).__name__
'Figure'
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from saegeom_data.declare.registry import list_metrics
from saegeom_data.errors import ParameterError, UnknownNameError
from saegeom_data.report.keys import fitted

if TYPE_CHECKING:
    import xarray as xr

    from saegeom_data.declare.presentation import Panel

# Pixels that a notebook gives a figure at least. A report, which knows its own width, breaks keys by itself.
_WIDTH = 700


def panels(results: xr.DataTree) -> dict[str, Panel]:
    """Return all figures of results by their names in the report, with titles and words on how to read them.

    Raises
    ------
    ParameterError
        If ``results`` is no tree, or a figure failed.
    """
    from saegeom_data.report.panels import panels_of
    from saegeom_data.results.groups import read_groups
    from saegeom_data.results.presentations import Failures

    failures = Failures()
    found = panels_of(read_groups(results), failures)
    if failures.lines:
        raise ParameterError("; ".join(failures.lines))
    return {panel.id: panel for panel in found}


def names(results: xr.DataTree) -> list[str]:
    """Names of all figures of results, in the order of the report."""
    return list(panels(results))


def __getattr__(name: str) -> Callable[..., Any]:
    if name.startswith("_") or name not in list_metrics():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}: no metric has this name")

    def figure(results: xr.DataTree, panel: str = "") -> Any:
        from saegeom_data.report.panels import panels_of_metrics
        from saegeom_data.results.groups import read_groups
        from saegeom_data.results.presentations import Failures

        failures = Failures()
        mine = {found.id: found for found in panels_of_metrics(read_groups(results), failures, only=name)}
        # Presentations of other metrics may have failed.
        if own := [line for line in failures.lines if line.startswith(f"{name}: ")]:
            raise ParameterError("; ".join(own))
        if not mine:
            raise ParameterError(f"{name}: no figure of it in these results; expected results of a run of {name}")
        if panel and panel not in mine:
            raise UnknownNameError("figure", panel, mine)
        chosen = (mine[panel] if panel else next(iter(mine.values()))).figure
        layout = fitted(chosen.layout.to_plotly_json(), _WIDTH)
        return chosen.update_layout({name: layout[name] for name in ("annotations", "margin", "height")})

    figure.__name__ = figure.__qualname__ = name
    figure.__doc__ = f"""Draw {name} as the report does, as a plotly figure.

    Parameters
    ----------
    results
        Results of a run that has {name}, computed or reopened.
    panel
        Name of the figure where there are several; the first if not given.

    Raises
    ------
    ParameterError
        If the results hold no figure of {name}, or it failed.
    UnknownNameError
        If it has no figure of that name.
    """
    return figure


def __dir__() -> list[str]:
    return sorted(["names", "panels", *list_metrics()])
