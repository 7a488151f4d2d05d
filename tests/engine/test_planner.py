from __future__ import annotations

import json
import subprocess
import sys

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from soak import SOAK

from saegeom_data import errors
from saegeom_data.data import schema, store, write
from saegeom_data.data.selection import Selection
from saegeom_data.engine import planner, runner, sizes
from saegeom_data.engine.compute import compute
from saegeom_data.engine.demands import Demand, tasks_of
from saegeom_data.engine.units import by_source, evaluate_units
from saegeom_data.lazy import Memory, Stage
from saegeom_data.spec import models
from saegeom_data.testing import checks, simulate

SLOPE = {"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 20}}
# A plan counts on all sampled rows being one family, which random rows are not.
FEW_SAMPLED = {**SLOPE, "parameters": {**SLOPE.get("parameters", {}), "n_influence_rows": 2048}}
LOBES = {"metric": "lobes", "parameters": {"n_lobes": [2, 4], "n_seeds": 2}}


def run_spec(*metrics) -> models.RunSpec:
    return models.RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "A run", "metrics": list(metrics)})


def evaluated(data, *metrics):
    return evaluate_units(run_spec(*metrics), Selection(store.open(data)))


def test_units_are_metrics_of_saes_and_sites_and_computed_with_all_of_one(data):
    pairs = {"metric": "parallelogram_quality", "parameters": {}}
    lobes = {"metric": "lobes", "name": "two_lobes", "saes": ["layer_1"], "parameters": {"n_lobes": [2]}}
    found = evaluated(data, SLOPE, lobes, pairs)
    assert [(unit.group, unit.name) for unit in found[:4]] == [
        ("eigenvalue_slope", "layer_0"),
        ("eigenvalue_slope", "layer_1"),
        ("eigenvalue_slope", "layer_2"),
        ("two_lobes", "layer_1"),
    ]
    assert all(unit.metric.name in {"eigenvalue_slope", "lobes", "parallelogram_quality"} for unit in found)
    groups = {units[0].name: [unit.group for unit in units] for units in by_source(found)}
    assert groups["layer_0"] == ["eigenvalue_slope"]
    assert groups["layer_1"] == ["eigenvalue_slope", "two_lobes"]
    assert [name for name in groups if name.startswith("layer")] == ["layer_0", "layer_1", "layer_2"]
    sites = [name for name in groups if not name.startswith("layer")]
    assert sites
    assert all(groups[site] == ["parallelogram_quality"] for site in sites)


def test_data_that_two_metrics_share_is_read_once(data):
    wide = SLOPE | {"name": "wide", "parameters": {"first_rank": 2, "last_rank": 10}}
    one_metric, two_metrics = evaluated(data, SLOPE), evaluated(data, SLOPE, wide)
    with checks.raise_if_dask_computes():
        alone, both = planner.plan(one_metric), planner.plan(two_metrics)
    decoders = sum(tree["decoder"].nbytes for tree in decoder_groups(data))
    # Once to find copies among rows, and once for the spectrum.
    assert alone.read_bytes == both.read_bytes == 2 * decoders
    # The second metric does add work; it adds no reading.
    assert both.n_tasks > alone.n_tasks


def decoder_groups(data):
    tree = store.open(data)
    return [tree[f"saes/{name}/features"].to_dataset() for name in schema.sae_names(tree)]


def test_fewer_workers_take_less_and_a_limit_finds_them(data, monkeypatch):
    # What this process holds changes between plans.
    monkeypatch.setattr(planner, "_resident", lambda: 0)
    results = evaluated(data, LOBES)
    side_by_side = planner.plan(results, n_workers=2, at_once=2)
    alone = planner.plan(results, n_workers=1, at_once=1)
    assert alone.peak_bytes < side_by_side.peak_bytes
    assert planner.fit(results, side_by_side.peak_bytes, n_workers=2) == side_by_side
    assert planner.fit(results, side_by_side.peak_bytes - 1, n_workers=2).n_workers <= 2
    assert planner.fit(results, alone.peak_bytes, n_workers=2).peak_bytes <= alone.peak_bytes


def room(n_threads=1, limit=None, resident=0, name="worker tcp://10.0.0.2:1"):
    return planner.WorkerRoom(name, n_threads, limit, resident)


