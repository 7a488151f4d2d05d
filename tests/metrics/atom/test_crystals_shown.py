from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from saegeom_data.data import schema
from saegeom_data.metrics.atom.crystal_search import crystal_search, figure
from saegeom_data.report.findings import findings
from saegeom_data.report.page import write_report
from saegeom_data.results.groups import read_groups
from saegeom_data.results.summary import as_cells, as_records, summary_table
from saegeom_data.testing.simulate import simulate_crystals

COORDS = ("site", "layer", "width", "l0")
HOSTILE = "<script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def results() -> xr.DataTree:
    """Results on noise and on planted crystals."""
    sizes = {"n_features": 160, "n_hidden": 40}
    saes = [simulate_crystals(**sizes, n_parallelograms=n, n_trapezoids=n, seed=n) for n in (0, 4)]
    saes[1] = saes[1].assign_coords(layer=3)
    parts = [crystal_search(sae, n_best=10) for sae in saes]
    options = {"join": "override", "coords": "minimal", "compat": "override", "combine_attrs": "override"}
    coords = {name: ("sae", [sae[name].item() for sae in saes]) for name in COORDS}
    group = xr.concat(parts, "sae", **options).assign_coords(sae=["one", "two"], **coords)
    attrs = {"format_version": schema.FORMAT_VERSION, "kind": "results", "title": "Crystals", "license": "CC0-1.0"}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attrs), "/crystal_search": group})


def changed(results: xr.DataTree, **values: object) -> xr.DataTree:
    """The results with some values in place of others."""
    group = results["crystal_search"].to_dataset().copy(deep=True)
    for name, value in values.items():
        group[name] = (group[name].dims, np.broadcast_to(value, group[name].shape))
    return xr.DataTree.from_dict({"/crystal_search": group})


def test_figure_draws_what_was_found(results: xr.DataTree) -> None:
    (panel,) = figure.figures(read_groups(results))
    group = results["crystal_search"].to_dataset()
    for kind, (words, *_) in figure.KINDS.items():
        counts = group.n_crystals.sel(kind=kind).values
        assert f"{words.capitalize()} found: layer 0 {counts[0]}, layer 3 {counts[1]}." in panel.alt
    assert "Parallelograms at layer 3 by agreement: " in panel.alt
    assert "at a false discovery rate of 0.05" in panel.reading
    drawn = {tuple(trace.y) for trace in panel.figure.data}
    assert tuple(group.n_crystals.sel(kind="parallelogram").values.tolist()) in drawn


def test_finding_follows_the_numbers(results: xr.DataTree) -> None:
    (finding,) = findings(results)
    assert finding.headline.startswith("Features form parallelograms at 1 of 2 layers and trapezoids at 1 of 2 layers")
    corner = results["crystal_search/corner"].sel(sae="two", kind="parallelogram").values[0].tolist()
    assert "{} : {} as {} : {}".format(*corner) in finding.evidence
    assert "(smallest p = 0.048)" in finding.evidence
    (none,) = findings(changed(results, n_crystals=0))
    assert none.headline.startswith("Features form no more parallelograms or trapezoids than")
    assert "best parallelograms" not in none.evidence
    assert "Parallelograms: 0 found" in none.evidence
    assert findings(changed(results, largest_agreement_p=np.nan)) == []


def test_table_holds_the_values(results: xr.DataTree) -> None:
    table = summary_table(results)
    record = {row["name"]: row for row in as_records(table)}["two"]
    group = results["crystal_search"].to_dataset().sel(sae="two", kind="trapezoid")
    assert record["trapezoid_n_crystals"] == int(group.n_crystals)
    assert record["trapezoid_largest_agreement_p"] == pytest.approx(1 / 21)
    assert [column.label for column in table.columns][-2:] == ["parallelograms", "trapezoids"]
    assert str(as_cells(table)[1][-1]).startswith(f"{int(group.n_crystals)} (")


def test_hostile_names_are_inert_in_the_page(results: xr.DataTree, tmp_path: Path) -> None:
    group = results["crystal_search"].to_dataset().assign_coords(sae=[HOSTILE, "two"]).drop_vars("layer")
    write_report(xr.DataTree.from_dict({"/crystal_search": group}), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Crystals among features" in page
    assert HOSTILE not in page
