"""What evaluating and planning reads: bytes of each array in a store on disk, and dask tasks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import xarray as xr
from dask.callbacks import Callback

import saegeom_data
from saegeom_data.data import store, write
from saegeom_data.data.codes import codes_group
from saegeom_data.data.selection import Selection
from saegeom_data.data.text import text_blocks
from saegeom_data.declare import registry
from saegeom_data.engine import runner
from saegeom_data.engine.units import evaluate_units
from saegeom_data.spec import models
from saegeom_data.testing.simulate import simulate_store

SLOPE = {"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 5}}
# Validation of a store compares the width of an SAE with the rows of its decoder.
SCALARS = {"site", "layer", "width", "l0"}


def run_spec(*metrics: dict[str, Any], **occurrence: Any) -> models.RunSpec:
    run = {"spec_version": 1, "kind": "run", "title": "A run", "metrics": list(metrics)}
    return models.RunSpec.model_validate(run | ({"occurrence": occurrence} if occurrence else {}))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two SAEs with codes and text; only the first has its occurrence stored."""
    tree = simulate_store(n_saes=2, n_features=40)
    for name in ("layer_0", "layer_1"):
        csr = sp.random(1200, 40, 0.05, format="csr", dtype="float32", random_state=int(name[-1]))
        tree[f"saes/{name}/codes"] = xr.DataTree(codes_group(csr))
    # So that occurrence of the second SAE must be derived, which takes text and codes.
    del tree["saes/layer_1"]["occurrence"]
    tokens = {
        "token_id": np.zeros(1200, int),
        "document": np.repeat(np.arange(4), 300),
        "position": np.tile(np.arange(300), 4),
        "is_special": np.zeros(1200, bool),
    }
    tree["tokens"] = xr.DataTree(xr.Dataset({name: ("tokens", values) for name, values in tokens.items()}))
    target = tmp_path_factory.mktemp("read") / "data.zarr"
    write.write_tree(tree, target)
    return target


