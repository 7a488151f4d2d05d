from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from browser import rendered
from packed import packed_figures

from saegeom_data import depth_trend
from saegeom_data.data import write
from saegeom_data.declare.presentation import Panel
from saegeom_data.engine import runner
from saegeom_data.metrics.nulls import angular_central_gaussian, gaussian_scores
from saegeom_data.report.findings import findings
from saegeom_data.report.page import write_report
from saegeom_data.report.panels import panels_of
from saegeom_data.results import open
from saegeom_data.results.groups import read_groups
from saegeom_data.results.presentations import Failures
from saegeom_data.results.wording import number
from saegeom_data.spec import models
from saegeom_data.testing.simulate import simulate_store

HOSTILE = "</script><img src=https://example.org/x.png>%{x}"
LAYERS = np.arange(16)
VALLEY = 0.004 * (LAYERS - 9.0) ** 2
NOISE = 0.004 * np.random.default_rng(1).standard_normal(16)
# Low in the middle layers, as in SAEs that were picked layer by layer.
LOW_INSIDE = np.where((LAYERS >= 4) & (LAYERS <= 11), 60.0, 120.0) * np.exp(
    0.2 * np.random.default_rng(2).standard_normal(16)
)
# In random order, so that L0 does not follow depth.
SPREAD = np.geomspace(40, 160, 16)[np.random.default_rng(3).permutation(16)]


def results(
    slope: Any,
    l0: Any,
    *,
    layers: Any = None,
    width: Any = 1024,
    negentropy: Any = None,
    names: Sequence[str] | None = None,
    **coords: Any,
) -> xr.DataTree:
    slope = np.asarray(slope, dtype=float)
    n = len(slope)
    layers = np.arange(n) if layers is None else np.asarray(layers)
    names = names or [f"layer_{i}_{j}" for j, i in enumerate(layers)]
    values = {"layer": layers, "l0": np.broadcast_to(l0, n), "width": np.broadcast_to(width, n), **coords}
    along: dict[str, Any] = {"sae": list(names)} | {name: ("sae", column) for name, column in values.items()}
    rank = np.arange(1.0, 31)
    per_sae = {
        "slope": slope,
        "slope_low": slope - 0.01,
        "slope_high": slope + 0.01,
        "slope_null": np.full(n, -0.03),
        "slope_p": np.full(n, 0.001),
    }
    spectra = {"eigenvalue": rank ** slope[:, None], "eigenvalue_null": np.tile(rank**-0.03, (n, 1))}
    data = {name: ("sae", column) for name, column in per_sae.items()}
    data |= {name: (("sae", "rank"), column) for name, column in spectra.items()}
    attrs = {
        "scale": "galaxy",
        "metric": "eigenvalue_slope",
        "parameters": json.dumps({"first_rank": 2, "last_rank": 20}),
    }
    groups = {"/eigenvalue_slope": xr.Dataset(data, along, attrs)}
    if negentropy is not None:
        both = np.stack([np.asarray(negentropy) + 3, negentropy], axis=1)[..., None]
        dims, labels = ("sae", "null", "k"), {"null": [gaussian_scores.LABEL, angular_central_gaussian.LABEL], "k": [3]}
        clustering = {"negentropy": both, "negentropy_low": both - 1, "negentropy_high": both + 1}
        clustering |= {"null_sd": np.full_like(both, 0.5), "p": np.full_like(both, 0.025)}
        attrs = {"scale": "galaxy", "metric": "clustering_entropy", "parameters": "{}"}
        groups["/clustering_entropy"] = xr.Dataset(
            {name: (dims, column) for name, column in clustering.items()}, along | labels, attrs
        )
    return xr.DataTree.from_dict(groups)


def said(tree: xr.DataTree, topic: str) -> str:
    (found,) = [finding for finding in findings(tree) if finding.topic == topic]
    assert not re.search(r"\b(nan|None|inf)\b|–", str(found), re.IGNORECASE), str(found)
    return str(found)


def drawn(tree: xr.DataTree) -> dict[str, Panel]:
    failures = Failures()
    panels = {panel.id: panel for panel in panels_of(read_groups(tree), failures)}
    assert failures.lines == []
    return panels


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]


def test_matched_saes_need_one_line_and_no_adjusting() -> None:
    tree = results(VALLEY + NOISE, np.linspace(100, 104, 16), negentropy=10 + LAYERS)
    assert list(drawn(tree)) == ["spectra", "clustering"]
    line = "All SAEs agree in L0 (100) and width (1024), so layers can be compared without adjusting."
    assert drawn(tree)["spectra"].reading.endswith(line)
    assert "agree in" not in drawn(tree)["clustering"].reading
    assert not any("equal" in finding.topic for finding in findings(tree))
    steepest = said(tree, "steepest layer")
    assert "At matched L0 (100) its slope over ranks 2 to 20 is" in steepest
    assert "though" not in steepest


