from __future__ import annotations

from types import SimpleNamespace

import dask
import numpy as np
import pytest
import xarray as xr

from saegeom_data import lazy
from saegeom_data.engine import compute, runner, time_left, times
from saegeom_data.engine.rates import READ
from saegeom_data.engine.task_counter import token_of
from saegeom_data.engine.units import Unit
from saegeom_data.lazy import KINDS, Memory, Result, Work
from saegeom_data.spec import models


def unit(work, output="total"):
    values = xr.DataArray(np.ones((8, 3)), dims=("features", "hidden"), name="decoder").chunk(features=2)
    chunk, finish = (lambda start, block: block.sum()), (lambda total: {output: total})
    dataset = lazy.rows(chunk, sum, finish, values, outputs={output: Result()}, memory=Memory(), work=work)
    return Unit("measured", SimpleNamespace(over="sae"), "layer_0", dataset, {})


def known_rates(monkeypatch):
    known = dict.fromkeys((*KINDS, READ), 0.0) | {"products": 1.0}
    monkeypatch.setattr(times, "rates", lambda: known)
    monkeypatch.setattr(time_left, "rates", lambda: known)


def test_time_left_falls_from_what_is_planned_to_nothing(monkeypatch):
    known_rates(monkeypatch)
    now = [0.0]
    monkeypatch.setattr(time_left.time, "monotonic", lambda: now[0])
    seen = []
    measured = unit(Work(products=100))
    follow = time_left.TimeLeft([([measured], 1, 1)], seen.append)
    with dask.config.set(scheduler="synchronous"), dask.callbacks.Callback(posttask=lambda key, *_: follow.finish(key)):
        measured.dataset.compute()
    # The clock stands still: what is left is the plan's alone, times the rest once more.
    assert seen[0] <= 100
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] < 1e-9


def test_shares_of_stages_count_as_their_tasks_do(monkeypatch):
    known_rates(monkeypatch)
    monkeypatch.setattr(time_left.time, "monotonic", lambda: 0.0)
    seen = []
    measured = unit(Work(products=100))
    follow = time_left.TimeLeft([([measured], 1, 1)], seen.append)
    (stage,) = {token_of(key) for key in measured.dataset.__dask_graph__() if "finish" in str(key)}
    # What was lost with a worker is computed again.
    for share in (0.5, 0.25, 1.0):
        follow.reach({stage: share, "of another run": 1.0})
    assert seen[0] < seen[1]
    assert seen[0] / seen[1] == pytest.approx((0.5 / 0.75) ** 2)
    assert seen[2] == pytest.approx(0.0, abs=1e-9)


def test_nothing_is_said_where_a_stage_states_no_work(monkeypatch):
    known_rates(monkeypatch)
    seen = []
    units = [unit(Work(products=100)), unit(None, "other")]
    compute.compute(units, scheduler="synchronous", left=seen.append)
    assert seen == []


def test_a_run_tells_the_time_that_is_left(data, tmp_path):
    slope = {"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 20}}
    run = models.RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "A run", "metrics": [slope]})
    seen, counts = [], []
    runner.run(run, data, tmp_path / "out", left=seen.append, progress=lambda *count: counts.append(count))
    assert len(seen) == len(counts)
    assert min(seen) >= 0
    assert seen[-1] <= seen[0]
