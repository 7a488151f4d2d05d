from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from browser import rendered
from servers import Served, serving
from typer.testing import CliRunner

from saegeom_data.cli.main import app
from saegeom_data.data import write
from saegeom_data.engine import runner
from saegeom_data.report.comparison_page import comparison_csv, comparison_html, comparison_json, comparison_markdown
from saegeom_data.results import open
from saegeom_data.results.comparison import Comparison, compare, sort_rows
from saegeom_data.results.summary import as_records, summary_table
from saegeom_data.spec import models
from saegeom_data.testing.simulate import simulate_store

HOSTILE = "</script><script>document.title='owned'</script><img src=https://example.org/x.png>"
_SLOPE = {"first_rank": 2, "last_rank": 15}


def _measured(tree: xr.DataTree, *metrics: dict[str, Any], root: str = "") -> xr.DataTree:
    run = models.RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "A run", "metrics": list(metrics)})
    results = runner.measure(tree, run, scheduler="synchronous")
    return _with_attrs(results, dataset_root=root) if root else results


def _with_attrs(tree: xr.DataTree, **attrs: str) -> xr.DataTree:
    tree = tree.copy(deep=True)
    tree.attrs.update(attrs)
    return tree


def _slope(**parameters: Any) -> dict[str, Any]:
    return {"metric": "eigenvalue_slope", "parameters": _SLOPE | parameters}


def _with_l0(tree: xr.DataTree, values: dict[str, float]) -> xr.DataTree:
    groups = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
    for name, value in values.items():
        path = f"/saes/{name}/features"
        groups[path] = groups[path].assign_coords(l0=value)
    return xr.DataTree.from_dict(groups)


def _column(found: Comparison, label: str) -> list[Any]:
    (key,) = [column.keys[0] for column in found.table.columns if column.label == label]
    return [row[key] for row in found.table.rows]


@pytest.fixture(scope="module")
def data() -> xr.DataTree:
    return simulate_store(n_saes=2, n_features=60, n_blocks=40)


@pytest.fixture(scope="module")
def first(data: xr.DataTree) -> xr.DataTree:
    return _measured(data, _slope(), {"metric": "isotropy"}, root="r1")


def test_one_result_has_the_numbers_of_its_own_summary(first: xr.DataTree) -> None:
    found = compare({"first": first})
    for row, own in zip(found.table.rows, as_records(summary_table(first)), strict=True):
        assert {key: row[key] for key in own} == own


def test_results_on_one_dataset_share_rows(data: xr.DataTree, first: xr.DataTree) -> None:
    pairs = _measured(data, {"metric": "parallelogram_quality", "parameters": {"n_permutations": 9}}, root="r1")
    found = compare({"first": first, "pairs": pairs})
    saes = [row for row in found.table.rows if row["width"] is not None]
    assert [row["result"] for row in saes] == ["first, pairs"] * 2
    assert all(row["slope"] is not None and row["silhouette_lda"] is not None for row in saes)


def test_other_datasets_and_contradicting_numbers_keep_their_rows(first: xr.DataTree) -> None:
    other = _with_attrs(first, dataset_root="r2")
    found = compare({"first": first, "other": other})
    assert _column(found, "result") == ["first", "first", "other", "other"]
    assert _column(found, "dataset") == ["r1", "r1", "r2", "r2"]
    same = compare({"first": first})
    assert "dataset" not in [column.label for column in same.table.columns]
    assert same.table.rows[0]["dataset"] == "r1"
    contradicting = first.copy(deep=True)
    contradicting["eigenvalue_slope/slope"] = contradicting["eigenvalue_slope"].slope + 1
    assert len(compare({"first": first, "again": contradicting}).table.rows) == 4
    assert len(compare({"first": first, "again": first.copy(deep=True)}).table.rows) == 2


