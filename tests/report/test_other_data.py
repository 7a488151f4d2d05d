"""Reports on data that are not ours: everything that is drawn and said follows from what the store holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import xarray as xr

from saegeom_data.data.codes import codes_group
from saegeom_data.engine import runner
from saegeom_data.metrics.brain.lobe_function import map_figure
from saegeom_data.report.findings import findings
from saegeom_data.report.page import render
from saegeom_data.report.panels import panels_of
from saegeom_data.results.groups import read_groups
from saegeom_data.results.presentations import Failures
from saegeom_data.results.summary import summary_table
from saegeom_data.spec.models import RunSpec
from saegeom_data.testing.simulate import simulate_store

TYPES = ["français", "Deutsch", "Nederlands"]
FEW = {"n_permutations": 19}
BRAIN = [
    {"metric": "lobe_modularity", "parameters": FEW | {"n_lobes": [2, 3], "n_seeds": 2, "n_redraws": 0}},
    {"metric": "lobe_function", "parameters": FEW | {"n_lobes": [2, 3], "n_seeds": 2, "n_shuffles": 19}},
    {"metric": "lobes", "parameters": {"n_lobes": [2, 3], "n_seeds": 2}},
    {"metric": "feature_map", "parameters": {"method": "pca"}},
]
GALAXY = [
    {"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 15}},
    {"metric": "clustering_entropy", "parameters": {"n_components": 6, "n_surrogates": 19, "n_subsamples": 4}},
]
ATOM = [{"metric": "parallelogram_quality", "parameters": FEW}]
# What only data of several SAEs can say.
OF_SEVERAL = re.compile(r"any layer|all \d+ layers|both layers|of 1\b layer|at every layer|the largest [\d.−]+ \[")


def measured(tree: xr.DataTree, metrics: list[dict[str, Any]]) -> xr.DataTree:
    run = RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "Mine", "metrics": metrics})
    return runner.measure(tree, run).load()


def typed(tree: xr.DataTree) -> xr.DataTree:
    """The same store with document types of other names."""
    groups = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
    for path, group in groups.items():
        if "document_type" in group:
            names = [TYPES[int(str(name).split()[-1])] for name in group["document_type"].values]
            named = (group["document_type"].dims, np.array(names, dtype=object))
            groups[path] = group.assign(document_type=named)
    return xr.DataTree.from_dict(groups)


@pytest.fixture(scope="module")
def one() -> xr.DataTree:
    """Results of one SAE of text in three languages, and of word pairs."""
    sizes = {"n_features": 60, "n_blocks": 150, "n_lobes": 3, "geometry_strength": 1.0, "function_strength": 0.9}
    return measured(typed(simulate_store(n_saes=1, **sizes)), [*GALAXY, *BRAIN, *ATOM])


@pytest.fixture(scope="module")
def pairs() -> xr.DataTree:
    """Results of word pairs at one site, from a store without SAEs."""
    store = simulate_store(n_saes=1)
    kept = {node.path: node.to_dataset(inherit=False) for node in store.subtree if not node.path.startswith("/saes")}
    return measured(xr.DataTree.from_dict(kept), ATOM)


def panels(results: xr.DataTree) -> dict[str, Any]:
    failures = Failures()
    found = panels_of(read_groups(results), failures)
    assert failures.lines == []
    return {panel.id: panel for panel in found}


def words(page: str) -> str:
    """Text of a page without its scripts and styles."""
    body = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def repeated(results: xr.DataTree, n: int) -> xr.DataTree:
    """The same results at n layers."""

    def many(group: xr.Dataset) -> xr.Dataset:
        if "sae" not in group.dims:
            return group
        along = xr.concat([group] * n, "sae", coords="minimal", compat="override", join="override")
        names = [f"layer_{layer}" for layer in range(n)]
        return along.assign_coords(sae=names, layer=("sae", np.arange(n)))

    return edited(results, many)


def edited(results: xr.DataTree, edit: Callable[[xr.Dataset], xr.Dataset]) -> xr.DataTree:
    groups = {node.path: edit(node.to_dataset(inherit=False)) for node in results.subtree}
    return xr.DataTree.from_dict(groups)


def test_one_sae_is_not_drawn_against_layers(one: xr.DataTree) -> None:
    for panel in panels(one).values():
        axes = list(panel.figure.select_xaxes())
        assert "layer" not in [axis.title.text for axis in axes], panel.id
        # Values side by side, each with its number and all inside the axis.
        for trace in panel.figure.data:
            if trace.meta == "alone":
                axis = panel.figure.layout["xaxis" + trace.xaxis.removeprefix("x")]
                assert axis.range[0] < trace.x[0] < axis.range[1]
                assert re.fullmatch(r"  −?[\d.]+", trace.text[0])


def test_null_bands_of_one_sae_reach_over_the_width(one: xr.DataTree) -> None:
    figure = panels(one)["measures"].figure
    bands = [trace for trace in figure.data if trace.fill == "toself"]
    # Two null models of three measures.
    assert len(bands) >= 5
    for band in bands:
        low, high = figure.layout["xaxis" + band.xaxis.removeprefix("x")].range
        assert min(band.x) < low
        assert max(band.x) > high


def test_sentences_on_one_sae_do_not_speak_of_several(one: xr.DataTree) -> None:
    found = findings(one)
    assert {finding.scale for finding in found} == {"galaxy", "brain", "atom"}
    for finding in found:
        assert not OF_SEVERAL.search(str(finding)), str(finding)


def test_sentences_name_the_types_that_there_are(one: xr.DataTree) -> None:
    (found,) = [finding for finding in findings(one) if finding.topic == "document types"]
    assert all(name in found.evidence for name in TYPES)
    assert not re.search(r"\b(code|prose|mathematics)\b", words(render(one)))


def test_lobes_have_the_numbers_of_the_output_that_the_figure_names(one: xr.DataTree) -> None:
    panel = panels(one)["lobes"]
    assert "Lobes are those of lobe_function" in panel.reading
    assert "lobes" not in panel.uses
    lobe = one["lobe_function"].lobe.isel(sae=0)
    drawn = {(trace.xaxis, trace.name): trace for trace in panel.figure.data if trace.type == "scatter"}
    for axis, count in (("x", 2), ("x2", 3)):
        for number in range(count):
            members = np.flatnonzero(lobe.sel(n_lobes=count).values == number)
            assert list(drawn[axis, f"lobe {number}"].customdata) == members.tolist()
    assert f"lobe {count}" not in panel.figure.to_json() + panel.alt
    # What is not drawn is told in a table.
    assert "half_agreement, n_lobes 2" in words(render(one))


def test_a_map_of_some_features_does_not_say_every(one: xr.DataTree, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "every feature of layer 0" in panels(one)["lobes"].reading
    monkeypatch.setattr(map_figure, "_MOST_POINTS", 20)
    panel = panels(one)["lobes"]
    assert "20 of 60 features of layer 0 at" in panel.reading
    places = [trace for trace in panel.figure.data if trace.type == "scatter" and trace.xaxis == "x"]
    assert sum(len(trace.x) for trace in places) == 20


def test_word_pairs_alone_are_not_called_features(pairs: xr.DataTree) -> None:
    assert [column.label for column in summary_table(pairs).columns][:2] == ["site", "layer"]
    page = render(pairs)
    assert re.findall(r'<div class="answers (\w+)">', page) == ["atom"]
    # A run spec has the key features for every metric.
    text = words(page).replace("features&#34;", "")
    assert not re.search(r"\bSAEs?\b|\b[Ff]eatures?\b|\bL0\b", text), re.findall(r".{30}(?:SAE|eature|L0).{30}", text)
    assert "if other word pairs had been drawn" in text


def test_terms_and_scales_are_those_of_what_was_run(one: xr.DataTree) -> None:
    kept = {f"/{name}": one[name].to_dataset() for name in ("eigenvalue_slope", "clustering_entropy")}
    page = render(xr.DataTree.from_dict(kept))
    assert re.findall(r'<div class="answers (\w+)">', page) == ["galaxy"]
    text = words(page)
    for term in ("Negentropy", "L0"):
        assert term in text
    for term in ("AMI", "LDA", "lobe", "word pairs", "At so many of so many layers"):
        assert term not in text


def test_a_legend_names_few_of_many_layers(one: xr.DataTree) -> None:
    for n, named in ((3, 3), (40, 5)):
        spectra = xr.DataTree.from_dict({"/eigenvalue_slope": one["eigenvalue_slope"].to_dataset()})
        figure = panels(repeated(spectra, n))["spectra"].figure
        layers = [trace for trace in figure.data if re.fullmatch(r"layer \d+", trace.name or "")]
        assert len(layers) == n
        assert sum(trace.showlegend for trace in layers) == named


def test_many_saes_stay_legible(one: xr.DataTree) -> None:
    heat = {}
    functions = xr.DataTree.from_dict({"/lobe_function": one["lobe_function"].to_dataset()})
    for n in (3, 40):
        many = repeated(functions, n)
        (heat[n],) = [trace for trace in panels(many)["lobe-types"].figure.data if trace.type == "heatmap"]
        assert ('class="wide long"' in render(many)) == (n == 40)
    # Numbers fit into few cells only.
    assert heat[3].texttemplate
    assert heat[40].texttemplate is None


def with_codes(tree: xr.DataTree, length: int = 130) -> xr.DataTree:
    """The same with codes of an SAE whose features are on in texts of one type, and of an untrained one of any type."""
    kind = np.array([int(str(name).split()[-1]) for name in tree["documents/document_type"].values])
    rng, n = np.random.default_rng(12), tree["saes/layer_0/features"].sizes["features"]
    document = np.repeat(np.arange(len(kind)), length)
    for path, strength in (("saes", 0.9), ("untrained", 0.0)):
        boost = np.where(np.arange(n) % 2 == kind[document, None], 1 + strength, 1 - strength)
        codes = sp.csr_array((rng.random((len(document), n)) < 0.005 * boost).astype("float32"))
        tree[f"{path}/layer_0/codes"] = xr.DataTree(codes_group(codes))
    tokens = {
        "token_id": rng.integers(200, size=len(document)),
        "document": document,
        "position": np.tile(np.arange(length), len(kind)),
        "is_special": np.zeros(len(document), bool),
    }
    tree["tokens"] = xr.DataTree(xr.Dataset({name: ("tokens", values) for name, values in tokens.items()}))
    return tree


def test_block_lengths_are_held_against_words_and_an_untrained_sae_of_a_store() -> None:
    tree = with_codes(simulate_store(n_saes=1, n_features=60, n_blocks=150, untrained=True))
    parameters = FEW | {"n_lobes": [2], "n_seeds": 2, "n_shuffles": 0, "block_lengths": [64, 128, 256]}
    results = measured(tree, [{"metric": "lobe_function", "parameters": parameters}])
    found = {finding.topic: finding for finding in findings(results)}["block length"]
    assert found.headline == (
        "Two lobes tell document types apart better than word pieces of the same text in blocks of 64 and 128 tokens, "
        "at the one layer measured; they do so better than an untrained SAE in blocks of 64 and 128 tokens, at the one "
        "layer measured."
    )
    assert "Not measured: 256 tokens, as too few sequences are as long." in found.evidence
    assert "untrained SAE" in panels(results)["block-lengths"].alt