def test_unmatched_saes_are_cautioned_about_wherever_layers_are_compared() -> None:
    tree = results(VALLEY + NOISE, SPREAD, negentropy=10 + LAYERS)
    panels = drawn(tree)
    assert list(panels) == ["spectra", "clustering", "matching-galaxy"]
    assert "Caution: L0 differs between layers (40 to 160), which also" in panels["spectra"].reading
    assert panels["matching-galaxy"].title == "Caution: these SAEs differ in L0"
    assert panels["matching-galaxy"].reading.startswith(
        "Caution: L0 differs between layers (40 to 160), and SAEs of another L0"
    )
    steepest = said(tree, "steepest layer")
    assert ", though L0 differs between layers." in steepest
    assert "L0 differs between layers (40 to 160), so this may come from L0 rather than depth:" in steepest


def test_effect_of_l0_alone_is_called_no_trend_over_depth() -> None:
    tree = results(0.1 * np.log(LOW_INSIDE) + NOISE, LOW_INSIDE)
    sentence = said(tree, "slope at equal L0")
    assert sentence.startswith(
        "Adjusted to equal L0, the slope has no clear trend over depth, though it has one unadjusted."
    )
    assert "At equal depth, larger L0 goes with a flatter spectrum (partial correlation with L0 0.9" in sentence
    assert "p < 0.001" in sentence
    opposite = said(results(-0.1 * np.log(LOW_INSIDE) + NOISE, LOW_INSIDE), "slope at equal L0")
    assert "larger L0 goes with a steeper spectrum (partial correlation with L0 −0.9" in opposite


def test_trend_that_stays_is_said_to_stay() -> None:
    sentence = said(results(VALLEY + NOISE, SPREAD), "slope at equal L0")
    assert sentence.startswith("Adjusted to equal L0, the spectrum is steepest at layer 9, as it is unadjusted.")
    assert "no link of the slope with L0 can be told from chance (partial correlation with L0" in sentence


def test_trend_that_moves_is_said_to_move() -> None:
    l0 = np.where(LAYERS < 5, 40.0, 120.0) * np.exp(0.2 * np.random.default_rng(2).standard_normal(16))
    tree = results(VALLEY + NOISE + 0.4 * np.log(l0), l0)
    sentence = said(tree, "slope at equal L0")
    assert sentence.startswith("Adjusted to equal L0, the spectrum is steepest at layer 9, rather than at layer 3.")
    trend = depth_trend(tree["eigenvalue_slope"].to_dataset())
    raw, adjusted = (number(float(layer), 1) for layer in trend["curve_extreme_layer"])
    assert f"A quadratic curve over depth is lowest at layer {raw} [" in sentence
    assert f"] unadjusted and {adjusted} [" in sentence


def test_no_trend_at_all_is_said() -> None:
    sentence = said(results(NOISE, SPREAD), "slope at equal L0")
    assert "the slope has no clear trend over depth, nor has it one unadjusted." in sentence


def test_link_that_rests_on_a_run_of_layers_is_called_so() -> None:
    inside = (LAYERS >= 6) & (LAYERS <= 8)
    l0 = np.where(inside, 60.0, 120.0) * np.exp(0.05 * np.random.default_rng(5).standard_normal(16))
    tree = results(VALLEY + NOISE - 0.2 * inside, l0)
    words = "That the slope goes with L0 rests on layers "
    assert f"{words}6 to 9: without, the partial correlation is −0.25" in said(tree, "slope at equal L0")
    assert "by shifts in depth" in said(tree, "slope at equal L0")
    assert words in drawn(tree)["matching-galaxy"].reading
    assert words not in said(results(VALLEY + NOISE + 0.1 * np.log(SPREAD), SPREAD), "slope at equal L0")


def test_l0_that_alternates_is_found() -> None:
    # Neighbours differ in L0, so that free permutations are right and shifts would lose the link.
    l0 = np.where(LAYERS % 2, 60.0, 120.0)
    sentence = said(results(VALLEY + NOISE + 0.1 * np.log(l0), l0), "slope at equal L0")
    assert "larger L0 goes with a flatter spectrum" in sentence
    assert "shifts" not in sentence


def test_clustering_is_adjusted_beside_the_slope() -> None:
    tree = results(VALLEY + NOISE, SPREAD, negentropy=20 - 500 * VALLEY / 10 + 100 * NOISE - 3 * np.log(SPREAD))
    sentence = said(tree, "negentropy at equal L0")
    assert sentence.startswith("Adjusted to equal L0, the cloud is least random at layer")
    assert "larger L0 goes with less negentropy" in sentence
    figure = drawn(tree)["matching-galaxy"].figure
    assert {trace.xaxis for trace in figure.data} == {"x", "x2", "x3", "x4"}