def test_versions_and_parameters_are_never_in_one_column(data: xr.DataTree, first: xr.DataTree) -> None:
    wider = _measured(data, _slope(last_rank=20), root="r1")
    found = compare({"first": first, "wider": wider})
    labels = [column.label for column in found.table.columns]
    assert "spectrum slope" not in labels
    assert {"spectrum slope, last_rank=15", "spectrum slope, last_rank=20"} <= set(labels)
    for last in (15, 20):
        own = wider if last == 20 else first
        expected = list(own["eigenvalue_slope"].slope.values)
        assert _column(found, f"spectrum slope, last_rank={last}") == expected

    newer = first.copy(deep=True)
    # The same numbers under another version are still numbers of another definition.
    newer["eigenvalue_slope"].attrs["metric_version"] = 99
    found = compare({"first": first, "newer": newer})
    old = f"spectrum slope, version {first['eigenvalue_slope'].attrs['metric_version']}"
    assert {old, "spectrum slope, version 99"} <= {column.label for column in found.table.columns}
    assert any("eigenvalue_slope was measured with versions" in caution for caution in found.cautions)


def test_occurrence_settings_are_part_of_the_method() -> None:
    def measured(length: int) -> xr.DataTree:
        attrs = {"metric": "mine", "metric_version": 1, "scale": "brain"}
        group = xr.Dataset({"size": ("sae", [1.0])}, {"sae": ["a"]}, attrs)
        tree = xr.DataTree.from_dict({"/mine": group})
        return _with_attrs(tree, spec=json.dumps({"occurrence": {"block_length": length}}))

    labels = [column.label for column in compare({"a": measured(64), "b": measured(256)}).table.columns]
    assert labels[-2:] == ["mine/size, occurrence.block_length=64", "mine/size, occurrence.block_length=256"]


def test_seeds_share_a_column_and_are_said(data: xr.DataTree, first: xr.DataTree) -> None:
    attrs = {"metric": "mine", "metric_version": 1}
    before, after = (
        xr.DataTree.from_dict(
            {
                "/mine": xr.Dataset(
                    {"size": ("sae", [1.0])}, {"sae": ["a"]}, attrs | {"parameters": f'{{"seed": {seed}}}'}
                )
            }
        )
        for seed in (0, 1)
    )
    found = compare({"one": before, "two": after})
    assert _column(found, "mine/size") == [1.0, 1.0]
    assert found.cautions == ("mine was measured with seeds 0, 1: rows differ in what was drawn too",)


def test_unmatched_l0_is_flagged_by_row() -> None:
    tree = simulate_store(n_saes=4, n_features=40, n_blocks=40)
    names = list(tree["saes"].children)
    # Three of the four agree within 5 percent, which 64 does not.
    tree = _with_l0(tree, dict(zip(names, [20.0, 20.5, 20.0, 64.0], strict=True)))
    found = compare({"one": _measured(tree, _slope())})
    assert [row["unmatched"] for row in found.table.rows] == [None, None, None, "L0"]
    assert found.cautions == ("l0 differs between the SAEs (20 to 64): differences between rows may come from it",)
    unknown = _with_l0(tree, {names[0]: np.nan})
    assert compare({"one": _measured(unknown, _slope())}).table.rows[0]["unmatched"] == "L0 unknown"


def test_rows_sort_both_ways_with_absent_values_last(first: xr.DataTree, data: xr.DataTree) -> None:
    third = _measured(data, {"metric": "isotropy"}, root="r3")
    found = compare({"first": first, "third": third})
    for descending in (False, True):
        values = _column(sort_rows(found, "spectrum slope", descending=descending), "spectrum slope")
        assert values[:2] == sorted(values[:2], reverse=descending)
        assert values[2:] == [None, None]
    assert sort_rows(found, "slope").table.rows == sort_rows(found, "spectrum slope").table.rows