def test_each_worker_takes_what_its_threads_do_and_what_it_has_already(data):
    results = evaluated(data, LOBES)
    alone = planner.fit_workers(results, [room()] * 2, most_at_once=1)
    assert (alone.n_workers, alone.at_once, alone.on_workers) == (2, 1, 2)
    assert "on each of 2 workers" in next(alone.lines())
    assert planner.fit_workers(results, [room(), room(2)], most_at_once=1).peak_bytes > alone.peak_bytes
    full = planner.fit_workers(results, [room(resident=10**9)], most_at_once=1)
    assert full.peak_bytes == alone.peak_bytes - planner.BASE_BYTES + 10**9


def test_fewer_saes_at_a_time_where_workers_have_little_memory(data):
    results = evaluated(data, LOBES)
    free = planner.fit_workers(results, [room()], most_at_once=8)
    assert free.at_once == len({unit.name for unit in results})
    tight = planner.fit_workers(results, [room(limit=free.peak_bytes - 1)], most_at_once=8)
    assert tight.at_once < free.at_once
    assert tight.peak_bytes < free.peak_bytes
    assert planner.fit_workers(results, [room()], free.peak_bytes - 1, most_at_once=8) == tight


def test_a_worker_with_too_little_memory_is_named(data):
    small = room(2, 4 * 10**8, name="worker tcp://10.0.0.3:1")
    results = evaluated(data, LOBES)
    with checks.raise_if_dask_computes(), pytest.raises(errors.MemoryLimitError) as caught:
        planner.fit_workers(results, [room(), small], most_at_once=8)
    message = str(caught.value)
    assert message.startswith("worker tcp://10.0.0.3:1: takes ")
    assert "with 2 tasks at a time, of 381.47 MiB that it may fill; start workers with fewer threads or more" in message
    assert " memory, or reduce what takes most: " in message


def test_run_over_the_limit_is_refused_before_it_starts(monkeypatch, data, tmp_path):
    results = evaluated(data, LOBES)
    # What other tests have left in this process may grow between two looks at it.
    monkeypatch.setattr(planner, "_resident", lambda: 0)
    with checks.raise_if_dask_computes(), pytest.raises(errors.MemoryLimitError) as caught:
        planner.fit(results, planner.base_bytes() + 10**3)
    assert "raise --memory-limit, or reduce what takes most: " in str(caught.value)
    assert "on layer_" in str(caught.value)
    with pytest.raises(errors.MemoryLimitError) as caught:
        planner.fit(results, 10**8)
    assert "memory limit is 95.37 MiB; raise it: Python and its libraries alone take " in str(caught.value)
    with pytest.raises(errors.MemoryLimitError):
        runner.run(run_spec(LOBES), data, tmp_path / "out", memory_limit=10**8)
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.zarr"]


@pytest.mark.parametrize(
    ("pattern", "lower", "words"),
    [
        ("rows", "", "; write the store in smaller chunks"),
        ("rows", "n_top", "; lower n_top"),
        ("whole", "n_seeds", "; lower n_seeds"),
        ("whole", "", ""),
    ],
)
def test_what_takes_most_is_said_with_what_would_change_it(pattern, lower, words):
    stage = Stage(pattern, "f", {}, 2**20, 1, Memory(lower=lower), 0, 0)
    demand = Demand("layer_0", 0, (stage,), {}, 1)
    assert {what for _, what in tasks_of(demand, 1)} == {
        f"{sizes.size_text(size)} of f on layer_0{words}" for size, _ in tasks_of(demand, 1)
    }


def test_results_do_not_depend_on_the_limit(data, tmp_path):
    free = runner.run(run_spec(SLOPE, LOBES), data, tmp_path / "free")
    # Little more than one task at a time takes, whatever this process holds already.
    limit = planner.plan(evaluated(data, SLOPE, LOBES), n_workers=1, at_once=1).peak_bytes + 5 * 10**7
    bound = runner.run(run_spec(SLOPE, LOBES), data, tmp_path / "bound", memory_limit=limit)
    for group in ("eigenvalue_slope", "lobes"):
        checks.assert_equal(bound[group].to_dataset().load(), free[group].to_dataset().load())


def test_progress_counts_every_task_of_the_plan(data):
    results = evaluated(data, SLOPE)
    seen: list[tuple[int, int]] = []
    compute(results, progress=lambda *counts: seen.append(counts))
    done, of_all = zip(*seen, strict=True)
    assert sorted(done) == list(range(1, len(seen) + 1))
    assert set(of_all) == {planner.plan(results).n_tasks}
    assert len(seen) <= of_all[0]


