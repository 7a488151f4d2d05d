"""What is shown and said of lobes, from the numbers of a run; and what presentations may name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from saegeom_data.declare.presentation import Panel
from saegeom_data.declare.registry import get_metric, list_metrics
from saegeom_data.engine import runner
from saegeom_data.metrics.brain.lobe_function._type_shares import shares
from saegeom_data.metrics.nulls import frequency_stratified, label_permutation
from saegeom_data.report.findings import findings_of
from saegeom_data.report.panels import panels_of
from saegeom_data.results.groups import find_group, read_groups
from saegeom_data.results.presentations import Failures
from saegeom_data.results.summary import as_cells, as_records, summary_table
from saegeom_data.spec import models
from saegeom_data.testing.simulate import simulate_store

_QUICK = {"n_permutations": 24, "n_lobes": [2, 3], "n_seeds": 2}
_METRICS: list[dict[str, Any]] = [
    {"metric": "lobe_modularity", "parameters": _QUICK | {"n_redraws": 0}},
    {"metric": "lobe_function", "parameters": _QUICK},
    {"metric": "lobes", "parameters": {"n_lobes": [2, 3], "n_seeds": 2}},
    {"metric": "coactivation_graph", "parameters": _QUICK | {"n_redraws": 19}},
    {"metric": "feature_map", "saes": "middle", "parameters": {"method": "pca"}},
    {"metric": "affinity", "saes": "middle"},
    {"metric": "cooccurrence", "saes": "middle"},
    {"metric": "cooccurrence_by_type", "saes": "middle"},
]
BRAIN = [name for name in list_metrics() if get_metric(name).scale == "brain"]


@pytest.fixture(scope="module")
def results() -> xr.DataTree:
    """Results of every metric of the scale on three SAEs, of texts of code and of speeches."""
    tree = simulate_store(n_saes=3, n_features=60, n_blocks=120, geometry_strength=1.0, function_strength=0.95)
    run = {"spec_version": 1, "kind": "run", "title": "Lobes", "metrics": _METRICS}
    return runner.measure(_renamed(tree, ["python_code", "speeches"]), models.RunSpec.model_validate(run))


def _renamed(tree: xr.DataTree, types: list[str]) -> xr.DataTree:
    """The same store with other names of document types."""
    groups = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
    for path, group in groups.items():
        if "document_type" in group:
            index = [int(str(name).split()[-1]) for name in group["document_type"].values]
            names = np.array([types[i] for i in index], dtype=object)
            groups[path] = group.assign(document_type=(group["document_type"].dims, names))
    return xr.DataTree.from_dict(groups)


def _edited(results: xr.DataTree, group: str, edit: Callable[[xr.Dataset], xr.Dataset]) -> xr.DataTree:
    groups = {node.path: node.to_dataset(inherit=False).load() for node in results.subtree}
    groups[f"/{group}"] = edit(groups[f"/{group}"].copy(deep=True))
    return xr.DataTree.from_dict(groups)


def _only(results: xr.DataTree, *names: str) -> xr.DataTree:
    return xr.DataTree.from_dict({f"/{name}": results[name].to_dataset(inherit=False) for name in names})


def _finding(results: xr.DataTree, topic: str) -> str:
    failures = Failures()
    (found,) = [finding for finding in findings_of(read_groups(results), failures) if finding.topic == topic]
    assert failures.lines == []
    return str(found)


def _panels(results: xr.DataTree) -> list[Panel]:
    failures = Failures()
    found = panels_of(read_groups(results), failures)
    assert failures.lines == []
    return found


def test_lobe_sentences_follow_the_numbers(results: xr.DataTree) -> None:
    def split(code: float, speeches: float, p: float) -> str:
        def edit(group: xr.Dataset) -> xr.Dataset:
            for i, share in enumerate((code, speeches)):
                group["winner_share"].values[:, 0, 0, i] = share
                group["winner_share"].values[:, 0, 1, i] = 1 - share
            group["cramers_v_p"].values[:] = p
            return group

        return _finding(_edited(results, "lobe_function", edit), "code and mathematics")

    apart = split(0.9, 0.1, 0.01)
    assert apart.startswith("Two lobes separate python code from prose at all 3 layers.")
    assert "wins 90% of their blocks and 10% of those of the other types" in apart
    together = split(0.9, 0.8, 0.01)
    assert together.startswith("Two lobes do not separate python code from prose at any layer.")
    assert "it fails on speeches" in together
    assert split(0.9, 0.1, 0.4).startswith("Two lobes do not separate")


def test_document_types_without_code_are_told_apart_by_themselves(results: xr.DataTree) -> None:
    tree = _edited(results, "lobe_function", lambda group: group.assign_coords(document_type=["plays", "speeches"]))
    assert _finding(tree, "document types").startswith("Two lobes tell document types apart at all 3 layers.")


@pytest.mark.parametrize(
    ("p", "words"),
    [
        ([0.01, 0.01], "also places in space at all 3 layers, beyond every null."),
        ([0.01, 0.5], "agree with places in space at all 3 layers, but nowhere beyond every null."),
        ([0.5, 0.5], "do not agree with places in space at any layer."),
    ],
)
def test_agreement_sentence_follows_the_numbers(results: xr.DataTree, p: list[float], words: str) -> None:
    def edit(group: xr.Dataset) -> xr.Dataset:
        group["ami_p"].values[:] = np.array(p)[:, None]
        return group

    assert words in _finding(_edited(results, "lobe_modularity", edit), "geometry and function")


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (0.01, "agree with lobes at all 3 layers, at 0.75 of what either has with itself on other documents."),
        (0.5, "do not agree with lobes at any layer."),
    ],
)
def test_sentence_on_communities_follows_the_numbers(results: xr.DataTree, p: float, words: str) -> None:
    def edit(group: xr.Dataset) -> xr.Dataset:
        group["ami_across_p"].values[:], group["relative_agreement"].values[:] = p, 0.75
        group["modularity_p"].values[:], group["modularity_null_mean"].values[:] = 0.05, 0.25
        return group

    found = _finding(_edited(results, "coactivation_graph", edit), "another method")
    assert words in found
    assert "against 0.250 with occurrence redrawn with the same margins" in found


def test_metrics_are_shown_in_order_and_each_by_itself(results: xr.DataTree) -> None:
    of_metric = {
        "lobe_function": ["lobes", "lobe-types"],
        "lobe_modularity": ["agreement", "measures"],
        "coactivation_graph": ["methods"],
    }
    assert [panel.id for panel in _panels(results)] == [panel for panels in of_metric.values() for panel in panels]
    for metric, panels in of_metric.items():
        assert [panel.id for panel in _panels(_only(results, metric))] == panels
    assert _panels(_only(results, "lobes", "feature_map", "affinity", "cooccurrence", "cooccurrence_by_type")) == []


def test_lobes_are_drawn_on_the_map_of_the_layer_that_has_one(results: xr.DataTree) -> None:
    on_map = _panels(results)[0]
    alone = _panels(_only(results, "lobe_function"))[0]
    assert on_map.title == "Lobes of layer 1 and what they do"
    assert on_map.reading.startswith("Top: every feature of layer 1 at its place on a flat map (its first two")
    assert on_map.uses == ("lobe_function", "feature_map", "lobes")
    assert alone.reading.startswith("Bars: the share of text blocks of each document type")
    assert alone.uses == ("lobe_function",)
    drawn = sum(len(trace.x) for trace in on_map.figure.data if trace.type == "scatter")
    assert drawn == 2 * 60
    assert not [trace for trace in alone.figure.data if trace.type == "scatter"]


def test_agreement_is_drawn_for_each_number_of_lobes_with_its_ceiling(results: xr.DataTree) -> None:
    figure = next(panel.figure for panel in _panels(results) if panel.id == "agreement")
    assert list(figure.layout.xaxis.tickvals) == [2, 3]
    lines = [list(trace.y) for trace in figure.data if trace.mode == "lines+markers"]
    found = results["lobe_modularity"].to_dataset().load()
    at_middle, at_fewest = found.isel(sae=1), found.sel(n_lobes=2)
    assert [float(value) for value in at_middle["ami"]] in lines
    assert [float(value) for value in at_middle["ami_split_half"]] in lines
    assert [float(value) for value in at_fewest["ami"]] in lines


def test_columns_hold_the_numbers_of_the_fewest_lobes(results: xr.DataTree) -> None:
    table = summary_table(results)
    assert [column.label for column in table.columns][3:] == ["code, maths : prose", "AMI of 2 lobes", "communities"]
    lobes, graph = results["lobe_modularity"], results["coactivation_graph"]
    function = find_group(read_groups(results), "lobe_function")
    assert function is not None
    for i, record in enumerate(as_records(table)):
        assert record["ami"] == lobes["ami"].sel(n_lobes=2).values[i]
        for null in (label_permutation.LABEL, frequency_stratified.LABEL):
            assert record[f"ami_p_{null}"] == lobes["ami_p"].sel(n_lobes=2, null=null).values[i]
        assert record["ami_split_half"] == lobes["ami_split_half"].sel(n_lobes=2).values[i]
        assert record["n_communities"] == graph["n_communities"].values[i]
        assert record["half_agreement"] == graph["half_agreement"].values[i]
        divided = shares(function, f"layer_{i}", 2)
        assert divided is not None
        assert record["technical_winner_share"] == divided.technical_mean
        assert record["prose_winner_share"] == divided.prose_mean


def test_cells_name_what_stands_behind_their_values(results: xr.DataTree) -> None:
    def agreement(group: xr.Dataset) -> xr.Dataset:
        group["ami"].values[:], group["ami_split_half"].values[:] = 0.016, 0.75
        group["ami_p"].values[:] = np.array([0.002, 0.4])[:, None]
        return group

    def communities(group: xr.Dataset) -> xr.Dataset:
        group["n_communities"].values[:], group["half_agreement"].values[:] = 7, 0.33
        group["modularity"].values[:], group["modularity_null_mean"].values[:] = 0.5, 0.2
        group["modularity_p"].values[:] = 0.05
        return group

    tree = _edited(_edited(results, "lobe_modularity", agreement), "coactivation_graph", communities)
    cells = [str(cell) for cell in as_cells(summary_table(tree))[0][3:]]
    assert cells[1:] == [
        "0.016 (p 0.002, p′ 0.400, ceiling 0.750)",
        "7 (modularity 0.500, null 0.200, p = 0.050, come back 0.330)",
    ]
    assert cells[0].count("%") == 2
    assert " : " in cells[0]


@pytest.mark.parametrize("name", BRAIN)
def test_headlines_name_declared_outputs_only(results: xr.DataTree, name: str) -> None:
    metric = get_metric(name)
    shown = metric.load_presentation()
    group = find_group(read_groups(results), name)
    assert shown is not None
    assert group is not None
    named = {reading.output for headline in shown.headlines_of(group) for reading in headline.readings}
    assert named <= {output.name for output in metric.outputs}
    assert bool(named) == (name in {"lobe_function", "lobe_modularity", "coactivation_graph"})


@pytest.mark.parametrize("name", BRAIN)
def test_outputs_have_names_that_can_be_read(name: str) -> None:
    for output in get_metric(name).outputs:
        assert "_" not in (output.label or output.name)