def test_formats_say_the_same(data: xr.DataTree, first: xr.DataTree) -> None:
    found = compare({"first": first, "wider": _measured(data, _slope(last_rank=20))})
    rows = list(csv.DictReader(io.StringIO(comparison_csv(found))))
    answer = json.loads(json.dumps(comparison_json(found), allow_nan=False))
    assert len(rows) == len(answer["rows"]) == 4
    for text, row in zip(rows, answer["rows"], strict=True):
        assert {key: value or None for key, value in text.items()} == {
            key: None if value is None else str(value) for key, value in row.items()
        }
    slopes = [column for column in answer["columns"] if column["metric"] == "eigenvalue_slope"]
    assert {column["parameters"]["last_rank"] for column in slopes} == {15, 20}
    text = comparison_markdown(found)
    assert text.count("\n| ") == 5  # the rule and four rows
    assert "eigenvalue_slope version" in text


def test_formulas_are_text_in_csv(first: xr.DataTree) -> None:
    assert "'=1+1" in comparison_csv(compare({"=1+1": first}))


def test_page_is_inert_complete_and_sorts(first: xr.DataTree, data: xr.DataTree, tmp_path: Path) -> None:
    found = compare({HOSTILE: first, "other": _measured(data, _slope(last_rank=20))})
    page = comparison_html(found)
    assert HOSTILE not in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    click = "<script>headings[3].firstElementChild.click(); headings[3].firstElementChild.click()</script>"
    file = tmp_path / "page.html"
    file.write_text(page.replace("</body>", f"{click}</body>"), encoding="utf-8")
    dom = rendered(file, tmp_path)
    assert "<title>Comparison of feature geometry</title>" in dom
    column = [column.label for column in found.table.columns][3]
    assert f"Sorted by {column}, descending." in dom
    body = dom.partition("<tbody>")[2].partition("</tbody>")[0]
    keys = [re.findall(r'data-key="([^"]*)"', row)[3] for row in body.split("</tr>")[:-1]]
    values = [float(key) for key in keys if key]
    assert len(keys) == 4
    assert values == sorted(values, reverse=True)


@pytest.mark.slow
def test_command(first: xr.DataTree, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write.write_tree(_with_attrs(first, dataset_root=name), tmp_path / name / open.RESULTS)
    outs = [str(tmp_path / "one"), str(tmp_path / "two")]
    call = CliRunner().invoke
    table = call(app, ["compare", *outs, "--sort", "slope", "--descending"])
    assert table.exit_code == 0, table.output
    assert "eigenvalue_slope version" in table.stdout
    rows = json.loads(call(app, ["compare", *outs, "--json"]).stdout)["rows"]
    assert [row["result"] for row in rows] == ["one", "one", "two", "two"]
    target = tmp_path / "page.html"
    assert call(app, ["compare", *outs, "--html", str(target)]).exit_code == 0
    assert target.read_text().startswith("<!doctype html>")
    for bad, said in [
        ([*outs, "--sort", "slop"], "no column is named 'slop'; did you mean 'slope'"),
        ([*outs, outs[0]], "given twice"),
        ([*outs, f"{tmp_path}/two/../one/{open.RESULTS}"], "given twice"),
        ([*outs, "--csv", "--json"], "more than one of"),
        ([*outs, "--html", str(target)], "exists already"),
        ([str(tmp_path / "none")], "none"),
    ]:
        failed = call(app, ["compare", *bad])
        assert said in str(failed.exception), bad


def test_a_published_result_is_compared_from_its_address(
    first: xr.DataTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAEGEOM_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / open.RESULTS
    write.write_tree(first, folder)
    files = {f"/lab/{file.relative_to(folder)}": file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    with serving(served=Served(files=files)) as served:
        answer = CliRunner().invoke(app, ["compare", f"{served.url}/lab", str(folder), "--json"])
    rows = json.loads(answer.stdout)["rows"]
    assert len(rows) == 2
    assert all(row["result"].startswith("lab, ") for row in rows)
