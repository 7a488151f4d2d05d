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


def test_figure_draws_families(results: xr.DataTree) -> None:
    (panel,) = figure.figures(read_groups(results))
    group = results["crystal_search"].to_dataset()
    for kind, (words, *_) in figure.KINDS.items():
        score = group.largest_score.sel(kind=kind).values
        found = group.n_families.sel(kind=kind).values
        said = ", ".join(f"layer {layer} {score[i]:.1f} ({found[i]} found)" for i, layer in enumerate((0, 3)))
        assert f"Highest score of a family of {words}: {said}." in panel.alt
    assert "beyond both null models; the largest has " in panel.alt
    assert "at a false discovery rate of 0.05" in panel.reading
    drawn = {tuple(trace.y) for trace in panel.figure.data}
    assert tuple(group.largest_score.sel(kind="parallelogram").values.tolist()) in drawn


def test_finding_follows_the_numbers(results: xr.DataTree) -> None:
    # Of two layers, 39 draws or more can tell one.
    found = changed(results, largest_score_p=np.array([[[1.0, 1.0]] * 2, [[0.001, 0.001]] * 2]))
    (finding,) = findings(found)
    assert "Pairs of features form families of parallelograms at 1 of 2 layers" in finding.headline
    assert "beyond every null" in finding.headline
    first = results["crystal_search/pair"].sel(sae="two", kind="parallelogram").values[0].tolist()
    assert "{} to {}".format(*first) in finding.evidence
    assert "directions whose offsets are exchanged between clusters" in finding.evidence
    count = int(results["crystal_search/n_families"].sel(sae="two", kind="parallelogram"))
    families = "1 family has" if count == 1 else f"{count} families have"
    assert f"where it is beyond every null, {families} a false discovery rate" in finding.evidence
    (none,) = findings(changed(results, n_families=0, largest_score_p=0.8))
    assert none.headline == "No family of parallelograms or trapezoids is beyond every null."
    assert "Its best steps" not in none.evidence
    assert findings(changed(results, largest_score_p=np.nan)) == []


def test_finding_names_the_null_that_a_family_is_not_beyond(results: xr.DataTree) -> None:
    p = np.array([[[0.001] * 2, [0.9] * 2]] * 2)
    (finding,) = findings(changed(results, largest_score_p=p))
    assert finding.headline.startswith("No family")
    assert "among directions of the same mean and covariance" in finding.evidence
    assert "which is exceeded at both layers" in finding.evidence
    assert "which is exceeded at none of 2 layers" in finding.evidence


def test_finding_says_what_steps_follow(results: xr.DataTree) -> None:
    found = {"largest_score_p": 0.001, "nuisance_rise": 1.0}
    p = np.array([0.001, np.nan, 0.4])[None, :, None, None]
    evidence = findings(changed(results, **found, nuisance_p=p))[0].evidence
    assert "Its steps follow the norm of the row (along 100 percent of them, p = 0.002), against values" in evidence
    evidence = findings(changed(results, **found, nuisance_p=np.flip(p, axis=1)))[0].evidence
    assert "Its steps follow the position in the text (along 100 percent of them, p = 0.002)" in evidence
    evidence = findings(changed(results, **found, nuisance_p=0.4))[0].evidence
    assert "follow neither the norm of the row, the firing rate nor the position in the text." in evidence
    # What is not found is not described.
    assert "Its steps" not in findings(changed(results, nuisance_p=0.001))[0].evidence


def test_too_few_draws_are_said(results: xr.DataTree) -> None:
    (finding,) = findings(results)
    assert finding.headline.startswith("Whether features form families of parallelograms or trapezoids is not told")
    assert "n_surrogates" in finding.headline


def test_table_holds_the_values(results: xr.DataTree) -> None:
    table = summary_table(results)
    record = {row["name"]: row for row in as_records(table)}["two"]
    group = results["crystal_search"].to_dataset().sel(sae="two", kind="trapezoid")
    assert record["trapezoid_n_families"] == int(group.n_families)
    assert record["trapezoid_p_exchanged_offsets"] == pytest.approx(1 / 21)
    assert [column.label for column in table.columns][-2:] == ["families of parallelograms", "families of trapezoids"]
    assert str(as_cells(table)[1][-1]).startswith(f"{int(group.n_families)} (")


def test_hostile_names_are_inert_in_the_page(results: xr.DataTree, tmp_path: Path) -> None:
    group = results["crystal_search"].to_dataset().assign_coords(sae=[HOSTILE, "two"]).drop_vars("layer")
    write_report(xr.DataTree.from_dict({"/crystal_search": group}), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Crystals among features" in page
    assert HOSTILE not in page
