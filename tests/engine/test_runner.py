import json

import numpy as np
import pytest
import xarray as xr

from saegeom_data import errors
from saegeom_data.data import manifest_of, store, write
from saegeom_data.data.selection import select_sae
from saegeom_data.engine import runner
from saegeom_data.engine.compute import compute
from saegeom_data.metrics.galaxy.eigenvalue_slope import eigenvalue_slope
from saegeom_data.results import open
from saegeom_data.spec import models
from saegeom_data.testing import checks, simulate

SLOPE = {"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 20}}


def run_spec(*metrics) -> models.RunSpec:
    return models.RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "A run", "metrics": list(metrics)})


def test_building_a_run_computes_nothing(data):
    with store.open(data) as tree, checks.raise_if_dask_computes():
        results = runner.evaluate(tree, run_spec(SLOPE))
    checks.assert_lazy(results["eigenvalue_slope"].to_dataset())


def test_results_equal_each_metric_alone(data, tmp_path):
    runner.run(run_spec(SLOPE), data, tmp_path / "out")
    reopened = xr.open_datatree(tmp_path / "out" / open.RESULTS, engine="zarr", chunks={})["eigenvalue_slope"]
    with store.open(data) as tree:
        for name in ("layer_0", "layer_1", "layer_2"):
            alone = eigenvalue_slope(select_sae(tree, name), **SLOPE["parameters"]).compute()
            np.testing.assert_allclose(reopened["slope"].sel(sae=name), alone.slope, rtol=1e-12)
    assert reopened["layer"].values.tolist() == [0, 1, 2]
    assert reopened["site"].values.tolist() == ["hidden_state_0", "hidden_state_1", "hidden_state_2"]


@pytest.mark.slow
def test_schedulers_agree(data, monkeypatch):
    # One SAE and one process at a time: each process takes seconds to start, and there are new ones for each SAE.
    monkeypatch.setattr("dask.system.CPU_COUNT", 1)
    spec = run_spec(SLOPE | {"saes": ["layer_1"]})
    with store.open(data) as tree:
        threads = runner.measure(tree, spec, scheduler="threads")["eigenvalue_slope"].to_dataset()
        for scheduler in ("synchronous", "processes"):
            other = runner.measure(tree, spec, scheduler=scheduler)["eigenvalue_slope"].to_dataset()
            checks.assert_equal(other, threads)


def test_provenance_is_complete(data, tmp_path):
    results = runner.run(run_spec(SLOPE), data, tmp_path / "out")
    assert results.attrs["dataset_root"] == manifest_of.root_hash(data)
    assert results.attrs["dataset_title"] == "Simulated store"
    assert models.RunSpec.model_validate_json(results.attrs["spec"]) == run_spec(SLOPE)
    assert {"numpy", "xarray", "saegeom-data"} <= set(json.loads(results.attrs["versions"]))
    parameters = json.loads(results["eigenvalue_slope"].attrs["parameters"])
    assert parameters["last_rank"] == 20
    assert "seed" in parameters


def test_same_run_gives_the_same_bytes(data, tmp_path):
    for name in ("one", "two"):
        runner.run(run_spec(SLOPE), data, tmp_path / name)
    roots = [manifest_of.root_hash(tmp_path / name / open.RESULTS) for name in ("one", "two")]
    assert roots[0] == roots[1]


def test_saes_of_unequal_width_stand_side_by_side_with_a_caution(tmp_path):
    tree = simulate.simulate_store(n_saes=2)
    # Sixty features more than the other SAE: labels are whole numbers, and have no NaN to be padded with.
    wide = simulate.simulate_store(n_saes=2, n_features=260)
    tree["saes/layer_1"] = wide["saes/layer_1"]
    write.write_tree(tree, tmp_path / "data.zarr")
    lobes = {"metric": "lobes", "parameters": {"n_lobes": [2]}}
    results = runner.run(run_spec(SLOPE, lobes), tmp_path / "data.zarr", tmp_path / "out")
    assert len(results.attrs["unmatched"]) == 1
    assert "width differs" in results.attrs["unmatched"][0]
    labels = results["lobes"]["lobe"].sel(sae="layer_0").values
    assert labels.shape[-1] == 260
    assert (labels[..., 200:] == -1).all()
    assert labels.dtype.kind == "i"


def test_middle_and_named_saes(data):
    with store.open(data) as tree:
        middle = runner.evaluate(tree, run_spec(SLOPE | {"saes": "middle"}))
        assert middle["eigenvalue_slope"]["sae"].values.tolist() == ["layer_1"]
        named = runner.evaluate(tree, run_spec(SLOPE | {"saes": ["layer_2", "layer_0"]}))
        assert named["eigenvalue_slope"]["sae"].values.tolist() == ["layer_2", "layer_0"]
        with pytest.raises(errors.UnknownNameError, match="no SAE or site is named 'layer_9'.*layer_0, layer_1"):
            runner.evaluate(tree, run_spec(SLOPE | {"saes": ["layer_9"]}))


def test_existing_output_is_left_alone(data, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(errors.TargetExistsError, match="exists already"):
        runner.run(run_spec(SLOPE), data, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_failed_run_leaves_nothing(tmp_path):
    tree = simulate.simulate_store()
    tree["saes/layer_1/features"]["decoder"].values[5, 2] = np.nan
    write.write_tree(tree, tmp_path / "data.zarr")
    with pytest.raises(errors.DataValueError, match="/saes/layer_1/decoder features 5: got nan"):
        runner.run(run_spec(SLOPE), tmp_path / "data.zarr", tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["data.zarr"]


def test_damaged_data_are_refused(data, tmp_path):
    file = next(data.glob("saes/layer_0/features/decoder/c.*"))
    changed = bytearray(file.read_bytes())
    # One bit, and the same size: only the digest can tell.
    changed[len(changed) // 2] ^= 1
    file.write_bytes(changed)
    with pytest.raises(errors.StoreError, match=r"saes/.*/decoder/c\.0\.0: sha256 differs from the manifest"):
        runner.run(run_spec(SLOPE), data, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["data.zarr"]


def test_dataset_without_what_a_metric_needs(tmp_path):
    tree = simulate.simulate_store()
    del tree["relations"]
    write.write_tree(tree, tmp_path / "data.zarr")
    with pytest.raises(errors.DataValueError, match="no word pairs"):
        runner.run(run_spec({"metric": "parallelogram_quality"}), tmp_path / "data.zarr", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_results_stay_where_no_report_can_be_made_of_them(data, tmp_path, monkeypatch):
    from saegeom_data.report import page

    def broken(results):
        raise KeyError("view")

    monkeypatch.setattr(page, "render", broken)
    with pytest.raises(errors.ReportError, match="results.zarr: is whole, but no report .*KeyError: 'view'; read"):
        runner.run(run_spec(SLOPE), data, tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["results.zarr"]
    with open.open_results(tmp_path / "out") as results:
        assert np.isfinite(results["eigenvalue_slope"]["slope"]).all()


def test_unknown_scheduler_is_refused():
    with pytest.raises(errors.ParameterError, match="expected threads, processes"):
        compute([], scheduler="thread")


def test_scheduler_that_does_not_answer_is_one_clear_line():
    pytest.importorskip("distributed")
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(errors.ParameterError, match="no dask scheduler answers at tcp://127.0.0.1:1;"),
    ):
        compute([], scheduler="tcp://127.0.0.1:1")