def test_figure_and_its_description_hold_the_numbers() -> None:
    tree = results(VALLEY + NOISE + 0.1 * np.log(SPREAD), SPREAD)
    panel = drawn(tree)["matching-galaxy"]
    trend = depth_trend(tree["eigenvalue_slope"].to_dataset())
    raw, raw_curve, adjusted, adjusted_curve, partial, line = panel.figure.data
    for name, marks in (("raw", raw), ("adjusted", adjusted)):
        np.testing.assert_allclose(marks.y, trend["value"].sel(adjustment=name), rtol=1e-4)
    assert raw.error_y.array is None
    np.testing.assert_allclose(adjusted.error_y.array, trend.adjusted_high - trend.value[1], rtol=0.01, atol=1e-5)
    fitted = trend["fitted"].sel(trend="quadratic")
    for name, curve in (("raw", raw_curve), ("adjusted", adjusted_curve)):
        np.testing.assert_allclose(
            np.interp([0, 15], curve.x, curve.y), fitted.sel(adjustment=name)[[0, -1]], rtol=1e-4
        )
    effect = trend.covariate_coefficient.sel(covariate="l0").item()
    assert (line.y[-1] - line.y[0]) / np.log(4) == pytest.approx(effect, rel=1e-3)
    assert np.corrcoef(np.log(partial.x), partial.y)[0, 1] > 0.9
    assert "slope adjusted" not in panel.alt
    assert f"layer 9 {number(raw.y[9])}, {number(adjusted.y[9])}" in panel.alt
    correlation = number(trend.partial_correlation.sel(covariate="l0").item(), 2)
    assert f"partial correlation with L0 {correlation} [" in panel.alt
    assert f"partial correlation {correlation}" in panel.figure.layout.annotations[1].text
    assert "adjusted to L0 80" in panel.figure.layout.annotations[0].text


def test_width_is_treated_as_l0_is() -> None:
    width = 2 ** (10 + np.arange(16) * 7 % 3)
    tree = results(VALLEY + NOISE - 0.05 * np.log(width), 100.0, width=width)
    assert "larger width goes with a steeper spectrum" in said(tree, "slope at equal width")
    assert drawn(tree)["matching-galaxy"].title == "Caution: these SAEs differ in width"
    both = results(VALLEY + NOISE, SPREAD, width=width)
    sentence = said(both, "slope at equal L0 and width")
    assert "with L0 can be told from chance" in sentence
    assert "with width can be told from chance" in sentence
    assert "L0 (40 to 160) and width (1024 to 4096) differ between layers" in drawn(both)["matching-galaxy"].reading
    assert "though L0 and width differ between layers." in said(both, "steepest layer")


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        # A quadratic and one covariate have four parameters, and two SAEs more are needed.
        (results([-0.4, -0.6, -0.5], [8, 20, 9]), "got 3 SAEs, expected 6 or more"),
        (results(VALLEY, np.where(LAYERS == 1, 0.0, SPREAD)), "l0: got 0 for layer_1_1, expected a number above 0"),
        # ln L0 is a straight line in depth, so that no fit can tell the two apart.
        (results(VALLEY, 40 * np.exp(0.05 * LAYERS)), "L0 cannot be told from a quadratic in depth"),
        (
            results(VALLEY, SPREAD, site=[f"{'mlp' if i % 2 else 'residual'}_{i}" for i in range(16)]),
            "got SAEs of several sites (mlp_#, residual_#)",
        ),
    ],
)
def test_what_cannot_be_adjusted_is_drawn_against_l0_with_the_reason(
    tree: xr.DataTree, reason: str, tmp_path: Path
) -> None:
    sentence = said(tree, "slope at equal L0")
    assert sentence.startswith("For the slope, depth cannot be told from L0. L0 differs between layers (")
    assert f"this cannot be adjusted for: {reason}" in sentence
    panel = drawn(tree)["matching-galaxy"]
    assert f"They cannot be adjusted: {reason}" in panel.reading
    (marks,) = panel.figure.data
    assert list(marks.x) == list(tree["eigenvalue_slope"]["l0"].values)
    assert marks.text[1] == "layer 1"
    assert "layer 1 " in panel.alt
    write_report(tree, tmp_path / "report.html")
    assert "plot-matching-galaxy" in Page((tmp_path / "report.html").read_text(encoding="utf-8")).ids


