"""Figures of results in Python, for metrics of this package and of others."""

from __future__ import annotations

import pytest
import xarray as xr

from saegeom_data import evaluate, plot, summary_table
from saegeom_data.declare import list_metrics
from saegeom_data.declare.presentation import Presentation, headline
from saegeom_data.errors import ParameterError, UnknownNameError
from saegeom_data.testing import simulate_store
from tests.support.drawn_metric import drawn_metric

__all__ = ["drawn_metric"]


@pytest.fixture(scope="module")
def results() -> xr.DataTree:
    return evaluate(simulate_store(n_saes=3), "isotropy")


def test_each_metric_has_a_function_and_no_other_name_has() -> None:
    assert set(list_metrics()) <= set(dir(plot))
    for name in list_metrics():
        assert getattr(plot, name).__name__ == name
    with pytest.raises(AttributeError, match="no metric has this name"):
        _ = plot.eigenvalue_slop


def test_it_draws_what_the_report_draws(results: xr.DataTree) -> None:
    (name,) = plot.names(results)
    figure = plot.isotropy(results)
    assert figure == plot.isotropy(results, panel=name) == plot.panels(results)[name].figure


def test_what_is_not_there_is_named(results: xr.DataTree) -> None:
    with pytest.raises(ParameterError, match="hubness: no figure of it in these results"):
        plot.hubness(results)
    with pytest.raises(UnknownNameError, match="no figure is named 'lobes'"):
        plot.isotropy(results, panel="lobes")
    with pytest.raises(ParameterError, match="expected an opened tree"):
        plot.isotropy("results.zarr")


@pytest.mark.usefixtures("drawn_metric")
def test_a_metric_of_another_package_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Presentation(headlines=(headline("size", "size of it"),))
    monkeypatch.setattr("tests.support.drawn_metric.PRESENTATION", shown)
    data = xr.Dataset({"size": ("sae", [1.0, 2.0])}, {"sae": ["a", "b"]}, {"metric": "drawn_size", "scale": "galaxy"})
    figure = plot.drawn_size(xr.DataTree.from_dict({"/drawn_size": data}))
    assert list(figure.data[0].y) == [1.0, 2.0]


def test_a_notebook_shows_the_table_as_text(results: xr.DataTree) -> None:
    tree = xr.DataTree.from_dict({"/isotropy": results["isotropy"].to_dataset().assign_coords(sae=["<b>", "b", "c"])})
    html = summary_table(tree)._repr_html_()
    assert html.startswith("<table>")
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert html.count("<tr>") == 4
