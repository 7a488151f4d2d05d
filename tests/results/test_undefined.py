"""A result without a number in the table is named, with what it counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import saegeom_data
from saegeom_data.cli.main import app
from saegeom_data.data.write import write_tree
from saegeom_data.declare.group import Group
from saegeom_data.results.groups import read_groups
from saegeom_data.results.undefined import Undefined, undefined
from saegeom_data.testing.simulate import simulate_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two SAEs of 96 features; all rows of the second are alike."""
    tree = simulate_store(n_saes=2, n_features=96)
    features = tree["saes/layer_1/features"].to_dataset()
    tree["saes/layer_1/features"].dataset = features.assign(decoder=xr.ones_like(features.decoder))
    path = tmp_path_factory.mktemp("data") / "mine.zarr"
    write_tree(tree, path)
    return path


def group(**outputs: Any) -> Group:
    names = [f"layer_{layer}" for layer in range(len(next(iter(outputs.values()))))]
    data = xr.Dataset({name: ("sae", values) for name, values in outputs.items()}, {"sae": names})
    return Group("mine", "of_nobody", "other", {}, data)


def test_rows_that_count_alike_share_a_sentence() -> None:
    nan = np.nan
    mine = group(size=[nan, nan, 1.0, nan, nan, nan], shape=[nan] * 6, n=[7, 7, 9, 7, 8000, 7], n_merged=[0] * 6)
    assert [str(found) for found in undefined([mine])] == [
        "mine of layer_0, layer_1, layer_3 and 1 other: none of its headline numbers is defined (n 7)",
        "mine of layer_4: none of its headline numbers is defined (n 8,000)",
    ]


def test_results_with_numbers_and_results_of_counts_alone_are_passed_over() -> None:
    assert undefined([group(size=[1.0, 2.0]), group(n_used=[0, 0])]) == []


def test_metrics_of_one_direction_say_what_they_counted(store: Path) -> None:
    results = saegeom_data.evaluate(saegeom_data.open(store), "hubness").compute()
    assert undefined(read_groups(results)) == [
        Undefined("hubness", ("layer_1",), {"n_features_used": 1, "n_merged": 95})
    ]


def test_terminal_records_and_report_say_it(store: Path, tmp_path: Path) -> None:
    line = "isotropy of layer_1: none of its headline numbers is defined"
    shown = CliRunner().invoke(app, ["run", "isotropy", "--data", str(store), "-o", str(tmp_path / "out")])
    assert f"undefined: {line}" in " ".join(shown.output.split())
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert line in page
    assert "Not every result is defined" in page
    record = CliRunner().invoke(app, ["run", "isotropy", "--data", str(store), "-o", str(tmp_path / "two"), "--json"])
    (found,) = json.loads(record.stdout)["undefined"]
    assert found == {"result": "isotropy", "rows": ["layer_1"], "counts": {"n_features_used": 1, "n_merged": 95}}