@pytest.fixture
def bytes_read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Bytes that zarr reads of the chunks of each array, by its path; metadata is not counted."""
    from saegeom_data.remote.reading import CheckedStore

    get, seen = CheckedStore.get, Counter[str]()

    async def counted(self: Any, key: str, *arguments: Any, **options: Any) -> Any:
        found = await get(self, key, *arguments, **options)
        array, _, file = key.rpartition("/")
        if found is not None and file != "zarr.json":
            seen[array] += len(found)
        return found

    monkeypatch.setattr(CheckedStore, "get", counted)
    return seen


@pytest.fixture
def tasks() -> Iterator[Callable[[], int]]:
    """How many dask tasks have been executed."""
    keys: list[Any] = []
    with Callback(posttask=lambda key, *_: keys.append(key)):
        yield lambda: len(keys)


def arrays(seen: Counter[str]) -> set[str]:
    """Arrays that were read, without the scalar coordinates of SAEs and sites."""
    return {array for array in seen if array.rpartition("/")[2] not in SCALARS}


def test_the_counters_count(data: Path, bytes_read: Counter[str], tasks: Callable[[], int]) -> None:
    # A counter that counts nothing would pass every test below.
    with store.open(data) as tree:
        values = tree["tokens/document"].values
    assert tasks() >= 1
    assert arrays(bytes_read) == {"tokens/document"}
    assert 0 < bytes_read["tokens/document"] <= values.nbytes


def test_a_metric_of_decoders_reads_decoders_alone(data: Path, bytes_read: Counter[str]) -> None:
    with store.open(data) as tree:
        measured = runner.measure(tree, run_spec(SLOPE), scheduler="synchronous")
    assert np.isfinite(measured["eigenvalue_slope/slope"].values).all()
    assert arrays(bytes_read) == {f"saes/layer_{layer}/features/decoder" for layer in (0, 1)}


def test_settings_of_occurrence_do_not_make_a_metric_of_decoders_read_text(
    data: Path, bytes_read: Counter[str], tasks: Callable[[], int]
) -> None:
    with store.open(data) as tree:
        runner.evaluate(tree, run_spec(SLOPE, block_length=100))
    assert arrays(bytes_read) == set()
    assert tasks() == 0


def test_stored_occurrence_needs_neither_text_nor_codes(data: Path, bytes_read: Counter[str]) -> None:
    with store.open(data) as tree:
        runner.measure(tree, run_spec({"metric": "cooccurrence", "saes": ["layer_0"]}), scheduler="synchronous")
    assert arrays(bytes_read) == {"saes/layer_0/occurrence/occurrence"}


def test_occurrence_is_derived_once_for_all_metrics_of_all_saes(
    data: Path, bytes_read: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from saegeom_data.data import occurrence

    cut, derive, calls = text_blocks.cut_blocks, occurrence.occurrence_in_blocks, Counter[str]()
    monkeypatch.setattr(text_blocks, "cut_blocks", lambda *a, **k: calls.update(["cut"]) or cut(*a, **k))
    monkeypatch.setattr(
        occurrence, "occurrence_in_blocks", lambda *a, **k: calls.update([k["where"]]) or derive(*a, **k)
    )
    metrics = [{"metric": "cooccurrence"}, {"metric": "affinity"}, SLOPE]
    with store.open(data) as tree:
        evaluate_units(run_spec(*metrics), Selection(tree))
        assert calls == {"cut": 1, "/saes/layer_1/codes": 1}
        calls.clear()
        settings = models.OccurrenceSettings(block_length=100)
        evaluate_units(run_spec(*metrics, block_length=100), Selection(tree, settings))
    assert calls == {"cut": 1, "/saes/layer_0/codes": 1, "/saes/layer_1/codes": 1}
    assert not any("codes" in array for array in arrays(bytes_read))


# The sample has no unembedding.
@pytest.mark.parametrize("name", sorted({*registry.list_metrics()} - {"feature_logits"}))
def test_a_plan_on_the_sample_reads_no_array(name: str, bytes_read: Counter[str], tasks: Callable[[], int]) -> None:
    """But the relation of each word pair, 184 bytes, since no metadata of the sample names the relations."""
    metric = registry.get_metric(name)
    planned = runner.plan(run_spec({"metric": name, "saes": "middle"}), saegeom_data.sample_path())
    assert planned.read_bytes > 0
    if metric.over == "site":
        assert planned.read_already == ("/relations/relation",)
        assert arrays(bytes_read) == {"relations/relation"}
        assert bytes_read["relations/relation"] < 1000
        return
    assert planned.read_already == ()
    assert arrays(bytes_read) == set()
    assert tasks() == 0


def test_a_plan_names_what_it_had_to_read(data: Path, bytes_read: Counter[str]) -> None:
    derived = {"metric": "cooccurrence", "saes": ["layer_1"]}
    assert runner.plan(run_spec(derived), data).read_already == ("/tokens", "/documents")
    assert all(array.startswith(("tokens/", "documents/")) for array in arrays(bytes_read))
    by_type = {"metric": "cooccurrence_by_type", "saes": ["layer_0"]}
    plan = runner.plan(run_spec(by_type), data)
    assert plan.read_already == ("/saes/layer_0/occurrence/document_type",)
    said = [line.split()[0] for line in plan.lines()]
    assert said == ["memory", "reads", "tasks", "largest", "time", "cooccurrence_by_type:", "read"]


@pytest.mark.parametrize(
    ("sources", "is_read"),
    [
        ([{"document_type": "type 0"}, {"document_type": "type 1"}, {"name": "an SAE"}], False),
        ([{"document_type": "type 0"}, {"document_type": None}], True),
        ("no JSON", True),
        ({"document_type": "type 0"}, True),
    ],
)
def test_types_of_documents_are_planned_from_sources_that_name_them_all(
    tmp_path: Path, sources: object, is_read: bool
) -> None:
    tree = simulate_store(n_saes=1, n_features=40)
    tree.attrs["sources"] = sources if isinstance(sources, str) else json.dumps(sources)
    write.write_tree(tree, tmp_path / "stated.zarr")
    run = run_spec({"metric": "cooccurrence_by_type"})
    assert bool(runner.plan(run, tmp_path / "stated.zarr").read_already) == is_read