@pytest.mark.parametrize("text", ["", "2XB", "GB", "-1GB", "0", "nan", "1e400GB", "GB2", "2 GB and more"])
def test_what_is_no_size_is_named(text):
    with pytest.raises(errors.ParameterError, match="expected a size such as 2GB"):
        sizes.parse_size(text)


@pytest.mark.parametrize(("given", "most"), [({}, 16e9), ({"n_neighbours": 32}, 32e9)])
def test_lobes_of_a_million_features_are_planned(given, most):
    n, n_blocks = 10**6, 8192
    root = xr.Dataset(attrs={"format_version": 1, "title": "Wide", "license": "CC0-1.0"})
    features = xr.Dataset(
        {"decoder": (("features", "hidden"), da.zeros((n, 16), dtype="float32", chunks=(65_536, 16)))},
        coords={"site": "hidden_state_0", "layer": 0, "width": n, "l0": 32.0},
        attrs={"model": "none", "architecture": "topk", "decoder_norm": "unit"},
    )
    document = np.arange(n_blocks, dtype="int32") // 3
    occurrence = xr.Dataset(
        {
            "occurrence": (("blocks", "features"), da.zeros((n_blocks, n), dtype=bool, chunks=(64, n))),
            "document": ("blocks", document),
            "document_type": ("blocks", np.array(["prose", "code"], dtype=object)[document % 2]),
        },
        attrs={"threshold": 0.0, "block_length": 256},
    )
    groups = {"/": root, "/saes/wide/features": features, "/saes/wide/occurrence": occurrence}
    wide = {"metric": "lobes", "parameters": {"n_lobes": [2, 16, 128], **given}}
    results = evaluate_units(run_spec(wide), Selection(xr.DataTree.from_dict(groups)))
    with checks.raise_if_dask_computes():
        found = planner.plan(results, n_workers=1, at_once=1)
    # The matrix of affinities alone would take 4,000 GB.
    assert found.peak_bytes < most
    assert found.n_tasks < 8000
    assert found.read_bytes == n * n_blocks


MEASURE = """
import json, os, sys
from saegeom_data.engine import runner
from saegeom_data.spec import models as spec
path, run = sys.argv[1], spec.RunSpec.model_validate_json(sys.argv[2])
# Each run in a process of its own, a copy of this one, whose imports take longer than a small run.
for limit in json.loads(sys.argv[3]):
    child = os.fork()
    if not child:
        open("/proc/self/clear_refs", "w").write("5")  # The peak begins with this process.
        plan = runner.plan(run, path, memory_limit=limit)
        runner.run(run, path, f"{sys.argv[4]}-{limit}", memory_limit=limit)
        peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
        print(json.dumps([limit, plan.peak_bytes, int(peak) * 1024]), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "metrics", "limits"),
    [
        # Three SAEs of the smallest store, so that runs of several are planned.
        ({"n_saes": 3, "n_features": 300, "n_hidden": 40}, [SLOPE], [None, 10**9]),
        # Two of the others, so that there are tasks for two cores, but for the slowest.
        ({"n_features": 40_000, "n_hidden": 256, "n_blocks": 6}, [FEW_SAMPLED], [None]),
        ({"n_saes": 2 if SOAK else 1, "n_features": 3000, "n_hidden": 64}, [LOBES], [10**9]),
        ({"n_features": 2000, "n_hidden": 64}, [{"metric": "cooccurrence"}, {"metric": "affinity"}], [None]),
    ],
    ids=["small", "many rows", "many pairs", "tiles"],
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak from /proc")
def test_plan_is_never_below_the_measured_peak_and_near_it(tmp_path, sizes, metrics, limits):
    tree = simulate.simulate_store(**{"n_saes": 2} | sizes)
    write.write_tree(tree, tmp_path / "large.zarr")
    del tree
    limits = [None, 10**9] if SOAK else limits
    arguments = [tmp_path / "large.zarr", run_spec(*metrics).model_dump_json(), json.dumps(limits), tmp_path / "out"]
    done = subprocess.run([sys.executable, "-c", MEASURE, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = list(map(json.loads, done.stdout.splitlines()))
    assert [limit for limit, _, _ in lines] == limits
    for limit, planned, measured in lines:
        # Below the peak a plan is wrong; far above it, runs that fit would be refused.
        assert measured <= planned <= 1.5 * measured, lines
        assert limit is None or planned <= limit
