from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from browser import rendered
from edited_results import edit_group, finding_on, with_names
from packed import packed_figures
from scipy.stats import norm

from saegeom_data.data import store, write
from saegeom_data.declare.presentation import Panel
from saegeom_data.engine import runner
from saegeom_data.metrics.atom.parallelogram_quality import offsets_figure
from saegeom_data.metrics.nulls import families_turned, gaussian_scores
from saegeom_data.report import figure_data, payload, theme
from saegeom_data.report.findings import findings
from saegeom_data.report.page import asset, render, write_report
from saegeom_data.results import open
from saegeom_data.results.groups import read_groups
from saegeom_data.results.summary import as_cells, as_markdown, as_records, summary_table
from saegeom_data.results.wording import number
from saegeom_data.spec import models
from saegeom_data.testing.simulate import simulate_store

HOSTILE = "</script><script>document.title='owned'</script><img src=https://example.org/x.png>%{x}"
_QUICK = {"n_permutations": 24}
_METRICS: list[dict[str, Any]] = [
    {"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 15}},
    {"metric": "clustering_entropy", "parameters": {"n_components": 6, "n_surrogates": 19, "n_subsamples": 6}},
    {
        "name": "entropy_published",
        "metric": "clustering_entropy",
        "parameters": {"n_components": 6, "estimator": "published"},
    },
    {"metric": "lobe_modularity", "parameters": _QUICK | {"n_lobes": [2, 3], "n_seeds": 2, "n_redraws": 0}},
    {"metric": "lobe_function", "parameters": _QUICK | {"n_lobes": [2, 3], "n_seeds": 2, "n_shuffles": 3}},
    {"metric": "lobes", "parameters": {"n_lobes": [2, 3], "n_seeds": 2}},
    {"metric": "coactivation_graph", "parameters": _QUICK | {"n_lobes": [2, 3], "n_seeds": 2, "n_redraws": 3}},
    {"metric": "feature_map", "saes": "middle", "parameters": {"method": "pca"}},
    {
        "metric": "parallelogram_quality",
        "parameters": _QUICK | {"estimator": "published", "hold_out": ["pairs", "relations"]},
    },
    {"metric": "function_vectors", "parameters": _QUICK},
]


def _run(metrics: list[dict[str, Any]]) -> models.RunSpec:
    return models.RunSpec.model_validate(
        {"spec_version": 1, "kind": "run", "title": "A <b>run</b>", "metrics": metrics}, strict=False
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[xr.DataTree]:
    """Results of every metric, reopened from disk."""
    tree = simulate_store(n_saes=3, n_features=60, n_blocks=120, geometry_strength=1.0, function_strength=0.95)
    tree = with_names(tree, ["python_code", "speeches"], ["capital", "plural", "past", "language"])
    # By way of a store: text and attributes come back from zarr in other types.
    folder = tmp_path_factory.mktemp("report")
    computed = runner.measure(tree, _run(_METRICS))
    write.write_tree(computed, folder / open.RESULTS)
    with store.open(folder / open.RESULTS) as reopened:
        yield reopened


class _Page(HTMLParser):
    """What a page holds: ids, addresses that a browser would fetch, and unbalanced elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        self.ids += [value] if (value := values.get("id")) else []
        addresses = [values.get(name) or "" for name in ("src", "href", "srcset", "data", "poster")]
        self.fetched += [address for address in addresses if address and not address.startswith("#")]
        if tag not in {"meta", "link", "br", "img", "hr", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _without(results: xr.DataTree, *names: str) -> xr.DataTree:
    groups = {node.path: node.to_dataset(inherit=False) for node in results.subtree}
    return xr.DataTree.from_dict({path: group for path, group in groups.items() if path.strip("/") not in names})


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        {"hold_out": ["relations"]},
        {"hold_out": ["relations", "pairs"]},
        {"removals": []},
        {"removals": ["whitened"]},
        {"removals": ["erased"], "hold_out": ["relations"]},
    ],
)
def test_a_report_shows_what_was_asked_for(asked: dict[str, Any]) -> None:
    metrics = [{"metric": "parallelogram_quality", "parameters": _QUICK | asked}]
    vectors = {name: names for name, names in asked.items() if name == "removals"}
    metrics.append({"metric": "function_vectors", "parameters": _QUICK | vectors})
    results = runner.measure(simulate_store(), _run(metrics))
    page = render(results)
    shown = "pairs" in results["parallelogram_quality"]["hold_out"].values
    assert ("held out when directions were fitted; dotted lines" in " ".join(page.split())) == shown


def test_page_is_whole_and_needs_no_network(results: xr.DataTree, tmp_path: Path) -> None:
    write_report(results, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = _Page(html)
    assert page.open == []
    assert page.fetched == []
    assert "link" not in page.tags
    figures = ["spectra", "clustering", "lobes", "lobe-types", "agreement", "measures", "methods"]
    figures += ["offsets", "parallelograms", "directions", "word-length", "function-vectors"]
    for anchor in ["answers", "numbers", "galaxy", "brain", "atom", "terms", "provenance", *figures]:
        assert page.ids.count(anchor) == 1
    assert [anchor for anchor in page.ids if anchor.startswith("plot-")] == [f"plot-{figure}" for figure in figures]
    assert "Plotly.react(element" in html
    assert "A &lt;b&gt;run&lt;/b&gt;" in html
    # Most of it is the library that draws.
    assert len(html) < 1.5e6


def test_page_opens_with_an_answer_for_each_claim_that_leads_to_its_evidence(results: xr.DataTree) -> None:
    html = render(results)
    page = _Page(html)
    answers = html.split('<section id="answers">')[1].split("</section>")[0]
    links = re.findall(r'<a href="#(finding-\d+)"[^>]*>([^<]+)</a>', answers)
    found = findings(results)
    given = [(f"finding-{place}", answer) for place, finding in enumerate(found, 1) for answer in finding.in_short]
    assert sorted((anchor, text.replace("\u00a0", " ")) for anchor, text in links) == sorted(
        (anchor, escape(answer.sentence, quote=True).replace("&#x27;", "&#39;")) for anchor, answer in given
    )
    assert all(page.ids.count(anchor) == 1 for anchor, _ in links)
    # The long sentences are folded, but there.
    assert all(page.ids.index("answers") < page.ids.index(anchor) for anchor, _ in links)
    assert answers.count('class="spark"') == sum(answer.series is not None for _, answer in given)
    assert all(len(answer.sentence.split()) <= 30 for _, answer in given)


def test_answers_say_so_far_or_that_it_cannot_be_told_where_findings_have_doubts(results: xr.DataTree) -> None:
    limited = [answer for finding in findings(results) for answer in finding.in_short if answer.aside]
    assert limited
    for answer in limited:
        assert answer.sentence.startswith(("So far, ", "It cannot be told", "Which layer", "No sign that")), (
            answer.sentence
        )


def test_each_figure_can_be_taken_with_its_numbers(results: xr.DataTree) -> None:
    html = render(results)
    figures = packed_figures(html)
    shown = re.findall(r'data-figure="([^"]+)"', html)
    assert shown == list(figures)
    for entry in figures.values():
        header, *rows = entry["csv"].splitlines()
        assert header == ",".join(figure_data.COLUMNS)
        assert rows


def test_the_bundled_library_is_that_of_its_authors_with_its_licence() -> None:
    licence, _, library = asset("plotly-cartesian.min.js").partition("*/\n")
    assert "MIT License" in licence
    assert "plotly.js (cartesian - minified) v4.1.1" in library[:80]
    # plotly.js-cartesian-dist-min 4.1.1 as npm has it.
    digest = "79542150855a52c567260e3137095dbe2b744e6d702a5cabe67da246942fba7a"
    assert hashlib.sha256(library.encode()).hexdigest() == digest


def test_all_of_plotly_is_taken_only_for_plots_that_the_bundled_part_lacks() -> None:
    import plotly.graph_objects as go

    panels = [Panel("a", "galaxy", "A", go.Figure(trace), "", "", ()) for trace in (go.Scatter(), go.Scatter3d())]
    assert payload.library([]) == ""
    assert len(payload.library(panels[:1])) < 0.8e6 < len(payload.library(panels))


@pytest.mark.slow
def test_same_results_give_the_same_page(results: xr.DataTree, tmp_path: Path) -> None:
    write_report(results, tmp_path / "one.html")
    write_report(results, tmp_path / "two.html")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_sentences_have_numbers_and_no_gaps(results: xr.DataTree) -> None:
    found = findings(results)
    topics = ["steepest layer", "slope against noise", "clustering", "clustering as published", "document types"]
    topics += ["geometry and function", "lobes from places", "another method", "held-out LDA", "parallelograms"]
    topics += ["analogies", "pairing", "held-out relations"]
    topics += ["word length", "what LDA removes", "function vectors", "moved sources"]
    assert [finding.topic for finding in found] == topics
    for finding in found:
        assert not re.search(r"\b([Nn]a[Nn]|None|[Ii]nf|no p)\b|–", str(finding)), str(finding)
        assert re.search(r"\d", finding.evidence)
        assert str(finding).endswith(".")


def test_summary_holds_the_values_of_the_store(results: xr.DataTree) -> None:
    table = summary_table(results)
    records = as_records(table)
    assert [record["name"] for record in records] == ["layer_0", "layer_1", "layer_2"]
    slopes, pairs = results["eigenvalue_slope"], results["parallelogram_quality"]
    lobes, entropy = results["lobe_modularity"], results["clustering_entropy"]
    for i, row in enumerate(records):
        assert row["layer"] == i
        assert row["l0"] == 8.0
        for name in ("slope", "slope_low", "slope_high", "power_law_bend"):
            assert row[name] == slopes[name].values[i]
        assert row["slope_null"] == slopes["slope_null"].sel(null=families_turned.LABEL).values[i]
        assert row["ami"] == lobes["ami"].sel(n_lobes=row["ami_any_n_lobes"]).values[i]
        stratified = lobes["ami_any_p"].sel(null="frequency_stratified").values[i]
        assert row["ami_any_p_frequency_stratified"] == stratified
        negentropy = entropy["negentropy"].sel(null=gaussian_scores.LABEL).isel(k=0).values[i]
        assert row["negentropy_gaussian_scores"] == negentropy
        assert row["negentropy_published"] == results["entropy_published"]["negentropy_uncalibrated"].values[i, 0]
        at = {"hold_out": "pairs", "view": "lda", "score": "silhouette"}
        assert row["silhouette_lda"] == pairs["silhouette"].sel(hold_out="pairs", view="lda").values[i]
        assert row["improvement_low"] == pairs["improvement_low"].sel(at).values[i]
        at = {"direction": "principal_component_1", "nuisance": "length", "scope": "all"}
        assert row["length_spearman"] == pairs["nuisance_spearman"].sel(at).values[i]
        assert row["cramers_v"] == results["lobe_function"]["cramers_v"].sel(n_lobes=2).values[i]
    json.dumps(records, allow_nan=False)


def test_cells_and_markdown_agree(results: xr.DataTree) -> None:
    table = summary_table(results)
    cells, lines = as_cells(table), as_markdown(table).splitlines()
    assert len(lines) == 2 + len(cells)
    assert lines[0].count("|") == lines[2].count("|") == len(table.columns) + 1
    assert lines[2].split(" | ")[1] == str(cells[0][1])
    assert not any("nan" in str(cell) for row in cells for cell in row)


def test_columns_and_sections_of_missing_metrics_are_left_out(results: xr.DataTree, tmp_path: Path) -> None:
    only = _without(results, *(name for name in results.children if name != "eigenvalue_slope"))
    assert [column.label for column in summary_table(only).columns][3:] == ["spectrum slope", "slope of noise"]
    assert {finding.scale for finding in findings(only)} == {"galaxy"}
    write_report(only, tmp_path / "report.html")
    page = _Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "galaxy" in page.ids
    assert not {"brain", "atom", "other"} & set(page.ids)


@pytest.mark.parametrize("kept", ["lobe_function", "lobe_modularity", "entropy_published", "parallelogram_quality"])
def test_each_metric_stands_alone(results: xr.DataTree, tmp_path: Path, kept: str) -> None:
    only = _without(results, *(name for name in results.children if name != kept))
    write_report(only, tmp_path / "report.html")
    assert _Page((tmp_path / "report.html").read_text(encoding="utf-8")).open == []
    assert findings(only)


def test_empty_results_still_give_a_page(tmp_path: Path) -> None:
    write_report(xr.DataTree(), tmp_path / "report.html")
    assert "provenance" in _Page((tmp_path / "report.html").read_text(encoding="utf-8")).ids


def test_metrics_of_others_get_a_table(tmp_path: Path) -> None:
    attrs = {"metric": "lacunarity", "scale": "galaxy", "reference": "A <i>paper</i>"}
    other = xr.Dataset(
        {"skew": ("sae", [1.25, np.nan]), "by_rank": (("sae", "rank"), np.zeros((2, 3)))}, {"sae": ["a", "b"]}, attrs
    )
    tree = xr.DataTree.from_dict({"/lacunarity": other})
    assert as_records(summary_table(tree)) == [
        {"name": "a", "lacunarity/skew": 1.25},
        {"name": "b", "lacunarity/skew": None},
    ]
    write_report(tree, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "by_rank (sae, rank)" in html
    assert "A &lt;i&gt;paper" in html
    assert "1.250" in html


@pytest.mark.slow
def test_unmatched_saes_are_announced(results: xr.DataTree, tmp_path: Path) -> None:
    tree = results.copy()
    tree.attrs["unmatched"] = ["l0 differs between the SAEs (10 to 20)"]
    write_report(tree, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert html.index("l0 differs between the SAEs (10 to 20).") < html.index('id="answers"')
    tree.attrs["unmatched"] = []
    write_report(tree, tmp_path / "report.html")
    assert "not matched" not in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def hostile_page(results: xr.DataTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def rename(group: xr.Dataset) -> xr.Dataset:
        for dim in ("sae", "site", "document_type", "relation"):
            if dim in group.dims:
                names = [str(name) for name in group[dim].values]
                group = group.assign_coords({dim: [HOSTILE + names[0], *names[1:]]})
        return group.drop_vars([name for name in ("layer",) if name in group.coords])

    groups = {node.path: rename(node.to_dataset(inherit=False).load()) for node in results.subtree}
    tree = xr.DataTree.from_dict(groups)
    tree.attrs.update(results.attrs | {"dataset_title": HOSTILE, "title": HOSTILE, "unmatched": [HOSTILE]})
    target = tmp_path_factory.mktemp("hostile") / "report.html"
    # Every name on a page may come from whoever published the results.
    write_report(tree, target)
    return target


def test_hostile_labels_are_inert(hostile_page: Path) -> None:
    html = hostile_page.read_text(encoding="utf-8")
    page = _Page(html)
    assert page.open == []
    assert page.fetched == []
    assert page.tags.count("script") == 3
    assert "img" not in page.tags
    assert "document.title='owned'" not in html.replace("\\u0026#x27;", "").split("<script>")[0].replace("&#39;", "")
    drawn = packed_figures(html)
    texts = json.dumps({name: entry["figure"] for name, entry in drawn.items()})
    assert "<script" not in texts
    assert "&lt;script&gt;" in texts


def _better(group: xr.Dataset, gains: dict[str, list[float]]) -> xr.Dataset:
    """The same results with changes by LDA of that size, each with an error of 0.05."""
    for name in ("improvement", "improvement_above_null"):
        group[name].values[:] = 0.0
    group["improvement_p"].values[:] = 0.5
    for score, values in gains.items():
        at = {"score": list(group["score"].values).index(score)}
        shown = xr.DataArray(values, dims=group["improvement"].dims[:1])
        for name, found in (
            ("improvement", shown),
            ("improvement_above_null", shown),
            ("improvement_p", xr.DataArray(norm.sf(np.array(values) / 0.05), dims=shown.dims)),
        ):
            place = group[name][at]
            place.values[:] = found.broadcast_like(place).transpose(*place.dims).values
    return group


@pytest.mark.parametrize(
    ("gains", "words"),
    [
        ([0.3, 0.3, 0.3], "tells relations apart better at all 3 layers."),
        ([-0.3, -0.3, 0.0], "tells relations apart worse at 2 of 3 layers."),
        ([0.3, -0.3, 0.0], "tells relations apart better at 1 of 3 layers and worse at 1 of 3 layers."),
        ([0.0, 0.0, 0.0], "does not tell relations apart better or worse, beyond its uncertainty, at any layer."),
    ],
)
def test_discriminant_sentence_follows_the_numbers(results: xr.DataTree, gains: list[float], words: str) -> None:
    tree = edit_group(results, "parallelogram_quality", lambda group: _better(group, {"silhouette": gains}))
    sentence = finding_on(tree, "held-out LDA")
    assert words in sentence
    assert "beyond relations shuffled among pairs and offsets dealt anew" in sentence
    assert "Scored on the very pairs that LDA was fitted on" in sentence


_ALL, _NONE = [0.3, 0.3, 0.3], [-0.3, -0.3, -0.3]


@pytest.mark.parametrize(
    ("gains", "words"),
    [
        ({}, "LDA makes them neither better nor worse at every layer by any score."),
        ({"parallelogram_residual": _ALL}, "LDA betters them by the gap that is left open at all 3 layers."),
        (
            {"parallelogram_residual": _ALL, "analogy_accuracy": _NONE},
            "by the gap that is left open and worsens them by the share of analogies answered right at all 3 layers.",
        ),
        (
            {"parallelogram_residual": _ALL, "analogy_accuracy": _ALL, "offset_consistency": _ALL},
            "LDA betters them by every score at all 3 layers.",
        ),
    ],
)
def test_parallelogram_sentence_follows_the_numbers(
    results: xr.DataTree, gains: dict[str, list[float]], words: str
) -> None:
    tree = edit_group(results, "parallelogram_quality", lambda group: _better(group, gains))
    assert words in finding_on(tree, "parallelograms")


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (0.04, "answers more analogies than no offset and than that of another relation at all 3 layers."),
        (0.6, "answers no more analogies than no offset, or that of another relation, at any layer."),
    ],
)
def test_analogies_are_found_by_their_gain_over_the_baselines(results: xr.DataTree, p: float, words: str) -> None:
    def edit(group: xr.Dataset) -> xr.Dataset:
        # Beyond every draw of the nulls: the gain itself decides.
        group["p"].values[:] = 1 / 25
        group["analogy_gain_p"].values[:] = p
        return group

    sentence = finding_on(edit_group(results, "parallelogram_quality", edit), "analogies")
    assert words in sentence
    assert "the word nearest to c, with no offset," in sentence


def _correlated(group: xr.Dataset, p: list[float], low: float, high: float) -> xr.Dataset:
    group["nuisance_spearman_p"].values[:] = np.array(p)[:, None, None, None]
    group["nuisance_spearman_low"].values[:] = low
    group["nuisance_spearman_high"].values[:] = high
    return group


@pytest.mark.parametrize(
    ("p", "ends", "words"),
    [
        # Below 5 percent by itself, but not as the best of three layers.
        ([0.04, 0.5, 0.9], (-0.1, 0.1), "does not follow word length at any layer."),
        ([0.4, 0.4, 0.4], (-0.1, 0.1), "does not follow word length at any layer."),
        ([0.4, 0.4, 0.4], (-0.1, 0.4), "follows word length cannot be told at all 3 layers"),
        ([0.01, 0.01, 0.01], (0.1, 0.4), "follows word length at all 3 layers"),
    ],
)
def test_word_length_sentence_follows_the_numbers(
    results: xr.DataTree, p: list[float], ends: tuple[float, float], words: str
) -> None:
    tree = edit_group(results, "parallelogram_quality", lambda group: _correlated(group, p, *ends))
    sentence = finding_on(tree, "word length")
    assert words in sentence
    assert "within relations it is" in sentence


def _offsets(results: xr.DataTree) -> Panel | None:
    return offsets_figure.panel(read_groups(results))


def test_offsets_are_drawn_for_the_site_that_gains_most(results: xr.DataTree) -> None:
    def edit(group: xr.Dataset) -> xr.Dataset:
        score = list(group["score"].values).index("silhouette")
        view = list(group["view"].values).index("lda")
        group["improvement"].values[:, 0, score, view] = [0.1, 0.3, 0.2]
        return group

    panel = _offsets(edit_group(results, "parallelogram_quality", edit))
    assert panel is not None
    assert panel.title == "Offsets of word pairs at layer 1, before and after LDA"
    assert panel.reading.startswith("Each mark is one of 24 word pairs (layer 1 gains most of 3 layers), placed by")
    assert "did not serve to fit the discriminants" in panel.reading
    group = results["parallelogram_quality"].to_dataset().isel(site=1).load()
    for column, view in enumerate(("raw", "lda")):
        title = panel.figure.layout.annotations[column].text
        assert number(float(group["silhouette"].sel(hold_out="pairs", view=view))) in title
        traces = [trace for trace in panel.figure.data if trace.xaxis == ("x", "x2")[column]]
        assert [trace.name for trace in traces] == group["relation"].values.tolist()
        assert [trace.showlegend for trace in traces] == [column == 0] * 4
        for i, trace in enumerate(traces):
            points = group["offset_position"].sel(view=view).values[group["pair_relation"].values == i]
            np.testing.assert_allclose(np.transpose([trace.x, trace.y]), points, rtol=1e-4)


def test_each_relation_has_a_colour_and_shape_of_its_own_in_both_panels(results: xr.DataTree) -> None:
    def edit(group: xr.Dataset) -> xr.Dataset:
        more = group.isel(relation=[0] * 20).assign_coords(relation=[f"relation {i}" for i in range(20)])
        more["pair_relation"].values[:] = np.arange(group.sizes["pairs"]) % 20
        more["offset_position"].values[:] = 1.0
        return more

    panel = _offsets(edit_group(results, "parallelogram_quality", edit))
    assert panel is not None
    looks = [(trace.name, trace.marker.color, trace.marker.symbol) for trace in panel.figure.data]
    assert looks[:20] == looks[20:]
    assert len({look[1:] for look in looks}) == 20


@pytest.mark.parametrize("missing", ["offset_position", "pair_relation", "improvement"])
def test_offsets_are_left_out_without_their_outputs(results: xr.DataTree, tmp_path: Path, missing: str) -> None:
    tree = edit_group(results, "parallelogram_quality", lambda group: group.drop_vars(missing))
    assert _offsets(tree) is None
    write_report(tree, tmp_path / "report.html")
    page = _Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "offsets" not in page.ids
    assert "word-length" in page.ids
    assert _offsets(_without(results, "parallelogram_quality")) is None


def test_hostile_relations_of_offsets_are_escaped(results: xr.DataTree, hostile_page: Path) -> None:
    tree = edit_group(
        results, "parallelogram_quality", lambda group: group.assign_coords(relation=[HOSTILE, "b", "c", "d"])
    )
    panel = _offsets(tree)
    assert panel is not None
    names = {trace.name for trace in panel.figure.data}
    assert names == {theme.safe(HOSTILE, 28), "b", "c", "d"}
    assert not any("<" in name or "%{" in name for name in names)
    html = hostile_page.read_text(encoding="utf-8")
    described = html.split('id="plot-offsets"')[1].split("</figure>")[0]
    assert "&lt;/script&gt;" in described
    assert "<script" not in described


def test_missing_numbers_leave_dashes_and_no_sentences(results: xr.DataTree, tmp_path: Path) -> None:
    def blank(group: xr.Dataset) -> xr.Dataset:
        return group.map(lambda output: output * np.nan if output.dtype.kind == "f" else output, keep_attrs=True)

    groups = {node.path: blank(node.to_dataset(inherit=False).load()) for node in results.subtree}
    tree = xr.DataTree.from_dict(groups)
    assert findings(tree) == []
    write_report(tree, tmp_path / "report.html")
    assert not any("nan" in str(cell).lower() for row in as_cells(summary_table(tree)) for cell in row)


# Reads of each page what its figures take and what its scripts did to it. Starting a browser takes most of the time.
_FRAMES = """
<iframe id="phone" src="report.html" style="width: 400px; height: 9000px; border: 0"></iframe>
<iframe id="desk" src="report.html" style="width: 1100px; height: 9000px; border: 0"></iframe>
<iframe id="hostile" src="hostile.html" style="width: 1100px; height: 9000px; border: 0"></iframe>
<pre id="found"></pre>
<script>
const read = (frame) => {
  const page = frame.contentDocument;
  const found = {figures: 0, drawn: 0, outside: 0, overlaps: 0, title: page.title};
  found.background = page.defaultView.getComputedStyle(page.body).background;
  found.taken = [...page.querySelectorAll(".take")].filter((line) => !line.hidden).length;
  const saved = [];
  page.defaultView.HTMLAnchorElement.prototype.click = function () { saved.push(this.download); };
  page.querySelector('[data-format="csv"]').click();
  found.saved = saved;
  found.images = page.querySelectorAll("img").length;
  for (const plot of page.querySelectorAll(".plot.js-plotly-plot")) {
    found.figures += 1;
    found.drawn += plot.querySelector("svg.main-svg") !== null;
    const boxes = Object.values(plot._fullLayout._plots).map(({xaxis, yaxis}) =>
      [xaxis._offset, xaxis._offset + xaxis._length, yaxis._offset, yaxis._offset + yaxis._length]);
    const {clientWidth, clientHeight} = plot;
    found.outside += boxes.filter((box) => box[0] < 0 || box[1] > clientWidth || box[3] > clientHeight).length;
    boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
      if (a[0] < b[1] && b[0] < a[1] && a[2] < b[3] && b[2] < a[3]) found.overlaps += 1;
    }));
    if (plot.clientWidth > frame.clientWidth) found.outside += 1;
  }
  const map = page.getElementById("plot-lobes")._fullLayout;
  found.labels = ["yaxis", "yaxis2"].filter((axis) => map[axis].showticklabels).length;
  return [frame.id, found];
};
window.addEventListener("load", () => setTimeout(() => {
  const found = Object.fromEntries([...document.querySelectorAll("iframe")].map(read));
  document.getElementById("found").textContent = JSON.stringify(found);
}, 1500));
</script>
"""


@pytest.fixture(scope="module")
def in_browser(
    results: xr.DataTree, hostile_page: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What a dark browser makes of the page on a phone and on a desk, and of the hostile one."""
    folder = tmp_path_factory.mktemp("browser")
    write_report(results, folder / "report.html")
    shutil.copy(hostile_page, folder / "hostile.html")
    (folder / "frames.html").write_text(_FRAMES, encoding="utf-8")
    options = ("--allow-file-access-from-files", "--blink-settings=preferredColorScheme=0")
    dom = rendered(folder / "frames.html", folder, *options)
    found: dict[str, dict[str, Any]] = json.loads(re.search(r'<pre id="found">(.*?)</pre>', dom).group(1))  # type: ignore[union-attr]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("width", ["phone", "desk"])
def test_figures_are_drawn_and_never_overlap_on_a_dark_page(in_browser: dict[str, dict[str, Any]], width: str) -> None:
    found = in_browser[width]
    assert (found["figures"], found["drawn"], found["taken"]) == (12, 12, 12)
    assert found["saved"] == ["spectra.csv"]
    # Places on a map have no scale, at any width.
    assert (found["outside"], found["overlaps"], found["labels"]) == (0, 0, 0)
    assert "rgb(20, 25, 29)" in found["background"]


@pytest.mark.slow
def test_hostile_page_is_inert_in_a_browser(in_browser: dict[str, dict[str, Any]]) -> None:
    found = in_browser["hostile"]
    assert (found["figures"], found["images"]) == (12, 0)
    assert found["title"] not in ("", "owned")
