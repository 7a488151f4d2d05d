"""What is shown and said of lobes, from the numbers of a run; and what presentations may name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr
from edited_results import edit_group, finding_on, with_names

from saegeom_data.declare.presentation import Panel
from saegeom_data.declare.registry import get_metric, list_metrics
from saegeom_data.engine import runner
from saegeom_data.metrics.brain.lobe_function._claims import claims as claims_on_types
from saegeom_data.metrics.brain.lobe_modularity.claims import PAIRS_GIVEN_RATES, claims, farthest
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
    {"metric": "lobe_function", "parameters": _QUICK | {"n_shuffles": 19}},
    {"metric": "lobes", "parameters": {"n_lobes": [2, 3], "n_seeds": 2}},
    {"metric": "coactivation_graph", "parameters": _QUICK | {"n_redraws": 2}},
    {"metric": "feature_map", "saes": "middle", "parameters": {"method": "pca"}},
    {"metric": "affinity", "saes": "middle"},
    {"metric": "cooccurrence", "saes": "middle"},
    {"metric": "cooccurrence_by_type", "saes": "middle"},
]
BRAIN = [name for name in list_metrics() if get_metric(name).scale == "brain"]
# The others need the text of tokens, or the unembedding.
_ELSEWHERE = {"token_id", "unembedding"}
OF_OCCURRENCE = [name for name in BRAIN if _ELSEWHERE.isdisjoint(variable.name for variable in get_metric(name).inputs)]


@pytest.fixture(scope="module")
def results() -> xr.DataTree:
    """Results of every metric of the scale on three SAEs, of texts of code and of speeches."""
    tree = simulate_store(n_saes=3, n_features=60, n_blocks=120, geometry_strength=1.0, function_strength=0.95)
    run = {"spec_version": 1, "kind": "run", "title": "Lobes", "metrics": _METRICS}
    return runner.measure(with_names(tree, ["python_code", "speeches"]), models.RunSpec.model_validate(run))


@pytest.fixture(scope="module")
def panels(results: xr.DataTree) -> list[Panel]:
    """What is drawn of all of them."""
    return _panels(results)


def _only(results: xr.DataTree, *names: str) -> xr.DataTree:
    return xr.DataTree.from_dict({f"/{name}": results[name].to_dataset(inherit=False) for name in names})


# The metric that a finding is of.
_METRIC_OF = {
    "document types": "lobe_function",
    "block length": "lobe_function",
    "geometry and function": "lobe_modularity",
    "lobes from places": "lobe_modularity",
    "another method": "coactivation_graph",
}


def _finding(results: xr.DataTree, topic: str) -> str:
    return finding_on(_only(results, _METRIC_OF[topic]), topic)


def _panels(results: xr.DataTree) -> list[Panel]:
    failures = Failures()
    found = panels_of(read_groups(results), failures)
    assert failures.lines == []
    return found


@pytest.mark.parametrize(
    ("p", "gain_p", "words"),
    [
        (
            0.01,
            np.nan,
            "Two lobes tell document types apart at all 3 layers, beyond the nulls that were run (document types "
            "shuffled among documents and lobes shuffled among features of like firing rate; not run: lobes of word "
            "pieces of the same text and lobes of an untrained SAE of the same activations)",
        ),
        (0.01, 0.4, "Two lobes tell document types apart no better than word pieces of the same text at any layer"),
        (0.01, 0.001, "Two lobes tell document types apart better than word pieces of the same text at all 3 layers"),
        (0.01, 0.999, "Two lobes tell document types apart worse than word pieces of the same text at all 3 layers"),
        (0.6, 0.001, "Two lobes do not tell document types apart at any layer, beyond document types shuffled among"),
    ],
)
def test_sentence_on_types_follows_the_numbers(results: xr.DataTree, p: float, gain_p: float, words: str) -> None:
    def edit(group: xr.Dataset) -> xr.Dataset:
        group["cramers_v_p"].values[:] = p
        group["cramers_v_gain_p"].values[:], group["cramers_v_gain"].values[:] = gain_p, 0.1
        group["cramers_v_text"].values[:], group["cramers_v_word_pieces"].values[:] = 0.9, 0.8
        return group

    found = _finding(edit_group(results, "lobe_function", edit), "document types")
    assert words in found
    # Word pieces and untrained SAEs are null models of the metric too.
    assert "every null" not in found
    assert ("Word pieces are not compared" in found) == np.isnan(gain_p)
    assert ("a gain of 0.100" in found) == np.isfinite(gain_p)


def _of_types(results: xr.DataTree, **values: float) -> str:
    """The finding on types where they are told apart, with some outputs of ``lobe_function`` at other values."""

    def edit(group: xr.Dataset) -> xr.Dataset:
        group["cramers_v_p"].values[:] = 0.01
        for name, value in values.items():
            group[name].values[:] = value
        return group

    return _finding(edit_group(results, "lobe_function", edit), "document types")


_EQUAL = {"cramers_v_gain": 0.0, "cramers_v_gain_p": 0.5, "cramers_v_text": 1.0, "n_blocks_text": 70}


def test_where_word_pieces_leave_no_room_nothing_is_held_against_lobes(results: xr.DataTree) -> None:
    full = _of_types(results, **_EQUAL, cramers_v_word_pieces=1.0)
    assert (
        "Two lobes tell document types apart no better than word pieces of the same text at any layer (on 70 blocks "
        "whose text is known; word pieces reach V = 1.000, so that nothing could be better there; not run: lobes of an "
        "untrained SAE of the same activations)"
    ) in full
    assert "On the 70 blocks whose text is known V is 1.000 for lobes found on either half of the documents" in full
    assert "nothing could be better" not in _of_types(results, **_EQUAL, cramers_v_word_pieces=0.99)


@pytest.mark.parametrize(
    ("p", "untrained", "words"),
    [
        (
            1e-4,
            0.4,
            "apart better than an untrained SAE at all 3 layers (not run: lobes of word pieces of the same text)",
        ),
        (0.5, 0.4, "apart no better than an untrained SAE at any layer (not run"),
        (0.999, 0.4, "apart worse than an untrained SAE at all 3 layers (not run"),
        (
            0.5,
            1.0,
            "at any layer (the untrained SAE reaches V = 1.000 on 60 blocks, so that nothing could be better there",
        ),
    ],
)
def test_what_training_adds_follows_the_numbers(results: xr.DataTree, p: float, untrained: float, words: str) -> None:
    values = {"cramers_v_gain_untrained": 0.1, "n_blocks_untrained": 60}
    found = _of_types(results, **values, cramers_v_gain_untrained_p=p, cramers_v_untrained=untrained)
    assert words in found
    assert "for lobes of an untrained SAE of the same activations, width and L0: a gain of 0.100" in found
    others = {"cramers_v_word_pieces": 0.9, "cramers_v_untrained": untrained}
    both = _of_types(results, **values, **_EQUAL, **others, cramers_v_gain_untrained_p=1e-4)
    assert (
        "apart no better than word pieces of the same text at any layer and better than an untrained SAE at all 3 "
        "layers (on 70 blocks whose text is known)."
    ) in both


def _with_lengths(group: xr.Dataset, p: list[float], untrained_p: float | None = None) -> xr.Dataset:
    """A result of blocks of several lengths, with p of the gain over each baseline at 64 and 128 tokens."""
    shape = group["cramers_v_by_length"].sel(block_length=[64, 128]).shape
    values = {"": 0.9, "_word_pieces": 0.8, "_null_mean": 0.2, "_gain": 0.1, "_gain_low": 0.0, "_gain_high": 0.2}
    for name, value in values.items():
        group[f"cramers_v_by_length{name}"].values[:, :2] = value
    group["cramers_v_by_length_gain_p"].values[:, :2] = np.broadcast_to(np.reshape(p, (1, 2, 1)), shape)
    if untrained_p is not None:
        for name, value in {"untrained": 0.4, "gain_untrained": 0.5}.items():
            group[f"cramers_v_by_length_{name}"].values[:, :2] = value
        for end, value in {"low": 0.25, "high": 0.75, "p": untrained_p}.items():
            group[f"cramers_v_by_length_gain_untrained_{end}"].values[:, :2] = value
    group["n_blocks_by_length"].values[:, :2] = [200, 100]
    group["median_share_on"].values[:, :2] = [0.25, 0.5]
    return group


@pytest.mark.parametrize(
    ("p", "words"),
    [
        ([0.5, 0.5], "apart no better than word pieces of the same text in blocks of 64 or 128 tokens; three lobes"),
        (
            [1e-4, 0.5],
            "apart better than word pieces of the same text in blocks of 64 tokens, at all 3 layers, and no better in "
            "blocks of 128 tokens; three lobes",
        ),
        (
            [0.999, 0.9999],
            "apart worse than word pieces of the same text in blocks of 64 and 128 tokens, at all 3 layers",
        ),
    ],
)
def test_sentence_on_block_length_follows_the_numbers(results: xr.DataTree, p: list[float], words: str) -> None:
    tree = edit_group(results, "lobe_function", lambda group: _with_lengths(group, p))
    found = _finding(tree, "block length")
    assert words in found
    assert "Cramér's V is 0.900 in blocks of 64 tokens, against 0.800 for word pieces (a gain of 0.100, the" in found
    assert "word pieces of the same text in blocks" in found
    assert "(not run: lobes of an untrained SAE of the same activations)." in found
    assert "An untrained SAE is not compared at these lengths, as the store holds no codes of one." in found
    assert "The median feature is on in 0.250 of blocks of 64 tokens and 0.500 of blocks of 128 tokens." in found
    assert "Not measured: 256, 512 and 1024 tokens, as too few sequences are as long." in found
    figure = next(panel.figure for panel in _panels(tree) if panel.id == "block-lengths")
    # Of each number of lobes: types shuffled, word pieces, the gain over these, and lobes.
    assert [list(trace.x) for trace in figure.data] == [[64, 128]] * 8


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (
            1e-4,
            "; they do so better than an untrained SAE in blocks of 64 and 128 tokens, at all 3 layers; three lobes",
        ),
        (0.5, "; they do so no better than an untrained SAE in blocks of 64 or 128 tokens; three lobes tell"),
    ],
)
def test_an_untrained_sae_stands_beside_word_pieces_at_each_block_length(
    results: xr.DataTree, p: float, words: str
) -> None:
    tree = edit_group(results, "lobe_function", lambda group: _with_lengths(group, [0.5, 0.5], p))
    found = _finding(tree, "block length")
    assert f"no better than word pieces of the same text in blocks of 64 or 128 tokens{words}" in found
    assert ("0.400 for an untrained SAE (a gain of 0.500, the largest 0.500 [0.250, 0.750] at layer 0, ") in found
    panel = next(panel for panel in _panels(tree) if panel.id == "block-lengths")
    assert [list(trace.x) for trace in panel.figure.data] == [[64, 128]] * 12
    gain = panel.figure.data[4]
    assert (list(gain.y), list(gain.error_y.array), list(gain.error_y.arrayminus)) == (
        [0.5] * 2,
        [0.25] * 2,
        [0.25] * 2,
    )
    assert "0.900 (word pieces 0.800, untrained SAE 0.400) in 200 blocks of 64 tokens" in panel.alt


def test_untrained_saes_at_block_lengths_are_claims_of_their_own(results: xr.DataTree) -> None:
    tree = edit_group(results, "lobe_function", lambda group: _with_lengths(group, [0.5, 0.5], 0.999))
    (group,) = read_groups(_only(tree, "lobe_function"))
    found = {claim.topic: claim for claim in claims_on_types(group)}
    claim = found["beyond an untrained SAE, 2 lobes, blocks of 64 tokens"]
    assert claim.statement == "2 lobes tell document types apart better than an untrained SAE in blocks of 64 tokens"
    assert claim.opposite == "an untrained SAE in blocks of 64 tokens tells document types apart better than 2 lobes"
    assert (claim.value, claim.low, claim.high, claim.is_opposite) == (0.5, 0.25, 0.75, True)
    (test,) = claim.run
    assert (test.null.label, test.p, test.mean) == ("untrained_sae", 0.999, 0.4)
    assert found["beyond word pieces, 2 lobes, blocks of 64 tokens"].run[0].null.label == "word_pieces"


def test_block_length_is_said_not_to_vary_without_codes(results: xr.DataTree) -> None:
    assert "Block length is not varied, as the store holds no codes and tokens" in _finding(results, "document types")
    assert "block length" not in {finding.topic for finding in findings_of(read_groups(results), Failures())}


def test_types_that_go_together_are_named(results: xr.DataTree) -> None:
    def edit(low: list[list[float]]) -> str:
        def edited(group: xr.Dataset) -> xr.Dataset:
            group["winner_share_low"].values[:, 0, :2, :] = low
            return group

        return _finding(edit_group(results, "lobe_function", edited), "document types")

    apart = edit([[0.9, 0.0], [0.0, 0.8]])
    assert "At all 3 layers one lobe wins most blocks of python code; another those of speeches." in apart
    assert "one lobe wins most" not in edit([[0.9, 0.8], [0.0, 0.0]])
    assert "one lobe wins most" not in edit([[0.9, 0.4], [0.0, 0.4]])


# The fixture's run has 24 permutations and no redraws; these have as many as it takes.
_DRAWS = {"n_permutations": 999, "n_redraws": 199}
_FEW = _DRAWS | {"n_redraws": 9}
_BEYOND = "Lobes are also places in space at all 3 layers, beyond "


def _with_nulls(group: xr.Dataset, draws: dict[str, int], **p: list[float]) -> xr.Dataset:
    """A result with p of each null model, as a run with so many draws would give it."""
    names = [null.label for null in get_metric("lobe_modularity").nulls][: len(next(iter(p.values())))]
    group = group.reindex(null=names)
    for name, values in p.items():
        shape = group[name].shape
        by_null = np.reshape(values, (-1, *[1] * (len(shape) - 2)))
        group[name] = group[name].copy(data=np.broadcast_to(by_null, shape))
    return _with_draws(group, draws)


def _with_draws(group: xr.Dataset, draws: dict[str, int]) -> xr.Dataset:
    """The same result of a run with as many draws."""
    return group.assign_attrs(parameters=json.dumps(json.loads(group.attrs["parameters"]) | draws))


@pytest.mark.parametrize(
    ("p", "draws", "words"),
    [
        ([0.001, 0.001, 0.005, 0.005], _DRAWS, _BEYOND + "every null."),
        ([0.001, 0.001], _DRAWS, _BEYOND + "the nulls that were run (lobes shuffled among features and lobes shuffled"),
        ([0.001, 0.001], _DRAWS, "Not run: lobes of occurrence redrawn with the same margins and clusters of Gaussian"),
        ([0.001, 0.001, 0.4, 0.005], _DRAWS, "Lobes are not places in space at any layer beyond every null."),
        ([0.001, 0.001, 0.4, 0.005], _DRAWS, "lobes shuffled among features at all 3 layers"),
        ([0.001, 0.001, 0.4, 0.005], _DRAWS, "redrawn with the same margins at none of 3 layers"),
        # At the floor of all draws, which are too few for all that they show.
        ([0.001, 0.001, 0.1, 0.1], _FEW, "Whether lobes are also places in space cannot be told yet."),
        ([0.001, 0.001, 0.1, 0.1], _FEW, "9 draws are too few to tell: 19 are needed (parameter n_redraws)"),
    ],
)
def test_agreement_sentence_follows_the_numbers(
    results: xr.DataTree, p: list[float], draws: dict[str, int], words: str
) -> None:
    tree = edit_group(results, "lobe_modularity", lambda group: _with_nulls(group, draws, ami_any_p=p))
    assert words in _finding(tree, "geometry and function")


def test_agreement_is_told_as_it_is_corrected_and_within_types(results: xr.DataTree) -> None:
    def edit(group: xr.Dataset) -> xr.Dataset:
        group["ami_corrected"].values[:], group["ami_within_type"].values[:] = 0.25, 0.125
        p = [0.001, 0.001, 0.005, 0.005]
        return _with_nulls(group, _DRAWS, ami_any_p=p, ami_within_type_any_p=p)

    words = _finding(edit_group(results, "lobe_modularity", edit), "geometry and function")
    assert "over the root of both it is at most 0.250" in words
    assert "Within document types it holds at all 3 layers, beyond every null (0.125; p = 0.005 ± 0.005)." in words


def test_accuracy_is_never_told_without_what_its_nulls_give(results: xr.DataTree) -> None:
    def edit(group: xr.Dataset) -> xr.Dataset:
        group = _with_nulls(group, _DRAWS, balanced_accuracy_p=[0.002, 0.002, 0.005, 0.005])
        group["balanced_accuracy"].values[:] = np.array([0.71, 0.74, 0.78])[:, None]
        group["balanced_accuracy_null_mean"].values[:] = np.array([0.5, 0.6, 0.65, 0.51])[:, None]
        return group

    words = _finding(edit_group(results, "lobe_modularity", edit), "lobes from places")
    assert words.startswith("A feature's lobe can be told from its place at all 3 layers, beyond every null.")
    assert (
        "Balanced accuracy for two lobes is 0.710 to 0.780 where lobes shuffled among features give 0.500, lobes "
        "shuffled among features of like firing rate give 0.600, lobes of occurrence redrawn with the same margins "
        "give 0.650 and clusters of Gaussian rows of the same covariance give 0.510"
    ) in words


def test_claims_of_lobes_are_against_the_nulls_that_their_numbers_have(results: xr.DataTree) -> None:
    group = find_group(read_groups(results), "lobe_modularity")
    assert group is not None
    found = claims(group)
    assert len(found) == 5 * len(group.rows)
    by_name = {claim.topic: claim for claim in found if claim.row == "layer_0"}
    nulls = [null.label for null in get_metric("lobe_modularity").nulls]
    for topic, claim in by_name.items():
        expected = nulls if topic != PAIRS_GIVEN_RATES else ["frequency_stratified", "fixed_margins"]
        assert [test.null.label for test in claim.tests] == nulls
        assert {null.label for null in claim.left_out} == set(nulls) - set(expected)
        # Redraws were not run.
        assert {null.label for null in claim.not_run} == set(expected) & {"fixed_margins", "places_redrawn"}
        assert claim.value is not None


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
        return _with_draws(group, {"n_redraws": 19})

    found = _finding(edit_group(results, "coactivation_graph", edit), "another method")
    assert words in found
    assert "against 0.250 with occurrence redrawn with the same margins" in found


def test_metrics_are_shown_in_order_and_each_by_itself(results: xr.DataTree, panels: list[Panel]) -> None:
    of_metric = {
        "lobe_function": ["lobes", "lobe-types"],
        "lobe_modularity": ["agreement", "measures"],
        "coactivation_graph": ["methods"],
    }
    assert [panel.id for panel in panels] == [name for names in of_metric.values() for name in names]
    for metric, names in of_metric.items():
        assert [panel.id for panel in _panels(_only(results, metric))] == names
    assert _panels(_only(results, "lobes", "feature_map", "affinity", "cooccurrence", "cooccurrence_by_type")) == []


def test_lobes_are_drawn_on_the_map_of_the_layer_that_has_one(results: xr.DataTree, panels: list[Panel]) -> None:
    on_map = panels[0]
    alone = _panels(_only(results, "lobe_function"))[0]
    assert on_map.title == "Lobes of layer 1 and what they do"
    assert on_map.reading.startswith("Top: every feature of layer 1 at its place on a flat map (its first two")
    assert on_map.uses == ("lobe_function", "feature_map")
    assert alone.reading.startswith("Bars: the share of text blocks of each document type")
    assert alone.uses == ("lobe_function",)
    drawn = sum(len(trace.x) for trace in on_map.figure.data if trace.type == "scatter")
    assert drawn == 2 * 60
    assert not [trace for trace in alone.figure.data if trace.type == "scatter"]


def test_agreement_is_drawn_for_each_number_of_lobes_with_its_ceiling(
    results: xr.DataTree, panels: list[Panel]
) -> None:
    figure = next(panel.figure for panel in panels if panel.id == "agreement")
    assert list(figure.layout.xaxis.tickvals) == [2, 3]
    lines = [list(trace.y) for trace in figure.data if trace.mode == "lines+markers"]
    found = results["lobe_modularity"].to_dataset().load()
    group = find_group(read_groups(results), "lobe_modularity")
    assert group is not None
    numbers = [farthest(group, row) for row in group.rows]
    at_middle, at_most = found.isel(sae=1), found.sel(n_lobes=max(sorted(set(numbers)), key=numbers.count))
    for name in ("ami", "ami_split_half", "ami_within_type"):
        assert [float(value) for value in at_middle[name]] in lines
        assert [float(value) for value in at_most[name]] in lines


def test_columns_hold_the_numbers_of_the_lobes_that_are_farthest_above(results: xr.DataTree) -> None:
    table = summary_table(results)
    assert [column.label for column in table.columns][3:] == ["types by 2 lobes", "AMI of lobes", "communities"]
    lobes, graph = results["lobe_modularity"], results["coactivation_graph"]
    function = results["lobe_function"]
    for i, record in enumerate(as_records(table)):
        count = record["ami_any_n_lobes"]
        assert count in {int(number) for number in lobes["ami_any_n_lobes"].values[i]}
        assert record["ami"] == lobes["ami"].sel(n_lobes=count).values[i]
        for null in (label_permutation.LABEL, frequency_stratified.LABEL):
            assert record[f"ami_any_p_{null}"] == lobes["ami_any_p"].sel(null=null).values[i]
        assert record["ami_any_p"] == lobes["ami_any_p"].values[i].max()
        assert record["ami_split_half"] == lobes["ami_split_half"].sel(n_lobes=count).values[i]
        assert record["n_communities"] == graph["n_communities"].values[i]
        assert record["half_agreement"] == graph["half_agreement"].values[i]
        assert record["cramers_v"] == function["cramers_v"].sel(n_lobes=2).values[i]
        shuffled = function["cramers_v_null_mean"].sel(n_lobes=2, null=frequency_stratified.LABEL)
        assert record["cramers_v_shuffled"] == shuffled.values[i]


def test_cells_name_what_stands_behind_their_values(results: xr.DataTree) -> None:
    def agreement(group: xr.Dataset) -> xr.Dataset:
        group["ami"].values[:], group["ami_split_half"].values[:] = 0.016, 0.75
        group["ami_any_p"].values[:], group["ami_any_n_lobes"].values[:] = np.array([0.002, 0.4]), 3
        return group

    def communities(group: xr.Dataset) -> xr.Dataset:
        group["n_communities"].values[:], group["half_agreement"].values[:] = 7, 0.33
        group["modularity"].values[:], group["modularity_null_mean"].values[:] = 0.5, 0.2
        group["modularity_p"].values[:] = 0.05
        return group

    tree = edit_group(edit_group(results, "lobe_modularity", agreement), "coactivation_graph", communities)
    cells = [str(cell) for cell in as_cells(summary_table(tree))[0][3:]]
    assert cells[1:] == [
        "0.016 (lobes 3, p 0.400, ceiling 0.750)",
        "7 (modularity 0.500, null 0.200, p = 0.050, come back 0.330)",
    ]
    assert "lobes shuffled" in cells[0]


@pytest.mark.parametrize("name", OF_OCCURRENCE)
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
