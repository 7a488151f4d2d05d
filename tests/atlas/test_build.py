from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from saegeom_data.atlas.build import Source, gathered
from saegeom_data.atlas.facts import SaeFacts
from saegeom_data.cli.main import app
from saegeom_data.data import store, write
from saegeom_data.engine import runner
from saegeom_data.errors import ParameterError, SaegeomError, StoreError, TargetExistsError, UnknownNameError
from saegeom_data.results.open import open_results
from saegeom_data.spec.models import RunSpec
from saegeom_data.testing.simulate import simulate_store

QUICK = {"n_permutations": 19, "n_seeds": 2}
METRICS = [
    {"metric": "lobe_function", "parameters": {**QUICK, "n_lobes": [2], "n_shuffles": 3}},
    {"metric": "coactivation_graph", "parameters": {**QUICK, "n_lobes": [2], "n_redraws": 3}},
    {"metric": "crystal_search", "parameters": {"n_surrogates": 2, "k": 5}},
    {"metric": "feature_map", "parameters": {"method": "pca"}},
    {"metric": "hubness", "parameters": {"n_surrogates": 2}},
]


@pytest.fixture(scope="module")
def run(simulated_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("atlas") / "run"
    spec = RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "All", "metrics": METRICS}, strict=False)
    runner.run(spec, simulated_store, folder)
    return folder


@pytest.fixture(scope="module")
def of_both(simulated_store: Path, run: Path) -> list[SaeFacts]:
    return list(gathered(Source(store.open(simulated_store), (open_results(run),))))


def test_each_sae_is_shown_with_what_store_and_results_say(of_both: list[SaeFacts]) -> None:
    assert [facts.name for facts in of_both] == ["layer_0", "layer_1"]
    facts = of_both[0]
    assert [(each.name, each.kind) for each in facts.groupings] == [
        ("Two lobes", "lobe"),
        ("Communities", "community"),
        ("Document type", "type"),
    ]
    assert facts.layout.trustworthiness is not None
    assert 0.4 < facts.layout.trustworthiness <= 1
    assert "from the results" in facts.layout.words
    assert facts.cosine is not None
    assert facts.cofiring is not None
    assert facts.cosine.index.shape == (facts.n_features, 8)
    assert {number.name for number in facts.numbers} >= {"degree"}
    assert any("tell document types apart" in line for line in facts.groupings[0].words)
    assert not any("lobes" in line or "crystals" in line for line in facts.missing)


def test_lobes_stand_for_the_types_that_they_win(of_both: list[SaeFacts], run: Path) -> None:
    share = open_results(run)["lobe_function"].winner_share.sel(sae="layer_0").isel(n_lobes=0)
    for lobe, part in enumerate(of_both[0].groupings[0].parts):
        won = {
            str(name)
            for name, value in zip(share.document_type.values, share[lobe].values, strict=True)
            if value >= 0.5
        }
        assert {name for name in part.stands_for.split(", ") if name} - {"no type of document"} == won


def test_a_store_alone_says_what_it_lacks(simulated_store: Path) -> None:
    (facts,) = gathered(Source(store.open(simulated_store)), saes=["layer_1"], n_neighbours=2)
    assert [grouping.kind for grouping in facts.groupings] == ["type"]
    assert "t-SNE" in facts.layout.words
    assert any(line.startswith("No lobes: no results were given") for line in facts.missing)
    assert any(line.startswith("No crystals") for line in facts.missing)


def test_results_alone_say_what_they_lack(run: Path) -> None:
    facts = next(gathered(Source(None, (open_results(run),))))
    assert facts.cosine is None
    assert facts.firing is None
    assert facts.layout.trustworthiness is None
    assert np.isfinite(facts.layout.position).all()
    assert {grouping.kind for grouping in facts.groupings} == {"lobe", "community"}
    assert any("give it with --data" in line for line in facts.missing)


def test_an_sae_without_firing_is_shown_by_its_decoder() -> None:
    tree = simulate_store(n_saes=1)
    without = xr.DataTree.from_dict({"/saes/layer_0/features": tree["saes/layer_0/features"].to_dataset(inherit=False)})
    (facts,) = gathered(Source(without))
    assert facts.firing is None
    assert facts.cosine is not None
    assert facts.groupings == []
    assert any(line.startswith("No firing: neither occurrence nor codes") for line in facts.missing)


