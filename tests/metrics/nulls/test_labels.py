"""A null model is one file: the file's name is its label, and no label stands anywhere else."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import numpy as np

from saegeom_data.declare import registry
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


def test_nulls_in_results_are_known_labels() -> None:
    for name in registry.list_metrics():
        metric = registry.get_metric(name)
        if not any("null" in output.dims or output.name == "p" for output in metric.outputs):
            continue
        # Two lobes, so that documents are of two types.
        sae = simulate.simulate_sae(n_features=80, n_lobes=2, function_strength=0.8)
        data = simulate.simulate_relations(seed=1) if metric.over == "site" else sae
        result = metric(data, **metric.quick)
        if "null" in result.coords:
            assert set(np.asarray(result["null"].values, str)) <= set(LABELS.values()), name
