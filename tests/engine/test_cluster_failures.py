"""The line on workers that ran out of memory names what they computed and what to lower."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("distributed")

from saegeom_data.data import store
from saegeom_data.data.selection import Selection
from saegeom_data.engine.cluster_failures import out_of_memory
from saegeom_data.engine.units import evaluate_units, graph_of
from saegeom_data.spec.models import RunSpec

METRICS = [{"metric": "lobes", "parameters": {"n_lobes": [3]}}, {"metric": "neighbour_angle"}]


@pytest.fixture
def graph(three_saes: Path) -> dict[object, object]:
    run = RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "A run", "metrics": METRICS})
    with store.open(three_saes) as tree:
        units = [unit for unit in evaluate_units(run, Selection(tree)) if unit.name == "layer_0"]
        return graph_of([unit.dataset for unit in units])


def test_the_stage_of_a_task_and_its_parameter_are_named(graph: dict[object, object]) -> None:
    stages, lower = set(), set()
    for key in graph:
        line = str(out_of_memory("tcp://10.0.0.1:8786", graph, [key], "died, mostly for want of memory,"))
        assert line.startswith("tcp://10.0.0.1:8786: workers that ran ")
        assert line.endswith("start workers with fewer threads or more memory")
        assert "\n" not in line
        stages.add(line.split(" ran ")[1].split(" died")[0])
        lower.update(re.findall(r"; lower (.*), or start", line))
    named = [stage for stage in stages if not stage.startswith("a task")]
    assert len(named) > 1, "tasks of several stages are told apart"
    assert {"n_samples", "n_lobes"} <= lower


def test_a_task_of_no_stage_is_named_by_itself() -> None:
    line = str(out_of_memory("tcp://10.0.0.1:8786", {"x": 1}, ["x"], "had too little memory"))
    assert "workers that ran a task x had too little memory and the run was ended; start" in line