def test_unknown_l0_is_not_taken_for_matched() -> None:
    l0 = np.where(LAYERS == 3, np.nan, 100.0)
    tree = results(VALLEY + NOISE, l0)
    assert (
        "Caution: L0 is not known for every SAE, so differences between layers need" in drawn(tree)["spectra"].reading
    )
    assert "With L0 not known for every SAE, its slope over ranks 2 to 20 is" in said(tree, "steepest layer")
    assert "matching-galaxy" not in drawn(tree)
    groups = {"/eigenvalue_slope": tree["eigenvalue_slope"].to_dataset().drop_vars(["l0", "width"])}
    nothing = xr.DataTree.from_dict(groups)
    assert "Caution: L0 and width are not known for every SAE" in drawn(nothing)["spectra"].reading


def test_one_sae_has_nothing_to_be_matched_with() -> None:
    reading = drawn(results([-0.5], 100.0))["spectra"].reading
    assert "Caution" not in reading
    assert "agree" not in reading


def test_saes_without_a_value_are_left_out_of_the_comparison() -> None:
    slope = np.where(LAYERS == 2, np.nan, VALLEY + NOISE)
    l0 = np.where(LAYERS == 2, 500.0, 100.0)
    # The only SAE of another L0 has no value, so those that are compared agree.
    assert "matching-galaxy" not in drawn(results(slope, l0))
    assert said(results(slope, SPREAD), "slope at equal L0").startswith("Adjusted to equal L0")
    blank = results(np.full(16, np.nan), SPREAD)
    assert findings(blank) == []
    assert "matching-galaxy" not in drawn(blank)


def test_several_saes_of_a_layer_are_adjusted_together() -> None:
    layers = np.repeat(np.arange(5), 3)
    l0 = np.tile([30.0, 60.0, 120.0], 5)
    tree = results(0.1 * np.log(l0) + NOISE[:15], l0, layers=layers)
    assert "larger L0 goes with a flatter spectrum" in said(tree, "slope at equal L0")
    assert len(drawn(tree)["matching-galaxy"].figure.data[0].x) == 15


def test_hostile_names_are_inert(tmp_path: Path) -> None:
    names = [f"{HOSTILE}{i}" for i in range(16)]
    for layers in (LAYERS, None):
        tree = results(VALLEY + NOISE, SPREAD, names=names)
        if layers is None:
            tree["/eigenvalue_slope"] = tree["eigenvalue_slope"].to_dataset().drop_vars("layer")
        write_report(tree, tmp_path / "report.html")
        html = (tmp_path / "report.html").read_text(encoding="utf-8")
        page = Page(html)
        assert "plot-matching-galaxy" in page.ids
        assert "img" not in page.tags
        assert page.tags.count("script") == 3
        texts = json.dumps([entry["figure"] for entry in packed_figures(html).values()])
        assert "<script" not in texts
        assert "&lt;" in texts


@pytest.fixture(scope="module")
def unmatched_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on a store whose SAEs differ in L0, as a user would make it."""
    folder = tmp_path_factory.mktemp("unmatched")
    tree = simulate_store(n_saes=8, n_features=60)
    groups = {node.path: node.to_dataset(inherit=False) for node in tree.subtree}
    for layer, l0 in enumerate([8.0, 30.0, 12.0, 9.0, 25.0, 14.0, 8.0, 28.0]):
        path = f"/saes/layer_{layer}/features"
        groups[path] = groups[path].assign_coords(l0=l0)
    write.write_tree(xr.DataTree.from_dict(groups), folder / "data.zarr")
    metrics = [{"metric": "eigenvalue_slope", "parameters": {"first_rank": 2, "last_rank": 15}}]
    run = models.RunSpec.model_validate({"spec_version": 1, "kind": "run", "title": "Unmatched", "metrics": metrics})
    runner.run(run, folder / "data.zarr", folder / "out")
    return folder / "out"


def test_run_on_unmatched_saes_says_so_in_results_and_report(unmatched_run: Path) -> None:
    results = open.open_results(unmatched_run)
    (sentence,) = results.attrs["unmatched"]
    assert sentence.startswith("l0 differs between the SAEs (8 to 30)")
    html = (unmatched_run / "report.html").read_text(encoding="utf-8")
    assert html.index(sentence) < html.index('id="answers"')
    assert html.count("<h3>Caution: these SAEs differ in L0</h3>") == 1
    assert html.index('id="galaxy"') < html.index('id="matching-galaxy"') < html.index('id="terms"')
    said_of_it = said(results, "slope at equal L0")
    assert said_of_it.startswith("Adjusted to equal L0, the")
    correlation = depth_trend(results["eigenvalue_slope"].to_dataset()).partial_correlation.sel(covariate="l0").item()
    assert f"partial correlation with L0 {number(correlation, 2)} [" in said_of_it


def test_page_renders_in_a_browser(unmatched_run: Path, tmp_path: Path) -> None:
    assert len(re.findall(r'class="plot js-plotly-plot"', rendered(unmatched_run / "report.html", tmp_path))) == 2
