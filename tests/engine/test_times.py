from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from saegeom_data import lazy
from saegeom_data.data.selection import Selection
from saegeom_data.declare import registry
from saegeom_data.engine import runner, times
from saegeom_data.engine.rates import READ
from saegeom_data.engine.units import Unit, evaluate_units, graph_of
from saegeom_data.lazy import KINDS, Memory, Result, Work, find_stages
from saegeom_data.spec import models
from saegeom_data.testing import checks, simulate

SLOPE = {"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 20}}
SECOND = Work(products=1)
# The sample holds no codes beside its text, and no unembedding.
OTHERS = {
    "feature_examples": simulate.simulate_text,
    "feature_tokens": simulate.simulate_text,
    "feature_logits": simulate.simulate_unembedding,
}


@pytest.fixture(autouse=True)
def unit_rates(monkeypatch):
    """One unit of any work takes a second, but for calls, by which what goes on beside the work is counted."""
    known = dict.fromkeys((*KINDS, READ), 1.0) | {"calls": 0.0, READ: 0.0}
    monkeypatch.setattr(times, "rates", lambda: known)
    return known


def array(seed=0, n=8, chunk=8):
    values = np.random.default_rng(seed).random((n, 3))
    return xr.DataArray(values, dims=("features", "hidden"), name=f"decoder_{seed}").chunk(features=chunk)


def whole(values, work, output="total"):
    """A dataset of one stage that is one task."""
    compute = lambda values: {output: values.sum()}  # noqa: E731
    return lazy.whole(compute, values, outputs={output: Result()}, memory=Memory(), work=work)


def rows(values, work):
    """A dataset of one stage that has a task for each chunk."""
    chunk, finish = (lambda start, block: block.sum()), (lambda total: {"total": total})
    return lazy.rows(chunk, sum, finish, values, outputs={"total": Result()}, memory=Memory(), work=work)


def unit(dataset, *, group="measured", name="layer_0"):
    return Unit(group, SimpleNamespace(over="sae"), name, dataset, {})


def seconds(*units, n_workers=1, at_once=1):
    return times.estimate(units, n_workers, at_once).all.seconds


def test_a_stage_takes_what_it_states_and_no_array_is_read():
    work = Work(**dict.fromkeys(KINDS, 2.0))
    with checks.raise_if_dask_computes():
        found = times.estimate([unit(whole(array(), work))], n_workers=1, at_once=1)
    assert found.all == found.metrics["measured"] == times.Estimate(2.0 * (len(KINDS) - 1), 2.0 * (len(KINDS) - 1))


def test_times_of_another_machine_have_its_rates(unit_rates):
    one = unit(whole(array(), SECOND))
    assert times.estimate([one], 1, 1, machine={**unit_rates, "products": 3.0}).all.seconds == 3


def test_what_goes_on_beside_the_work_counts_by_results_stages_and_tasks(unit_rates):
    unit_rates["calls"] = 1.0
    few, many = (times.estimate([unit(rows(array(chunk=size), Work()))], 1, 1).all for size in (8, 1))
    assert 0 < few.seconds < many.seconds


def test_reading_counts_once_for_all_that_read_the_same(unit_rates):
    unit_rates[READ] = 1.0
    values = array()
    both = [unit(whole(values, Work(), name), group=name) for name in ("first", "second")]
    assert seconds(both[0]) == seconds(*both) == values.nbytes


def test_workers_share_chunks_threads_and_stages_but_no_single_task():
    assert seconds(unit(whole(array(), SECOND)), n_workers=2) == 1
    assert seconds(unit(rows(array(chunk=4), SECOND)), n_workers=2) == 0.5
    assert seconds(unit(rows(array(chunk=4), SECOND)), n_workers=4) == 0.5
    assert seconds(unit(whole(array(), Work(products=1, spread=True))), n_workers=2) == 0.5
    two = [unit(whole(array(), SECOND, name), group=name) for name in ("first", "second")]
    assert seconds(*two, n_workers=2) == 1
    assert seconds(*two, n_workers=1) == 2


def test_stages_that_wait_for_each_other_come_one_after_the_other():
    first = whole(array(), SECOND)
    second = whole(first.total, 3 * SECOND, "second")
    assert seconds(unit(second), n_workers=2) == 4


def test_saes_are_shared_out_as_many_as_are_in_work_at_a_time():
    units = [unit(whole(array(seed), SECOND), name=f"layer_{seed}") for seed in range(4)]
    assert seconds(*units, n_workers=2, at_once=2) == 2
    assert seconds(*units, n_workers=2, at_once=1) == 4
    assert times.estimate(units, 2, 2).all.processor == 4


def test_what_metrics_share_is_in_each_and_once_in_all():
    shared = whole(array(), SECOND)
    units = [unit(whole(shared.total, SECOND, name), group=name) for name in ("first", "second")]
    found = times.estimate(units, 1, 1)
    assert {group: each.seconds for group, each in found.metrics.items()} == {"first": 2, "second": 2}
    assert found.all.seconds == 3


def test_what_states_no_work_is_unknown_and_all_take_so_long_at_least():
    silent = unit(whole(array(), None), group="silent")
    lazy_only = unit((array() * 2).sum().rename("total").to_dataset(), group="without_stages")
    known = unit(whole(array(), 200 * SECOND), group="known")
    found = times.estimate([silent, lazy_only, known], 1, 1)
    assert list(found.lines()) == [
        "time     at least 3 min 20 s to compute",
        "         silent: unknown",
        "         without_stages: unknown",
        "         known: 3 min 20 s",
    ]
    assert [each.is_least for each in found.metrics.values()] == [True, True, False]
    alone = times.estimate([known], 1, 1)
    assert next(alone.lines(goes_on=True)) == "time     about 3 min 20 s to compute; longer where drawing goes on"
    together = alone + times.estimate([silent], 1, 1)
    assert (together.all.seconds, together.all.is_least) == (200, True)
    assert list(together.metrics) == ["known", "silent"]


@pytest.mark.parametrize(
    ("seconds", "is_least", "line"),
    [
        (0.2, False, "time     under 1 s to compute"),
        (41.6, False, "time     about 42 s to compute"),
        (41.6, True, "time     at least 42 s to compute"),
        (0.2, True, "time     not known; what is known takes under 1 s"),
        (0.0, True, "time     not known"),
    ],
)
def test_a_time_under_a_second_is_no_bound_from_below_and_not_about_right(seconds, is_least, line):
    assert list(times.Times(times.Estimate(seconds, seconds, is_least)).lines()) == [line]


@pytest.mark.parametrize(
    ("given", "words"),
    [(0.99, "under 1 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599.9, "1 h 0 min"), (90_000, "1 d 1 h")],
)
def test_times_are_written_in_two_units_at_most(given, words):
    assert times.duration(given) == words


def test_a_plan_says_how_long_a_run_takes_and_computes_nothing(data):
    run = models.RunSpec.model_validate(
        {"spec_version": 1, "kind": "run", "title": "A run", "draws": "until_decided", "metrics": [SLOPE]}
    )
    with checks.raise_if_dask_computes():
        plan = runner.plan(run, data)
    assert plan.times.metrics["eigenvalue_slope"].seconds > 0
    assert not plan.times.all.is_least
    assert any(line.startswith("time     about ") and line.endswith("drawing goes on") for line in plan.lines())


def units_of(tree, metric, parameters):
    measured = {"metric": metric, "parameters": dict(parameters), "saes": "middle"}
    run = {"spec_version": 1, "kind": "run", "title": "A run", "metrics": [measured]}
    return evaluate_units(models.RunSpec.model_validate(run), Selection(tree))


@pytest.mark.parametrize("name", registry.list_metrics())
def test_every_stage_of_a_metric_states_its_work(name, sample):
    metric = registry.get_metric(name)
    if name in OTHERS:
        result = metric(OTHERS[name]().chunk(), **metric.quick)
    else:
        result = units_of(sample, name, metric.quick)[0].dataset
    stages = find_stages(graph_of([result])).values()
    assert stages
    assert [stage.function for stage in stages if stage.work is None] == []


@pytest.mark.parametrize("name", ["isotropy", "hubness", "lobes", "crystal_search"])
def test_more_features_take_longer(name):
    quick = registry.get_metric(name).quick
    # Of fewer features hubness lists all others of each.
    sizes = [600, 900]
    first, second = (
        times.estimate(units_of(simulate.simulate_store(n_saes=1, n_features=n).chunk(), name, quick), 1, 1).all
        for n in sizes
    )
    assert first.processor < second.processor


def test_more_draws_take_longer():
    tree = simulate.simulate_store(n_saes=1).chunk()
    few, many = (
        times.estimate(units_of(tree, "packing", {"n_surrogates": draws}), 1, 1).all.processor for draws in (3, 30)
    )
    assert 5 * few < many < 10 * few