def _with_decoder(rows: np.ndarray) -> xr.DataTree:
    features = simulate_store(n_saes=1)["saes/layer_0/features"].to_dataset(inherit=False)
    return xr.DataTree.from_dict({"/saes/layer_0/features": features.assign(decoder=(features.decoder.dims, rows))})


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_rows_without_a_map_are_shown_all_the_same(value: float) -> None:
    (facts,) = gathered(Source(_with_decoder(np.full((200, 24), value))))
    assert np.isfinite(facts.layout.position).all()
    assert any(line.startswith("No map: decoder: got") for line in facts.missing)


def test_rows_that_are_not_finite_are_refused() -> None:
    rows = np.ones((200, 24))
    rows[3, 2] = np.nan
    with pytest.raises(SaegeomError, match=r"features 3: got nan") as refused:
        list(gathered(Source(_with_decoder(rows).chunk())))
    assert "\n" not in str(refused.value)


def test_an_sae_of_several_sites_is_shown_at_each() -> None:
    found = list(gathered(Source(simulate_store(n_saes=1, crosscoder_layers=(2, 5))), n_neighbours=1))
    assert [facts.name for facts in found] == ["layer_0", "crosscoder@hidden_state_2", "crosscoder@hidden_state_5"]
    assert not np.array_equal(found[1].layout.position, found[2].layout.position)


def test_what_is_not_there_is_refused(simulated_store: Path) -> None:
    with pytest.raises(UnknownNameError, match="layer_7"):
        list(gathered(Source(store.open(simulated_store)), saes=["layer_7"]))
    with pytest.raises(ParameterError, match="no SAE to show"):
        list(gathered(Source(xr.DataTree())))


def _said(*arguments: object) -> str:
    """What the command prints; it fails as the function that it calls."""
    found = CliRunner().invoke(app, ["atlas", *map(str, arguments)], catch_exceptions=False, standalone_mode=False)
    return found.output


def test_the_command_writes_one_file(simulated_store: Path, run: Path, tmp_path: Path) -> None:
    target = tmp_path / "atlas.html"
    said = _said(run, "--data", simulated_store, "-o", target, "--sae", "layer_0", "--neighbours", "2")
    assert str(target) in said
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(TargetExistsError):
        _said(run, "-o", target)


def test_results_go_with_their_store_after_it_was_given_labels(
    simulated_store: Path, run: Path, tmp_path: Path
) -> None:
    """A store with labels has another root than its results, and says which it had."""
    tree, labelled = simulate_store(n_saes=2), tmp_path / "labelled.zarr"
    tree.attrs["earlier_roots"] = json.dumps(["0" * 64, open_results(run).attrs["dataset_root"]])
    write.write_tree(tree, labelled)
    said = _said(run, labelled, "-o", tmp_path / "a.html", "--sae", "layer_0", "--neighbours", "0")
    assert "a.html" in said


@pytest.mark.parametrize("given", ["root", "two stores", "folder"])
def test_bad_calls_get_one_line(given: str, simulated_store: Path, run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.zarr"
    write.write_tree(simulate_store(n_saes=1, seed=5), other)
    calls: dict[str, tuple[list[object], type[SaegeomError], str]] = {
        "root": ([run, "--data", other], ParameterError, "was measured on a store of root"),
        "two stores": ([simulated_store, other], ParameterError, "several stores"),
        "folder": ([run, "-o", tmp_path / "no" / "a.html"], StoreError, "there is no folder"),
    }
    arguments, kind, words = calls[given]
    with pytest.raises(kind, match=words) as refused:
        _said(*arguments, *([] if "-o" in arguments else ["-o", tmp_path / "a.html"]))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "a.html").exists()


def test_facts_are_fields_of_the_page() -> None:
    """What is gathered has a place in the payload: a field that nobody packs would be computed for nothing."""
    import inspect

    from saegeom_data.atlas import page, payload

    source = inspect.getsource(payload) + inspect.getsource(page)
    assert [each.name for each in dataclasses.fields(SaeFacts) if f"sae.{each.name}" not in source] == []
