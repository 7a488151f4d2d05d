"""Runs on SAEs that write to several sites: a row for each of them, as each would give alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import saegeom_data
from saegeom_data.data.selection import Selection
from saegeom_data.declare.registry import get_metric
from saegeom_data.engine import planner, runner, units
from saegeom_data.results.depth_trend import depth_trend
from saegeom_data.spec.models import RunSpec
from saegeom_data.testing.simulate import simulate_crosscoder, simulate_store

METRICS: list[dict[str, Any]] = [
    {"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 12}},
    {"metric": "isotropy"},
    {"metric": "neighbour_angle"},
    {"metric": "cooccurrence"},
]
LAYERS = (1, 3, 4, 6, 7, 9)


def run_of(*metrics: dict[str, Any]) -> RunSpec:
    return RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "Sites", "metrics": list(metrics)})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "mixed.zarr"
    sizes = {"n_features": 90, "n_hidden": 16, "n_blocks": 60}
    saegeom_data.write_tree(simulate_store(n_saes=1, crosscoder_layers=LAYERS, **sizes), path)
    return path


@pytest.fixture(scope="module")
def results(store: Path) -> xr.DataTree:
    return runner.run(run_of(*METRICS), store, store.parent / "results", scheduler="synchronous")


def test_a_run_has_a_row_for_each_site_and_one_where_sites_are_alike(results: xr.DataTree) -> None:
    rows = [f"crosscoder@hidden_state_{layer}" for layer in LAYERS]
    assert results["isotropy"].sae.values.tolist() == [*rows, "layer_0"]
    assert results["isotropy"].layer.values.tolist() == [*LAYERS, 0]
    # Codes are the same at all sites: repeated, they would pass for observations at several depths.
    assert results["cooccurrence"].sae.values.tolist() == ["crosscoder", "layer_0"]
    assert "layer" not in results["cooccurrence"].coords


@pytest.mark.parametrize("measured", METRICS[:3], ids=lambda measured: str(measured["metric"]))
def test_each_row_is_bit_for_bit_that_of_the_decoder_alone(
    measured: dict[str, Any], store: Path, results: xr.DataTree
) -> None:
    metric = get_metric(str(measured["metric"]))
    decoder = np.asarray(saegeom_data.open(store)["saes/crosscoder/features/decoder"])
    row = results[metric.name].to_dataset().sel(sae="crosscoder@hidden_state_4")
    alone = metric(
        # Draws follow the path, as they do for any SAE of a store.
        xr.Dataset(
            {"decoder": (("features", "hidden"), decoder[:, 2].copy())},
            attrs={"path": "/saes/crosscoder@hidden_state_4"},
        ).chunk(features=-1),
        **measured.get("parameters", {}),
    ).compute()
    for name in alone.data_vars:
        np.testing.assert_array_equal(row[name].values, alone[name].values)


@pytest.mark.parametrize("chunks", [{"features": 7}, {"features": 40, "sites": 2}, {"sites": 1, "hidden": 5}])
def test_rows_do_not_depend_on_chunks(chunks: dict[str, int], store: Path, results: xr.DataTree) -> None:
    tree = saegeom_data.open(store).load()
    tree["saes/crosscoder/features"] = tree["saes/crosscoder/features"].to_dataset().chunk(chunks)
    measured: dict[str, Any] = {
        "metric": "eigenvalue_slope",
        "parameters": METRICS[0]["parameters"],
        "saes": ["crosscoder"],
    }
    found = runner.measure(tree, run_of(measured), scheduler="synchronous")["eigenvalue_slope"]
    expected = results["eigenvalue_slope"].to_dataset().isel(sae=slice(len(LAYERS)))
    np.testing.assert_allclose(found.slope, expected.slope, rtol=1e-9)


def test_the_slope_follows_the_planted_exponents(results: xr.DataTree) -> None:
    slopes = results["eigenvalue_slope"].slope.values[: len(LAYERS)]
    assert np.all(np.diff(slopes) < 0)


def test_a_plan_reads_one_site_for_each_row_and_all_of_it_once(store: Path) -> None:
    tree = saegeom_data.open(store)
    measured: dict[str, Any] = {"metric": "isotropy", "saes": ["crosscoder"]}
    evaluated = units.evaluate_units(run_of(measured), Selection(tree))
    decoder = tree["saes/crosscoder/features/decoder"]
    one, every = (planner.plan(some, n_workers=1, at_once=1) for some in (evaluated[:1], evaluated))
    assert every.read_bytes == len(LAYERS) * one.read_bytes
    assert every.read_bytes % decoder.nbytes == 0
    # At one site at a time the sites do not add up in memory.
    assert every.peak_bytes - one.peak_bytes < decoder.nbytes


def test_a_trend_over_depth_is_made_of_the_sites(results: xr.DataTree) -> None:
    trend = depth_trend(
        results["eigenvalue_slope"].to_dataset().isel(sae=slice(len(LAYERS))), "slope", n_permutations=9
    )
    assert trend.layer.values.tolist() == list(LAYERS)


def test_a_row_an_sae_and_the_middle_may_be_named(store: Path) -> None:
    tree = saegeom_data.open(store)
    for saes, expected in (
        (["crosscoder@hidden_state_6"], ["crosscoder@hidden_state_6"]),
        (["layer_0", "crosscoder"], ["layer_0", *(f"crosscoder@hidden_state_{layer}" for layer in LAYERS)]),
        ("middle", ["crosscoder@hidden_state_6"]),
    ):
        found = units.evaluate_units(run_of({"metric": "isotropy", "saes": saes}), Selection(tree))
        assert [unit.name for unit in found] == expected


def test_a_store_of_one_crosscoder_alone_makes_a_report(tmp_path: Path) -> None:
    tree = simulate_store(n_saes=0, crosscoder_layers=(2, 5), n_features=60, n_hidden=12, n_blocks=60)
    saegeom_data.write_tree(tree, tmp_path / "one.zarr")
    runner.run(run_of(METRICS[1]), tmp_path / "one.zarr", tmp_path / "out", scheduler="synchronous")
    assert "crosscoder@hidden_state_5" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_shared_features_are_alike_at_all_sites() -> None:
    def cosine(shared: float) -> float:
        decoder = simulate_crosscoder(layers=(0, 1), spectrum_exponents=(0, 0), shared=shared).decoder.values
        return float((decoder[:, 0] * decoder[:, 1]).sum(axis=-1).mean())

    assert cosine(1.0) == pytest.approx(1)
    assert abs(cosine(0.0)) < 0.1
    assert 0.3 < cosine(0.5) < 0.7
