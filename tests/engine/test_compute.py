from __future__ import annotations

from saegeom_data.data.selection import Selection
from saegeom_data.engine import compute
from saegeom_data.engine.units import evaluate_units
from saegeom_data.spec.models import RunSpec
from saegeom_data.testing.simulate import simulate_store


def test_saes_and_sites_take_turns_and_results_keep_the_order_of_the_run(monkeypatch):
    metrics = [
        {"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 20}},
        {"metric": "parallelogram_quality", "parameters": {"n_permutations": 2}},
    ]
    run = RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "Turns", "metrics": metrics})
    units = evaluate_units(run, Selection(simulate_store().chunk()))
    started = []
    in_one_pass = compute._in_one_pass

    def noted(members, left_out=None):
        started.append(members[0].source)
        return in_one_pass(members, left_out)

    monkeypatch.setattr(compute, "_in_one_pass", noted)
    found = compute.compute(units, scheduler="synchronous")
    n_sites = sum(kind == "site" for kind, _ in started)
    assert n_sites > 0
    assert [kind for kind, _ in started[: 2 * n_sites]] == ["sae", "site"] * n_sites
    assert [unit.source for unit in found] == [unit.source for unit in units]
