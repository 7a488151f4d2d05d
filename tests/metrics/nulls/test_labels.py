"""A null model is one file: the file's name is its label, and no label stands anywhere else."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import numpy as np
import pytest

from saegeom_data.declare import registry
from saegeom_data.engine.join import join
from saegeom_data.engine.units import Unit
from saegeom_data.results.groups import read_groups
from saegeom_data.results.judgement import judge
from saegeom_data.testing import simulate

METRICS = Path(__file__).parents[3] / "metrics"
NO_MODELS = {"__init__", "streams"}
NAMES = sorted(file.stem for file in (METRICS / "nulls").glob("*.py") if file.stem not in NO_MODELS)
LABELS = {name: importlib.import_module(f"saegeom_data.metrics.nulls.{name}").LABEL for name in NAMES}


def test_the_name_of_the_file_is_the_label() -> None:
    assert {name: name for name in NAMES} == LABELS


def test_labels_are_written_in_their_own_files_alone() -> None:
    found = []
    for file in METRICS.rglob("*.py"):
        if file.parent.name == "nulls":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in LABELS.values():
                found.append(f"{file.relative_to(METRICS)}:{node.lineno}")
    assert found == []


@pytest.mark.parametrize("name", [name for name in registry.list_metrics() if registry.get_metric(name).nulls])
def test_nulls_in_results_and_claims_are_those_that_the_metric_declares(name: str) -> None:
    metric = registry.get_metric(name)
    declared = {null.label for null in metric.nulls}
    # Two lobes, so that documents are of two types.
    sae = simulate.simulate_sae(n_features=80, n_lobes=2, function_strength=0.8)
    data = simulate.simulate_relations(seed=1) if metric.over == "site" else sae
    result = metric(data, **metric.quick).compute()
    if "null" in result.coords:
        assert set(np.asarray(result["null"].values, str)) <= declared & set(LABELS.values())
    presentation = metric.load_presentation()
    assert presentation is not None
    (group,) = read_groups(join([Unit(name, metric, "simulated", result, {})]))
    found = presentation.claims(group)
    assert found
    for claim in found:
        assert {test.null.label for test in claim.tests} <= declared, claim.topic
        judged = judge([claim])
        # Else "every null" would be said of some.
        if judged.every == "every null":
            assert {null.label for null in judged.nulls} == declared, claim.topic
